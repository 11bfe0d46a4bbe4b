internal import KeyCustody
internal import OAuthFlows
internal import TokenBroker
internal import TokenImport
public import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// The user's vault, open.
///
/// ```swift
/// let credentials = try await Credentials.open()
/// let token = try await credentials.accessToken(for: "github")
/// ```
///
/// A token that has run out is refreshed first, in one request however many ask for it in however many processes. Nothing
/// that a server says, and no failure, deletes or overwrites a refresh token.
public struct Credentials: CredentialBroker {
    private let vault: Vault
    private let broker: LocalBroker

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
        let environment = processEnvironment()
        let location = try VaultLocation.standard(directory: directory, profile: profile, environment: environment)
        let custodians = CustodianSet(
            asking: { _ throws(CustodyError) in try await secret(from: passphrase) },
            keyring: KeyringClient(),
            isInteractive: false
        )
        let vault = try await Vault.open(location, with: custodians)
        return Credentials(vault: vault, http: exchange(environment))
    }

    init(vault: Vault, http: any HTTPExchange) {
        self.vault = vault
        let owner = SecondOwner { (vault, summary, now) throws(VaultError) in
            _ = try await ImportPlan.reread(summary, into: vault, now: now)
        }
        broker = LocalBroker(vault, http: http, secondOwner: owner)
    }

    /// A token that can be used now, refreshed first if need be.
    ///
    /// - Parameter name: `x` or `oauth:x`; or `static:x` for a static secret.
    /// - Throws: `.notFound`; `.loginRequired` if only a new login helps; `.temporary` if the server or the network is in
    ///   trouble; `.configuration` if the server rejects the client; `.unavailable` if the vault cannot be written or
    ///   waited for; `.unsafe` for a token that is bound to a key, which only `authorization` can use.
    public func accessToken(
        for name: String,
        _ requirements: TokenRequirements
    ) async throws(VaultError) -> AccessToken {
        try await broker.accessToken(for: name, requirements)
    }

    /// The header fields that authorise one HTTP request (RFC 6750 §2.1, RFC 9449 §4).
    ///
    /// - Parameters:
    ///   - method: The request's method.
    ///   - url: The request's URL.
    /// - Throws: As `accessToken`; `.unsafe` too if the URL's host is none that the token is for.
    public func authorization(
        for name: String,
        method: String,
        url: String,
        _ requirements: TokenRequirements
    ) async throws(VaultError) -> Authorization {
        try await broker.authorization(for: name, method: method, url: url, requirements)
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
        let listing: Listing = try await vault.list()
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
}
