internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import OAuthFlows
internal import VaultAPI

/// What one client may cost.
package struct LocalLimits: Sendable {
    /// Request line and header fields together.
    package var headBytes = 16 << 10
    /// From the first byte of a head, or the connection, to its end.
    package var headTime: Duration = .seconds(10)
    /// How long a connection is kept between two requests.
    package var idleTime: Duration = .seconds(120)
    /// How long one is kept behind its last answer.
    package var lingerTime: Duration = .seconds(2)
    /// Connections at once.
    ///
    /// The oldest that waits for nothing goes first, so that no number of idle ones keeps a client out.
    package var connections = 256

    package init() {}
}

/// The connections of one proxy; lives on its event loop.
final class LocalConnections {
    let rules: RequestRules
    let limits: LocalLimits
    let serve: @Sendable (LocalExchange) async -> Void
    private let checksPeer: Bool
    private let loop: any EventLoop
    /// In the order of their arrival.
    private var open: [LocalConnection] = []

    init(
        _ rules: RequestRules,
        _ limits: LocalLimits,
        checksPeer: Bool,
        on loop: any EventLoop,
        _ serve: @escaping @Sendable (LocalExchange) async -> Void
    ) {
        (self.rules, self.limits, self.checksPeer, self.loop, self.serve) = (rules, limits, checksPeer, loop, serve)
    }

    /// Takes a new connection in, and the oldest idle one out where there are too many.
    func add(_ channel: any Channel) throws {
        guard !checksPeer || isOurs(channel) else {
            // Without handlers nothing that it sends is read.
            channel.close(promise: nil)
            return
        }
        let headGuard = HeadGuard(bytes: limits.headBytes)
        let connection = LocalConnection(of: self, channel, headGuard)
        let handlers = channel.pipeline.syncOperations
        try handlers.addHandler(headGuard)
        var encoding = HTTPResponseEncoder.Configuration()
        encoding.automaticallySetFramingHeaders = false
        try handlers.addHandler(HTTPResponseEncoder(configuration: encoding))
        try handlers.addHandler(ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
        try handlers.addHandler(HeadWatch(headGuard))
        try handlers.addHandler(HTTPServerPipelineHandler())
        try handlers.addHandler(NIOHTTPResponseHeadersValidator())
        try handlers.addHandler(connection)
        open.append(connection)
        guard open.count > limits.connections else { return }
        // Where every one is at work, the one too many is the last.
        let index = open.firstIndex { $0.isIdle } ?? open.count - 1
        open.remove(at: index).drop()
    }

    func forget(_ connection: LocalConnection) { open.removeAll { $0 === connection } }

    /// Completes when every connection is closed.
    func closeAll() -> EventLoopFuture<Void> {
        let gone = open.map(\.closed)
        open.forEach { $0.drop() }
        return EventLoopFuture.andAllComplete(gone, on: loop)
    }

    /// unix(7): SO_PEERCRED gives "the credentials that were in effect at the time of the call to connect(2)".
    private func isOurs(_ channel: any Channel) -> Bool {
        guard let provider = channel as? any SocketOptionProvider else { return false }
        let found =
            provider.unsafeGetSocketOption(
                level: .socket,
                name: NIOBSDSocket.Option(rawValue: SO_PEERCRED)
            ) as EventLoopFuture<PeerCredentials>
        // On the channel's own event loop it is there at once.
        var owner: uid_t?
        found.assumeIsolated().whenSuccess { owner = $0.user }
        return owner == geteuid() || owner == 0
    }
}

/// `struct ucred`, which the C library shows to GNU programs alone.
private struct PeerCredentials {
    var process: pid_t
    var user: uid_t
    var group: gid_t
}

/// Waits for clients at one address.
final class LocalListener: Sendable {
    let port: Int?
    private let server: any Channel
    private let loop: any EventLoop
    private let connections: NIOLoopBound<LocalConnections>

    private init(_ server: any Channel, _ loop: any EventLoop, _ connections: NIOLoopBound<LocalConnections>) {
        (self.server, self.loop, self.connections) = (server, loop, connections)
        port = server.localAddress?.port
    }

    /// Listens on a socket that is bound.
    static func open(
        _ socket: NIOBSDSocket.Handle,
        _ limits: LocalLimits,
        checksPeer: Bool,
        rules: @escaping @Sendable (_ port: Int?) -> RequestRules,
        serve: @escaping @Sendable (LocalExchange) async -> Void
    ) async throws -> LocalListener {
        // One loop for all of it: the connections need no lock.
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let held = NIOLoopBoundBox<LocalConnections?>.makeBoxSendingValue(nil, eventLoop: loop)
        let server = try await ServerBootstrap(group: loop, childGroup: loop)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    // Before the rules are known, nobody knows the address either.
                    guard let connections = held.value else { throw ClientGone() }
                    try connections.add(channel)
                }
            }
            .withBoundSocket(socket).get()
        // NIO listens at once on a socket that is bound already, before it has read how long the queue may be, and a client
        // that finds it full tries again after a second. On Linux the last call counts.
        _ = listen(socket, 4096)
        let port = server.localAddress?.port
        let connections = try await loop.submit {
            let connections = LocalConnections(rules(port), limits, checksPeer: checksPeer, on: loop, serve)
            held.value = connections
            return NIOLoopBound(connections, eventLoop: loop)
        }.get()
        return LocalListener(server, loop, connections)
    }

    /// Closes the address and every connection.
    func close() async {
        try? await server.close()
        let connections = connections
        try? await loop.flatSubmit { connections.value.closeAll() }.get()
    }
}
