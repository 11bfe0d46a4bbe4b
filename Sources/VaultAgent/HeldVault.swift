internal import AgentClient
internal import CredentialVault
internal import Synchronization
internal import TokenBroker
internal import VaultAPI
internal import VaultCore

/// A vault whose key the agent holds, and what decides for how long.
///
/// The key goes when the last use of it ends: whoever uses the vault does so through `use`, and `drain` waits for all
/// of them, so that a refresh which has been sent is in the vault before the key is gone.
final class HeldVault: Sendable {
    let id: VaultID
    let directory: String
    let settings: HoldSettings
    let unlockedAt: Timestamp
    private let clock: VaultClock
    private let state: Mutex<State>

    private struct State {
        /// `nil` once it is locked.
        var broker: LocalBroker?
        var isLocking = false
        var uses = 0
        /// Boot time in milliseconds.
        var locksAt: UInt64?
        var lastUse: UInt64
        /// When each entry was last handed out, by the boot time.
        var handOuts: [EntryName: UInt64] = [:]
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    init(_ broker: LocalBroker, settings: HoldSettings, clock: VaultClock) {
        id = broker.vault.id
        directory = broker.vault.location.directory
        self.settings = settings
        self.clock = clock
        unlockedAt = clock.now
        let boot = clock.bootTime
        state = Mutex(
            State(
                broker: broker,
                locksAt: settings.lifetimeSeconds.map { boot + UInt64(clamping: $0) * 1000 },
                lastUse: boot
            )
        )
    }

    /// Does `body` with the vault, which stays open meanwhile.
    ///
    /// - Throws: `.locked` if it is locked, or about to be.
    func use<Result: Sendable>(
        countsAsUse: Bool = true,
        _ body: (LocalBroker) async throws(VaultError) -> Result
    ) async throws(VaultError) -> Result {
        let boot = clock.bootTime
        let broker = state.withLock { state -> LocalBroker? in
            guard let broker = state.broker, !state.isLocking, !isDue(state, boot) else { return nil }
            state.uses += 1
            if countsAsUse { state.lastUse = boot }
            return broker
        }
        guard let broker else { throw Self.locked(directory) }
        defer { leave(countsAsUse) }
        return try await body(broker)
    }

    private func leave(_ countsAsUse: Bool) {
        let boot = clock.bootTime
        let waiting = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.uses -= 1
            if countsAsUse { state.lastUse = boot }
            guard state.uses == 0, state.isLocking else { return [] }
            defer { state.waiting = [] }
            state.broker = nil
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Lets nobody begin anything more, waits for what was begun, and lets go of the key.
    func drain() async {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state -> Bool in
                state.isLocking = true
                if state.uses == 0 {
                    state.broker = nil
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if isDone { continuation.resume() }
        }
    }

    /// Remembers that a token of the entry was handed out.
    func handedOut(_ name: EntryName) {
        let boot = clock.bootTime
        state.withLock { $0.handOuts[name] = boot }
    }

    /// The entries of which a token was handed out within that time.
    func entriesUsed(withinSeconds seconds: Int64) -> [EntryName] {
        let boot = clock.bootTime
        return state.withLock { state in
            state.handOuts = state.handOuts.filter { boot - min($0.value, boot) <= UInt64(clamping: seconds) * 1000 }
            return state.handOuts.keys.sorted()
        }
    }

    /// Whether it is to be locked now, because its time is up or nobody used it.
    var isDue: Bool {
        let boot = clock.bootTime
        return state.withLock { isDue($0, boot) }
    }

    private func isDue(_ state: State, _ boot: UInt64) -> Bool {
        if let locksAt = state.locksAt, boot >= locksAt { return true }
        // What is in use is not idle.
        guard let idle = settings.idleSeconds, state.uses == 0 else { return false }
        return boot >= state.lastUse + UInt64(clamping: idle) * 1000
    }

    /// Milliseconds until it may have to be locked; `nil` where nothing but a person locks it.
    var millisecondsLeft: UInt64? {
        let boot = clock.bootTime
        return state.withLock { state in
            let idle = settings.idleSeconds.map { state.lastUse + UInt64(clamping: $0) * 1000 }
            guard let due = [state.locksAt, idle].compactMap(\.self).min() else { return nil }
            return due > boot ? due - boot : 0
        }
    }

    /// What others may know of it.
    var status: HeldVaultStatus {
        let boot = clock.bootTime
        let now = clock.now
        let locksAt = state.withLock { state in
            state.locksAt.flatMap { at -> Timestamp? in
                Timestamp(seconds: now.seconds + Int64(clamping: (at - min(at, boot)) / 1000))
            }
        }
        return HeldVaultStatus(
            vault: id.description,
            directory: directory,
            unlockedAt: unlockedAt,
            locksAt: locksAt,
            idleSeconds: settings.idleSeconds
        )
    }

    static func locked(_ vault: String) -> VaultError {
        VaultError(.locked, "the agent does not hold the key of \(vault)", hint: "vault unlock")
    }
}
