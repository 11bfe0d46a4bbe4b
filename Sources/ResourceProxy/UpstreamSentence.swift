internal import AsyncHTTPClient
internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL

/// What failed, from an error of one of the layers below.
///
/// None of their descriptions is used as it is: some quote header values or bytes of the answer.
func sentence(for error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
        guard let first = error.connectionErrors.first else { return "the name \(error.host) cannot be resolved" }
        return "no connection: \(sentence(for: first.error))"
    case let error as HTTPClientError:
        switch error {
        case .connectTimeout, .tlsHandshakeTimeout, .httpProxyHandshakeTimeout, .getConnectionFromPoolTimeout:
            return "no connection within 10 s"
        case .remoteConnectionClosed: return "the connection was closed before the answer was complete"
        case .proxyAuthenticationRequired: return "the proxy wants a user name and password"
        case .invalidProxyResponse: return "the proxy did not open a connection"
        default: return error.shortDescription
        }
    case let error as IOError:
        let text = String(cString: strerror(error.errnoCode))
        return text.prefix(1).lowercased() + text.dropFirst()
    case is NIOTooManyBytesError: return "it refuses at a length that no refusal needs"
    case is HTTPParserError: return "what it sends is no HTTP, or was cut off"
    case ChannelError.connectTimeout: return "the connection timed out"
    case is ChannelError: return "the connection was closed"
    case NIOSSLError.uncleanShutdown: return "TLS was closed without a word"
    case let error as NIOSSLError:
        if case .handshakeFailed(.sslError(let errors)) = error,
            errors.contains(where: { "\($0)".contains("CERTIFICATE_VERIFY_FAILED") })
        {
            return "its certificate is not trusted"
        }
        return "the TLS handshake failed"
    case is NIOSSLExtraError: return "its certificate is for another host"
    case is SocketAddressError: return "the name cannot be resolved"
    default: return "it failed (\(type(of: error)))"
    }
}
