internal import VaultAPI
internal import VaultCore

extension EntrySummary {
    /// Whether another reading of the same grant knows what this entry does not.
    func lacksFacts(of other: EntrySummary) -> Bool {
        var completed = self
        completed.complete(from: other)
        return completed != self
    }

    /// Fills in what is missing, and changes nothing that is there.
    mutating func complete(from other: EntrySummary) {
        provider = provider ?? other.provider
        issuer = issuer ?? other.issuer
        account = account ?? other.account
        clientID = clientID ?? other.clientID
        tokenEndpoint = tokenEndpoint ?? other.tokenEndpoint
        clientAuthentication = clientAuthentication ?? other.clientAuthentication
        resource = resource ?? other.resource
        tokenType = tokenType ?? other.tokenType
        if scopes.isEmpty { scopes = other.scopes }
        if rotation == .unknown { rotation = other.rotation }
        metadata.merge(other.metadata) { mine, _ in mine }
    }

    /// Whether what a file holds now can be a later state of this grant, as opposed to another one in its place.
    ///
    /// Not of another account, client or server. And where no account is known: what comes to stand where the vault took
    /// a grant away is a new login's, and who logged in there nobody knows. While the file's owner refreshes, it is what
    /// became of it. A file that was made for a command says of the account what its tool says, and not what a login said.
    func mayBecome(_ other: EntrySummary) -> Bool {
        if toolRun?.isMade == true { return true }
        if isAnother(than: other) { return false }
        return account != nil && other.account != nil || !state.isVaultOwned
    }

    /// Whether something is known of both that differs and that no refresh changes.
    func isAnother(than other: EntrySummary) -> Bool {
        func differ(_ mine: String?, _ theirs: String?) -> Bool {
            if let mine, let theirs { mine != theirs } else { false }
        }
        // An element of an array is known by its index alone, and moves up when one before it goes.
        return differ(account, other.account) || differ(clientID, other.clientID) || differ(resource, other.resource)
            || differ(metadata["serverName"], other.metadata["serverName"])
    }

    /// Takes over what a newer reading of the same grant says, and keeps what makes the entry the one it is.
    mutating func adopt(_ newer: EntrySummary, state: EntryState, now: Timestamp) {
        self.state = state
        expiry = newer.expiry
        issuedAt = newer.issuedAt
        source = newer.source
        updatedAt = now
        account = newer.account ?? account
        tokenType = newer.tokenType ?? tokenType
        if !newer.scopes.isEmpty { scopes = newer.scopes }
        metadata.merge(newer.metadata) { $1 }
        complete(from: newer)
        // They come from the file, and not from the server.
        refreshedAt = nil
    }

    /// Leaves nothing of what came of another refresh token: a journal about that one would have what was once spilled
    /// for it taken for newer than this one.
    mutating func forgetRefreshes() {
        journal = nil
        refreshFailure = nil
    }
}
