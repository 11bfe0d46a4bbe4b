public import VaultAPI
public import VaultCore
public import VaultCrypto

/// The vault, as far as an import needs it.
public protocol ImportDestination: Sendable {
    /// All entries' summaries.
    func list() async throws(VaultError) -> [EntrySummary]

    /// Opens an entry for as long as `body` runs.
    ///
    /// - Throws: `.notFound` where there is none, and what `body` throws.
    func withEntry<Result: Sendable>(
        _ name: EntryName,
        _ body: (EntrySummary, borrowing EntrySecrets) throws(VaultError) -> Result
    ) async throws(VaultError) -> Result

    /// Makes an entry; durable when it returns.
    ///
    /// - Throws: `.unsafe` if the name exists.
    func insert(_ summary: EntrySummary, _ secrets: borrowing EntrySecrets) async throws(VaultError) -> EntrySummary

    /// Changes an entry under its lease; durable when it returns.
    func update(
        _ name: EntryName,
        _ change: (inout EntrySummary, inout EntrySecrets) throws(VaultError) -> Void
    ) async throws(VaultError) -> EntrySummary

    /// Seals the bytes of a file once; doing it again changes nothing.
    func keepOriginal(_ bytes: borrowing SecretBytes, sha256: [UInt8]) async throws(VaultError)
}
