package import VaultCrypto

/// What every request to a token endpoint has, whatever the grant.
package struct TokenRequest: Sendable {
    package var endpoint: EndpointURL
    package var client: OAuthClient
    /// As it goes out, scopes joined as the server wants them; never sent with a refresh.
    package var scope: String?
    /// RFC 8707: the same text as in the authorization request.
    package var resource: String?
    /// Where it is set, every request carries a proof of it.
    package var dpopKey: DPoPKey?
    /// Sent as they are; none may be one that the grant or the client's authentication sets.
    package var extraParameters: [(name: String, value: String)] = []
    /// `HTTPRequest.beforeSending`.
    package var beforeSending: (@Sendable () throws -> Void)?

    package init(endpoint: EndpointURL, client: OAuthClient) {
        self.endpoint = endpoint
        self.client = client
    }
}

/// RFC 6749 §6.
package struct RefreshRequest: Sendable {
    package var refreshToken: SharedSecret
    package var request: TokenRequest

    package init(refreshToken: SharedSecret, request: TokenRequest) {
        self.refreshToken = refreshToken
        self.request = request
    }
}

/// RFC 8693 §2.1.
package struct TokenExchange: Sendable {
    package var subjectToken: SharedSecret
    package var subjectTokenType: String
    package var requestedTokenType: String?

    package init(subjectToken: SharedSecret, subjectTokenType: String) {
        self.subjectToken = subjectToken
        self.subjectTokenType = subjectTokenType
    }

    /// RFC 8693 §3.
    package static let accessTokenType = "urn:ietf:params:oauth:token-type:access_token"
    package static let idTokenType = "urn:ietf:params:oauth:token-type:id_token"
}

/// A parameter of a request, secret or not.
package struct FormParameter: Sendable {
    package enum Value: Sendable {
        case text(String)
        case secret(SharedSecret)

        /// What no error may repeat.
        var secret: SharedSecret? { if case .secret(let secret) = self { secret } else { nil } }
    }

    package let name: String
    package let value: Value

    package init(_ name: String, _ text: String) { (self.name, value) = (name, .text(text)) }
    package init(_ name: String, _ secret: SharedSecret) { (self.name, value) = (name, .secret(secret)) }
}
