internal import Synchronization

/// A store that is gone with its process: for tests and for vaults that are not meant to last.
///
/// It refuses what every store refuses. Its leases exclude within the process, which is all that can reach it.
public final class MemoryStore: RecordStore {
    private struct State {
        var header: StoredHeader
        var records: [RecordID: StoredRecord] = [:]
        /// The ids in ascending order.
        var order: [RecordID] = []
        var counter: UInt64 = 0

        /// The position of the first id that is not less than `id`.
        func position(of id: RecordID) -> Int {
            var low = 0
            var high = order.count
            while low < high {
                let middle = (low + high) / 2
                if order[middle] < id { low = middle + 1 } else { high = middle }
            }
            return low
        }

        mutating func apply(_ change: RecordChange) {
            switch change {
            case .put(let record, _):
                if records.updateValue(record, forKey: record.id) == nil {
                    order.insert(record.id, at: position(of: record.id))
                }
            case .delete(let id, _):
                records[id] = nil
                order.remove(at: position(of: id))
            }
        }

        func requireHeader(_ generation: UInt64) throws(StoreError) {
            guard header.generation == generation else {
                throw StoreError.headerMoved(MemoryStore.subject, found: header.generation, expected: generation)
            }
        }
    }

    private static let subject = "memory"

    private let state: Mutex<State>
    private let leases = LeaseSet()

    /// A store that holds `header` and no records.
    ///
    /// - Throws: `.invalid` for a header that no store takes.
    public init(header: StoredHeader) throws(StoreError) {
        try RecordLimits.check(header, subject: Self.subject)
        state = Mutex(State(header: header))
    }

    /// The header, as it was last committed.
    public func header() async throws(StoreError) -> StoredHeader {
        state.withLock { $0.header }
    }

    /// Replaces the header if the stored one still has the generation `old`.
    public func replaceHeader(_ header: StoredHeader, ifGeneration old: UInt64) async throws(StoreError) {
        try RecordLimits.check(header, after: old, subject: Self.subject)
        try state.withLock { (state) throws(StoreError) in
            try state.requireHeader(old)
            state.header = header
            state.counter += 1
        }
    }

    /// The record filed under `id`, or `nil` if there is none.
    public func record(_ id: RecordID) async throws(StoreError) -> StoredRecord? {
        state.withLock { $0.records[id] }
    }

    /// Up to `limit` records in ascending order of their ids, beginning after `id` (`nil`: from the first).
    public func records(after id: RecordID?, limit: Int) async throws(StoreError) -> [StoredRecord] {
        guard limit > 0 else { return [] }
        return state.withLock { state in
            var start = id.map { state.position(of: $0) } ?? 0
            if let id, start < state.order.count, state.order[start] == id { start += 1 }
            return state.order[start...].prefix(limit).compactMap { state.records[$0] }
        }
    }

    /// Applies the changes, all or none, if the header has the generation given.
    ///
    /// A lease of this store ends with its holder, so there is nothing to compare.
    public func commit(
        _ changes: [RecordChange],
        ifHeaderGeneration generation: UInt64,
        holding lease: Lease?
    ) async throws(StoreError) {
        try RecordLimits.check(changes, subject: Self.subject)
        try state.withLock { (state) throws(StoreError) in
            try state.requireHeader(generation)
            // All are looked at before any is applied. No id stands twice, so none depends on another.
            for change in changes {
                try change.check(found: state.records[change.id]?.generation, subject: Self.subject)
            }
            for change in changes { state.apply(change) }
            state.counter += 1
        }
    }

    /// A number that grows with every commit and every replaced header, and never otherwise changes.
    public func changeCounter() async throws(StoreError) -> UInt64 {
        state.withLock { $0.counter }
    }

    /// An exclusive lease by that name, or `nil` if another holds it.
    public func tryLease(_ name: LeaseName) async throws(StoreError) -> Lease? {
        guard leases.take(name) else { return nil }
        return Lease { [leases] in leases.free(name) }
    }
}

/// The leases that are held; outlives its store while a lease does.
private final class LeaseSet: Sendable {
    private let held = Mutex<Set<LeaseName>>([])

    func take(_ name: LeaseName) -> Bool { held.withLock { $0.insert(name).inserted } }

    func free(_ name: LeaseName) { held.withLock { _ = $0.remove(name) } }
}
