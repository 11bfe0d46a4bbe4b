internal import Glibc
internal import NIOCore
internal import NIOHTTP1

/// The client is gone, or done with this request.
struct ClientGone: Error {}

/// One client's connection: judges each head, and gives the requests that pass to an exchange of their own, one at a time.
///
/// It reads no more of a body than the exchange asks for, and an exchange writes no more than the client takes.
final class LocalConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private enum Phase {
        /// Nothing of a head has been understood yet.
        case idle
        case exchanging
        /// The last answer is on its way, or has left; whatever comes is dropped.
        case ending
    }

    /// Until the connection is closed: `channelInactive` undoes the circle.
    private let owner: LocalConnections
    private let channel: any Channel
    private let headGuard: HeadGuard
    private var context: ChannelHandlerContext?
    private var phase = Phase.idle
    private var timer: Scheduled<Void>?

    // Of the exchange.
    private var number = 0
    private var exchange: Task<Void, Never>?
    private var parts: CircularBuffer<ByteBuffer> = []
    private var waiting: EventLoopPromise<ByteBuffer?>?
    private var hasWholeRequest = false
    private var isPersistent = false
    private var isReadHeld = false

    init(of owner: LocalConnections, _ channel: any Channel, _ headGuard: HeadGuard) {
        (self.owner, self.channel, self.headGuard) = (owner, channel, headGuard)
    }

    /// Whether it can go when others come: nobody who has shown the secret waits for anything.
    var isIdle: Bool { phase != .exchanging }
    var closed: EventLoopFuture<Void> { channel.closeFuture }

    /// Ends it without another word.
    func drop() { channel.close(promise: nil) }

    // MARK: - What arrives

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        headGuard.headBegan = { [weak self] in
            guard let self, phase == .idle else { return }
            close(after: owner.limits.headTime)
        }
        close(after: owner.limits.headTime)
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        owner.forget(self)
        phase = .ending
        exchange?.cancel()
        abandonBody()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), phase) {
        case (.head(let head), .idle): begin(head)
        case (.body(let part), .exchanging):
            if let waiting {
                self.waiting = nil
                waiting.succeed(part)
            } else {
                parts.append(part)
            }
        case (.end, .exchanging):
            hasWholeRequest = true
            waiting?.succeed(nil)
            waiting = nil
        default: break
        }
    }

    func read(context: ChannelHandlerContext) {
        // What the exchange has not asked for stays in the kernel, and the client waits.
        let isWanted = phase != .exchanging || hasWholeRequest || waiting != nil
        isReadHeld = !isWanted
        if isWanted { context.read() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard phase == .idle else {
            // What is no HTTP behind an answer's end is no concern of the answer's.
            if phase == .exchanging { drop() }
            return
        }
        let refusal =
            error is HeadGuard.Exceeded
            ? Refusal(.requestHeaderFieldsTooLarge, "its head is longer than \(owner.limits.headBytes) bytes")
            : Refusal(.badRequest, "it is no HTTP/1.1")
        phase = .ending
        linger(behind: headGuard.answer(refusal))
    }

    private func begin(_ head: HTTPRequestHead) {
        timer?.cancel()
        do throws(Refusal) {
            let accepted = try owner.rules.accept(head)
            phase = .exchanging
            number += 1
            // HTTP/1.0 knows no chunks, and the end of the connection is that of the answer.
            (hasWholeRequest, isPersistent) = (false, head.isKeepAlive && head.version == .http1_1)
            if accepted.expectsContinue {
                write(.head(HTTPResponseHead(version: .http1_1, status: .continue)), promise: nil)
            }
            let local = LocalExchange(
                head: head,
                accepted: accepted,
                connection: NIOLoopBound(self, eventLoop: channel.eventLoop),
                loop: channel.eventLoop,
                number: number
            )
            exchange = Task { [serve = owner.serve] in await serve(local) }
        } catch {
            phase = .ending
            var fields = error.headers
            fields.add(name: "Connection", value: "close")
            if error.status == .methodNotAllowed { fields.add(name: "Allow", value: "GET, HEAD, POST, DELETE") }
            write(.head(HTTPResponseHead(version: .http1_1, status: error.status, headers: fields)), promise: nil)
            if head.method != .HEAD {
                write(.body(.byteBuffer(ByteBuffer(string: error.body))), promise: nil)
            }
            linger(behind: write(.end(nil)))
        }
    }

    // MARK: - What the exchange does

    /// The next part of the request's body; `nil` behind the last.
    func nextPart(of exchange: Int) -> EventLoopFuture<ByteBuffer?> {
        let loop = channel.eventLoop
        guard exchange == number, phase == .exchanging, waiting == nil else {
            return loop.makeFailedFuture(ClientGone())
        }
        if let part = parts.popFirst() { return loop.makeSucceededFuture(part) }
        if hasWholeRequest { return loop.makeSucceededFuture(nil) }
        let promise = loop.makePromise(of: ByteBuffer?.self)
        waiting = promise
        if isReadHeld {
            isReadHeld = false
            context?.read()
        }
        return promise.futureResult
    }

    /// Writes a part of the answer, and completes when the client's socket has taken it.
    func answer(_ part: HTTPServerResponsePart, of exchange: Int) -> EventLoopFuture<Void> {
        guard exchange == number, phase == .exchanging else {
            return channel.eventLoop.makeFailedFuture(ClientGone())
        }
        guard case .end = part else {
            guard case .head(var head) = part, !isPersistent else { return write(part) }
            head.headers.replaceOrAdd(name: "Connection", value: "close")
            return write(.head(head))
        }
        // A client that goes on sending a body which nobody reads is not asked for another request.
        let isLast = !isPersistent || !hasWholeRequest
        self.exchange = nil
        abandonBody()
        // Before the end is written: the next request may be here already, and begins within that call.
        phase = isLast ? .ending : .idle
        if !isLast { close(after: owner.limits.idleTime) }
        let written = write(.end(nil))
        if isLast { linger(behind: written) }
        return written
    }

    /// Cuts the connection, so that the client does not take a part of an answer for the whole.
    func cut(_ exchange: Int) {
        guard exchange == number, phase == .exchanging else { return }
        // An answer to HTTP/1.0 ends where the connection does, and only a reset tells it from one that was cut.
        let channel = channel
        guard let options = channel as? any SocketOptionProvider else { return drop() }
        options.setSoLinger(Glibc.linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in channel.close(promise: nil) }
    }

    // MARK: - Parts

    private func abandonBody() {
        parts.removeAll()
        waiting?.fail(ClientGone())
        waiting = nil
        guard isReadHeld else { return }
        isReadHeld = false
        context?.read()
    }

    private func write(_ part: HTTPServerResponsePart) -> EventLoopFuture<Void> {
        let written = channel.eventLoop.makePromise(of: Void.self)
        write(part, promise: written)
        return written.futureResult
    }

    private func write(_ part: HTTPServerResponsePart, promise: EventLoopPromise<Void>?) {
        guard let context else {
            promise?.fail(ClientGone())
            return
        }
        context.writeAndFlush(wrapOutboundOut(part), promise: promise)
    }

    /// Closes our side, and the whole a little later.
    ///
    /// There may be more to come: closing at once would reset the connection under the answer.
    private func linger(behind written: EventLoopFuture<Void>?) {
        close(after: owner.limits.lingerTime)
        let channel = channel
        written?.whenComplete { _ in channel.close(mode: .output, promise: nil) }
    }

    private func close(after time: Duration) {
        timer?.cancel()
        let channel = channel
        timer = channel.eventLoop.scheduleTask(in: TimeAmount(time)) { channel.close(promise: nil) }
    }
}
