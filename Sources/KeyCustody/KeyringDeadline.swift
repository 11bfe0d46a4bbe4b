internal import Glibc

/// A point in time that a change of the wall clock does not move and that a suspended machine does not reach.
struct MonotonicDeadline: Sendable {
    /// How long it was until then.
    let length: Duration
    private let end: Duration

    init(after length: Duration) {
        self.length = length
        end = Self.now + length
    }

    /// What is left, rounded up; 0 when it is past.
    var millisecondsLeft: Int32 {
        let left = end - Self.now
        guard left > .zero else { return 0 }
        let (seconds, attoseconds) = left.components
        return Int32(
            clamping: seconds.multipliedReportingOverflow(by: 1000).0 + attoseconds / 1_000_000_000_000_000 + 1
        )
    }

    private static var now: Duration {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }
}
