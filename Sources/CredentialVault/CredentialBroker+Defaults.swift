public import VaultAPI

extension CredentialBroker {
    /// A token that can be used now, refreshed first if need be.
    ///
    /// - Parameter name: `x` or `oauth:x`; or `static:x` for a static secret.
    /// - Throws: As `accessToken(for:_:)`.
    public func accessToken(for name: String) async throws(VaultError) -> AccessToken {
        try await accessToken(for: name, TokenRequirements())
    }

    /// The header fields that authorise one HTTP request.
    ///
    /// - Throws: As `authorization(for:method:url:_:)`.
    public func authorization(
        for name: String,
        method: String,
        url: String
    ) async throws(VaultError) -> Authorization {
        try await authorization(for: name, method: method, url: url, TokenRequirements())
    }
}
