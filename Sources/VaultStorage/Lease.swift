internal import Synchronization

/// The name of a lease: 16 bytes, such as an entry's UUID.
public struct LeaseName: Hashable, Sendable {
    /// The bytes.
    public let bytes: [UInt8]

    /// A name of these bytes, or `nil` unless there are exactly 16.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.bytes = bytes
    }
}

/// A lease that is held until it is released or deallocated.
///
/// Swift may deallocate a value right after its last use, long before the end of its scope. What must run under the
/// lease therefore ends with `release()`, usually in a `defer`.
public final class Lease: Sendable {
    /// What tells this lease from every other by its name; `nil` where it ends only when its holder lets go or dies.
    public let fence: LeaseFence?
    private let onRelease: Mutex<(@Sendable () -> Void)?>

    /// A lease; `onRelease` is called exactly once, when it goes.
    public init(fence: LeaseFence? = nil, onRelease: @escaping @Sendable () -> Void) {
        self.fence = fence
        self.onRelease = Mutex(onRelease)
    }

    deinit { release() }

    /// Lets go of it.
    ///
    /// Calling it again does nothing.
    public func release() {
        let action = onRelease.withLock { stored in
            defer { stored = nil }
            return stored
        }
        action?()
    }
}

/// What makes it safe that a lease can end while its holder believes to have it: one who was stopped, or cut off.
public struct LeaseFence: Sendable {
    /// The lease it belongs to.
    public let name: LeaseName
    /// Differs from that of every earlier and later holder; a commit compares it.
    public let token: UInt64
    /// Until when the lease is surely held, in milliseconds of the boot-time clock (`CLOCK_BOOTTIME`).
    ///
    /// It moves on while the holder keeps the lease alive. What must not be done without the lease is done before that.
    public let heldUntil: @Sendable () -> UInt64

    /// Makes one.
    public init(name: LeaseName, token: UInt64, heldUntil: @escaping @Sendable () -> UInt64) {
        self.name = name
        self.token = token
        self.heldUntil = heldUntil
    }
}
