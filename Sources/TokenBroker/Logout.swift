internal import OAuthFlows
package import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// A token that its server is asked to forget (RFC 7009).
struct TokenToRevoke: Sendable {
    let name: EntryName
    let endpoint: EndpointURL?
    let client: OAuthClient
    let token: SharedSecret
    let hint: Revocation.Hint

    /// The refresh token of an entry, or else its access token; `nil` where it holds neither, or not enough to present
    /// itself as the client.
    ///
    /// RFC 7009 §2.1: "If the token passed to the request is a refresh token … the authorization server SHOULD also
    /// invalidate all access tokens based on the same authorization grant."
    init?(_ entry: borrowing OpenedEntry) throws(VaultError) {
        let summary = entry.summary
        guard summary.clientID != nil else { return nil }
        if let token = try entry.secrets.shared(.refreshToken) {
            (self.token, hint) = (token, .refreshToken)
        } else if let token = try entry.secrets.shared(.accessToken) {
            (self.token, hint) = (token, .accessToken)
        } else {
            return nil
        }
        name = summary.name
        client = try OAuthClient(of: summary, entry.secrets)
        endpoint = try summary.revocationEndpoint.map { (text) throws(VaultError) in
            try EndpointURL(
                text,
                as: "the revocation endpoint of \(summary.name)",
                leastReach: Reach(word: summary.endpointReach)
            )
        }
    }

    /// The grant that a login replaces, where it is the vault's own to end.
    ///
    /// A grant that came from a file may be in use by the program that owns the file; ending it would log that out.
    init?(replaced entry: borrowing OpenedEntry, by grant: TokenGrant) throws(VaultError) {
        guard entry.summary.source == nil, entry.summary.revocationEndpoint != nil,
            entry.secrets.fingerprint(.refreshToken) != nil,
            entry.secrets.fingerprint(.refreshToken)
                != grant.refreshToken.map({ TokenFingerprint(of: $0) })
        else { return nil }
        try self.init(entry)
    }
}

extension LocalBroker {
    /// Revokes an entry's grant at the server and, if that went as it should or `deletesAnyway` says yes, deletes it.
    ///
    /// - Parameter deletesAnyway: Asked when the server did not revoke; given why.
    /// - Returns: What the server said, and whether the entry is gone.
    package nonisolated func logout(
        _ name: EntryName,
        deletesAnyway: (RevocationResult) async throws(VaultError) -> Bool
    ) async throws(VaultError) -> (result: RevocationResult, isDeleted: Bool) {
        let leased = try await vault.lease(name)
        defer { leased.release() }
        let entry = try await leased.read()
        let token = try TokenToRevoke(entry)
        let result: RevocationResult
        if let token {
            result = await revoke(token)
        } else {
            result = .notSupported("there is nothing to revoke it with")
        }
        if case .failed = result, try await !deletesAnyway(result) { return (result, false) }
        try await leased.remove()
        return (result, true)
    }

    nonisolated func revoke(_ token: TokenToRevoke) async -> RevocationResult {
        guard let endpoint = token.endpoint else { return .notSupported("the server has no revocation endpoint") }
        return await Revocation(http: self.endpoint.http, clock: clock).revoke(
            token: token.token,
            hint: token.hint,
            at: endpoint,
            client: token.client
        )
    }
}
