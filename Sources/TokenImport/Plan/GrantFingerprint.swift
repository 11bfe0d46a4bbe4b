internal import StrictJSON
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// Tells whether two grants are the same without keeping either.
///
/// A hash under a key that lives for one plan: what is kept of 10,000 tokens compares, and tells nothing.
struct FingerprintKey: Sendable {
    private let key: SharedSecret

    init() throws(VaultError) {
        do { key = SharedSecret(try SecretBytes(random: 32)) } catch {
            throw VaultError(.failed, "no memory for a key: \(error.message)", underlying: error)
        }
    }

    /// Of any token in a file, whatever it is for.
    func value(_ token: JSONValue) throws(VaultError) -> [UInt8] {
        let secret = try token.secret()
        return secret.withUnsafeBytes { print($0, .secret) }
    }

    /// Of the refresh token in a file, `nil` where there is none.
    func refreshToken(of grant: FoundGrant) throws(VaultError) -> [UInt8]? {
        guard let value = grant.token(.refreshToken) else { return nil }
        let secret = try value.secret()
        return secret.withUnsafeBytes { print($0, .refreshToken) }
    }

    /// Of an entry's refresh token.
    func refreshToken(of secrets: borrowing EntrySecrets) -> [UInt8]? {
        secrets.withField(.refreshToken) { print($0, .refreshToken) }
    }

    /// Of each secret of a grant in a file.
    func secrets(of grant: FoundGrant) throws(VaultError) -> [EntrySecrets.Field: [UInt8]] {
        var prints: [EntrySecrets.Field: [UInt8]] = [:]
        for (field, value) in grant.secrets {
            let secret = try value.secret()
            prints[field] = secret.withUnsafeBytes { print($0, field) }
        }
        return prints
    }

    /// Whether an entry holds each of those secrets.
    func match(_ prints: [EntrySecrets.Field: [UInt8]], _ secrets: borrowing EntrySecrets) -> Bool {
        var same = true
        for (field, expected) in prints {
            let found = secrets.withField(field) { print($0, field) }
            if found != expected { same = false }
        }
        return same
    }

    private func print(_ bytes: UnsafeRawBufferPointer, _ field: EntrySecrets.Field) -> [UInt8] {
        key.withSecret { key in
            var hash = Blake2b(key: key)
            hash.update("import fingerprint 1")
            hash.update([UInt8(truncatingIfNeeded: field.rawValue)])
            hash.update(bytes)
            return hash.finish()
        }
    }
}
