/// Tells the time and waits, so that tests can do both at their own pace.
public struct VaultClock: Sendable {
    private let readNow: @Sendable () -> Timestamp
    /// What waiting for a lease sleeps on.
    public let pauses: any Clock<Duration>

    /// The system's clocks, or others.
    public init(
        now: (@Sendable () -> Timestamp)? = nil,
        pauses: any Clock<Duration> = ContinuousClock()
    ) {
        readNow = now ?? { Timestamp.systemNow }
        self.pauses = pauses
    }

    /// The time of day.
    public var now: Timestamp { readNow() }
}
