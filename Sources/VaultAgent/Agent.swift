internal import AgentClient
internal import CredentialVault
internal import Glibc
internal import OAuthFlows
internal import PrivateFiles
package import Providers
internal import Synchronization
package import TokenBroker
package import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// Holds the keys of any number of vaults for a session, and hands out from them.
package actor Agent {
    let version: String
    let clock: VaultClock
    let notices: LoginNotices
    private let confirm: Confirmation
    private let dismiss: @Sendable () -> Void
    private var held: [VaultID: HeldVault] = [:]
    private var refreshing: [VaultID: Task<Void, Never>] = [:]
    /// Vaults that nobody can use any more, and whose key goes when the last use has ended.
    private var draining: [ObjectIdentifier: (vault: HeldVault, end: Task<Void, Never>)] = [:]
    private var watch: Task<Void, Never>?

    /// Asks a person whether a caller may use an entry now.
    package typealias Confirmation = HandOutGate.Confirmation

    /// - Parameters:
    ///   - version: As `vault --version` prints it.
    ///   - notices: Told when only a person can help.
    ///   - confirm: Asks for the use of entries that want it.
    ///   - dismiss: Takes back what is being asked.
    package init(
        version: String,
        clock: VaultClock = VaultClock(),
        notices: LoginNotices,
        confirm: @escaping Confirmation,
        dismiss: @escaping @Sendable () -> Void = {}
    ) {
        self.version = version
        self.clock = clock
        self.notices = notices
        self.confirm = confirm
        self.dismiss = dismiss
    }

    /// The gate in front of one vault: a question ends when the vault is locked.
    func gate(of held: HeldVault) -> HandOutGate {
        HandOutGate { [confirm, weak held] name, caller throws(VaultError) in
            guard let held else { throw HeldVault.locked("the vault") }
            try await held.answer(name, caller.processID) { () async throws(VaultError) in
                try await confirm(name, caller)
            }
        }
    }

    /// Takes the key of a vault.
    ///
    /// - Throws: `.wrongKey` if it is not the vault's; what opening it says.
    func unlock(_ request: UnlockRequest) async throws(VaultError) -> HeldVaultStatus {
        let vault = try await Vault.open(request.location, under: request.key, clock: clock)
        // Every caller is given to by a view of its own.
        let broker = LocalBroker(
            vault,
            http: Credentials.exchange(request.network),
            clock: clock,
            secondOwner: .sourceFile
        )
        return await hold(HeldVault(broker, settings: request.settings, clock: clock))
    }

    /// Hands out from a vault that is open, from now on.
    func hold(_ new: HeldVault) async -> HeldVaultStatus {
        // Somebody may have unlocked it meanwhile: the last one's limits count.
        let old = held.updateValue(new, forKey: new.id)
        refreshing.removeValue(forKey: new.id)?.cancel()
        if new.settings.refreshUnusedFor > .zero {
            refreshing[new.id] = Task { [clock, notices] in
                await BackgroundRefresh(of: new, clock: clock, notices: notices).run()
            }
        }
        watchDeadlines()
        if let old { await go(of: [old]) }
        return new.status
    }

    /// Lets go of the key of one vault or of all; running refreshes are waited for.
    ///
    /// - Returns: The directories of what was locked.
    @discardableResult
    package func lock(_ which: String? = nil) async -> [String] {
        let chosen = held.values.filter { which == nil || $0.isCalled(which ?? "") }
        // Those of which somebody else is about to let go count too: their keys are not gone yet.
        let leaving = draining.values.map(\.vault).filter { which == nil || $0.isCalled(which ?? "") }
        await go(of: chosen)
        for vault in leaving { await draining[ObjectIdentifier(vault)]?.end.value }
        return Set((chosen + leaving).map(\.directory)).sorted()
    }

    /// Locks what wants to be locked on that occasion.
    package func lock(on occasion: @Sendable (AgentSettings) -> Bool) async {
        await go(of: held.values.filter { occasion($0.settings) })
        for (vault, end) in draining.values where occasion(vault.settings) { await end.value }
    }

    private func go(of vaults: [HeldVault]) async {
        for vault in vaults where held[vault.id] === vault {
            held[vault.id] = nil
            refreshing.removeValue(forKey: vault.id)?.cancel()
        }
        if !vaults.isEmpty { dismiss() }
        for vault in vaults {
            let id = ObjectIdentifier(vault)
            guard draining[id] == nil else { continue }
            draining[id] = (vault, Task { await vault.drain() })
        }
        for vault in vaults {
            await draining[ObjectIdentifier(vault)]?.end.value
            draining[ObjectIdentifier(vault)] = nil
        }
    }

    /// The vault of that directory or UUID.
    func holding(_ which: String) throws(VaultError) -> HeldVault {
        guard let vault = held.values.first(where: { $0.isCalled(which) }), !vault.isDue else {
            throw HeldVault.locked(which)
        }
        guard vault.isInPlace else {
            // Destroyed, or another one was put there: the key is of no use, and the other one's is not here.
            Task { await go(of: [vault]) }
            throw vault.wasMoved ? HeldVault.moved(which) : HeldVault.locked(which)
        }
        return vault
    }

    /// What the agent is, and what it holds.
    ///
    /// - Parameter which: A vault of which the asker wants to know whether its key is here.
    func status(of which: String?) -> AgentStatus {
        AgentStatus(
            version: version,
            processID: getpid(),
            holds: which.map { (try? holding($0)) != nil },
            vaults: held.values.filter { !$0.isDue && $0.isInPlace }.map(\.status)
                .sorted { $0.directory < $1.directory }
        )
    }

    /// Locks each vault when its time is up.
    ///
    /// Nobody gets anything from a vault that is due, so this only has to wipe soon enough; looking once a minute
    /// covers a machine that slept.
    private func watchDeadlines() {
        watch?.cancel()
        watch = Task { [weak self, clock] in
            while !Task.isCancelled, let left = await self?.millisecondsToNextDeadline() {
                try? await clock.pauses.sleep(for: .milliseconds(min(left, 60_000)))
                await self?.lockDue()
            }
        }
    }

    private func millisecondsToNextDeadline() -> Int64? {
        held.values.compactMap(\.millisecondsLeft).min().map { Int64(clamping: $0) }
    }

    /// After the machine slept, or its clock was set: locks what is due, and refreshes what ran out meanwhile.
    package func wake() async {
        await lockDue()
        for vault in held.values where vault.settings.refreshUnusedFor > .zero {
            Task { [clock, notices] in
                _ = await BackgroundRefresh(of: vault, clock: clock, notices: notices).round()
            }
        }
    }

    /// Locks what is due.
    package func lockDue() async { await go(of: held.values.filter(\.isDue)) }

    /// After a vault said that its key is no longer the right one.
    func lockChanged(_ vault: HeldVault) async { await go(of: [vault]) }
}

/// What `vault unlock` leaves with the agent.
struct UnlockRequest: Sendable {
    let location: VaultLocation
    let key: SharedSecret
    let settings: AgentSettings
    /// Variables that say how servers are reached.
    let network: [String: String]

    init(_ params: WireValue) throws(VaultError) {
        func path(_ name: String) -> String? { params[name]?.string.flatMap { $0.hasPrefix("/") ? $0 : nil } }
        guard let directory = path("directory"), let state = path("state_base"),
            let configuration = path("configuration"), let text = params["data_key_base64"]?.secret,
            let bytes = text.decodedBase64, bytes.count == 32
        else { throw VaultError(.usage, "unlock wants directory, state_base, configuration and data_key_base64") }
        location = VaultLocation(
            directory: directory,
            stateBase: state,
            configuration: configuration,
            runtimeBase: path("runtime_base"),
            cacheBase: path("cache_base")
        )
        do throws(CryptoError) {
            key = SharedSecret(
                try bytes.withUnsafeBytes { (bytes) throws(CryptoError) in try SecretBytes(copying: bytes) }
            )
        } catch {
            throw VaultError(.unavailable, error.message)
        }
        settings = AgentSettings(params)
        var network: [String: String] = [:]
        for member in params["network"]?.members ?? [] { network[member.name] = member.value.string }
        self.network = network
    }
}

extension HeldVault {
    /// Whether it is meant: by its UUID, or by a path of its directory.
    fileprivate func isCalled(_ which: String) -> Bool {
        guard which.hasPrefix("/") else { return id.description == which }
        if directory == which { return true }
        guard let ours = try? FileStatus.of(directory), let theirs = try? FileStatus.of(which) else { return false }
        return ours.device == theirs.device && ours.inode == theirs.inode
    }
}
