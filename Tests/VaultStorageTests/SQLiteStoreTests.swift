import Foundation
import GRDB
import Glibc
import Testing

@testable import VaultStorage

struct SQLiteStoreTests {
    @Test func runsWithTheSettingsThatDurabilityNeeds() async throws {
        let place = try TemporaryDirectory()
        for store in [try await place.makeStore(), try await place.openStore()] {
            let settings = try await store.connection.read { database in
                try ["journal_mode", "synchronous", "secure_delete", "temp_store"].map { name in
                    try String.fetchOne(database, sql: "PRAGMA \(name)")
                }
            }
            #expect(settings == ["truncate", "2", "1", "2"])
        }
    }

    @Test func marksItsFiles() async throws {
        let place = try TemporaryDirectory()
        _ = try await place.makeStore()
        let header = try bytes(place.database).prefix(100)
        #expect(header[60..<64].elementsEqual([0, 0, 0, 1]))
        #expect(header[68..<72].elementsEqual("VLT1".utf8))
    }

    @Test func makesPrivateFilesWhateverTheMask() async throws {
        for mask in [0, 0o777] as [UInt32] {
            let place = try TemporaryDirectory()
            try place.giveAway()
            await #expect(processExitsWith: .success) { [path = place.path as String, mask = mask as UInt32] in
                try becomeOrdinaryUser()
                umask(mask)
                let store = try await SQLiteStore.create(
                    in: "\(path)/deep/vault",
                    locks: "\(path)/state/locks",
                    header: firstHeader
                )
                try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
                try #require(try await store.tryLease(try leaseName(1)) != nil)
                let ledger = try await GenerationLedger.open("\(path)/state")
                try await ledger.raise(header: nil, records: [try recordID(1): 1])
                let again = try await SQLiteStore.open(in: "\(path)/deep/vault", locks: "\(path)/state/locks")
                #expect(try await again.record(try recordID(1)) == record(1, 1))
            }
            for directory in ["deep", "deep/vault", "state", "state/locks"] {
                #expect(try mode(of: place(directory)) == 0o700, "\(directory)")
            }
            for file in ["deep/vault/vault.sqlite", "deep/vault/vault.sqlite-journal", "state/locks/leases"] {
                #expect(try mode(of: place(file)) == 0o600, "\(file)")
            }
            #expect(try mode(of: place("state/seen.sqlite")) == 0o600)
        }
    }

    @Test func worksWhateverThePathIsMadeOf() async throws {
        let place = try TemporaryDirectory()
        let directory = place("a b?mode=memory#c%41&'é\u{1F511}//vault")
        _ = try await SQLiteStore.create(in: directory, locks: place("locks"), header: firstHeader)
        #expect(try names(in: directory) == ["vault.sqlite"])
        #expect(try await SQLiteStore.open(in: directory, locks: place("locks")).header() == firstHeader)
    }

    @Test func overwritesDeletedBytes() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        let first = [UInt8]("FIRST SEALED BYTES".utf8)
        let second = [UInt8]("SECOND SEALED BYTES".utf8)
        for (count, id) in zip([1, 50, 4000], [1, 2, 3] as [UInt8]) {
            // Small ones lie in the table's own pages, large ones on overflow pages.
            let long = { (bytes: [UInt8]) in Array(repeatElement(bytes, count: count).joined()) }
            try await store.commit([.put(try record(id, 1, long(first)), replacing: nil)], ifHeaderGeneration: 1)
            #expect(try contains(place, first), "the test does not see what is there")
            try await store.commit([.put(try record(id, 2, long(second)), replacing: 1)], ifHeaderGeneration: 1)
            #expect(try !contains(place, first), "a replaced record of \(count) pieces remains")
            try await store.commit([.delete(try recordID(id), generation: 2)], ifHeaderGeneration: 1)
            #expect(try !contains(place, second), "a deleted record of \(count) pieces remains")
        }
    }

    private func contains(_ place: TemporaryDirectory, _ needle: [UInt8]) throws -> Bool {
        try names(in: place("vault")).contains { name in
            Data(try bytes(place("vault/\(name)"))).range(of: Data(needle)) != nil
        }
    }

    // MARK: - Creation

    @Test func createsOnceAmongMany() async throws {
        let place = try TemporaryDirectory()
        let made = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    do {
                        _ = try await place.makeStore()
                        return true
                    } catch let error as StoreError {
                        #expect(error.code == .exists, "\(error)")
                        return false
                    }
                }
            }
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(made == 1)
        #expect(try names(in: place("vault")) == ["vault.sqlite"])
        #expect(try await place.openStore().header() == firstHeader)
    }

    @Test(arguments: ["a vault", "a file", "a directory", "a dangling link", "a journal", "a write-ahead log"])
    func createsNothingWhere(_ obstacle: String) async throws {
        let place = try TemporaryDirectory()
        try place.makeEmptyVaultDirectory()
        switch obstacle {
        case "a vault": _ = try await place.makeStore()
        case "a file": try write([], to: place.database)
        case "a directory": try check(mkdir(place.database, 0o700), "mkdir")
        case "a dangling link": try check(symlink(place("nowhere"), place.database), "symlink")
        case "a journal": try write([0xD9, 0xD5, 5, 0xF9], to: place.journal)
        default: try write([1], to: place("vault/vault.sqlite-wal"))
        }
        let before = try Listing(place.path)
        try await expectRefusal(.exists) { _ = try await place.makeStore() }
        #expect(try Listing(place.path) == before)
    }

    @Test func createsBesideAnEmptyJournal() async throws {
        let place = try TemporaryDirectory()
        try place.makeEmptyVaultDirectory()
        try write([], to: place.journal)
        #expect(try await place.makeStore().header() == firstHeader)
    }

    @Test func sweepsAwayOldTemporariesOnly() async throws {
        let place = try TemporaryDirectory()
        try place.makeEmptyVaultDirectory()
        for name in ["vault.sqlite.a.new", "vault.sqlite.b.new", "vault.sqlite.old", "other.a.new"] {
            try write([1], to: place("vault/\(name)"))
        }
        try check(mkdir(place("vault/vault.sqlite.d.new"), 0o700), "mkdir")
        for name in ["vault.sqlite.a.new", "vault.sqlite.old", "other.a.new", "vault.sqlite.d.new"] {
            let old = [timeval](repeating: timeval(tv_sec: time(nil) - 7200, tv_usec: 0), count: 2)
            try check(utimes(place("vault/\(name)"), old), "utimes")
        }
        _ = try await place.makeStore()
        let expected = [
            "other.a.new", "vault.sqlite", "vault.sqlite.b.new", "vault.sqlite.d.new", "vault.sqlite.old",
        ]
        #expect(try names(in: place("vault")) == expected)
    }

    @Test func refusesAHeaderThatNoStoreTakes() async throws {
        let place = try TemporaryDirectory()
        for header in [
            StoredHeader(generation: 1 << 63, bytes: []),
            StoredHeader(generation: 1, bytes: [UInt8](repeating: 0, count: 1 << 20 + 1)),
        ] {
            try await expectRefusal(.invalid) {
                _ = try await SQLiteStore.create(in: place("vault"), locks: place("locks"), header: header)
            }
        }
        #expect(try names(in: place.path) == [])
    }

    // MARK: - Removal

    @Test func removesEverythingOfItsOwn() async throws {
        let place = try TemporaryDirectory()
        try await place.makeStore().commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        try write([1], to: place("vault/vault.sqlite.a.new"))
        try SQLiteStore.remove(in: place("vault"))
        #expect(try names(in: place.path) == [])
        try await expectRefusal(.absent) { try SQLiteStore.remove(in: place("vault")) }
    }

    @Test func removesNothingOfOthers() async throws {
        let place = try TemporaryDirectory()
        _ = try await place.makeStore()
        try write([1], to: place("vault/notes"))
        try SQLiteStore.remove(in: place("vault"))
        #expect(try names(in: place("vault")) == ["notes"])

        try write([1], to: place.database)
        let before = try Listing(place.path)
        try await expectRefusal(.damaged) { try SQLiteStore.remove(in: place("vault")) }
        #expect(try Listing(place.path) == before)
    }

    @Test func finishesARemovalThatWasKilled() async throws {
        let place = try TemporaryDirectory()
        try place.makeEmptyVaultDirectory()
        try write([1], to: place.journal)
        try SQLiteStore.remove(in: place("vault"))
        #expect(try names(in: place.path) == [])
    }

    // MARK: - A file that goes while it is open

    @Test func doesNotBringBackAFileThatWasRemoved() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        unlink(place.database)
        try await expectRefusal(.absent) { _ = try await store.header() }
        try await expectRefusal(.absent) { _ = try await store.changeCounter() }
        try await expectRefusal(.absent) {
            try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        }
        try await expectRefusal(.absent) {
            try await store.replaceHeader(StoredHeader(generation: 2, bytes: []), ifGeneration: 1)
        }
        #expect(try !names(in: place("vault")).contains("vault.sqlite"))
    }

    /// GRDB asks SQLite to create what is missing; the address we give it must not.
    @Test func opensNothingThatIsNotThere() throws {
        let place = try TemporaryDirectory()
        for mode in ["rw", "ro"] {
            #expect(throws: DatabaseError.self) {
                let uri = DatabaseFile.uri(place("nothing"), mode: mode)
                _ = try DatabaseQueue(path: uri, configuration: DatabaseFile.configuration())
            }
        }
        #expect(try names(in: place.path) == [])
    }

    @Test func noticesThatItsFileWasReplaced() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        try check(rename(place("vault"), place("moved")), "rename")
        let other = try await place.makeStore()
        try await expectRefusal(.unavailable) { _ = try await store.header() }
        try await expectRefusal(.unavailable) {
            try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        }
        #expect(try await other.records(after: nil, limit: 9) == [])
    }

    // MARK: - Damage

    @Test(arguments: [
        "INSERT INTO record VALUES (zeroblob(31), 1, x'00')",
        "INSERT INTO record VALUES ('text', 1, x'00')",
        "INSERT INTO record VALUES (zeroblob(32), -1, x'00')",
        "INSERT INTO record VALUES (zeroblob(32), 1.5, x'00')",
        "INSERT INTO record VALUES (zeroblob(32), 1, 'text')",
        "INSERT INTO record VALUES (zeroblob(32), 1, zeroblob(1048577))",
        "DROP TABLE record",
        "DROP TABLE record; CREATE TABLE record (id, generation, other)",
    ])
    func reportsDamagedRecords(_ damage: String) async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        try runSQL(damage, on: place.database)
        try await expectRefusal(.damaged) { _ = try await store.records(after: nil, limit: 9) }
        try await expectRefusal(.damaged) { _ = try await place.openStore().records(after: nil, limit: 9) }
    }

    @Test(arguments: [
        "DELETE FROM header",
        "UPDATE header SET generation = -1",
        "UPDATE header SET bytes = 'text'",
        "UPDATE header SET bytes = zeroblob(1048577)",
        "DROP TABLE header",
    ])
    func reportsADamagedHeader(_ damage: String) async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        try runSQL(damage, on: place.database)
        try await expectRefusal(.damaged) { _ = try await store.header() }
    }

    @Test(arguments: ["DELETE FROM counter", "UPDATE counter SET value = -1", "DROP TABLE counter"])
    func reportsADamagedCounter(_ damage: String) async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        try runSQL(damage, on: place.database)
        try await expectRefusal(.damaged) { _ = try await store.changeCounter() }
    }

    @Test func writesNothingWhereNothingCounts() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        try runSQL("DELETE FROM counter", on: place.database)
        try await expectRefusal(.damaged) {
            try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        }
        #expect(try await store.record(try recordID(1)) == nil)
    }

    @Test func reportsATruncatedFile() async throws {
        let place = try TemporaryDirectory()
        let changes = try (0..<40).map {
            RecordChange.put(try record($0, 1, [UInt8](repeating: 9, count: 4000)), replacing: nil)
        }
        try await place.makeStore().commit(changes, ifHeaderGeneration: 1)
        try check(truncate(place.database, 40960), "truncate")
        try await expectRefusal(.damaged) { _ = try await place.openStore().records(after: nil, limit: 99) }
    }

    @Test func tellsNothingOfWhatItHolds() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        try runSQL("DROP TABLE record", on: place.database)
        let error = try await expectRefusal(.damaged) {
            let sealed = [UInt8]("canary".utf8)
            try await store.commit([.put(try record(1, 1, sealed), replacing: nil)], ifHeaderGeneration: 1)
        }
        let text = try String(describing: #require(error)) + String(reflecting: #require(error))
        #expect(!text.contains("canary") && !text.contains("99, 97, 110") && !text.contains("SELECT"), "\(text)")
    }

    // MARK: - Cancellation

    @Test func finishesACommitWhoseTaskIsCancelled() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeStore()
        let commit = Task {
            // Cancelled before it begins, so that no timing decides.
            withUnsafeCurrentTask { $0?.cancel() }
            try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        }
        try await commit.value
        #expect(try await store.record(try recordID(1)) == record(1, 1))
    }
}
