/// Whoever gives out tokens: this process, or another one on its behalf.
public protocol CredentialBroker: Sendable {
    /// A token that can be used now, refreshed first if need be.
    ///
    /// - Parameter name: `x` or `oauth:x`; or `static:x` for a static secret.
    /// - Throws: `.notFound`; `.loginRequired` if only a new login helps; `.temporary` if the server or the network is in
    ///   trouble; `.configuration` if the server rejects the client; `.unavailable` if the vault cannot be written or
    ///   waited for; `.unsafe` for a token that is bound to a key, which only `authorization` can use.
    func accessToken(for name: String, _ requirements: TokenRequirements) async throws(VaultError) -> AccessToken

    /// The header fields that authorise one HTTP request (RFC 6750 §2.1, RFC 9449 §4).
    ///
    /// - Parameters:
    ///   - method: The request's method.
    ///   - url: The request's URL.
    /// - Throws: As `accessToken`; `.unsafe` too if the URL's host is none that the token is for.
    func authorization(
        for name: String,
        method: String,
        url: String,
        _ requirements: TokenRequirements
    ) async throws(VaultError) -> Authorization
}

/// What a caller asks of a token.
public struct TokenRequirements: Sendable {
    /// For how many seconds more it should be valid; less is given where the server grants less.
    public var minimumValiditySeconds: Int64 = 0
    /// A token that a resource answered with 401, so that it is not given out again.
    public var rejected: AccessToken?
    /// Whether the token must have been refreshed after the caller began to ask.
    public var requiresRefresh = false
    /// When the caller began to ask; what was refreshed since is fresh enough for it.
    ///
    /// `nil` stands for the moment of the call, so that one value serves any number of calls.
    public var began: Timestamp?
    /// The `DPoP-Nonce` that the resource wants in the proof of a bound token (RFC 9449 §9).
    public var dpopNonce: String?

    /// A request for any valid token.
    public init(began: Timestamp? = nil) { self.began = began }
}

/// What authorises one HTTP request.
///
/// Its values are secrets; it shows nothing of them when it is printed or dumped.
public struct Authorization: Sendable, CustomStringConvertible, CustomReflectable {
    /// Names and values: `Authorization`, and `DPoP` for a token that is bound to a key.
    public let fields: [(name: String, value: String)]
    /// The token in them, to be named in `TokenRequirements.rejected` if the resource answers 401.
    public let token: AccessToken

    /// Makes one.
    public init(fields: [(name: String, value: String)], token: AccessToken) {
        self.fields = fields
        self.token = token
    }

    /// The names of the fields.
    public var description: String { "authorization by \(fields.map(\.name).joined(separator: ", "))" }

    /// Has no children: a dump shows nothing.
    public var customMirror: Mirror { Mirror(self, children: [(label: String?, value: Any)]()) }
}
