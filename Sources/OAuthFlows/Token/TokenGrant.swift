package import VaultAPI
package import VaultCrypto

/// What a token endpoint granted (RFC 6749 §5.1).
package struct TokenGrant: Sendable {
    package var accessToken: SharedSecret
    /// `Bearer` or `DPoP`, in the spelling of the RFCs; else what the server named, in printable ASCII.
    ///
    /// RFC 6749 §7.1: "The client MUST NOT use an access token if it does not understand the token type." A grant of
    /// another type is not refused where it is read, since it may carry the only refresh token there is: whoever
    /// refreshes keeps that first, and then refuses to hand out the access token.
    package var tokenType: String
    package var refreshToken: SharedSecret?
    package var idToken: SharedSecret?
    package var lifetime: Lifetime
    /// The scope granted; `nil` where the answer has none, which means: as requested.
    package var scopes: [String]?
    /// When the request was sent: what `expires_in` counts from.
    package var requestedAt: Timestamp
    /// The client that this grant was given to, where the login registered it.
    package var registered: RegisteredClient?

    /// RFC 6749 §5.1, `expires_in`.
    package enum Lifetime: Hashable, Sendable {
        /// So many seconds from the request; 0 where the server said 0 or less.
        case seconds(Int64)
        /// Missing, or nothing that can be read as a number.
        case unknown
    }

    package init(accessToken: SharedSecret, tokenType: String, lifetime: Lifetime, requestedAt: Timestamp) {
        self.accessToken = accessToken
        self.tokenType = tokenType
        self.lifetime = lifetime
        self.requestedAt = requestedAt
    }
}
