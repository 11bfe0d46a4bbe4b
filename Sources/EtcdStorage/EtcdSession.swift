internal import Synchronization
internal import VaultAPI
internal import VaultStorage

/// The cluster's own lease that all leases of this store are bound to, so that they go when this process does.
///
/// One for all of them: a hand-over then costs the write of a key, and keeping a hundred alive costs what one does.
actor EtcdSession {
    /// Long enough that a machine under load keeps it alive, short enough that others wait for a dead one.
    static let lifetime: UInt64 = 45
    /// The cluster counts from when it hears; this leaves a second for what its clock and ours disagree on.
    private static let marginMilliseconds: UInt64 = 1000

    /// A lease of the cluster.
    final class Grant: Sendable {
        let id: UInt64
        private let until: Atomic<UInt64>

        init(id: UInt64, until: UInt64) {
            self.id = id
            self.until = Atomic(until)
        }

        /// Until when it is surely kept, in milliseconds of the boot-time clock.
        var heldUntil: UInt64 { until.load(ordering: .acquiring) }

        func keep(until time: UInt64) { until.store(time, ordering: .releasing) }
    }

    private let client: EtcdClient
    private let lifetime: UInt64
    private var grant: Grant?
    private var granting: Task<Grant, any Error>?
    private var holders = 0
    private var keeping: Task<Void, Never>?

    init(_ client: EtcdClient, lifetime: UInt64 = EtcdSession.lifetime) {
        self.client = client
        self.lifetime = lifetime
    }

    /// A lease of the cluster that is kept alive until `end` was called as often.
    func begin() async throws(StoreError) -> Grant {
        holders += 1
        do throws(StoreError) {
            let grant = try await current()
            keepAlive()
            return grant
        } catch {
            end()
            throw error
        }
    }

    func end() {
        holders -= 1
        guard holders == 0 else { return }
        keeping?.cancel()
        keeping = nil
    }

    private func current() async throws(StoreError) -> Grant {
        // With less than half of it left, nobody begins something under it.
        if let grant, isFresh(grant) { return grant }
        // Kept alive late: whoever holds something under it must not lose it to a new one.
        if let grant, grant.heldUntil > client.clock.bootTime {
            _ = await keepOnce()
            if let grant = self.grant, isFresh(grant) { return grant }
        }
        if let granting {
            do { return try await granting.value } catch { throw Self.storeError(error, client) }
        }
        let task = Task { [client, lifetime] in try await Self.grant(client, lifetime) }
        granting = task
        defer { granting = nil }
        do {
            let fresh = try await task.value
            grant = fresh
            return fresh
        } catch {
            throw Self.storeError(error, client)
        }
    }

    private func isFresh(_ grant: Grant) -> Bool { grant.heldUntil > client.clock.bootTime + lifetime * 500 }

    private static func storeError(_ error: any Error, _ client: EtcdClient) -> StoreError {
        error as? StoreError ?? StoreError(.unavailable, client.subject, "it was cancelled")
    }

    private static func grant(_ client: EtcdClient, _ lifetime: UInt64) async throws(StoreError) -> Grant {
        let asked = client.clock.bootTime
        let answer: LeaseAnswer = try await client.ask(
            "lease/grant",
            LeaseRequest(lifetime: WholeNumber(lifetime))
        ).message
        guard let id = answer.id?.value, let given = answer.lifetime?.value, id != 0, given > 0, given <= 86_400 else {
            throw client.damaged("lease/grant", "granted no lease")
        }
        return Grant(id: id, until: end(of: given, from: asked))
    }

    private static func end(of lifetime: UInt64, from asked: UInt64) -> UInt64 {
        asked + max(lifetime * 1000, marginMilliseconds) - marginMilliseconds
    }

    private func keepAlive() {
        guard keeping == nil else { return }
        let clock = client.clock
        let pause = Duration.milliseconds(lifetime * 1000 / 3)
        keeping = Task { [weak self] in
            while !Task.isCancelled {
                do { try await clock.pauses.sleep(for: pause) } catch { return }
                guard await self?.keepOnce() == true else { return }
            }
        }
    }

    /// Asks for another lifetime; whether to go on asking.
    private func keepOnce() async -> Bool {
        guard holders > 0 else { return false }
        guard let grant else { return true }
        let asked = client.clock.bootTime
        do throws(StoreError) {
            let answer: Streamed<LeaseAnswer> = try await client.ask(
                "lease/keepalive",
                LeaseRequest(id: WholeNumber(grant.id))
            ).message
            guard let given = answer.result?.lifetime?.value, given > 0, given <= 86_400 else {
                // It is gone, and with it all that was bound to it.
                grant.keep(until: 0)
                if self.grant === grant { self.grant = nil }
                return true
            }
            grant.keep(until: Self.end(of: given, from: asked))
        } catch {
            // What is held ends by itself, in time; asked again, it may still be there.
        }
        return true
    }
}
