public import VaultAPI
public import VaultCore
public import VaultCrypto

extension Vault: ImportDestination {
    /// The entries that can be read.
    ///
    /// A damaged one is no reason not to import others; its name stays taken.
    public func list() async throws(VaultError) -> [EntrySummary] {
        let listing: Listing = try await list()
        return listing.entries
    }

    /// Opens an entry for as long as `body` runs.
    public func withEntry<Result: Sendable>(
        _ name: EntryName,
        _ body: (EntrySummary, borrowing EntrySecrets) throws(VaultError) -> Result
    ) async throws(VaultError) -> Result {
        let entry = try await read(name)
        return try body(entry.summary, entry.secrets)
    }

    /// Seals the bytes of a file once; doing it again changes nothing.
    public func keepOriginal(_ bytes: borrowing SecretBytes, sha256: [UInt8]) async throws(VaultError) {
        let copy: SharedSecret
        do throws(CryptoError) {
            copy = SharedSecret(try bytes.copy())
        } catch {
            throw VaultError(.unavailable, error.message, underlying: error)
        }
        try await keepOriginal(copy, sha256: sha256)
    }
}
