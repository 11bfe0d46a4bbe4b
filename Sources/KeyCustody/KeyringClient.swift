internal import KeyringProtocol
internal import Synchronization
public import VaultCrypto

/// The desktop's keyring, by way of `vault-keyring`, a child process that can be killed at a deadline.
///
/// D-Bus calls wait for 25 seconds and prompts for ever; neither can be called off in the process that made them. So
/// each call here starts the program, asks it one thing over a socket, and ends it, at the latest when its time is up.
/// It is one run for each call but `store`, which takes two: KeePassXC asks its user anew for every process.
public struct KeyringClient: Sendable {
    /// How long one call may take, as `CLOCK_MONOTONIC` measures it: a suspended machine does not use it up.
    public struct Deadlines: Sendable {
        /// Where nobody can answer a prompt.
        public let unattended: Duration
        /// Where somebody may be typing a password.
        public let interactive: Duration

        /// 4.5 seconds unattended and 60 interactive, unless said otherwise.
        ///
        /// Every command ends within 5 seconds where nobody can answer, its other work included.
        public init(unattended: Duration = .milliseconds(4500), interactive: Duration = .seconds(60)) {
            self.unattended = unattended
            self.interactive = interactive
        }
    }

    private let program: String?
    private let environment: [String: String]?
    private let deadlines: Deadlines
    private let silence = Silence()

    /// What a keyring that did not answer leaves behind: the same client does not wait for it again for a minute.
    private final class Silence: Sendable {
        private let last = Mutex<(error: KeyringError, until: MonotonicDeadline)?>(nil)

        var error: KeyringError? {
            last.withLock { last in
                guard let (error, until) = last, until.millisecondsLeft > 0 else { return nil }
                return error
            }
        }

        func remember(_ error: KeyringError) {
            last.withLock { $0 = (error, MonotonicDeadline(after: .seconds(60))) }
        }
    }

    /// A keyring that is asked when a method is called, not before.
    ///
    /// - Parameters:
    ///   - program: The path of `vault-keyring`; by default it is looked for beside this executable, in
    ///     `../libexec/vault` from there, and on the PATH.
    ///   - environment: The variables the program sees; by default this process's at the time of each call. Those whose
    ///     name begins with `VAULT_` are left out, since one of them may hold a passphrase.
    ///   - deadlines: How long a call may take.
    public init(program: String? = nil, environment: [String: String]? = nil, deadlines: Deadlines = Deadlines()) {
        self.program = program
        self.environment = environment
        self.deadlines = deadlines
    }

    /// Whether the keyring can be used now; with `interactive`, somebody may be asked to unlock it.
    ///
    /// - Throws: `.timedOut`, `.refused`, `.failed` or `.programMissing`; whatever else stands in the way is the
    ///   state's `obstacle`.
    public func probe(interactive: Bool) async throws(KeyringError) -> KeyringState {
        let request = KeyringRequest(.probe, interactive: interactive)
        do throws(KeyringError) {
            let answer = try await ask(request, deadline: deadline(interactive)).answer
            let obstacle = KeyringError(answer)
            if let obstacle, !Self.states.contains(obstacle.code) { throw obstacle }
            return KeyringState(
                obstacle: obstacle,
                backend: KeyringError.printable(answer.backend),
                collection: KeyringError.printable(answer.collection)
            )
        } catch  where error.code == .unavailable {
            return KeyringState(obstacle: error)
        }
    }

    private static let states: Set<KeyringError.Code> = [
        .locked, .unavailable, .noDefaultCollection, .volatile, .dismissed,
    ]

    /// All keys of 32 bytes that are kept for a slot, in all collections.
    ///
    /// Another program can plant an item with the same attributes, so try each against the slot's commitment. Items
    /// that hold no key are skipped.
    ///
    /// - Parameters:
    ///   - vault: The vault's UUID, 16 bytes.
    ///   - slot: The slot's UUID, 16 bytes.
    ///   - interactive: Whether somebody may be asked to unlock the keyring.
    /// - Throws: `.absent` where the keyring is open and has none; the list is never empty.
    public func lookup(
        vault: [UInt8],
        slot: [UInt8],
        interactive: Bool
    ) async throws(KeyringError) -> [SharedSecret] {
        let request = KeyringRequest(.lookup, interactive: interactive, vault: vault, slot: slot)
        return try await lookup(request, deadline: deadline(interactive))
    }

    /// Keeps a key of 32 bytes for a slot in the default collection, then reads it back with a second run.
    ///
    /// Nothing is replaced: a slot that already has a key has two afterwards. Commit the slot only when this returns.
    ///
    /// - Throws: Any code. After `.failed` and `.timedOut` the key may have been stored all the same; it does no harm
    ///   while no slot refers to it.
    public func store(
        _ secret: SharedSecret,
        vault: [UInt8],
        slot: [UInt8],
        label: String,
        interactive: Bool
    ) async throws(KeyringError) {
        precondition(secret.count == KeyringWire.keyBytes, "KeyCustody: a keyring keeps keys of 32 bytes")
        let deadline = deadline(interactive)
        let request = KeyringRequest(.store, interactive: interactive, vault: vault, slot: slot, label: label)
        let answer = try await ask(request, value: secret, deadline: deadline).answer
        if let error = KeyringError(answer) { throw error }
        let check = KeyringRequest(.lookup, interactive: interactive, vault: vault, slot: slot)
        let found: [SharedSecret]
        do throws(KeyringError) {
            found = try await lookup(check, deadline: deadline)
        } catch  where error.code == .absent {
            found = []
        }
        let same = found.filter { one in one.withSecret { one in secret.withSecret { one.equals($0) } } }
        guard !same.isEmpty else {
            throw KeyringError(
                .failed,
                "the keyring took the key but does not give it back",
                hint: "the slot was not added; use a passphrase slot"
            )
        }
    }

    /// Removes all items of a slot and looks whether they are gone.
    ///
    /// - Returns: `false` where there was none.
    public func delete(vault: [UInt8], slot: [UInt8], interactive: Bool) async throws(KeyringError) -> Bool {
        let request = KeyringRequest(.delete, interactive: interactive, vault: vault, slot: slot)
        let answer = try await ask(request, deadline: deadline(interactive)).answer
        guard let error = KeyringError(answer) else { return true }
        guard error.code == .absent else { throw error }
        return false
    }

    /// What another program keeps for a service, or for one account of it: accounts and values.
    ///
    /// Only services on `vault-keyring`'s list are looked at. Nothing is unlocked and nobody is asked.
    ///
    /// - Throws: `.absent` where there is nothing, `.locked` where the keyring would have to be unlocked first.
    public func foreignItems(
        of service: String,
        account: String?
    ) async throws(KeyringError) -> [(account: String, value: SharedSecret)] {
        let query: SharedSecret
        do { query = SharedSecret(try SecretBytes(ForeignQuery(service: service, account: account).encoded)) } catch {
            throw KeyringError(.failed, error.message)
        }
        let request = KeyringRequest(.foreign, interactive: false)
        let (answer, values) = try await ask(request, value: query, deadline: deadline(false))
        if let error = KeyringError(answer) { throw error }
        guard values.count.isMultiple(of: 2) else {
            throw KeyringError(.failed, "vault-keyring answered an item without its account")
        }
        return stride(from: 0, to: values.count, by: 2).map { index in
            let account = values[index].withSecret { name in
                name.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            }
            return (account, values[index + 1])
        }
    }

    private func lookup(
        _ request: KeyringRequest,
        deadline: MonotonicDeadline
    ) async throws(KeyringError) -> [SharedSecret] {
        let (answer, values) = try await ask(request, deadline: deadline)
        if let error = KeyringError(answer) { throw error }
        let keys = values.filter { $0.count == KeyringWire.keyBytes }
        guard !keys.isEmpty else { throw KeyringError(.failed, "vault-keyring answered a look-up without a key") }
        return keys
    }

    private func deadline(_ interactive: Bool) -> MonotonicDeadline {
        MonotonicDeadline(after: interactive ? deadlines.interactive : deadlines.unattended)
    }

    private func ask(
        _ request: KeyringRequest,
        value: SharedSecret? = nil,
        deadline: MonotonicDeadline
    ) async throws(KeyringError) -> (answer: KeyringAnswer, values: [SharedSecret]) {
        var environment = (environment ?? processEnvironment()).filter { !$0.key.hasPrefix("VAULT_") }
        // Swift's crash reports show registers and what they point at.
        environment["SWIFT_BACKTRACE"] = "enable=no"
        let bus = SessionBus(environment)
        if let sentence = bus.redirection { throw KeyringError(KeyringAnswer(.refused, sentence), .refused) }
        // Asked here too, since it is common over SSH and starting a process to learn it would be a waste.
        if let sentence = bus.absence { throw KeyringError(KeyringAnswer(.unavailable, sentence), .unavailable) }
        if !request.interactive, let error = silence.error { throw error }
        let path = try KeyringChild.find(program, environment: environment)
        do throws(KeyringError) {
            return try await KeyringRun(program: path, environment: environment, deadline: deadline)
                .exchange(request, value: value)
        } catch {
            if !request.interactive, error.code == .timedOut { silence.remember(error) }
            throw error
        }
    }
}
