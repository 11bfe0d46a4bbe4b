import NIOCore
import NIOPosix
import Synchronization

/// A resource on loopback that keeps each request that arrives, and answers it as it is told.
final class Upstream: Sendable {
    private let channel: any Channel
    private let log: RequestLog

    private init(_ channel: any Channel, _ log: RequestLog) { (self.channel, self.log) = (channel, log) }

    /// Runs `body` with one, and closes it on every way out.
    ///
    /// - Parameter answer: What to say to a request's head; the connection is closed behind it.
    static func running(
        _ answer: @escaping @Sendable (String) -> String,
        whileIn body: (Upstream) async throws -> Void
    ) async throws {
        let log = RequestLog()
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(answer, log))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        do {
            try await body(Upstream(channel, log))
            try await channel.close()
        } catch {
            try? await channel.close()
            throw error
        }
    }

    var url: String { "http://127.0.0.1:\(channel.localAddress?.port ?? 0)" }
    /// The heads of the requests so far.
    var requests: [String] { log.heads.withLock { $0 } }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let answer: @Sendable (String) -> String
        private let log: RequestLog
        private var text = ""

        init(_ answer: @escaping @Sendable (String) -> String, _ log: RequestLog) {
            (self.answer, self.log) = (answer, log)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            text += String(buffer: unwrapInboundIn(data))
            guard text.contains("\r\n\r\n") else { return }
            log.heads.withLock { $0.append(text) }
            let channel = context.channel
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer(text))))
                .whenComplete { _ in channel.close(promise: nil) }
        }
    }
}

private final class RequestLog: Sendable {
    let heads = Mutex<[String]>([])
}
