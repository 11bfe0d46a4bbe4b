import Synchronization
import TestSupport
import Testing
import VaultAPI
import VaultStorage

@testable import EtcdStorage

struct EtcdLeaseTests {
    @Test func aLeaseThatEndedCommitsNothing() async throws {
        let scratch = try Scratch()
        let server = try await SharedServer.get()
        let cluster = try await SharedServer.cluster()
        let store = try await EtcdStore.create(in: cluster, locks: scratch("locks"), header: firstHeader)
        let lease = try #require(try await store.tryLease(leaseName(1)))
        defer { lease.release() }
        try await store.commit([put(1, 1)], ifHeaderGeneration: 1, holding: lease)
        let key = "\(cluster.prefix)/taken/\(leaseName(1).bytes.hexadecimal)"
        #expect(try server.control("del", key).contains("1"))
        let error = await #expect(throws: StoreError.self) {
            try await store.commit([put(1, 2, replacing: 1)], ifHeaderGeneration: 1, holding: lease)
        }
        #expect(error?.code == .leaseLost)
        #expect(try await store.record(recordID(1))?.generation == 1)
    }

    @Test func whoTookItOverHasAnotherToken() async throws {
        let (here, there) = (try Scratch(), try Scratch())
        let server = try await SharedServer.get()
        let cluster = try await SharedServer.cluster()
        let store = try await EtcdStore.create(in: cluster, locks: here("locks"), header: firstHeader)
        let other = try await EtcdStore.open(in: cluster, locks: there("locks"))
        let first = try #require(try await store.tryLease(leaseName(1)))
        defer { first.release() }
        #expect(try await other.tryLease(leaseName(1)) == nil)
        _ = try server.control("del", "--prefix", "\(cluster.prefix)/taken/")
        let second = try #require(try await other.tryLease(leaseName(1)))
        defer { second.release() }
        let tokens = try (#require(first.fence).token, #require(second.fence).token)
        #expect(tokens.0 != tokens.1)
        let error = await #expect(throws: StoreError.self) {
            try await store.commit([put(1, 1)], ifHeaderGeneration: 1, holding: first)
        }
        #expect(error?.code == .leaseLost)
        try await other.commit([put(1, 1)], ifHeaderGeneration: 1, holding: second)
    }

    @Test func aDeadHolderOfThisMachineIsTakenOverAtOnce() async throws {
        let scratch = try Scratch()
        let server = try await SharedServer.get()
        let cluster = try await SharedServer.cluster()
        let store = try await EtcdStore.create(in: cluster, locks: scratch("locks"), header: firstHeader)
        let key = "\(cluster.prefix)/taken/\(leaseName(1).bytes.hexadecimal)"
        // As one that was killed leaves it: the key is there, the lock is not.
        let client = try EtcdClient(cluster, clock: VaultClock())
        let mark = try EtcdMachine.mark(in: scratch("locks"))
        let left = Transaction(success: [.put(EtcdKeys(prefix: cluster.prefix).lease(leaseName(1)), mark + mark)])
        _ = try await client.ask("kv/txn", left, for: TransactionAnswer.self)
        #expect(try server.control("get", key, "--keys-only").contains(key))
        let lease = try await store.tryLease(leaseName(1))
        #expect(lease != nil)
        lease?.release()
    }

    @Test func aReleasedLeaseIsSoonFreeElsewhere() async throws {
        let (here, there) = (try Scratch(), try Scratch())
        let cluster = try await SharedServer.cluster()
        let store = try await EtcdStore.create(in: cluster, locks: here("locks"), header: firstHeader)
        let other = try await EtcdStore.open(in: cluster, locks: there("locks"))
        let first = try #require(try await store.tryLease(leaseName(1)))
        let waiting = Task { try await other.lease(leaseName(1), within: .seconds(60), clock: ContinuousClock()) }
        #expect(try await other.tryLease(leaseName(2)) != nil)
        let began = ContinuousClock.now
        first.release()
        let second = try await waiting.value
        // Far less than the lifetime that a holder who died would leave.
        #expect(ContinuousClock.now - began < .seconds(20))
        second.release()
    }

    @Test func itIsHeldNoLongerThanTheClusterCounts() async throws {
        let scratch = try Scratch()
        let cluster = try await SharedServer.cluster()
        let time = Mutex<UInt64>(1_000_000)
        let clock = VaultClock(bootTime: { time.withLock { $0 } })
        let store = try await EtcdStore.create(
            in: cluster,
            locks: scratch("locks"),
            header: firstHeader,
            clock: clock
        )
        let lease = try #require(try await store.tryLease(leaseName(1)))
        defer { lease.release() }
        #expect(try #require(lease.fence).heldUntil() == 1_000_000 + EtcdSession.lifetime * 1000 - 1000)
    }
}
