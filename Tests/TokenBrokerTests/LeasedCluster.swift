import Synchronization
import VaultAPI
import VaultStorage

@testable import TokenBroker
@testable import VaultCore

/// A store that several machines share, whose leases run out: a stand-in for a cluster, because a healthy one neither
/// loses a lease nor is out of reach when a test wants it.
///
/// The records are those of another store. A lease that nobody prolongs lasts for `lifetime`, and a commit under one
/// that is not the last of its name is refused.
final class LeasedCluster: Sendable {
    /// What happens to one kind of request.
    enum Trouble: Hashable { case reading, committing, leasing }

    fileprivate struct State {
        var held: [LeaseName: (token: UInt64, until: UInt64)] = [:]
        var tokens: UInt64 = 0
        var trouble: Set<Trouble> = []
        var stale: StoredRecord?
    }

    fileprivate let state = Mutex(State())
    fileprivate let records: any RecordStore
    fileprivate let clock: VaultClock
    /// In milliseconds.
    fileprivate let lifetime: UInt64

    init(_ records: any RecordStore, clock: VaultClock, lifetimeSeconds: UInt64) {
        self.records = records
        self.clock = clock
        lifetime = lifetimeSeconds * 1000
    }

    /// From now on nobody answers requests of these kinds.
    func isUnreachable(for trouble: Trouble...) { state.withLock { $0.trouble = Set(trouble) } }

    /// What everybody reads of a record until somebody commits, as from a cache that has not heard of a change.
    func showsUntilTheNextCommit(_ record: StoredRecord) { state.withLock { $0.stale = record } }

    fileprivate func requireReach(_ kind: Trouble) throws(StoreError) {
        guard state.withLock({ !$0.trouble.contains(kind) }) else {
            throw StoreError(.unreachable, "cluster", "no member answers")
        }
    }
}

/// The cluster as one machine sees it.
struct ClusterStore: RecordStore {
    let cluster: LeasedCluster
    /// The directory of this machine's lock file.
    let locks: String

    func header() async throws(StoreError) -> StoredHeader {
        try cluster.requireReach(.reading)
        return try await cluster.records.header()
    }

    func replaceHeader(_ header: StoredHeader, ifGeneration old: UInt64) async throws(StoreError) {
        try cluster.requireReach(.committing)
        try await cluster.records.replaceHeader(header, ifGeneration: old)
    }

    func record(_ id: RecordID) async throws(StoreError) -> StoredRecord? {
        try cluster.requireReach(.reading)
        if let stale = cluster.state.withLock({ $0.stale }), stale.id == id { return stale }
        return try await cluster.records.record(id)
    }

    func records(after id: RecordID?, limit: Int) async throws(StoreError) -> [StoredRecord] {
        try cluster.requireReach(.reading)
        return try await cluster.records.records(after: id, limit: limit)
    }

    func changeCounter() async throws(StoreError) -> UInt64 {
        try cluster.requireReach(.reading)
        return try await cluster.records.changeCounter()
    }

    func commit(
        _ changes: [RecordChange],
        ifHeaderGeneration generation: UInt64,
        holding lease: Lease?
    ) async throws(StoreError) {
        try cluster.requireReach(.committing)
        cluster.state.withLock { $0.stale = nil }
        if let fence = lease?.fence {
            let now = cluster.clock.bootTime
            let isHeld = cluster.state.withLock { state in
                state.held[fence.name].map { $0.token == fence.token && $0.until > now } ?? false
            }
            guard isHeld else { throw StoreError(.leaseLost, "cluster", "the lease had ended; nothing was changed") }
        }
        try await cluster.records.commit(changes, ifHeaderGeneration: generation)
    }

    func tryLease(_ name: LeaseName) async throws(StoreError) -> Lease? {
        try cluster.requireReach(.leasing)
        guard let local = try LeaseFile(directory: locks).tryLease(name) else { return nil }
        let (now, lifetime) = (cluster.clock.bootTime, cluster.lifetime)
        let taken = cluster.state.withLock { state -> (token: UInt64, until: UInt64)? in
            guard state.held[name].map({ $0.until <= now }) ?? true else { return nil }
            state.tokens += 1
            let taken = (token: state.tokens, until: now + lifetime)
            state.held[name] = taken
            return taken
        }
        guard let taken else { return nil }
        return Lease(fence: LeaseFence(name: name, token: taken.token) { taken.until }) { [cluster] in
            cluster.state.withLock { if $0.held[name]?.token == taken.token { $0.held[name] = nil } }
            local.release()
        }
    }
}

extension BrokerFixture {
    /// A machine with a state directory of its own that shares the fixture's records through `cluster`.
    func machine(_ name: String, on cluster: LeasedCluster) async throws -> LocalBroker {
        var location = location
        location.stateBase = "\(directory)/\(name)"
        location.runtimeBase = "\(directory)/\(name)-run"
        let state = location.state(of: vault.id)
        let machine = Vault(
            location: location,
            store: ClusterStore(cluster: cluster, locks: state),
            ledger: try await GenerationLedger.open(state),
            custodians: Self.custodians(directory),
            clock: time.clock,
            session: vault.current,
            openedBy: nil,
            deadSlots: []
        )
        return LocalBroker(machine, http: server, clock: time.clock, backoff: Backoff(jitter: { 1 }))
    }

    func cluster(lifetimeSeconds: UInt64 = 45) -> LeasedCluster {
        LeasedCluster(vault.store, clock: time.clock, lifetimeSeconds: lifetimeSeconds)
    }
}
