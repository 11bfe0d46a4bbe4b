/// The two ways into a vault: this process opens it, or the agent has it open.
///
/// Nothing here gives out a refresh token, a client's secret or a key; what does opens a key slot itself.
package protocol VaultBroker: CredentialBroker {
    /// An access token that is what the caller needs, an id token, or a static secret.
    ///
    /// - Throws: As `accessToken(for:_:)`, but tokens that are bound to a key are given too.
    func token(
        for name: EntryName,
        _ requirements: TokenRequirements,
        _ part: TokenPart
    ) async throws(VaultError) -> GivenToken

    /// All entries that can be read, and what is wrong with the others.
    func list() async throws(VaultError) -> Listing

    /// One entry.
    func summary(of name: EntryName) async throws(VaultError) -> EntrySummary

    /// Keeps a static secret, in the place of one of that name if there is one.
    func put(_ name: EntryName, _ secret: SecretText) async throws(VaultError) -> EntrySummary

    /// Gives an entry another name, which must be free.
    func rename(_ old: EntryName, to new: EntryName) async throws(VaultError) -> EntrySummary

    /// Deletes an entry here; nothing is revoked.
    func remove(_ name: EntryName) async throws(VaultError)

    /// Revokes a grant at its server and, if that went as it should or `deletingAnyway`, deletes the entry.
    func logout(_ name: EntryName, deletingAnyway: Bool) async throws(VaultError) -> LogoutOutcome

    /// Ends the hold on an entry.
    ///
    /// - Parameter takingOut: Whether the grant may be taken out of the file that still holds it.
    func adopt(_ name: EntryName, takingOut: Bool) async throws(VaultError) -> AdoptOutcome
}

/// What of an entry is asked for.
package enum TokenPart: String, Sendable {
    /// The access token, refreshed if need be; of a static entry its secret.
    case accessToken = "access_token"
    /// The id token, as it came with the access token (OpenID Connect Core §2).
    case idToken = "id_token"
}

/// A token on its way to a caller, and what the caller may know beside it.
package struct GivenToken: Sendable {
    /// The token itself.
    package let value: SecretText
    /// RFC 6749 §7.1.
    package let type: String
    /// Until when the access token is valid, where that is known.
    package let expiresAt: Timestamp?
    /// The entry's state, in one word.
    package let state: String
    /// What the caller should know, in sentences: that it is valid for less than asked for, or that refreshing failed.
    package let notes: [String]

    package init(value: SecretText, type: String, expiresAt: Timestamp?, state: String, notes: [String]) {
        self.value = value
        self.type = type
        self.expiresAt = expiresAt
        self.state = state
        self.notes = notes
    }

    /// The token for callers who want text.
    package func accessToken() throws(VaultError) -> AccessToken {
        guard let text = value.text else { throw VaultError(.damaged, "the token is no text") }
        return AccessToken(value: text, type: type, expiresAt: expiresAt?.description)
    }
}

/// What became of a logout.
package struct LogoutOutcome: Sendable {
    /// What the server said.
    package let revocation: RevocationResult
    /// Whether the entry is gone.
    package let isDeleted: Bool

    package init(revocation: RevocationResult, isDeleted: Bool) {
        self.revocation = revocation
        self.isDeleted = isDeleted
    }
}

/// What became of a token that was to be revoked (RFC 7009).
package enum RevocationResult: Sendable, Hashable {
    /// Also where the server did not know the token (RFC 7009 §2.2: "the purpose of the revocation request … is already
    /// achieved").
    case revoked
    /// The server has no way to, or none for this kind of token; the reason.
    case notSupported(String)
    /// The token still exists, or may; the reason.
    case failed(String)

    /// The word that `--json` documents carry.
    package var word: String {
        switch self {
        case .revoked: "revoked"
        case .notSupported: "not supported"
        case .failed: "failed"
        }
    }

    /// Why, where it was not revoked.
    package var reason: String? {
        switch self {
        case .revoked: nil
        case .notSupported(let reason), .failed(let reason): reason
        }
    }
}

/// What became of an adoption.
package enum AdoptOutcome: Sendable {
    /// The vault refreshes it from now on.
    case adopted(EntrySummary)
    /// Nothing was changed: the file still holds the grant, and whoever owns the file would be logged out.
    case stillInFile(path: String)
}

extension VaultError {
    /// Why a token is not given out alone (RFC 9449).
    package static func bound(_ name: EntryName) -> VaultError {
        VaultError(
            .unsafe,
            "\(name) is bound to a key that does not leave the vault: its token alone is worth nothing",
            hint: "vault proxy \(name.name) --to URL puts it into requests; "
                + "vault token \(name.name) --dpop METHOD URL prints the headers of one"
        )
    }
}
