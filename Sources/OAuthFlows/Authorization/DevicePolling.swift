internal import VaultAPI

/// Asks again and again until a person has typed a code elsewhere (RFC 8628 §3.5).
struct DevicePolling: Sendable {
    /// What one question came to.
    enum Step: Sendable {
        case done(TokenGrant)
        case pending
        case slowDown
        /// No answer came.
        case unanswered
    }

    /// Between polls, where the server names none.
    ///
    /// RFC 8628 §3.2: "If no value is provided, clients MUST use 5 as the default."
    static let defaultInterval: Duration = .seconds(5)

    var interval: Duration
    let lifetime: Duration

    /// Waits, asks, and ends at the first grant, error or the end of the lifetime, whichever comes first.
    ///
    /// The lifetime counts from `start`: a monotonic instant, taken before the code was asked for.
    func run<C: Clock<Duration>>(
        on clock: C,
        from start: C.Instant,
        _ ask: @Sendable () async throws(VaultError) -> Step
    ) async throws(VaultError) -> TokenGrant {
        let end = start.advanced(by: lifetime)
        var interval = interval
        while true {
            let next = min(clock.now.advanced(by: interval), end)
            // "the minimum amount of time in seconds that the client SHOULD wait between polling requests": before the
            // first one too, or it would come before the person can have done anything.
            do { try await clock.sleep(until: next, tolerance: nil) } catch { throw .loginInterrupted }
            guard clock.now < end else {
                throw VaultError(
                    .loginRequired,
                    "the code was not confirmed within \(lifetime.components.seconds) s; nothing was stored",
                    hint: "log in again"
                )
            }
            let step = try await ask()
            switch step {
            // The first success ends it: some servers mint more tokens for whoever asks again.
            case .done(let grant): return grant
            case .pending: break
            // "the interval MUST be increased by 5 seconds for this and all subsequent requests"
            case .slowDown: interval += .seconds(5)
            // "On encountering a connection timeout, clients MUST unilaterally reduce their polling frequency before
            // retrying. The use of an exponential backoff algorithm to achieve this, such as doubling the polling
            // interval on each such connection timeout, is RECOMMENDED."
            case .unanswered: interval = min(interval * 2, lifetime)
            }
            if Task.isCancelled { throw .loginInterrupted }
        }
    }
}
