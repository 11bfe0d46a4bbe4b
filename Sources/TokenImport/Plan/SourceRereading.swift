package import VaultAPI
package import VaultCore
internal import VaultCrypto

extension ImportPlan {
    /// Looks at the file of a held entry again, and takes the tokens that its owner has put there since.
    ///
    /// "`token` hands out its access token; once that runs out it re-reads the file and takes the owner's newer tokens."
    /// It is an import of that one path into that one entry: nothing leaves the file, and the entry stays held. A file
    /// that is gone, is half written or holds something else changes nothing, and neither do tokens that are older.
    ///
    /// - Parameters:
    ///   - summary: The entry as it was when its token was found to have run out. If it has changed since, it is left
    ///     as it is: it may have been adopted.
    ///   - evenExpired: Whether a copy is taken whose access token has run out as well. Whoever is about to spend the
    ///     refresh token needs the owner's newest, whatever became of the access token that came with it.
    ///   - keyring: For an entry that came from there; without one nothing is known of it and nothing changes.
    /// - Returns: Whether the entry has other tokens now.
    /// - Throws: What is wrong with the vault.
    @discardableResult
    package static func reread(
        _ summary: EntrySummary,
        into vault: Vault,
        now: Timestamp,
        evenExpired: Bool = false,
        keyring: (any ForeignKeyring)? = nil
    ) async throws(VaultError) -> Bool {
        guard summary.state == .held(.secondOwner), let source = summary.source else { return false }
        var options = ImportOptions()
        options.format = source.format
        let entry = RereadEntry(vault: vault, summary: summary)
        var plan = try await make([source.path], options: options, for: entry, now: now, keyring: keyring)
            .only(summary.name)
        plan.failures = []
        plan.items.removeAll { item in
            guard item.action == .update, !item.completesOnly else { return true }
            guard case .known(let end) = item.expiry, !evenExpired else { return false }
            return end <= now
        }
        let report = await plan.execute(into: entry, now: now)
        // What is wrong with the file is no business of whoever wants a token; that the vault cannot be written is.
        if let failure = report.failures.first(where: { $0.error.code == .unavailable }) { throw failure.error }
        return report.outcomes.contains { $0.result == .updated }
    }
}

/// A vault of one entry, which can be given newer tokens and nothing else.
private struct RereadEntry: ImportDestination {
    let vault: Vault
    let summary: EntrySummary

    func list() async throws(VaultError) -> [EntrySummary] { [summary] }

    func withEntry<Result: Sendable>(
        _ name: EntryName,
        _ body: (EntrySummary, borrowing EntrySecrets) throws(VaultError) -> Result
    ) async throws(VaultError) -> Result {
        try await vault.withEntry(name, body)
    }

    func insert(_ summary: EntrySummary, _ secrets: borrowing EntrySecrets) async throws(VaultError) -> EntrySummary {
        throw VaultError(.failed, "\(summary.name) is not in the vault; a file that is read again adds no entry")
    }

    func update(
        _ name: EntryName,
        _ change: (inout EntrySummary, inout EntrySecrets) throws(VaultError) -> Void
    ) async throws(VaultError) -> EntrySummary {
        try await vault.update(name) { (current, secrets) throws(VaultError) in
            // Under the lease: whoever adopted the grant meanwhile may have spent the refresh token that the file has.
            guard current.generation == summary.generation else {
                throw VaultError(.temporary, "\(name) was changed while its file was read", hint: "ask again")
            }
            let source = current.source
            try change(&current, &secrets)
            // It goes on naming the bytes that were sealed when the file was imported.
            current.source = source
        }
    }

    /// Keeps nothing: the file stays as it is, and an owner rewrites it every hour.
    func keepOriginal(_ bytes: borrowing SecretBytes, sha256: [UInt8]) async throws(VaultError) {}
}
