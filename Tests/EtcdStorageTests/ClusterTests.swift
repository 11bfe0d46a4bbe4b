import FoundationEssentials
import Synchronization
import TestSupport
import Testing
import VaultAPI
import VaultStorage

@testable import EtcdStorage

struct EtcdClusterTests {
    @Test func aCommitOfManyLargeRecordsIsAllOrNothing() async throws {
        let scratch = try Scratch()
        let cluster = try await SharedServer.cluster()
        let server = try await SharedServer.get()
        let store = try await EtcdStore.create(in: cluster, locks: scratch("locks"), header: firstHeader)
        let size = 1 << 18
        func changes(_ generation: UInt64, replacing: UInt64?) -> [RecordChange] {
            (0..<64).map { put($0, generation, replacing: replacing, [UInt8](repeating: $0, count: size)) }
        }
        try await store.commit(changes(1, replacing: nil), ifHeaderGeneration: 1)
        try await store.commit(changes(2, replacing: 1), ifHeaderGeneration: 1)
        // One that another has changed keeps all as they are.
        let other = try await EtcdStore.open(in: cluster, locks: scratch("locks"))
        try await other.commit([put(63, 3, replacing: 2)], ifHeaderGeneration: 1)
        let error = await #expect(throws: StoreError.self) {
            try await store.commit(changes(4, replacing: 2), ifHeaderGeneration: 1)
        }
        #expect(error?.code == .conflict)
        let all = try await other.records(after: nil, limit: 99)
        #expect(all.map(\.generation) == [UInt64](repeating: 2, count: 63) + [3])
        #expect(all.dropLast().allSatisfy { $0.sealed == [UInt8](repeating: $0.id.bytes[0], count: size) })
        // What no record names goes.
        try await eventually("the bodies of what failed are gone") {
            let keys = try server.control("get", "--prefix", "\(cluster.prefix)/body/", "--keys-only")
            return keys.split(separator: "\n").count == 63
        }
        try await EtcdStore.remove(in: cluster)
        #expect(try server.control("get", "--prefix", "\(cluster.prefix)/") == "")
    }

    @Test func pagesHoldWhatOneAnswerCannot() async throws {
        let scratch = try Scratch()
        let cluster = try await SharedServer.cluster()
        let store = try await EtcdStore.create(in: cluster, locks: scratch("locks"), header: firstHeader)
        for id in 0..<64 as Range<UInt8> {
            let bytes = [UInt8](repeating: id, count: RecordLimits.recordBytes)
            try await store.commit([put(id, 1, bytes)], ifHeaderGeneration: 1)
        }
        let page = try await store.records(after: nil, limit: 64)
        #expect(page.map(\.id) == (0..<64).map { recordID($0) })
        #expect(page.allSatisfy { $0.sealed.count == RecordLimits.recordBytes && $0.sealed[0] == $0.id.bytes[0] })
        try await EtcdStore.remove(in: cluster)
    }

    @Test func whatIsNotWantedIsNotRemoved() async throws {
        let scratch = try Scratch()
        let cluster = try await SharedServer.cluster()
        let store = try await EtcdStore.create(in: cluster, locks: scratch("locks"), header: firstHeader)
        try await store.commit([put(1, 1)], ifHeaderGeneration: 1)
        let error = await #expect(throws: StoreError.self) {
            try await EtcdStore.remove(in: cluster) { $0.bytes == [9, 9] }
        }
        #expect(error?.code == .unsafe)
        #expect(try await store.record(recordID(1)) != nil)
        try await EtcdStore.remove(in: cluster) { $0 == firstHeader }
        let gone = await #expect(throws: StoreError.self) { try await EtcdStore.remove(in: cluster) }
        #expect(gone?.code == .absent)
    }

    @Test func aDeadMemberIsPassedOver() async throws {
        let scratch = try Scratch()
        let held = try HeldPort()
        let server = try await SharedServer.get()
        let cluster = EtcdCluster.local(held.port, server.port, prefix: "test/\(UUID().uuidString)")
        let store = try await EtcdStore.create(in: cluster, locks: scratch("locks"), header: firstHeader)
        try await store.commit([put(1, 1)], ifHeaderGeneration: 1)
        #expect(try await store.record(recordID(1)) != nil)
    }

    @Test func whereNobodyAnswersItFailsAtOnceForAWhile() async throws {
        let time = Mutex<UInt64>(1_000_000)
        let server = try await EtcdServer()
        let scratch = try Scratch()
        let store = try await EtcdStore.create(
            in: .local(server.port),
            locks: scratch("locks"),
            header: firstHeader,
            clock: VaultClock(bootTime: { time.withLock { $0 } })
        )
        server.kill()
        let first = await #expect(throws: StoreError.self) { try await store.header() }
        #expect(first?.code == .unreachable)
        try await server.start()
        // It is back, and not asked.
        let second = await #expect(throws: StoreError.self) { try await store.header() }
        #expect(second?.code == .unreachable)
        time.withLock { $0 += EtcdClient.awayMilliseconds }
        #expect(try await store.header() == firstHeader)
    }

    @Test func plainTextLeavesThisMachineNever() async throws {
        let far = EtcdCluster.Endpoint(member: .init(host: "192.0.2.1"), isSecure: false)
        let error = await #expect(throws: StoreError.self) {
            try await EtcdStore.open(in: EtcdCluster(endpoints: [far], prefix: "vault"), locks: "/nonexistent")
        }
        #expect(error?.code == .unsafe)
        #expect(EtcdCluster(EtcdAddress(members: [.init(host: "192.0.2.1")], prefix: "")).endpoints[0].isSecure)
    }

    @Test func aFullDatabaseIsToldAsSuch() async throws {
        let server = try await EtcdServer(arguments: ["--quota-backend-bytes", "4194304"])
        let scratch = try Scratch()
        let store = try await EtcdStore.create(in: .local(server.port), locks: scratch("locks"), header: firstHeader)
        var generation: UInt64 = 0
        let error = await #expect(throws: StoreError.self) {
            while generation < 64 {
                let bytes = [UInt8](repeating: 1, count: 1 << 20)
                let old = generation == 0 ? nil : generation
                try await store.commit([put(1, generation + 1, replacing: old, bytes)], ifHeaderGeneration: 1)
                generation += 1
            }
        }
        #expect(error?.code == .unavailable && error?.message.contains("quota") == true)
        #expect(try await store.record(recordID(1))?.generation == generation)
    }

    @Test func theWatchTellsWhatChangesAndNothingOfLeases() async throws {
        let scratch = try Scratch()
        let cluster = try await SharedServer.cluster()
        let store = try await EtcdStore.create(in: cluster, locks: scratch("locks"), header: firstHeader)
        let before = try await store.state()
        let lease = try #require(try await store.tryLease(leaseName(1)))
        try await store.commit([put(1, 1)], ifHeaderGeneration: 1, holding: lease)
        lease.release()
        try await store.commit([.delete(recordID(1), generation: 1)], ifHeaderGeneration: 1)
        try await store.replaceHeader(StoredHeader(generation: 2, bytes: []), ifGeneration: 1)
        var told: [String] = []
        for try await change in store.changes(since: before.revision) {
            switch change {
            case .put(let id, _): told.append("put \(id.bytes[0])")
            case .deleted(let id, _): told.append("deleted \(id.bytes[0])")
            case .header: told.append("header")
            case .counter(let counter, _): told.append("counter \(counter - before.changeCounter)")
            case .progress: break
            case .compacted: told.append("compacted")
            }
            if told.last == "counter 3" { break }
        }
        #expect(Set(told) == ["put 1", "counter 1", "deleted 1", "counter 2", "header", "counter 3"])
        #expect(told.count == 6)
    }
}
