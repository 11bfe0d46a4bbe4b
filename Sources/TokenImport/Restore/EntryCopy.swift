internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// An entry as it was under its lease.
final class EntryCopy: Sendable {
    let summary: EntrySummary
    let secrets: EntrySecrets

    init(_ entry: borrowing OpenedEntry) throws(VaultError) {
        summary = entry.summary
        do throws(CryptoError) { secrets = try entry.secrets.copy() } catch {
            throw VaultError(.unavailable, error.message, underlying: error)
        }
    }

    /// A secret of it, by itself.
    func secret(_ field: EntrySecrets.Field) throws(VaultError) -> SharedSecret? {
        do throws(CryptoError) {
            return try secrets.withField(field) { (bytes) throws(CryptoError) in
                SharedSecret(try SecretBytes(copying: bytes))
            }
        } catch { throw VaultError(.unavailable, error.message, underlying: error) }
    }
}
