package import VaultAPI
package import VaultCrypto

/// What a token endpoint granted (RFC 6749 §5.1).
package struct TokenGrant: Sendable {
    package var accessToken: SharedSecret
    /// `Bearer` or `DPoP`, in the spelling of the RFCs.
    package var tokenType: String
    package var refreshToken: SharedSecret?
    package var idToken: SharedSecret?
    package var lifetime: Lifetime
    /// The scope granted; `nil` where the answer has none, which means: as requested.
    package var scopes: [String]?
    /// When the request was sent: what `expires_in` counts from.
    package var requestedAt: Timestamp
    /// RFC 8693 §2.2.1.
    package var issuedTokenType: String?

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
