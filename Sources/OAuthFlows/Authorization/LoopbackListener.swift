internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import VaultAPI

/// Waits on the loopback interface for the browser to come back (RFC 8252 §7.3).
///
/// It listens on 127.0.0.1 and, where there is one, on [::1] with the same port: a browser takes either for
/// `localhost`, and a port that were free there would be another user's to take. Nothing that reaches it but the one
/// response `judge` accepts changes anything; that one is held open until `finish` says which page it gets.
final class LoopbackListener: Sendable {
    /// What one visitor may cost.
    struct Limits: Sendable {
        /// Request line and header fields together.
        var headBytes = 16 * 1024
        /// From the connection to the end of the head.
        var headTime: Duration = .seconds(10)
        /// Connections at once.
        ///
        /// The oldest that has not asked for anything yet goes first, so that no number of idle
        /// ones keeps the browser out.
        var connections = 64
        /// How long a page may take to leave when everything else is over.
        var pageTime: Duration = .seconds(2)
    }

    let port: Int
    private let servers: [any Channel]
    private let loop: any EventLoop
    private let connections: NIOLoopBound<CallbackConnections>

    private init(port: Int, servers: [any Channel], loop: any EventLoop, connections: NIOLoopBound<CallbackConnections>)
    {
        (self.port, self.servers, self.loop, self.connections) = (port, servers, loop, connections)
    }

    /// Opens the port.
    ///
    /// - Parameters:
    ///   - turnedAway: Called with the id of another user whose program connected, and was not listened to.
    ///   - judge: Says whether a query is the response waited for; called on the event loop, must not block.
    /// - Throws: `.unavailable` where the port is taken or nothing can be bound; nothing is open then.
    static func open(
        _ redirect: LoopbackRedirect,
        limits: Limits = Limits(),
        turnedAway: @escaping @Sendable (UInt32) -> Void = { _ in },
        judge: @escaping @Sendable (String) -> Bool
    ) async throws(VaultError) -> LoopbackListener {
        // Some ephemeral port of the one family may be taken in the other.
        for _ in 0..<8 {
            if let listener = try await open(
                CallbackRules(redirect: redirect, limits: limits, judge: judge, turnedAway: turnedAway)
            ) {
                return listener
            }
        }
        throw VaultError(.unavailable, "cannot listen for the browser: no port was free on both 127.0.0.1 and [::1]")
    }

    /// One try; `nil` where another ephemeral port is worth one.
    private static func open(
        _ rules: CallbackRules
    ) async throws(VaultError) -> LoopbackListener? {
        // One loop for all of it: the connections need no lock.
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let redirect = rules.redirect
        let connections: NIOLoopBound<CallbackConnections>
        do {
            connections = try await loop.submit { NIOLoopBound(CallbackConnections(rules, on: loop), eventLoop: loop) }
                .get()
        } catch { throw unavailable("127.0.0.1", redirect.port, error) }
        let bootstrap = ServerBootstrap(group: loop, childGroup: loop)
            .serverChannelOption(.backlog, value: 128)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try connections.value.add(channel) }
            }

        let first: any Channel
        do {
            first = try await bootstrap.withBoundSocket(LoopbackSocket.ipv4(port: redirect.port ?? 0)).get()
        } catch { throw unavailable("127.0.0.1", redirect.port, error) }
        guard let port = first.localAddress?.port else { preconditionFailure("OAuthFlows: a port without a number") }
        var servers = [first]
        do {
            servers.append(try await bootstrap.withBoundSocket(LoopbackSocket.ipv6(port: port)).get())
        } catch {
            // No IPv6 here: nobody else can have that port either.
            let isTaken = (error as? IOError)?.errnoCode == EADDRINUSE
            if isTaken, redirect.port == nil || redirect.host == .name {
                try? await first.close()
                try? await loop.flatSubmit { connections.value.closeAll() }.get()
                guard redirect.port != nil else { return nil }
                throw unavailable("[::1]", redirect.port, error)
            }
        }
        let listener = LoopbackListener(port: port, servers: servers, loop: loop, connections: connections)
        // Only now is the port known that a Host may name; a visitor before that is turned away.
        try? await loop.submit { connections.value.port = port }.get()
        return listener
    }

    /// Gives the browser that brought the response its page.
    func finish(_ page: CallbackPage) async {
        let connections = connections
        try? await loop.flatSubmit { connections.value.finish(page) }.get()
    }

    /// Closes the port and every connection; when this returns, connecting is refused.
    func close() async {
        for server in servers { try? await server.close() }
        let connections = connections
        try? await loop.flatSubmit { connections.value.closeAll() }.get()
    }

    private static func unavailable(_ address: String, _ port: Int?, _ error: any Error) -> VaultError {
        guard let port else {
            return VaultError(.unavailable, "cannot listen for the browser on \(address)", underlying: error)
        }
        switch (error as? IOError)?.errnoCode {
        case EADDRINUSE:
            return VaultError(
                .unavailable,
                "port \(port) on \(address) is taken by another program, and the browser would come back to it",
                hint: "end that program (`ss -ltnp 'sport = :\(port)'` names it), or ask for another port",
                underlying: error
            )
        case EACCES:
            return VaultError(
                .unavailable,
                "port \(port) on \(address) is one that only the administrator may listen on",
                hint: "ask for a port from 1024 on",
                underlying: error
            )
        default: return VaultError(.unavailable, "cannot listen on \(address), port \(port)", underlying: error)
        }
    }
}
