internal import Synchronization
internal import VaultAPI

/// Obtains an authorization for more than what is held (RFC 6750 §3.1, `insufficient_scope`).
///
/// - Parameter scopes: What the resource asks for; `nil` where it does not say.
/// - Returns: Whether there is a token now that is worth another try.
package typealias StepUp = @Sendable (_ scopes: [String]?) async -> Bool

/// One step-up at a time, whoever needs it; each waits for as long as a client is held.
///
/// The step-up belongs to nobody who waits: a client that goes away, or has waited for long enough, does not end it.
final class StepUps: Sendable {
    private struct State {
        var running: (task: Task<Bool, Never>, number: Int)?
        var finished = 0
    }

    private let state = Mutex(State())
    private let stepUp: StepUp
    private let hold: Duration
    private let clock: VaultClock

    init(_ stepUp: @escaping StepUp, hold: Duration, clock: VaultClock) {
        (self.stepUp, self.hold, self.clock) = (stepUp, hold, clock)
    }

    /// How many there have been; sampled before a request is sent, it tells whether its token is older than the last.
    var finished: Int { state.withLock { $0.finished } }

    /// Whether it is worth while to send a request again that was sent after `seen` of them.
    func run(_ scopes: [String]?, seen: Int) async -> Bool {
        let task: Task<Bool, Never>? = state.withLock { state in
            if let running = state.running { return running.task }
            // Another request had this answered while ours was on its way.
            guard state.finished == seen else { return nil }
            let number = state.finished
            let task = Task { [self] in
                let hasMore = await stepUp(scopes)
                self.state.withLock { state in
                    if state.running?.number == number { state.running = nil }
                    if hasMore { state.finished += 1 }
                }
                return hasMore
            }
            state.running = (task, number)
            return task
        }
        guard let task else { return true }
        return await value(of: task)
    }

    /// Ends the one that is under way, and returns when it has closed what it opened.
    func end() async {
        let task = state.withLock { $0.running?.task }
        task?.cancel()
        _ = await task?.value
    }

    /// What the step-up came to; `false` where that took longer than a client is held.
    private func value(of task: Task<Bool, Never>) async -> Bool {
        let (answers, said) = AsyncStream.makeStream(of: Bool.self)
        let (clock, hold) = (clock, hold)
        let waiting = Task { said.yield(await task.value) }
        let limit = Task {
            guard (try? await clock.pauses.sleep(for: hold)) != nil else { return }
            said.yield(false)
        }
        defer {
            waiting.cancel()
            limit.cancel()
            said.finish()
        }
        for await answer in answers { return answer }
        return false
    }
}
