public import VaultAPI
public import VaultCore

/// The plain file that an entry came from, when its grant is taken over.
///
/// While the file holds the grant, the program that owns it refreshes it; so it must go from there first.
public enum SourceFile {
    /// Whether the file holds the entry's grant still, be it an older state of it.
    ///
    /// - Parameter keyring: For an entry that came from there.
    /// - Throws: What is wrong with a file that is there and cannot be read, or with the keyring: then nobody knows.
    public static func stillHolds(
        _ entry: EntrySummary,
        in vault: Vault,
        now: Timestamp,
        keyring: (any ForeignKeyring)? = nil
    ) async throws(VaultError) -> Bool {
        guard let plan = try await plan(for: entry, vault, remove: false, now: now, keyring) else { return false }
        if let failure = plan.failures.first, failure.error.code != .notFound { throw failure.error }
        return !plan.items.isEmpty
    }

    /// Whether the entry came from an item of another program in the keyring, which is never changed.
    public static func isForeignItem(_ entry: EntrySummary) -> Bool {
        entry.source.map { ForeignItem(path: $0.path) != nil } ?? false
    }

    /// Whether a keyring is needed to look for the entry's grant.
    public static func needsKeyring(_ entry: EntrySummary) -> Bool {
        isForeignItem(entry) || entry.copies.contains { ForeignItem(path: $0.path) != nil }
    }

    /// Where else an import found the entry's refresh token, and where it still is.
    ///
    /// - Returns: An item of another program in the keyring, which is never changed; `nil` where there is none.
    /// - Throws: `.unsafe` for a file, which must lose the token before the vault may refresh it.
    public static func foreignCopy(
        of entry: EntrySummary,
        in vault: Vault,
        now: Timestamp,
        keyring: (any ForeignKeyring)?
    ) async throws(VaultError) -> String? {
        let lookup = CopyLookup(options: ImportOptions(), keyring: keyring, now: now)
        let holders = try await lookup.holders(of: entry.name, in: vault)
        if let file = holders.first(where: { ForeignItem(path: $0.path) == nil }) {
            throw VaultError.isAlso(in: file, entry.name)
        }
        return holders.first?.path
    }

    /// Takes the grant out of the file and ends the hold; whoever calls it has seen to the copies.
    ///
    /// - Throws: Why it could not be taken out; then the file is as it was, and the entry is held still.
    public static func remove(_ entry: EntrySummary, from vault: Vault, now: Timestamp) async throws(VaultError) {
        if let source = entry.source {
            try ForeignItem.refuseRemoval(from: source.path, of: Formats.named(source.format).facts)
        }
        guard var plan = try await plan(for: entry, vault, remove: true, now: now, nil) else { return }
        plan.mindsCopies = false
        let report = await plan.execute(into: vault, now: now)
        if let failure = plan.failures.first ?? report.failures.first { throw failure.error }
        guard report.outcomes.contains(where: { $0.removal != .kept }) else {
            throw VaultError(
                .unsafe,
                "\(entry.source?.path ?? "the file") holds another state of the grant of \(entry.name), and was left as it is",
                hint: "log out of the program that owns it, then: vault adopt \(entry.name.name)"
            )
        }
    }

    /// What an import of the file would do with this entry alone; `nil` where it came from no file.
    private static func plan(
        for entry: EntrySummary,
        _ vault: Vault,
        remove: Bool,
        now: Timestamp,
        _ keyring: (any ForeignKeyring)?
    ) async throws(VaultError) -> ImportPlan? {
        guard let source = entry.source else { return nil }
        var options = ImportOptions()
        options.format = source.format
        options.remove = remove
        var plan = try await ImportPlan.make([source.path], options: options, for: vault, now: now, keyring: keyring)
        plan.items.removeAll { $0.name != entry.name || $0.pointer != source.pointer }
        return plan
    }
}
