package import AsyncHTTPClient
internal import Glibc
internal import NIOCore
internal import NIOPosix
package import VaultAPI

extension AsyncHTTPExchange {
    /// A client's configuration for one host whose answers may be streams without an end, such as server-sent events:
    /// with the certificates and the proxy of this exchange, and no limit but the one for connecting.
    ///
    /// - Throws: `.configuration` if the certificates cannot be read.
    package func streamingConfiguration(for url: EndpointURL) throws(VaultError) -> HTTPClient.Configuration {
        var configuration = try configuration(for: url, connectTimeout: .seconds(10))
        // A connection that a server closes at the moment it is used again costs a request that nobody may send twice. Many
        // servers keep idle ones for five seconds.
        configuration.connectionPool.idleTimeout = .seconds(4)
        // A stream without an end keeps its connection, and the ninth must not wait for eight.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 1024
        // Nobody writes on a connection whose answer is a silent stream: only this tells that the other end is gone.
        configuration.http1_1ConnectionDebugInitializer = { channel in
            channel.setOption(.socketOption(.so_keepalive), value: 1)
                .flatMap { channel.setOption(.tcpOption(.init(rawValue: CInt(TCP_KEEPIDLE))), value: 60) }
                // It is an extra that a channel of another kind may not have.
                .flatMapError { _ in channel.eventLoop.makeSucceededVoidFuture() }
        }
        return configuration
    }
}
