package import VaultCrypto

/// A client as it is registered at one authorization server, and how it proves who it is.
package struct OAuthClient: Sendable {
    package var id: String
    package var authentication: ClientAuthenticationMethod
    /// The client secret, or for `private_key_jwt` the private key in PEM (EC P-256 or RSA).
    package var secret: SharedSecret?
    /// What this server wants otherwise than the RFCs say.
    package var quirks: Set<TokenRequestQuirk> = []
    /// The authorization server: the audience of a `private_key_jwt` assertion.
    package var issuer: String?

    /// Stands for the client that a login is yet to register; without an id, no request goes out in its name.
    package static let unregistered = OAuthClient(id: "", authentication: .none)

    package init(id: String, authentication: ClientAuthenticationMethod, secret: SharedSecret? = nil) {
        self.id = id
        self.authentication = authentication
        self.secret = secret
    }
}

/// RFC 7591 §2, `token_endpoint_auth_method`; RFC 7523 for the last.
package enum ClientAuthenticationMethod: String, Sendable, CaseIterable {
    case none
    case basic = "client_secret_basic"
    case post = "client_secret_post"
    case privateKeyJWT = "private_key_jwt"
}

/// A deviation that some server needs; presets give the reason for each, entries carry the words.
package enum TokenRequestQuirk: String, Sendable, CaseIterable {
    /// Basic credentials as they are, without the form encoding of RFC 6749 §2.3.1.
    case basicUnencoded = "basic_unencoded"
    /// `client_id` in the body even with Basic.
    case clientIDInBody = "client_id_in_body"
    /// `aud` of the assertion is the token endpoint, not the issuer.
    case assertionAudienceTokenEndpoint = "assertion_audience_token_endpoint"
    /// An empty `client_secret=` in revocation requests of public clients.
    case emptyClientSecretInRevocation = "empty_client_secret_in_revocation"
    /// Commas between scopes, where RFC 6749 §3.3 has spaces.
    case commaSeparatedScope = "comma_separated_scope"
    /// No `resource` parameter in token requests.
    case noResourceInTokenRequest = "no_resource_in_token_request"
}
