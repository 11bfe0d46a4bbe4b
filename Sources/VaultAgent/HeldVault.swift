internal import AgentClient
internal import CredentialVault
internal import Providers
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
    let settings: AgentSettings
    let unlockedAt: Timestamp
    private let clock: VaultClock
    private let location: VaultLocation
    private let store: FileIdentity?
    private let address: StoreAddress?
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
        /// Confirmations that a person has been asked for.
        var questions: [Int: CheckedContinuation<Result<Void, VaultError>, Never>] = [:]
        var lastQuestion = 0
        var refusals: [Use: (error: VaultError, at: UInt64)] = [:]
    }

    private struct Use: Hashable {
        let name: EntryName
        let process: Int32
    }

    init(_ broker: LocalBroker, settings: AgentSettings, clock: VaultClock) {
        id = broker.vault.id
        directory = broker.vault.location.directory
        self.settings = settings
        self.clock = clock
        location = broker.vault.location
        store = FileIdentity(location.identityFile)
        address = try? location.storeAddress()
        unlockedAt = clock.now
        let boot = clock.bootTime
        state = Mutex(
            State(
                broker: broker,
                locksAt: settings.lifetime.map { boot + $0.milliseconds },
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
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Lets nobody begin anything more, waits for what was begun, and lets go of the key.
    func drain() async {
        let questions = state.withLock { state in
            state.isLocking = true
            defer { state.questions = [:] }
            return state.questions.values
        }
        // Nobody has to answer a question first.
        for question in questions { question.resume(returning: .failure(Self.locked(directory))) }
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state -> Bool in
                if state.uses > 0 { state.waiting.append(continuation) }
                return state.uses == 0
            }
            if isDone { continuation.resume() }
        }
        let broker = state.withLock { $0.broker.take() }
        await broker?.vault.flushAudit()
    }

    /// How long a refusal stands for the process that was refused, in milliseconds.
    ///
    /// The front of `vault` becomes the whole command to say what was wrong, and that asks again.
    private static let refusalStands: UInt64 = 5_000

    /// What a person answers, or that the vault is locked, whichever comes first.
    ///
    /// - Parameter process: Who asked; refused once, it is refused for a few seconds without another question.
    func answer(
        _ name: EntryName,
        _ process: Int32,
        _ ask: @escaping @Sendable () async throws(VaultError) -> Void
    ) async throws(VaultError) {
        let (asked, now) = (Use(name: name, process: process), clock.bootTime)
        let refusal = state.withLock { state -> VaultError? in
            state.refusals = state.refusals.filter { now < $0.value.at + Self.refusalStands }
            return state.refusals[asked]?.error
        }
        if let refusal { throw refusal }
        do {
            try await answer(ask)
        } catch {
            state.withLock { $0.refusals[asked] = (error, clock.bootTime) }
            throw error
        }
    }

    private func answer(
        _ ask: @escaping @Sendable () async throws(VaultError) -> Void
    ) async throws(VaultError) {
        let number = state.withLock { state in
            state.lastQuestion += 1
            return state.lastQuestion
        }
        let answer = await withCheckedContinuation { continuation in
            let isAsked = state.withLock { state -> Bool in
                if !state.isLocking { state.questions[number] = continuation }
                return !state.isLocking
            }
            guard isAsked else { return continuation.resume(returning: .failure(Self.locked(directory))) }
            Task {
                let answer: Result<Void, VaultError>
                do throws(VaultError) { answer = .success(try await ask()) } catch { answer = .failure(error) }
                state.withLock { $0.questions.removeValue(forKey: number) }?.resume(returning: answer)
            }
        }
        try answer.get()
    }

    /// That the vault's store does not answer, and of when what was read is; `nil` while it answers.
    var storeNote: String? { state.withLock { $0.broker }?.vault.storeNote }

    /// Whether the vault that was unlocked lies where it lay then.
    var isInPlace: Bool { FileIdentity(location.identityFile) == store }

    /// Remembers that a token of the entry was handed out.
    func handedOut(_ name: EntryName) {
        let boot = clock.bootTime
        state.withLock { $0.handOuts[name] = boot }
    }

    /// The entries of which a token was handed out within that time.
    func entriesUsed(within time: Duration) -> [EntryName] {
        let boot = clock.bootTime
        return state.withLock { state in
            state.handOuts = state.handOuts.filter { boot - min($0.value, boot) <= time.milliseconds }
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
        guard let idle = settings.idle, state.uses == 0 else { return false }
        return boot >= state.lastUse + idle.milliseconds
    }

    /// Milliseconds until it may have to be locked; `nil` where nothing but a person locks it.
    var millisecondsLeft: UInt64? {
        let boot = clock.bootTime
        return state.withLock { state in
            // What is in use now is not idle before that time has passed once more.
            let idle = settings.idle.map { (state.uses > 0 ? boot : state.lastUse) + $0.milliseconds }
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
            idleSeconds: settings.idle?.components.seconds
        )
    }

    /// Whether the directory stands for another store than when it was unlocked.
    var wasMoved: Bool { (try? location.storeAddress()).map { $0 != address } ?? false }

    /// The vault went to another store, and the agent lets go of its key.
    static func moved(_ vault: String) -> VaultError {
        VaultError(.locked, "\(vault) was moved to another store, so the agent let go of its key", hint: "vault unlock")
    }

    static func locked(_ vault: String) -> VaultError {
        VaultError(.locked, "the agent does not hold the key of \(vault)", hint: "vault unlock")
    }
}
