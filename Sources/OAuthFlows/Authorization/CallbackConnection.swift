internal import NIOCore
internal import NIOHTTP1

/// What the listener asks of a request.
struct CallbackRules: Sendable {
    let redirect: LoopbackRedirect
    let limits: LoopbackListener.Limits
    let judge: @Sendable (String) -> Bool
    /// Called with the user whose connection was turned away.
    let turnedAway: @Sendable (UInt32) -> Void

    /// What a request gets.
    enum Answer: Sendable, Hashable {
        /// The login's response: it waits for its page.
        case hold
        case refuse(HTTPResponseStatus)
    }

    func answer(to head: HTTPRequestHead, port: Int) -> Answer {
        // DNS rebinding: a page on evil.example whose name points here sends its own name.
        let hosts = head.headers["Host"]
        guard hosts.count == 1, names(hosts[0].lowercased(), port: port) else { return .refuse(.misdirectedRequest) }
        let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        // The path as it stands, nothing decoded: no second spelling of it.
        guard let path = parts.first, path == redirect.requestPath else { return .refuse(.notFound) }
        guard head.method == .GET else { return .refuse(.methodNotAllowed) }
        guard !head.headers.contains(name: "Transfer-Encoding"),
            head.headers["Content-Length"].allSatisfy({ $0 == "0" })
        else { return .refuse(.badRequest) }
        guard parts.count == 2, judge(String(parts[1])) else { return .refuse(.badRequest) }
        return .hold
    }

    private func names(_ host: String, port: Int) -> Bool {
        ["127.0.0.1", "localhost", "[::1]"].contains { name in
            // RFC 9110 §7.2 and §4.2.1: the scheme's own port may be left out.
            host == "\(name):\(port)" || port == 80 && host == name
        }
    }
}

/// The connections of one listener; lives on its event loop.
final class CallbackConnections {
    let rules: CallbackRules
    /// Known once the listener is bound.
    var port: Int?
    private let loop: any EventLoop
    /// In the order of their arrival.
    private var open: [CallbackConnection] = []

    init(_ rules: CallbackRules, on loop: any EventLoop) { (self.rules, self.loop) = (rules, loop) }

    /// Takes a new connection in, and the oldest idle one out where there are too many.
    func add(_ channel: any Channel) throws {
        let owner = PeerOwner(of: channel.remoteAddress, at: channel.localAddress)
        guard owner.isTrusted else {
            if case .user(let id) = owner { rules.turnedAway(id) }
            // Without handlers nothing that it sends is read.
            channel.close(promise: nil)
            return
        }
        let connection = CallbackConnection(of: self, channel)
        let handlers = channel.pipeline.syncOperations
        try handlers.addHandler(HeadLimit(bytes: rules.limits.headBytes))
        try handlers.addHandler(HTTPResponseEncoder())
        try handlers.addHandler(ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
        try handlers.addHandler(connection)
        open.append(connection)
        guard open.count > rules.limits.connections else { return }
        let oldest = open.firstIndex { !$0.isHeld } ?? 0
        open.remove(at: oldest).drop()
    }

    func forget(_ connection: CallbackConnection) { open.removeAll { $0 === connection } }

    /// Completes when the page has left, or will not.
    func finish(_ page: CallbackPage) -> EventLoopFuture<Void> {
        let held = open.filter(\.isHeld)
        return whenGone(held) { $0.show(page) }
    }

    /// Completes when every connection is closed.
    func closeAll() -> EventLoopFuture<Void> { whenGone(open) { $0.drop() } }

    private func whenGone(
        _ connections: [CallbackConnection],
        _ act: (CallbackConnection) -> Void
    ) -> EventLoopFuture<Void> {
        let gone = connections.map(\.closed)
        connections.forEach(act)
        return EventLoopFuture.andAllComplete(gone, on: loop)
    }
}

/// Counts what arrives before the head is complete, the request line included, which the decoder does not limit.
final class HeadLimit: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    struct Exceeded: Error {}

    private let bytes: Int
    private var seen = 0

    init(bytes: Int) { self.bytes = bytes }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard seen <= bytes else { return }
        seen += unwrapInboundIn(data).readableBytes
        if seen > bytes { context.fireErrorCaught(Exceeded()) } else { context.fireChannelRead(data) }
    }
}

/// One visitor: asks once, is answered once, and is gone.
final class CallbackConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum Phase {
        case asking
        case held
        /// The answer is on its way, or has left.
        case answered
    }

    /// Until the connection is closed: `channelInactive` undoes the circle.
    private let owner: CallbackConnections
    private let channel: any Channel
    private var phase = Phase.asking
    private var deadline: Scheduled<Void>?

    init(of owner: CallbackConnections, _ channel: any Channel) {
        (self.owner, self.channel) = (owner, channel)
    }

    var isHeld: Bool { phase == .held }
    var closed: EventLoopFuture<Void> { channel.closeFuture }

    func handlerAdded(context: ChannelHandlerContext) { close(after: owner.rules.limits.headTime) }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        owner.forget(self)
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let head) = unwrapInboundIn(data), phase == .asking else { return }
        guard let port = owner.port else { return refuse(.serviceUnavailable) }
        switch owner.rules.answer(to: head, port: port) {
        case .hold:
            // As long as the exchange takes, which has a limit of its own.
            deadline?.cancel()
            phase = .held
        case .refuse(let status): refuse(status)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard phase == .asking else {
            // A held browser that breaks its connection loses its page, and nothing else happens.
            if phase == .held { drop() }
            return
        }
        // There may be more to come: closing at once would reset the connection under the answer.
        refuse(error is HeadLimit.Exceeded ? .requestHeaderFieldsTooLarge : .badRequest, lingering: true)
    }

    /// Ends it without another word.
    func drop() { channel.close(promise: nil) }

    func show(_ page: CallbackPage) {
        answer(page == .success ? .ok : .badRequest, page.html, "text/html; charset=utf-8", lingering: false)
    }

    private func refuse(_ status: HTTPResponseStatus, lingering: Bool = false) {
        if status == .badRequest {
            answer(status, CallbackPage.failure.html, "text/html; charset=utf-8", lingering: lingering)
        } else {
            answer(status, "\(status.code) \(status.reasonPhrase)\n", "text/plain; charset=utf-8", lingering: lingering)
        }
    }

    private func answer(_ status: HTTPResponseStatus, _ body: String, _ type: String, lingering: Bool) {
        guard phase != .answered else { return }
        phase = .answered
        close(after: owner.rules.limits.pageTime)
        var fields = HTTPHeaders(CallbackPage.fields.map { ($0.name, $0.value) })
        fields.add(name: "Content-Type", value: type)
        fields.add(name: "Content-Length", value: String(body.utf8.count))
        fields.add(name: "Connection", value: "close")
        if status == .methodNotAllowed { fields.add(name: "Allow", value: "GET") }
        let head = HTTPResponseHead(version: .http1_1, status: status, headers: fields)
        let pipeline = channel.pipeline.syncOperations
        pipeline.write(NIOAny(HTTPServerResponsePart.head(head)), promise: nil)
        pipeline.write(NIOAny(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: body)))), promise: nil)
        let left = channel.eventLoop.makePromise(of: Void.self)
        pipeline.writeAndFlush(NIOAny(HTTPServerResponsePart.end(nil)), promise: left)
        let channel = channel
        left.futureResult.whenComplete { _ in channel.close(mode: lingering ? .output : .all, promise: nil) }
    }

    private func close(after time: Duration) {
        deadline?.cancel()
        let channel = channel
        deadline = channel.eventLoop.scheduleTask(in: TimeAmount(time)) { channel.close(promise: nil) }
    }
}
