import Glibc
import Testing
import VaultStorage

@Suite(.enabled(if: SmallDisk.isPossible, "needs to mount a tmpfs"))
struct DiskTests {
    @Test func readsOnReadOnlyMedia() async throws {
        let disk = try SmallDisk(bytes: 4 << 20)
        try await {
            let store = try await create(disk)
            try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        }()
        try disk.setReadOnly(true)
        let before = try Listing(disk.path)
        let store = try await open(disk)
        #expect(store.isReadOnly)
        #expect(try await store.header() == firstHeader)
        #expect(try await store.record(try recordID(1)) == record(1, 1))
        #expect(try await store.records(after: nil, limit: 9) == [record(1, 1)])
        #expect(try await store.changeCounter() == 1)
        let error = try await expectRefusal(.unavailable) {
            try await store.commit([.put(try record(2, 1), replacing: nil)], ifHeaderGeneration: 1)
        }
        #expect(error?.message.contains("read-only") == true)
        try await expectRefusal(.unavailable) {
            try await store.replaceHeader(StoredHeader(generation: 2, bytes: []), ifGeneration: 1)
        }
        try await expectRefusal(.unavailable) { _ = try await store.tryLease(try leaseName(1)) }
        try await expectRefusal(.unavailable) {
            _ = try await SQLiteStore.create(in: disk("other"), locks: disk("locks"), header: firstHeader)
        }
        #expect(try Listing(disk.path) == before)

        try disk.setReadOnly(false)
        let writable = try await open(disk)
        try await writable.commit([.put(try record(2, 1), replacing: nil)], ifHeaderGeneration: 1)
        #expect(try await store.changeCounter() == 2)
    }

    @Test func keepsTheOldStateOnAFullDisk() async throws {
        let disk = try SmallDisk(bytes: 1 << 20)
        let store = try await create(disk)
        let old = try record(1, 1, [UInt8](repeating: 1, count: 60_000))
        try await store.commit([.put(old, replacing: nil)], ifHeaderGeneration: 1)
        let counter = try await store.changeCounter()
        try disk.fill()
        let new = try record(1, 2, [UInt8](repeating: 2, count: 120_000))
        let error = try await expectRefusal(.unavailable) {
            try await store.commit(
                [.put(new, replacing: 1), .put(try record(2, 1), replacing: nil)],
                ifHeaderGeneration: 1
            )
        }
        #expect(error?.message.contains("full") == true, "\(error?.message ?? "")")
        for store in [store, try await open(disk)] {
            #expect(try await store.records(after: nil, limit: 9) == [old])
            #expect(try await store.changeCounter() == counter)
        }
        try disk.unfill()
        try await store.commit([.put(new, replacing: 1)], ifHeaderGeneration: 1)
        #expect(try await store.record(new.id) == new)
    }

    @Test func createsNothingOnAFullDisk() async throws {
        let disk = try SmallDisk(bytes: 64 << 10)
        try check(mkdir(disk("vault"), 0o700), "mkdir")
        try disk.fill()
        try await expectRefusal(.unavailable) { _ = try await create(disk) }
        #expect(try names(in: disk("vault")) == [])
        try disk.unfill()
        #expect(try await create(disk).header() == firstHeader)
    }

    @Test func raisesNothingOnReadOnlyMedia() async throws {
        let disk = try SmallDisk(bytes: 1 << 20)
        try disk.setReadOnly(true)
        let none = try await GenerationLedger.open(disk("state"))
        #expect(!none.isWritable)
        try await none.raise(header: nil, records: [try recordID(1): 5])
        #expect(try await none.generation(of: try recordID(1)) == nil)

        try disk.setReadOnly(false)
        try await {
            let ledger = try await GenerationLedger.open(disk("state"))
            #expect(ledger.isWritable)
            try await ledger.raise(header: nil, records: [try recordID(1): 5])
        }()
        try disk.setReadOnly(true)
        let some = try await GenerationLedger.open(disk("state"))
        #expect(!some.isWritable)
        try await some.raise(header: nil, records: [try recordID(1): 6])
        #expect(try await some.generation(of: try recordID(1)) == 5)
    }

    private func create(_ disk: SmallDisk) async throws -> SQLiteStore {
        try await SQLiteStore.create(in: disk("vault"), locks: disk("locks"), header: firstHeader)
    }

    private func open(_ disk: SmallDisk) async throws -> SQLiteStore {
        try await SQLiteStore.open(in: disk("vault"), locks: disk("locks"))
    }
}

/// What permissions allow, tried as an ordinary user: root passes them without being tested.
struct PermissionTests {
    @Test func readsAFileItMayNotWrite() async throws {
        let place = try TemporaryDirectory()
        try place.giveAway()
        await #expect(processExitsWith: .success) { [path = place.path as String] in
            try becomeOrdinaryUser()
            let vault = "\(path)/vault"
            _ = try await SQLiteStore.create(in: vault, locks: "\(path)/locks", header: firstHeader)
            try check(chmod("\(vault)/vault.sqlite", 0o400), "chmod")
            let store = try await SQLiteStore.open(in: vault, locks: "\(path)/locks")
            #expect(store.isReadOnly)
            #expect(try await store.header() == firstHeader)
            try await expectRefusal(.unavailable) {
                try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
            }
        }
    }

    @Test func readsInADirectoryItMayNotWrite() async throws {
        let place = try TemporaryDirectory()
        try place.giveAway()
        await #expect(processExitsWith: .success) { [path = place.path as String] in
            try becomeOrdinaryUser()
            let vault = "\(path)/vault"
            _ = try await SQLiteStore.create(in: vault, locks: "\(path)/locks", header: firstHeader)
            try check(chmod(vault, 0o500), "chmod")
            let store = try await SQLiteStore.open(in: vault, locks: "\(path)/locks")
            #expect(try await store.header() == firstHeader)
            try await expectRefusal(.unavailable) {
                try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
            }
            #expect(try await store.record(try recordID(1)) == nil)
        }
    }

    @Test func hasNoLedgerWhereItMayNotWrite() async throws {
        let place = try TemporaryDirectory()
        try place.giveAway()
        await #expect(processExitsWith: .success) { [path = place.path as String] in
            try becomeOrdinaryUser()
            try check(chmod(path, 0o500), "chmod")
            let ledger = try await GenerationLedger.open("\(path)/deep/state")
            #expect(!ledger.isWritable)
            try await ledger.raise(header: nil, records: [try recordID(1): 5])
            #expect(try await ledger.generations() == [:])
            try await expectRefusal(.unavailable) {
                let seen = SeenHeader(generation: 1, digest: [UInt8](repeating: 0, count: 32), changeCounter: 0)
                try await ledger.accept(header: seen)
            }
            try check(chmod(path, 0o700), "chmod")
        }
    }
}
