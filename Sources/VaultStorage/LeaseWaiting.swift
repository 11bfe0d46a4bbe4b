extension RecordStore {
    /// Waits for an exclusive lease by that name, up to `limit`.
    ///
    /// It asks again after pauses that grow from about 2 ms to 50 ms and differ from caller to caller, so that many who
    /// wait for one entry neither press the store nor ask in step. No thread is blocked.
    ///
    /// - Throws: `.unavailable` when the time is over or the task is cancelled, and what `tryLease` throws.
    public func lease(
        _ name: LeaseName,
        within limit: Duration,
        clock: any Clock<Duration>
    ) async throws(StoreError) -> Lease {
        try await lease(name, within: limit, on: clock)
    }

    private func lease<C: Clock>(
        _ name: LeaseName,
        within limit: Duration,
        on clock: C
    ) async throws(StoreError) -> Lease where C.Duration == Duration {
        let start = clock.now
        var pause = Duration.milliseconds(2)
        while true {
            if let lease = try await tryLease(name) { return lease }
            let left = limit - start.duration(to: clock.now)
            guard left > .zero else {
                let seconds = Double(limit.components.seconds) + Double(limit.components.attoseconds) / 1e18
                throw StoreError(
                    .unavailable,
                    "lease",
                    "another process has been changing this entry for \(seconds.formattedSeconds) s",
                    hint: "try again, or look for the process that holds it: ps -C vault"
                )
            }
            do {
                try await clock.sleep(for: min(pause * Double.random(in: 0.5...1), left))
            } catch {
                throw StoreError(.unavailable, "lease", "waiting for it was cancelled", underlying: error)
            }
            pause = min(pause * 1.5, .milliseconds(50))
        }
    }
}

extension Double {
    /// Without the decimal where it is whole.
    fileprivate var formattedSeconds: String {
        self == rounded() && magnitude < 1e15 ? "\(Int64(self))" : "\(self)"
    }
}
