package import VaultCrypto

/// What a flow asks of an authorization server in the client's name.
package protocol ClientRequests: Sendable {
    /// Asks the token endpoint.
    func grant(_ request: GrantRequest) async -> GrantReply

    /// Posts a form to another endpoint of the server, the client authenticated as it is at the token endpoint.
    ///
    /// - Throws: `HTTPFailure`, as an exchange does.
    func post(_ parameters: [(String, String)], to endpoint: EndpointURL) async throws(HTTPFailure) -> HTTPResponse
}

/// What the token endpoint made of a request.
package struct GrantReply: Sendable {
    package var answer: TokenEndpointAnswer
    /// Whether there was an answer at all; RFC 8628 §3.5 tells a connection that timed out from an error.
    package var wasAnswered: Bool

    package init(_ answer: TokenEndpointAnswer, wasAnswered: Bool = true) {
        self.answer = answer
        self.wasAnswered = wasAnswered
    }
}

/// One grant and what it is asked with.
package enum GrantRequest: Sendable {
    /// RFC 6749 §4.1.3, RFC 7636 §4.5.
    case authorizationCode(SharedSecret, verifier: SharedSecret?, redirect: String, resource: String?)
    /// RFC 8628 §3.4.
    case deviceCode(SharedSecret, resource: String?)
    /// RFC 6749 §4.4.2.
    case clientCredentials(scope: String?, resource: String?)
    /// RFC 7523 §2.1.
    case assertion(SharedSecret, scope: String?, resource: String?)
    /// RFC 8693 §2.1.
    case exchange(TokenExchange, subject: SharedSecret)
}

/// A token exchange (RFC 8693 §2.1) as a preset asks for it.
package struct TokenExchange: Sendable, Hashable {
    /// Which token is exchanged.
    package enum Subject: String, Sendable {
        case accessToken = "access_token"
        case idToken = "id_token"

        /// RFC 8693 §3.
        package var type: String { "urn:ietf:params:oauth:token-type:\(rawValue)" }
    }

    package var subject: Subject
    package var requestedTokenType: String?
    /// OpenAI's spelling of the same: `requested_token`.
    package var requestedToken: String?
    package var resource: String?
    package var audience: String?
    package var scope: String?

    package init(_ subject: Subject) { self.subject = subject }
}
