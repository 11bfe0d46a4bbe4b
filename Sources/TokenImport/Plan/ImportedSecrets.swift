internal import StrictJSON
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// The secrets of one grant, on their way from the file to the vault.
final class ImportedSecrets: Sendable {
    let value: EntrySecrets

    init(_ grant: FoundGrant, _ options: ImportOptions) throws(VaultError) {
        var secrets: EntrySecrets
        do throws(CryptoError) { secrets = try EntrySecrets() } catch { throw Self.memory(error) }
        for (field, place) in grant.secrets + grant.elsewhere { try Self.set(field, try place.secret(), &secrets) }
        if let path = options.clientSecretFile, grant.summary.name.kind == .oauth, !secrets.has(.clientSecret) {
            try Self.set(.clientSecret, try ClientSecretFile.read(path), &secrets)
        }
        value = secrets
    }

    /// Sets one of them, and leaves what the file does not have: no import loses a refresh token.
    func copy(_ field: EntrySecrets.Field, into other: inout EntrySecrets) throws(VaultError) {
        do throws(CryptoError) {
            _ = try value.withField(field) { (bytes) throws(CryptoError) in try other.set(field, to: bytes) }
        } catch { throw Self.memory(error) }
    }

    /// Whether another holds each of them, compared in constant time.
    func areIn(_ other: borrowing EntrySecrets, beside spent: Set<EntrySecrets.Field> = []) -> Bool {
        var same = true
        for field in EntrySecrets.Field.allCases where value.has(field) && !spent.contains(field) {
            let equal = value.withField(field) { mine in
                other.withField(field) { theirs in constantTimeEqual(mine, theirs) } ?? false
            }
            if equal != true { same = false }
        }
        return same
    }

    private static func set(
        _ field: EntrySecrets.Field,
        _ secret: borrowing SecretBytes,
        _ secrets: inout EntrySecrets
    ) throws(VaultError) {
        do throws(CryptoError) { try secrets.set(field, to: secret) } catch { throw memory(error) }
    }

    private static func memory(_ error: CryptoError) -> VaultError {
        VaultError(.failed, "no memory for a secret: \(error.message)", underlying: error)
    }
}
