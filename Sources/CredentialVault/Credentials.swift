internal import Glibc
internal import KeyCustody
public import VaultAPI
public import VaultCore
internal import VaultCrypto

/// The user's vault, open.
///
/// ```swift
/// let credentials = try await Credentials.open()
/// try await credentials.set("static:example", to: "sk-EXAMPLE")
/// print(try await credentials.accessToken(for: "codex").value, try await credentials.list().map(\.name))
/// ```
public struct Credentials: Sendable {
    private let vault: Vault

    /// Opens the vault that the environment names, asking nobody.
    ///
    /// - Parameters:
    ///   - directory: The vault's directory, instead of `VAULT_DIR` or the default one.
    ///   - profile: A profile, instead of `VAULT_PROFILE`.
    ///   - passphrase: Gives a passphrase or recovery code if one is needed; without it only slots that ask nobody open
    ///     the vault.
    /// - Throws: `VaultError`: `.notFound` where there is no vault, `.locked` where no slot opens without asking,
    ///   `.wrongKey`, `.damaged`, `.unavailable` or `.unsafe`.
    public static func open(
        directory: String? = nil,
        profile: String? = nil,
        passphrase: (@Sendable () async throws -> [UInt8])? = nil
    ) async throws -> Credentials {
        let location = try VaultLocation.standard(
            directory: directory,
            profile: profile,
            environment: processEnvironment()
        )
        let custodians = CustodianSet(
            asking: { _ throws(CustodyError) in try await secret(from: passphrase) },
            keyring: KeyringClient(),
            isInteractive: false
        )
        return Credentials(vault: try await Vault.open(location, with: custodians))
    }

    /// An access token that is valid now.
    ///
    /// - Parameter name: `x` or `oauth:x`; or `static:x` for a static secret.
    /// - Throws: `VaultError`: `.notFound`, or `.loginRequired` if the token has expired.
    public func accessToken(for name: String) async throws -> AccessToken {
        let entry = try await vault.read(try EntryName(parsing: name))
        let field = try entry.summary.usableToken(at: Timestamp.systemNow)
        guard let value = entry.secrets.withField(field, { String(validating: $0, as: UTF8.self) }) ?? nil else {
            throw VaultError(.damaged, "\(entry.summary.name) holds no text")
        }
        var expiresAt: String?
        if case .known(let time) = entry.summary.expiry { expiresAt = time.description }
        return AccessToken(value: value, type: entry.summary.tokenType ?? "Bearer", expiresAt: expiresAt)
    }

    /// Stores a static secret, in the place of one of that name if there is one.
    ///
    /// - Parameter name: `static:x`.
    public func set(_ name: String, to secret: String) async throws {
        let name = try EntryName(parsing: name)
        guard name.kind == .static else {
            throw VaultError(
                .usage,
                "\(name) is a grant; only static: entries can be set",
                hint: "use static:\(name.name)"
            )
        }
        var secrets = try EntrySecrets()
        let bytes = try SecretBytes(Array(secret.utf8))
        try secrets.set(.secret, to: bytes)
        var summary = EntrySummary(name: name, createdAt: Timestamp.systemNow)
        summary.expiry = .never
        try await vault.put(summary, secrets)
    }

    /// What there is, without its secrets, in order of names.
    ///
    /// - Throws: `VaultError`, `.damaged` if a record cannot be read.
    public func list() async throws -> [EntrySummary] {
        let listing = try await vault.list()
        try listing.requireSound()
        return listing.entries
    }

    /// Removes an entry here; nothing is revoked at a server.
    public func remove(_ name: String) async throws {
        try await vault.remove(try EntryName(parsing: name))
    }

    private static func secret(from source: (@Sendable () async throws -> [UInt8])?) async throws(CustodyError)
        -> SharedSecret
    {
        guard let source else {
            throw CustodyError(
                .locked,
                "a passphrase is needed, and this program gives none",
                hint: "pass one to Credentials.open"
            )
        }
        do {
            return SharedSecret(try SecretBytes(try await source()))
        } catch {
            throw CustodyError(.locked, "the program could not give a passphrase: \(error)", underlying: error)
        }
    }

    private static func processEnvironment() -> [String: String] {
        var variables: [String: String] = [:]
        for name in [
            "HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "VAULT_DIR", "VAULT_PROFILE",
            "VAULT_CONFIG_DIR",
        ] {
            if let value = getenv(name) { variables[name] = String(cString: value) }
        }
        return variables
    }
}
