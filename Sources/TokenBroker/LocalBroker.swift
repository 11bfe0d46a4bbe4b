package import OAuthFlows
package import VaultAPI
package import VaultCore
internal import VaultCrypto

/// Gives out tokens of an open vault, and refreshes them in this process.
package actor LocalBroker {
    package nonisolated let vault: Vault
    nonisolated let endpoint: TokenEndpoint
    package nonisolated let clock: VaultClock
    private let backoff: Backoff
    private let secondOwner: SecondOwner?
    /// Who gets what this broker itself gives out.
    package nonisolated let handOut: HandOut
    /// One refresh for each entry: owned by the broker and not by the caller, so that a caller that goes away cuts
    /// nothing.
    private var running: [EntryID: Task<Result<FreshToken, VaultError>, Never>] = [:]

    /// - Parameters:
    ///   - http: How requests are sent.
    ///   - clock: Tells the time, for expiry and back-off alike.
    ///   - caller: Who gets what this broker gives out; `handing(to:gate:)` gives to others.
    ///   - gate: What every secret passes on its way out.
    package init(
        _ vault: Vault,
        http: any HTTPExchange,
        clock: VaultClock = VaultClock(),
        backoff: Backoff = Backoff(),
        secondOwner: SecondOwner? = nil,
        caller: Caller = .own(via: .library),
        gate: HandOutGate = .askingNobody
    ) {
        handOut = HandOut(caller, gate)
        self.vault = vault
        self.clock = clock
        self.backoff = backoff
        self.secondOwner = secondOwner
        endpoint = TokenEndpoint(http: http, clock: clock)
    }

    /// A token that is what the caller needs, past the gate: for refreshing ahead of need, and for what asks the gate
    /// itself.
    ///
    /// - Parameter admit: Called with the entry as it is, before anything is given or refreshed.
    package nonisolated func ungatedToken(
        for name: EntryName,
        _ need: TokenNeed,
        admit: (EntrySummary) async throws(VaultError) -> Void = { (_) throws(VaultError) in }
    ) async throws(VaultError) -> FreshToken {
        var isAdmitted = false
        // A refresh that was under way for somebody with a smaller need may not be enough; a second one of our own is.
        for _ in 0..<2 {
            let entry = try await vault.read(name)
            if !isAdmitted { try await admit(entry.summary) }
            isAdmitted = true
            if name.kind == .static {
                guard let value = try entry.secrets.shared(.secret) else {
                    throw VaultError(.damaged, "\(name) holds no secret")
                }
                return FreshToken(value: value, summary: entry.summary)
            }
            // No lock on the hot path.
            if let token = try FreshToken(entry, for: need, now: clock.now) { return token }
            let (outcome, joined) = await refresh(name, entry.summary.id, need)
            switch outcome {
            case .failure(let error):
                guard joined else { throw error }
                // It failed for somebody who may have asked for more.
                let entry = try await vault.read(name)
                guard let token = try FreshToken(old: entry, for: need, now: clock.now, because: error) else {
                    throw error
                }
                return token
            case .success(let token):
                let validity = TokenValidity(summary: token.summary, now: clock.now)
                if !joined || validity.satisfies(need, fingerprint: TokenFingerprint(of: token.value)) { return token }
            }
        }
        let entry = try await vault.read(name)
        if let token = try FreshToken(entry, for: need, now: clock.now) { return token }
        throw VaultError(.temporary, "\(name): every token that was given was refused", hint: "ask again")
    }

    /// Joins the refresh that is running for that entry, or begins one.
    private func refresh(
        _ name: EntryName,
        _ id: EntryID,
        _ need: TokenNeed
    ) async -> (Result<FreshToken, VaultError>, joined: Bool) {
        if let task = running[id] { return (await task.value, true) }
        let transaction = RefreshTransaction(
            vault: vault,
            endpoint: endpoint,
            clock: clock,
            backoff: backoff,
            secondOwner: secondOwner,
            name: name,
            need: need
        )
        let task = Task { await transaction.result() }
        running[id] = task
        let outcome = await task.value
        // Nobody else puts a task here while ours is in it.
        running[id] = nil
        return (outcome, false)
    }
}

extension RefreshTransaction {
    func result() async -> Result<FreshToken, VaultError> {
        do throws(VaultError) { return .success(try await run()) } catch { return .failure(error) }
    }
}
