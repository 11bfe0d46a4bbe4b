internal import Glibc
internal import Synchronization

/// How a connection waits for another process that holds the database.
///
/// SQLite's own busy time-out backs off to 100 ms, while whoever has just committed is back within microseconds: of 16
/// processes that write all the time, some waited for 8 of their 10 seconds. Short pauses that differ from process to
/// process give each the same chance at every release; the price is a thousand cheap attempts a second.
final class BusyWaiting: Sendable {
    /// The time after which a busy database is reported.
    ///
    /// A commit takes milliseconds, so that is a stopped process or a dead network mount, not a queue.
    static let limit = Duration.seconds(10)

    private let began: Mutex<Duration>
    private let now: @Sendable () -> Duration
    private let pause: @Sendable (Duration) -> Void

    /// One for each connection, which asks from one thread at a time.
    init(
        now: @escaping @Sendable () -> Duration = BusyWaiting.monotonicTime,
        pause: @escaping @Sendable (Duration) -> Void = BusyWaiting.sleep
    ) {
        began = Mutex(.zero)
        self.now = now
        self.pause = pause
    }

    /// Pauses and says whether to try again.
    ///
    /// - Parameter attempt: How often this one wait has asked before.
    func triesAgain(attempt: Int) -> Bool {
        let now = now()
        let began = began.withLock { began in
            if attempt == 0 { began = now }
            return began
        }
        guard now - began < Self.limit else { return false }
        pause(.microseconds(Int.random(in: 200...2000)))
        return true
    }

    private static func monotonicTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    // On the connection's own queue, which is there to be blocked.
    private static func sleep(_ duration: Duration) {
        var time = timespec(tv_sec: 0, tv_nsec: Int(duration.components.attoseconds / 1_000_000_000))
        nanosleep(&time, nil)
    }
}
