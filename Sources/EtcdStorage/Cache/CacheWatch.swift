internal import Synchronization
internal import VaultStorage

/// Keeps what a process has read of a store fresh, by being told of every change.
///
/// What it holds is of use only together with the store's counter, asked at the same time: equal to the one that the
/// watch has come to, nothing has changed that the watch did not tell. So a watch that lags, or is cut off unnoticed,
/// costs a round trip and never shows what is gone.
final class CacheWatch: Sendable {
    private static let capacity = 256
    private static let pause = Duration.seconds(5)

    private struct Kept {
        var record: StoredRecord?
        var revision: UInt64
    }

    private struct State {
        var task: Task<Void, Never>?
        var isStopped = false
        /// Whether the watch stands, and since which revision.
        var since: UInt64?
        /// The counter up to which every change was told.
        var counter: UInt64 = 0
        var kept: [RecordID: Kept] = [:]
    }

    private let reach: StoreReach
    private let cache: RecordCache?
    private let state = Mutex(State())

    init(_ reach: StoreReach, cache: RecordCache?) {
        self.reach = reach
        self.cache = cache
    }

    /// Begins to watch, unless it does already.
    func start() {
        state.withLock { state in
            guard state.task == nil, !state.isStopped else { return }
            state.task = Task { await run() }
        }
    }

    /// Ends it.
    func stop() {
        state.withLock { state in
            state.isStopped = true
            state.task?.cancel()
        }
    }

    /// What the record was when the counter stood there; `nil` if that is not known.
    func fresh(_ id: RecordID) -> (record: StoredRecord?, counter: UInt64)? {
        state.withLock { state in
            guard state.since != nil, let kept = state.kept[id] else { return nil }
            return (kept.record, state.counter)
        }
    }

    /// Keeps what was read at that revision.
    func keep(_ record: StoredRecord?, of id: RecordID, revision: UInt64) {
        state.withLock { state in
            guard let since = state.since, revision >= since, revision >= state.kept[id]?.revision ?? 0 else { return }
            if state.kept.count >= Self.capacity { state.kept = [:] }
            state.kept[id] = Kept(record: record, revision: revision)
        }
    }

    /// Drops what was kept of that record.
    func forget(_ id: RecordID) { state.withLock { _ = $0.kept.removeValue(forKey: id) } }

    /// Drops everything.
    func forgetAll() { state.withLock { $0.kept = [:] } }

    /// Whether it stands, so that every change is told.
    var stands: Bool { state.withLock { $0.since != nil } }

    private func run() async {
        while !Task.isCancelled {
            await watch()
            state.withLock { state in
                state.since = nil
                state.counter = 0
                state.kept = [:]
            }
            do { try await Task.sleep(for: Self.pause) } catch { return }
        }
    }

    /// Watches until the stream ends, for whatever reason.
    private func watch() async {
        do {
            let (header, store) = try await reach.ask { store throws(StoreError) in
                (try await store.seenHeader(), store)
            }
            for try await change in store.changes(since: header.revision) {
                switch change {
                case .progress:
                    state.withLock { state in
                        guard state.since == nil else { return }
                        state.since = header.revision
                        state.counter = max(state.counter, header.counter)
                    }
                case .counter(let counter, _): state.withLock { $0.counter = counter }
                case .put(let id, let revision), .deleted(let id, let revision): await renew(id, since: revision)
                case .header: await renewHeader()
                case .compacted: return
                }
            }
        } catch {
            // Out of reach or cut off: it is tried again.
        }
    }

    /// Reads a record again that this process uses, so that the cache has it should the store go away.
    private func renew(_ id: RecordID, since revision: UInt64) async {
        let isUsed = state.withLock { state in
            guard let kept = state.kept[id], kept.revision < revision else { return false }
            state.kept[id] = nil
            return true
        }
        guard isUsed, let seen = try? await reach.ask({ store throws(StoreError) in try await store.seenRecord(id) })
        else { return }
        keep(seen.value, of: id, revision: seen.revision)
        if let record = seen.value {
            await cache?.note([record], counter: seen.counter)
        } else {
            await cache?.noteAbsence(of: id, counter: seen.counter)
        }
    }

    private func renewHeader() async {
        guard let seen = try? await reach.ask({ store throws(StoreError) in try await store.seenHeader() }) else {
            return
        }
        await cache?.note(seen.value, counter: seen.counter, at: 0)
    }
}
