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

    /// What tells a grant in a file from another.
    func marks(of grant: FoundGrant) throws(VaultError) -> GrantMarks {
        let prints = try secrets(of: grant)
        return GrantMarks { prints[$0] }
    }

    /// What tells an entry's grant from another.
    func marks(of secrets: borrowing EntrySecrets) -> GrantMarks {
        var prints: [EntrySecrets.Field: [UInt8]] = [:]
        for field in GrantMarks.fields { prints[field] = secrets.withField(field) { print($0, field) } }
        return GrantMarks { prints[$0] }
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

/// The fingerprints by which the same grant is known again.
///
/// "Same account ≠ same grant: only equal token bytes prove a copy."
struct GrantMarks: Hashable, Sendable {
    static let fields: [EntrySecrets.Field] = [.refreshToken, .secret, .accessToken]

    let refreshToken: [UInt8]?
    let accessToken: [UInt8]?
    /// Of what the grant is worth most for: its refresh token, its static secret, its access token.
    let best: [UInt8]?

    init(_ print: (EntrySecrets.Field) -> [UInt8]?) {
        refreshToken = print(.refreshToken)
        accessToken = print(.accessToken)
        best = Self.fields.lazy.compactMap(print).first
    }
}
