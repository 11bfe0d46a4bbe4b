internal import Glibc
internal import Synchronization
public import VaultStorage

/// A store on other machines, with what was seen of it kept here: sealed, as it came.
///
/// While the store answers, every call asks it, so that what was removed elsewhere is gone at the next call; the cache
/// saves only what need not be sent again. While nobody answers, what was seen last is read from the cache, and what
/// never was is out of reach. Nothing is written and no lease is given then.
public final class CachedStore: RecordStore {
    /// A command is over by then; what lives longer keeps its cache fresh by a watch.
    private static let watchAfterMilliseconds: UInt64 = 5000

    /// How long the store is waited for where the cache has something to go by: one whose packets vanish would keep
    /// everybody waiting for as long as a write may take.
    package static let patience = Duration.seconds(5)

    private struct State {
        /// The greatest counter that the store has told.
        var counter: UInt64?
        /// Walks of all records, by the id that each has come to: the counter that stood at their beginning.
        var walks: [RecordID: UInt64] = [:]
        /// When the store answered last, where the last answer came from the cache.
        var cachedSince: Int64?
    }

    private let reach: StoreReach
    private let cache: RecordCache?
    private let locks: String
    let watch: CacheWatch
    private let since: UInt64
    private let time: @Sendable () -> Int64
    private let state = Mutex(State())

    /// - Parameters:
    ///   - reach: The way to the store.
    ///   - cache: `nil` to do without.
    ///   - locks: The directory of this machine's lock file.
    ///   - time: Seconds since 1970.
    package init(
        _ reach: StoreReach,
        cache: RecordCache?,
        locks: String,
        time: @escaping @Sendable () -> Int64 = { Int64(Glibc.time(nil)) }
    ) {
        self.reach = reach
        self.cache = cache
        self.locks = locks
        self.time = time
        since = reach.now
        watch = CacheWatch(reach, cache: cache)
    }

    deinit { watch.stop() }

    /// When the store answered last, in seconds since 1970, if what was read last came from the cache; otherwise `nil`.
    public var cachedSince: Int64? { state.withLock { $0.cachedSince } }

    /// Why the store does not answer; `nil` as far as is known.
    public var failure: StoreError? { reach.failure }

    // MARK: - Reading

    /// The header as the store has it, or as it had it last.
    public func header() async throws(StoreError) -> StoredHeader {
        let known = await knownCounter()
        do {
            let seen = try await reach.ask(within: patience(known)) { store throws(StoreError) in
                try await store.seenHeader()
            }
            await note(seen.counter, after: known)
            await cache?.note(seen.value, counter: seen.counter, at: time())
            return seen.value
        } catch {
            return try await cached(error) { cache in await cache.header()?.header }
        }
    }

    /// The store's change counter, or the last one that was seen of it.
    public func changeCounter() async throws(StoreError) -> UInt64 {
        let known = await knownCounter()
        do {
            let counter = try await reach.ask(within: patience(known)) { store throws(StoreError) in
                try await store.changeCounter()
            }
            await note(counter, after: known)
            await cache?.note(counter: counter, at: time())
            return counter
        } catch {
            return try await cached(error) { cache in await cache.header()?.counter }
        }
    }

    /// The record filed under `id`.
    ///
    /// - Throws: `.unreachable` if nobody answers and it was never seen.
    public func record(_ id: RecordID) async throws(StoreError) -> StoredRecord? {
        let known = await knownCounter()
        if reach.now >= since + Self.watchAfterMilliseconds { watch.start() }
        do {
            if let fresh = watch.fresh(id) {
                let counter = try await reach.ask(within: patience(known)) { store throws(StoreError) in
                    try await store.changeCounter()
                }
                await note(counter, after: known)
                if counter == fresh.counter { return fresh.record }
            }
            let seen = try await reach.ask(within: patience(known)) { store throws(StoreError) in
                try await store.seenRecord(id)
            }
            await note(seen.counter, after: known)
            watch.keep(seen.value, of: id, revision: seen.revision)
            await cache?.note(seen, of: id)
            return seen.value
        } catch {
            return try await cached(error) { cache in await cache.record(id) }
        }
    }

    /// Up to `limit` records in ascending order of their ids, beginning after `id`.
    ///
    /// - Throws: `.unreachable` if nobody answers and not all of them were seen.
    public func records(after id: RecordID?, limit: Int) async throws(StoreError) -> [StoredRecord] {
        guard limit > 0 else { return [] }
        let known = await knownCounter()
        do {
            let counter = try await reach.ask(within: patience(known)) { store throws(StoreError) in
                try await store.changeCounter()
            }
            await note(counter, after: known)
            if await cache?.header()?.complete == counter, let page = await cache?.records(after: id, limit: limit) {
                return page
            }
            // The store answers; how long a page takes is a matter of its size.
            let page = try await reach.ask { store throws(StoreError) in
                try await store.records(after: id, limit: limit)
            }
            await cache?.note(page, counter: counter)
            await goOn(from: id, to: page.count < limit ? nil : page.last?.id, counter)
            return page
        } catch {
            return try await cached(error) { cache in
                await cache.header()?.complete == nil ? nil : await cache.records(after: id, limit: limit)
            }
        }
    }

    /// Notes how far a walk of all records has come, and at its end that none is missing, if nothing changed meanwhile.
    private func goOn(from start: RecordID?, to end: RecordID?, _ counter: UInt64) async {
        guard let cache else { return }
        let began = state.withLock { state -> UInt64? in
            let began = if let start { state.walks.removeValue(forKey: start) } else { counter as UInt64? }
            // Walks that were given up; a few bytes each.
            if state.walks.count > 64 { state.walks = [:] }
            if let end, began == counter { state.walks[end] = counter }
            return began
        }
        guard end == nil, began == counter,
            let now = try? await reach.ask({ store throws(StoreError) in try await store.seenHeader() }),
            now.counter == counter
        else { return }
        await cache.note(now.value, counter: counter, at: time())
        await cache.noteComplete(counter)
    }

    // MARK: - Writing

    /// Replaces the header if the stored one still has the generation `old`.
    public func replaceHeader(_ header: StoredHeader, ifGeneration old: UInt64) async throws(StoreError) {
        try await reach.ask { store throws(StoreError) in try await store.replaceHeader(header, ifGeneration: old) }
        await cache?.note(header, counter: 0, at: time())
    }

    /// Applies the changes, all or none, if the header has the generation given.
    public func commit(
        _ changes: [RecordChange],
        ifHeaderGeneration generation: UInt64,
        holding lease: Lease?
    ) async throws(StoreError) {
        // Also where the answer is lost: then it is not known what they are now.
        defer { for change in changes { watch.forget(change.id) } }
        try await reach.ask(insisting: true) { store throws(StoreError) in
            try await store.commit(changes, ifHeaderGeneration: generation, holding: lease)
        }
        await cache?.note(changes)
    }

    /// An exclusive lease by that name, or `nil` if another holds it.
    public func tryLease(_ name: LeaseName) async throws(StoreError) -> Lease? {
        try await reach.ask { [locks] store throws(StoreError) in try await store.placed(in: locks).tryLease(name) }
    }

    /// Waits for an exclusive lease by that name, up to `limit`.
    public func lease(
        _ name: LeaseName,
        within limit: Duration,
        clock: any Clock<Duration>
    ) async throws(StoreError) -> Lease {
        try await reach.ask { [locks] store throws(StoreError) in
            try await store.placed(in: locks).lease(name, within: limit, clock: clock)
        }
    }

    // MARK: - The counter, and doing without the store

    /// The greatest counter that was seen before the store is asked: one that it tells afterwards is not less.
    private func knownCounter() async -> UInt64 {
        if let counter = state.withLock({ $0.counter }) { return counter }
        let counter = await cache?.header()?.counter ?? 0
        return state.withLock { state in
            state.counter = max(counter, state.counter ?? 0)
            return state.counter ?? 0
        }
    }

    private func patience(_ known: UInt64) -> Duration? { cache != nil && known > 0 ? Self.patience : nil }

    private func note(_ counter: UInt64, after known: UInt64) async {
        let fell = counter < known
        state.withLock { state in
            state.cachedSince = nil
            state.counter = fell ? counter : max(counter, state.counter ?? 0)
            if fell { state.walks = [:] }
        }
        guard fell else { return }
        // The store was put back to an older state: what was seen since is of no use.
        watch.forgetAll()
        await cache?.clear()
    }

    private func cached<Value: Sendable>(
        _ error: StoreError,
        _ read: (RecordCache) async -> Value?
    ) async throws(StoreError) -> Value {
        guard error.code == .unreachable, let cache, let value = await read(cache), let header = await cache.header()
        else { throw error }
        state.withLock { $0.cachedSince = header.at }
        return value
    }
}

extension RecordCache {
    fileprivate func note(_ seen: Seen<StoredRecord?>, of id: RecordID) async {
        let known = await record(id)
        guard let record = seen.value else {
            if known != nil { await noteAbsence(of: id, counter: seen.counter) }
            return
        }
        if known != record { await note([record], counter: seen.counter) }
    }
}
