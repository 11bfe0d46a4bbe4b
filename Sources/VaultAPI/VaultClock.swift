internal import Glibc

/// Tells the time and waits, so that tests can do both at their own pace.
public struct VaultClock: Sendable {
    private let readNow: @Sendable () -> Timestamp
    private let readBootTime: @Sendable () -> UInt64
    /// What every wait sleeps on: for a lease, for a device's code, for the end of a login.
    public let pauses: any Clock<Duration>

    /// The system's clocks, or others.
    ///
    /// - Parameter bootTime: Milliseconds since the machine was started, those it slept through included.
    public init(
        now: (@Sendable () -> Timestamp)? = nil,
        bootTime: (@Sendable () -> UInt64)? = nil,
        pauses: any Clock<Duration> = ContinuousClock()
    ) {
        readNow = now ?? { Timestamp.systemNow }
        readBootTime = bootTime ?? { Self.systemBootTime }
        self.pauses = pauses
    }

    /// The time of day.
    public var now: Timestamp { readNow() }

    /// Milliseconds since the machine was started: nobody sets it, and it goes on while the machine sleeps.
    public var bootTime: UInt64 { readBootTime() }

    private static var systemBootTime: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }
}
