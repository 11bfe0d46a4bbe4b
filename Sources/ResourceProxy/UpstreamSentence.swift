internal import AsyncHTTPClient
internal import NIOCore
internal import NIOPosix
internal import OAuthFlows

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
    case is NIOTooManyBytesError: return "it refuses at a length that no refusal needs"
    default: return reason(error)
    }
}
