import NIOCore
import NIOPosix
import TestSupport

/// A visitor of the listener that writes bytes as they are and reads until the end.
final class CallbackClient: Sendable {
    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let text: EventLoopPromise<String>
        private var collected = ""

        init(_ text: EventLoopPromise<String>) { self.text = text }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            collected += String(buffer: unwrapInboundIn(data))
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        func channelInactive(context: ChannelHandlerContext) { text.succeed(collected) }
    }

    private let channel: any Channel
    private let text: EventLoopFuture<String>

    init(port: Int, host: String = "127.0.0.1") async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let promise = loop.makePromise(of: String.self)
        do {
            channel = try await ClientBootstrap(group: loop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(Collector(promise))
                    }
                }
                .connect(to: SocketAddress(ipAddress: host, port: port)).get()
        } catch {
            promise.succeed("")
            throw error
        }
        text = promise.futureResult
    }

    /// Writes; whether it arrives is another matter.
    func write(_ bytes: String) async { try? await channel.writeAndFlush(ByteBuffer(string: bytes)).get() }

    func close() async { try? await channel.close() }

    /// Everything that came until the listener closed the connection.
    func answer() async throws -> String { try await text.get() }

    /// Whether the listener has not closed it.
    var isOpen: Bool { channel.isActive }

    /// One request and its answer.
    static func ask(_ request: String, port: Int, host: String = "127.0.0.1") async throws -> String {
        let client = try await CallbackClient(port: port, host: host)
        await client.write(request)
        return try await client.answer()
    }

    /// What a browser sends.
    static func get(_ target: String, port: Int, host: String? = nil, method: String = "GET") -> String {
        "\(method) \(target) HTTP/1.1\r\nHost: \(host ?? "127.0.0.1:\(port)")\r\nUser-Agent: test\r\n\r\n"
    }

    /// Whether anybody listens there.
    static func isListening(_ port: Int, host: String = "127.0.0.1") async -> Bool {
        guard let client = try? await CallbackClient(port: port, host: host) else { return false }
        await client.close()
        return true
    }

    /// Whether soon nobody listens there any more.
    ///
    /// Not at once: a program that another test is just starting has this process's sockets until it is executed.
    static func isDeaf(_ port: Int, host: String = "127.0.0.1") async -> Bool {
        let isClosed: Void? = try? await eventually("\(host):\(port) is closed") {
            await !isListening(port, host: host)
        }
        return isClosed != nil
    }
}
