extension RecordStore {
    /// Waits by asking `tryLease`.
    public func lease(
        _ name: LeaseName,
        within limit: Duration,
        clock: any Clock<Duration>
    ) async throws(StoreError) -> Lease {
        try await LeaseWaiting.wait(within: limit, on: clock) { () async throws(StoreError) in
            try await tryLease(name)
        }
    }
}

/// How one waits for a lease where nobody says when it ends.
package enum LeaseWaiting {
    /// Asks until there is a lease, up to `limit`.
    ///
    /// It asks again after pauses that grow from about 2 ms to 50 ms and differ from caller to caller, so that many who
    /// wait for one entry neither press the store nor ask in step. No thread is blocked.
    package static func wait<C: Clock>(
        within limit: Duration,
        on clock: C,
        _ attempt: () async throws(StoreError) -> Lease?
    ) async throws(StoreError) -> Lease where C.Duration == Duration {
        let start = clock.now
        var pause = Duration.milliseconds(2)
        while true {
            if let lease = try await attempt() { return lease }
            let left = limit - start.duration(to: clock.now)
            guard left > .zero else { throw timedOut(after: limit) }
            do {
                try await clock.sleep(for: min(pause * Double.random(in: 0.5...1), left))
            } catch {
                throw StoreError(.unavailable, "lease", "waiting for it was cancelled", underlying: error)
            }
            pause = min(pause * 1.5, .milliseconds(50))
        }
    }

    /// Where to look for who holds a lock of this machine.
    package static let searchHere = "try again, or look for the process that holds it: ps -C vault,vault-main"

    /// The error of one who has waited for that long.
    package static func timedOut(after limit: Duration, hint: String = searchHere) -> StoreError {
        let seconds = Double(limit.components.seconds) + Double(limit.components.attoseconds) / 1e18
        return StoreError(
            .unavailable,
            "lease",
            "another has been changing this for \(seconds.formattedSeconds) s",
            hint: hint
        )
    }
}

extension Double {
    /// Without the decimal where it is whole.
    fileprivate var formattedSeconds: String {
        self == rounded() && magnitude < 1e15 ? "\(Int64(self))" : "\(self)"
    }
}
