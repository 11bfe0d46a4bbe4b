import Foundation
import Synchronization
import TestSupport
import Testing
import VaultAPI
import VaultStorage

@testable import EtcdStorage

/// What a machine keeps of a cluster, with a member that is killed and started again.
struct CacheTests {
    @Test func readsWhatItHasSeenWhileNobodyAnswers() async throws {
        let machines = try await Machines()
        try await machines.direct.commit([put(1, 1), put(2, 1)], ifHeaderGeneration: 1)
        let before = machines.store()
        let counter = try await before.changeCounter()
        #expect(try await before.header() == firstHeader)
        #expect(try await before.record(recordID(1))?.sealed == [7])
        #expect(before.cachedSince == nil)
        machines.server.kill()
        let store = machines.store()
        #expect(try await store.header() == firstHeader)
        #expect(try await store.changeCounter() == counter)
        #expect(try await store.record(recordID(1))?.sealed == [7])
        #expect(store.cachedSince != nil)
        #expect(await code { _ = try await store.record(recordID(2)) } == .unreachable)
        #expect(await code { _ = try await store.records(after: nil, limit: 10) } == .unreachable)
        #expect(await code { try await store.commit([put(3, 1)], ifHeaderGeneration: 1) } == .unreachable)
        let next = StoredHeader(generation: 2, bytes: [4])
        #expect(await code { try await store.replaceHeader(next, ifGeneration: 1) } == .unreachable)
        #expect(await code { _ = try await store.tryLease(leaseName(1)) } == .unreachable)
        try await machines.server.start()
        machines.advance(seconds: 6)
        try await eventually("the member answers") { (try? await store.record(recordID(2))) != nil }
        #expect(store.cachedSince == nil)
        try await store.commit([put(3, 1)], ifHeaderGeneration: 1)
        #expect(try await store.tryLease(leaseName(1)) != nil)
    }

    @Test func listsFromTheCacheOnceItHasSeenAll() async throws {
        let machines = try await Machines()
        try await machines.direct.commit((1...9).map { put($0, 1) }, ifHeaderGeneration: 1)
        let before = machines.store()
        _ = try await before.header()
        // In pages, as a walk reads them.
        var (last, seen) = (nil as RecordID?, 0)
        repeat {
            let page = try await before.records(after: last, limit: 4)
            last = page.last?.id
            seen += page.count
        } while last != nil
        #expect(seen == 9)
        machines.server.kill()
        let store = machines.store()
        #expect(try await store.records(after: nil, limit: 100).count == 9)
        #expect(try await store.records(after: recordID(7), limit: 100).map(\.id) == [recordID(8), recordID(9)])
    }

    @Test func knowsNotThatItHasSeenAllIfSomethingChangedMeanwhile() async throws {
        let machines = try await Machines()
        try await machines.direct.commit((1...4).map { put($0, 1) }, ifHeaderGeneration: 1)
        let before = machines.store()
        _ = try await before.header()
        let page = try await before.records(after: nil, limit: 2)
        try await machines.direct.commit([put(0, 1)], ifHeaderGeneration: 1)
        _ = try await before.records(after: page.last?.id, limit: 100)
        machines.server.kill()
        #expect(await code { _ = try await machines.store().records(after: nil, limit: 100) } == .unreachable)
    }

    @Test func dropsFromItsListWhatIsGone() async throws {
        let machines = try await Machines()
        try await machines.direct.commit([put(1, 1), put(2, 1)], ifHeaderGeneration: 1)
        let before = machines.store()
        _ = try await before.header()
        #expect(try await before.records(after: nil, limit: 9).count == 2)
        try await machines.direct.commit([.delete(recordID(1), generation: 1)], ifHeaderGeneration: 1)
        #expect(try await before.records(after: nil, limit: 9).map(\.id) == [recordID(2)])
        machines.server.kill()
        #expect(try await machines.store().records(after: nil, limit: 9).map(\.id) == [recordID(2)])
    }

    @Test func takesInItsOwnWrites() async throws {
        let machines = try await Machines()
        let before = machines.store()
        _ = try await before.header()
        try await before.commit([put(1, 1), put(2, 1)], ifHeaderGeneration: 1)
        try await before.commit(
            [put(1, 2, replacing: 1, [9]), .delete(recordID(2), generation: 1)],
            ifHeaderGeneration: 1
        )
        machines.server.kill()
        let store = machines.store()
        #expect(try await store.record(recordID(1))?.sealed == [9])
        #expect(await code { _ = try await store.record(recordID(2)) } == .unreachable)
    }

    /// With and without a watch: what somebody else did is seen by the very next call.
    @Test(arguments: [false, true])
    func seesWhatOthersDoAtTheNextCall(_ watches: Bool) async throws {
        let machines = try await Machines()
        try await machines.direct.commit([put(1, 1)], ifHeaderGeneration: 1)
        let store = machines.store()
        if watches { try await machines.watch(store) }
        for generation in UInt64(2)...40 {
            #expect(try await store.record(recordID(1))?.generation == generation - 1)
            #expect(try await store.record(recordID(1))?.generation == generation - 1)
            try await machines.direct.commit(
                [put(1, generation, replacing: generation - 1)],
                ifHeaderGeneration: 1
            )
        }
        try await machines.direct.commit([.delete(recordID(1), generation: 40)], ifHeaderGeneration: 1)
        #expect(try await store.record(recordID(1)) == nil)
    }

    @Test func keepsWhatItUsesFreshByItsWatch() async throws {
        let machines = try await Machines()
        try await machines.direct.commit([put(1, 1)], ifHeaderGeneration: 1)
        let store = machines.store()
        try await machines.watch(store)
        _ = try await store.record(recordID(1))
        try await machines.direct.commit([put(1, 2, replacing: 1, [8])], ifHeaderGeneration: 1)
        let cache = machines.cache()
        try await eventually("the cache has it") { await cache.record(recordID(1))?.generation == 2 }
        machines.server.kill()
        #expect(try await machines.store().record(recordID(1))?.sealed == [8])
    }

    @Test func watchesAgainAfterTheMemberWasAway() async throws {
        let machines = try await Machines()
        try await machines.direct.commit([put(1, 1)], ifHeaderGeneration: 1)
        let store = machines.store()
        try await machines.watch(store)
        machines.server.kill()
        try await eventually("the watch notices") { !store.watch.stands }
        try await machines.server.start()
        machines.advance(seconds: 6)
        try await eventually("it watches again") {
            machines.advance(seconds: 6)
            return store.watch.stands
        }
        #expect(try await store.record(recordID(1))?.generation == 1)
    }

    /// A cluster that was put back counts from an earlier change; what was seen since is of no use.
    @Test func throwsAwayWhatIsOfALaterState() async throws {
        let machines = try await Machines()
        for generation in UInt64(1)...5 {
            let replacing = generation == 1 ? nil : generation - 1
            try await machines.direct.commit([put(1, generation, replacing: replacing)], ifHeaderGeneration: 1)
        }
        let store = machines.store()
        _ = try await store.header()
        _ = try await store.record(recordID(1))
        try await EtcdStore.remove(in: machines.cluster)
        _ = try await EtcdStore.create(in: machines.cluster, locks: machines.scratch("other"), header: firstHeader)
        #expect(try await store.header() == firstHeader)
        #expect(await machines.cache().record(recordID(1)) == nil)
        #expect(await machines.cache().header()?.counter ?? 0 < 5)
    }

    @Test(arguments: ["garbage", "", "SQLite format 3\0"])
    func makesADamagedCacheAnew(_ contents: String) async throws {
        let machines = try await Machines()
        try await machines.direct.commit([put(1, 1)], ifHeaderGeneration: 1)
        _ = try await machines.store().header()
        try machines.scratch.write(contents, to: "cache/cache.sqlite")
        let store = machines.store()
        #expect(try await store.header() == firstHeader)
        #expect(try await store.record(recordID(1)) != nil)
        machines.server.kill()
        #expect(try await machines.store().record(recordID(1)) != nil)
    }

    @Test func doesWithoutAPlaceThatOthersMayWrite() async throws {
        let machines = try await Machines()
        try await machines.direct.commit([put(1, 1)], ifHeaderGeneration: 1)
        try FileManager.default.createDirectory(
            atPath: machines.scratch("cache"),
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o777]
        )
        let store = machines.store()
        #expect(try await store.record(recordID(1)) != nil)
        #expect(try FileManager.default.contentsOfDirectory(atPath: machines.scratch("cache")).isEmpty)
        machines.server.kill()
        #expect(await code { _ = try await machines.store().record(recordID(1)) } == .unreachable)
    }

    /// A member that takes connections and is silent keeps nobody waiting who has a cache.
    @Test func waitsNotLongForAMemberThatIsSilent() async throws {
        let machines = try await Machines()
        try await machines.direct.commit([put(1, 1)], ifHeaderGeneration: 1)
        let before = machines.store()
        _ = try await before.header()
        _ = try await before.record(recordID(1))
        let silent = try HeldPort(isListening: true)
        let store = machines.store(port: silent.port)
        let began = ContinuousClock.now
        #expect(try await store.header() == firstHeader)
        #expect(try await store.record(recordID(1)) != nil)
        #expect(await code { _ = try await store.tryLease(leaseName(1)) } == .unreachable)
        // Of the three, only the first waits until the member counts as silent.
        #expect(ContinuousClock.now - began < .seconds(9))
        withExtendedLifetime(silent) {}
    }
}

/// A cluster of one member, and a machine that caches it.
private final class Machines: Sendable {
    let server: EtcdServer
    let cluster: EtcdCluster
    let scratch: Scratch
    /// Another machine's way to it, which caches nothing.
    let direct: EtcdStore
    private let skipped = Mutex<UInt64>(0)

    init() async throws {
        server = try await EtcdServer()
        cluster = .local(server.port)
        scratch = try Scratch()
        direct = try await EtcdStore.create(in: cluster, locks: scratch("direct"), header: firstHeader)
    }

    /// The store as a new process of the machine sees it.
    func store(port: Int? = nil) -> CachedStore {
        let (cluster, locks) = (port.map { EtcdCluster.local($0) } ?? cluster, scratch("locks"))
        let clock = VaultClock(bootTime: { VaultClock().bootTime + self.skipped.withLock { $0 } })
        let reach = StoreReach(bootTime: { clock.bootTime }) { () async throws(StoreError) in
            try await EtcdStore.open(in: cluster, locks: locks, clock: clock)
        }
        return CachedStore(reach, cache: cache(), locks: locks)
    }

    func cache() -> RecordCache { RecordCache(scratch("cache")) }

    func advance(seconds: UInt64) { skipped.withLock { $0 += seconds * 1000 } }

    /// Uses a store for so long that it watches.
    func watch(_ store: CachedStore) async throws {
        _ = try await store.header()
        advance(seconds: 6)
        _ = try await store.record(recordID(1))
        try await eventually("the watch stands") { store.watch.stands }
    }
}

private func code(_ body: () async throws -> Void) async -> StoreError.Code? {
    do {
        try await body()
        return nil
    } catch {
        return (error as? StoreError)?.code
    }
}
