internal import AgentClient
internal import KeyCustody
internal import OAuthFlows
internal import TokenBroker
public import VaultAPI
internal import VaultCore
internal import VaultCrypto
public import VaultStorage

/// The user's vault.
///
/// ```swift
/// let credentials = try await Credentials.open()
/// let token = try await credentials.accessToken(for: "github")
/// ```
///
/// Where the user's agent holds the vault's key, everything goes through it, and no key is in this process; otherwise the
/// vault is opened here. Which it is, is looked at for every call, so that `vault unlock` and `vault lock` count at once.
///
/// A token that has run out is refreshed first, in one request however many ask for it in however many processes. Nothing
/// that a server says, and no failure, deletes or overwrites a refresh token.
public struct Credentials: CredentialBroker {
    private let way: WayIn

    /// Finds the vault that the environment names, and a way to use it that asks nobody.
    ///
    /// - Parameters:
    ///   - directory: The vault's directory, instead of `VAULT_DIR` or the default one.
    ///   - profile: A profile, instead of `VAULT_PROFILE`.
    ///   - passphrase: Gives a passphrase or recovery code if one is needed; without it only the agent, or slots that
    ///     ask nobody, open the vault.
    /// - Throws: `VaultError`: `.notFound` where there is no vault, `.locked` where no slot opens without asking,
    ///   `.wrongKey`, `.damaged`, `.unavailable` or `.unsafe`.
    public static func open(
        directory: String? = nil,
        profile: String? = nil,
        passphrase: (@Sendable () async throws -> [UInt8])? = nil
    ) async throws -> Credentials {
        let environment = processEnvironment()
        let location = try VaultLocation.standard(directory: directory, profile: profile, environment: environment)
        let opened = OpenedOnce { () async throws(VaultError) in
            let vault = try await Vault.open(location, with: custodians(passphrase))
            return LocalBroker(vault, http: exchange(environment), secondOwner: .sourceFile)
        }
        let way = WayIn(AgentClient(environment: environment), to: location.directory) {
            () async throws(VaultError) in try await opened.broker()
        }
        _ = try await way.broker()
        return Credentials(way: way)
    }

    /// Opens a vault whose records are in a store of the program's own.
    ///
    /// The agent is not asked: it knows the vaults of directories alone. What this machine has seen of the vault lies
    /// where that of every vault lies, below `XDG_STATE_HOME`.
    ///
    /// - Parameters:
    ///   - store: Any that passes `RecordStoreConformance` of VaultTestKit.
    ///   - passphrase: Gives a passphrase or recovery code if one is needed.
    /// - Throws: `VaultError`, as `open(directory:profile:passphrase:)`.
    public static func open(
        store: any RecordStore,
        passphrase: (@Sendable () async throws -> [UInt8])? = nil
    ) async throws -> Credentials {
        let environment = processEnvironment()
        let location = try VaultLocation.standard(environment: environment)
        let vault = try await Vault.open(location, in: store, with: custodians(passphrase))
        return Credentials(vault, location, environment)
    }

    /// Makes a vault that a passphrase opens, in a store of the program's own, and opens it.
    ///
    /// - Parameters:
    ///   - passphrase: There is no other way in; whoever loses it loses the vault.
    ///   - store: Makes a store that holds that header and no records, or throws a `StoreError` with `.exists`.
    public static func create(
        passphrase: @escaping @Sendable () async throws -> [UInt8],
        making store: (StoredHeader) async throws -> any RecordStore
    ) async throws -> Credentials {
        let environment = processEnvironment()
        let location = try VaultLocation.standard(environment: environment)
        let vault = try await Vault.create(
            location,
            slots: [NewSlot(.passphrase)],
            custodians: custodians(passphrase),
            making: store
        )
        return Credentials(vault, location, environment)
    }

    private init(_ vault: Vault, _ location: VaultLocation, _ environment: [String: String]) {
        let broker = LocalBroker(vault, http: Self.exchange(environment), secondOwner: .sourceFile)
        way = WayIn(nil, to: location.directory) { broker }
    }

    private static func custodians(_ passphrase: (@Sendable () async throws -> [UInt8])?) -> CustodianSet {
        CustodianSet(
            asking: { _ throws(CustodyError) in try await secret(from: passphrase) },
            keyring: KeyringClient(),
            isInteractive: false
        )
    }

    init(way: WayIn) { self.way = way }

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
        try await way.broker().accessToken(for: name, requirements)
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
        try await way.broker().authorization(for: name, method: method, url: url, requirements)
    }

    /// Stores a static secret, in the place of one of that name if there is one.
    ///
    /// - Parameter name: `static:x`.
    public func set(_ name: String, to secret: String) async throws {
        var secret = secret
        let text = secret.withUTF8 { SecretText(copying: UnsafeRawBufferPointer($0)) }
        _ = try await way.broker().put(try EntryName(parsing: name), text)
    }

    /// What there is, without its secrets, in order of names.
    ///
    /// - Throws: `VaultError`, `.damaged` if a record cannot be read.
    public func list() async throws -> [EntrySummary] {
        let listing = try await way.broker().list()
        try listing.requireSound()
        return listing.entries
    }

    /// Removes an entry here; nothing is revoked at a server.
    public func remove(_ name: String) async throws {
        try await way.broker().remove(try EntryName(parsing: name))
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

/// A vault that is opened when it is first needed, and stays open.
private actor OpenedOnce {
    private let open: WayIn.Opening
    private var opening: Task<Result<LocalBroker, VaultError>, Never>?

    init(_ open: @escaping WayIn.Opening) { self.open = open }

    func broker() async throws(VaultError) -> LocalBroker {
        let task = opening ?? Task { [open] in await Self.result(of: open) }
        opening = task
        let result = await task.value
        // What failed may go well the next time.
        if case .failure = result { opening = nil }
        return try result.get()
    }

    private static func result(of open: WayIn.Opening) async -> Result<LocalBroker, VaultError> {
        do throws(VaultError) { return .success(try await open()) } catch { return .failure(error) }
    }
}
