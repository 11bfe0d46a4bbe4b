package import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1

extension HTTPClient.Configuration {
    /// Has an HTTP/1.1 answer whose status is no status of HTTP fail, before AsyncHTTPClient sees it.
    ///
    /// AsyncHTTPClient takes every head below 200 for an interim one and then traps at its end: one line of a server,
    /// `HTTP/1.1 000`, would end this process, also between the spending of a refresh token and the commit of the next.
    package mutating func refuseImpossibleStatuses() {
        let further = http1_1ConnectionDebugInitializer
        http1_1ConnectionDebugInitializer = { channel in
            channel.eventLoop.flatSubmit {
                do {
                    let handlers = channel.pipeline.syncOperations
                    let decoder = try handlers.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
                    try handlers.addHandler(StatusCheck(), position: .after(decoder))
                } catch {
                    // The pool takes the connection for one that never was, and would leave it open.
                    channel.close(promise: nil)
                    return channel.eventLoop.makeFailedFuture(error)
                }
                return further?(channel) ?? channel.eventLoop.makeSucceededVoidFuture()
            }
        }
    }
}

/// An answer with a status that no answer may have.
package struct ImpossibleStatus: Error {}

private final class StatusCheck: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = HTTPClientResponsePart

    private var hasFailed = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasFailed else { return }
        if case .head(let head) = unwrapInboundIn(data), !Self.isPossible(head.status.code) {
            hasFailed = true
            context.fireErrorCaught(ImpossibleStatus())
            context.close(promise: nil)
        } else {
            context.fireChannelRead(data)
        }
    }

    /// Whether HTTP has such a status, as RFC 9110 §15 says: "Values outside the range 100..599 are invalid".
    ///
    /// Those above are read as what a client "SHOULD" take them for, an error of the server. 101 answers an `Upgrade`,
    /// which is never asked for (§15.2.2).
    private static func isPossible(_ code: UInt) -> Bool { code >= 100 && code != 101 }
}
