import NIOCore
import NIOPosix
import OAuthFlows
import Synchronization

/// A server on loopback that reads one request and then does what no healthy server does.
final class LyingServer: Sendable {
    enum Behaviour: Sendable {
        /// Writes these bytes and leaves the connection open.
        case answer(String)
        /// Writes these bytes and closes.
        case answerAndClose(String)
        /// Writes the first text, then the second again and again, for ever.
        case endless(String, String)
        /// Writes the first text, then the second every few milliseconds, for ever.
        case drip(String, String)
        /// Reads and never answers.
        case silent
        /// Closes as soon as the connection stands.
        case hangUp
    }

    private let channel: any Channel
    private let log: RequestLog

    private init(_ channel: any Channel, _ log: RequestLog) {
        self.channel = channel
        self.log = log
    }

    /// Runs `body` with a server and closes it on every way out.
    static func running<Result: Sendable>(
        _ behaviour: Behaviour,
        _ body: @Sendable (LyingServer) async throws -> Result
    ) async throws -> Result {
        let log = RequestLog()
        // A loop of its own, so that one that writes without end does not hold up the client, which uses the singleton.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let channel = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(LyingHandler(behaviour, log))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        do {
            let result = try await body(LyingServer(channel, log))
            try await group.shutdownGracefully()
            return result
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
    }

    var port: Int { channel.localAddress?.port ?? 0 }
    /// What each connection sent so far.
    var requests: [String] { log.texts }

    func url(_ path: String = "/token") -> EndpointURL { OAuthFlowsTests.url("http://127.0.0.1:\(port)\(path)") }

    /// Until a connection has sent a whole request.
    func hasRead() async { await log.firstRequest() }
}

private final class RequestLog: Sendable {
    private let connections = Mutex<[String]>([])
    private let (stream, continuation) = AsyncStream<Void>.makeStream()

    var texts: [String] { connections.withLock { $0 } }
    func open() -> Int {
        connections.withLock {
            $0.append(""); return $0.count - 1
        }
    }
    func add(_ text: String, to index: Int) { connections.withLock { $0[index] += text } }
    func noteWhole() { continuation.yield() }
    func firstRequest() async { for await _ in stream { return } }
}

private final class LyingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let behaviour: LyingServer.Behaviour
    private let log: RequestLog
    private var index = 0
    private var text = ""
    private var hasAnswered = false

    init(_ behaviour: LyingServer.Behaviour, _ log: RequestLog) {
        self.behaviour = behaviour
        self.log = log
    }

    func channelActive(context: ChannelHandlerContext) {
        index = log.open()
        if case .hangUp = behaviour { context.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = String(buffer: unwrapInboundIn(data))
        text += part
        log.add(part, to: index)
        guard !hasAnswered, isWhole else { return }
        hasAnswered = true
        log.noteWhole()
        switch behaviour {
        case .answer(let answer): write(answer, context)
        case .answerAndClose(let answer):
            write(answer, context)
            context.close(promise: nil)
        case .endless(let start, let more):
            write(start, context)
            repeated(more, after: .microseconds(50), context)
        case .drip(let start, let more):
            write(start, context)
            repeated(more, after: .milliseconds(5), context)
        case .silent, .hangUp: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private var isWhole: Bool {
        guard let end = text.firstRange(of: "\r\n\r\n") else { return false }
        let line = text[..<end.lowerBound].lowercased().split(separator: "\r\n").first {
            $0.hasPrefix("content-length:")
        }
        let length = line.flatMap { Int($0.dropFirst(15).filter(\.isNumber)) } ?? 0
        return text[end.upperBound...].utf8.count >= length
    }

    private func write(_ text: String, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
    }

    private func repeated(_ text: String, after delay: TimeAmount, _ context: ChannelHandlerContext) {
        let channel = context.channel
        let buffer = ByteBuffer(string: text)
        @Sendable func next() {
            guard channel.isActive else { return }
            channel.writeAndFlush(buffer).whenSuccess {
                channel.eventLoop.scheduleTask(in: delay) { next() }
            }
        }
        next()
    }
}
