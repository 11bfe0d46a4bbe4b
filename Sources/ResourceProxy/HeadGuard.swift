internal import NIOCore
internal import NIOHTTP1

/// Counts what arrives before a head is complete, the request line included, which the decoder does not limit.
///
/// It stands before the decoder, and `HeadWatch` behind it tells it where messages begin and end.
final class HeadGuard: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct Exceeded: Error {}

    private let limit: Int
    private var seen = 0
    private var isInHead = true
    private var isExceeded = false
    private var context: ChannelHandlerContext?
    /// Called with the first byte of each head.
    var headBegan: () -> Void = {}

    init(bytes: Int) { limit = bytes }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        headBegan = {}
    }

    func headEnded() { isInHead = false }

    func messageEnded() { (isInHead, seen) = (true, 0) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        while buffer.readableBytes > 0, !isExceeded {
            guard isInHead else {
                // There may be the beginning of another head in it; what there is of that is no more than one read.
                context.fireChannelRead(wrapInboundOut(buffer))
                return
            }
            if seen == 0 { headBegan() }
            guard let part = buffer.readSlice(length: min(buffer.readableBytes, limit - seen)) else { return }
            seen += part.readableBytes
            context.fireChannelRead(wrapInboundOut(part))
            guard isInHead, seen >= limit else { continue }
            isExceeded = true
            context.fireErrorCaught(Exceeded())
        }
    }

    /// Answers around the encoder: where no request was understood, it has no answer to encode.
    func answer(_ refusal: Refusal) -> EventLoopFuture<Void>? {
        guard let context else { return nil }
        var text = "HTTP/1.1 \(refusal.status.code) \(refusal.status.reasonPhrase)\r\nConnection: close\r\n"
        for field in refusal.headers { text += "\(field.name): \(field.value)\r\n" }
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "\(text)\r\n\(refusal.body)")), promise: written)
        return written.futureResult
    }
}

/// Tells the guard before the decoder what the decoder found.
final class HeadWatch: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    private let before: HeadGuard

    init(_ before: HeadGuard) { self.before = before }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head: before.headEnded()
        case .body: break
        case .end: before.messageEnded()
        }
        context.fireChannelRead(data)
    }
}
