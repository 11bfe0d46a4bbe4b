import NIOCore
import NIOPosix
import Synchronization

/// A resource on loopback that keeps every byte that arrives, and answers as it is told.
final class LoopbackListener: Sendable {
    private let channel: any Channel
    private let log: RequestLog

    private init(_ channel: any Channel, _ log: RequestLog) {
        self.channel = channel
        self.log = log
    }

    /// Runs `body` with a listener, and closes it on every way out.
    ///
    /// - Parameter answer: What to say to a request, head and body; the connection is closed behind it.
    static func running<Result: Sendable>(
        _ answer: @escaping @Sendable (String) -> String,
        whileIn body: (LoopbackListener) async throws -> Result
    ) async throws -> Result {
        let log = RequestLog()
        let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(answer, log))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        do {
            let result = try await body(LoopbackListener(channel, log))
            try await channel.close()
            return result
        } catch {
            try? await channel.close()
            throw error
        }
    }

    var port: Int { channel.localAddress?.port ?? 0 }
    var url: String { "http://127.0.0.1:\(port)" }
    /// What each connection sent; a connection that sent nothing is here as well.
    var requests: [String] { log.texts }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let answer: @Sendable (String) -> String
        private let log: RequestLog
        private var index = 0
        private var text = ""

        init(_ answer: @escaping @Sendable (String) -> String, _ log: RequestLog) {
            self.answer = answer
            self.log = log
        }

        func channelActive(context: ChannelHandlerContext) {
            index = log.open()
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            text += String(buffer: unwrapInboundIn(data))
            log.keep(text, at: index)
            guard isWhole else { return }
            let channel = context.channel
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer(text))))
                .whenComplete { _ in channel.close(promise: nil) }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        private var isWhole: Bool {
            guard let end = text.firstRange(of: "\r\n\r\n") else { return false }
            let head = text[..<end.lowerBound].lowercased()
            let rest = text[end.upperBound...]
            if head.contains("transfer-encoding: chunked") { return rest.hasSuffix("0\r\n\r\n") }
            let line = head.split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
            return rest.utf8.count >= line.flatMap { Int($0.dropFirst(15).filter(\.isNumber)) } ?? 0
        }
    }
}

/// What arrived on each connection.
private final class RequestLog: Sendable {
    private let connections = Mutex<[String]>([])

    var texts: [String] { connections.withLock { $0 } }

    func open() -> Int {
        connections.withLock {
            $0.append("")
            return $0.count - 1
        }
    }

    func keep(_ text: String, at index: Int) { connections.withLock { $0[index] = text } }
}
