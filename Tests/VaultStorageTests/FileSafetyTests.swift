import FoundationEssentials
import Glibc
import Testing
import VaultStorage

/// What lies where a vault is looked for, and is none or not a safe one.
struct FileSafetyTests {
    struct Obstacle: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let code: StoreError.Code
        let hint: String?
        let make: @Sendable (TemporaryDirectory) async throws -> Void

        init(
            _ description: String,
            _ code: StoreError.Code,
            hint: String? = nil,
            make: @escaping @Sendable (TemporaryDirectory) async throws -> Void
        ) {
            testDescription = description
            self.code = code
            self.hint = hint
            self.make = make
        }
    }

    static let obstacles: [Obstacle] = [
        Obstacle("no directory", .absent) { _ in },
        Obstacle("an empty directory", .absent) { try $0.makeEmptyVaultDirectory() },
        Obstacle("a link to a directory", .unsafe) { place in
            _ = try await place.makeStore()
            try check(rename(place("vault"), place("real")), "rename")
            try check(symlink(place("real"), place("vault")), "symlink")
        },
        Obstacle("a wide directory", .unsafe, hint: "chmod 700") { place in
            _ = try await place.makeStore()
            try check(chmod(place("vault"), 0o750), "chmod")
        },
        Obstacle("a file for a directory", .unsafe) { try write([1], to: $0("vault")) },
        Obstacle("a link", .unsafe) { place in
            _ = try await place.makeStore()
            try check(rename(place.database, place("real")), "rename")
            try check(symlink(place("real"), place.database), "symlink")
        },
        Obstacle("a dangling link", .unsafe) { place in
            try place.makeEmptyVaultDirectory()
            try check(symlink(place("nowhere"), place.database), "symlink")
        },
        Obstacle("a FIFO", .unsafe) { place in
            try place.makeEmptyVaultDirectory()
            try check(mkfifo(place.database, 0o600), "mkfifo")
        },
        Obstacle("a directory", .unsafe) { place in
            try place.makeEmptyVaultDirectory()
            try check(mkdir(place.database, 0o700), "mkdir")
        },
        Obstacle("a second hard link", .unsafe) { place in
            _ = try await place.makeStore()
            try check(link(place.database, place("other name")), "link")
        },
        Obstacle("mode 0644", .unsafe, hint: "chmod 600") { place in
            _ = try await place.makeStore()
            try check(chmod(place.database, 0o644), "chmod")
        },
        Obstacle("a linked journal", .unsafe) { place in
            _ = try await place.makeStore()
            try write([], to: place("elsewhere"))
            unlink(place.journal)
            try check(symlink(place("elsewhere"), place.journal), "symlink")
        },
        Obstacle("a wide journal", .unsafe, hint: "chmod 600") { place in
            _ = try await place.makeStore()
            try write([], to: place.journal, mode: 0o640)
        },
        Obstacle("a write-ahead log", .damaged) { place in
            _ = try await place.makeStore()
            try write([1, 2, 3], to: place("vault/vault.sqlite-wal"))
        },
        Obstacle("an empty file", .damaged) { place in
            try place.makeEmptyVaultDirectory()
            try write([], to: place.database)
        },
        Obstacle("a text file", .damaged) { place in
            try place.makeEmptyVaultDirectory()
            try write(Array(String(repeating: "not a database\n", count: 100).utf8), to: place.database)
        },
        Obstacle("99 bytes of a vault", .damaged) { place in
            _ = try await place.makeStore()
            try write(Array(try bytes(place.database).prefix(99)), to: place.database)
        },
        Obstacle("1 TiB of nothing", .damaged) { place in
            try place.makeEmptyVaultDirectory()
            try write([], to: place.database)
            try check(truncate(place.database, 1 << 40), "truncate")
        },
        Obstacle("a foreign database", .damaged) { place in
            try place.makeEmptyVaultDirectory()
            try runSQL("CREATE TABLE moz_cookies (id INTEGER)", on: place.database)
            try check(chmod(place.database, 0o600), "chmod")
        },
        Obstacle("a later format", .damaged, hint: "update") { place in
            _ = try await place.makeStore()
            try runSQL("PRAGMA user_version = 2", on: place.database)
        },
        Obstacle("format 0", .damaged) { place in
            _ = try await place.makeStore()
            try runSQL("PRAGMA user_version = 0", on: place.database)
        },
        Obstacle("a trigger", .damaged) { place in
            _ = try await place.makeStore()
            let ignoring = "BEFORE INSERT ON record BEGIN SELECT raise(ignore); END"
            try runSQL("CREATE TRIGGER t \(ignoring)", on: place.database)
        },
        Obstacle("a view in a table's place", .damaged) { place in
            _ = try await place.makeStore()
            let endless =
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i, i AS generation, i AS bytes FROM n"
            try runSQL("DROP TABLE header; CREATE VIEW header AS \(endless)", on: place.database)
        },
        Obstacle("one table more", .damaged) { place in
            _ = try await place.makeStore()
            try runSQL("CREATE TABLE more (x)", on: place.database)
        },
        // SQLite would delete the file that the journal's last record names.
        Obstacle("a journal that names another file", .damaged) { place in
            _ = try await place.makeStore()
            try write(Array("precious".utf8), to: place("victim"))
            let magic: [UInt8] = [0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7]
            let name = Array(String(place("victim")).utf8)
            func word(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
            let head = magic + word(0) + word(7) + word(1) + word(512) + word(4096)
            let sum = name.reduce(0) { $0 + Int($1) }
            let padding = [UInt8](repeating: 0, count: 512 - head.count)
            try write(head + padding + word(262_145) + name + word(name.count) + word(sum) + magic, to: place.journal)
        },
        Obstacle("a vault in WAL mode", .damaged, hint: "journal_mode") { place in
            _ = try await place.makeStore()
            try runSQL("PRAGMA journal_mode = WAL", on: place.database)
        },
    ]

    @Test(arguments: obstacles)
    func refusesAndLeavesAlone(_ obstacle: Obstacle) async throws {
        let place = try TemporaryDirectory()
        try await obstacle.make(place)
        let before = try Listing(place.path)
        let error = try await expectRefusal(obstacle.code) { _ = try await place.openStore() }
        #expect(try Listing(place.path) == before)
        if let hint = obstacle.hint { #expect(error?.hint?.contains(hint) == true, "\(error?.hint ?? "no hint")") }
    }

    @Test func refusesALinkWhosePathEndsInASlash() async throws {
        let place = try TemporaryDirectory()
        _ = try await place.makeStore()
        try check(symlink(place("vault"), place("link")), "symlink")
        try await expectRefusal(.unsafe) { _ = try await SQLiteStore.open(in: place("link/"), locks: place("locks")) }
        _ = try await SQLiteStore.open(in: place("vault//"), locks: place("locks"))
    }

    @Test(.enabled(if: geteuid() == 0, "only root can make a file of another user"))
    func refusesFilesOfAnotherUser() async throws {
        let place = try TemporaryDirectory()
        _ = try await place.makeStore()
        try check(chown(place.database, 65534, 65534), "chown")
        try await expectRefusal(.unsafe) { _ = try await place.openStore() }
        try check(chown(place.database, 0, 0), "chown")
        _ = try await place.openStore()
        try check(chown(place("vault"), 65534, 65534), "chown")
        try await expectRefusal(.unsafe) { _ = try await place.openStore() }
    }

    /// The journal of a killed writer lies beside a database that is not ours: SQLite would play it back on opening.
    @Test func replaysNoForeignJournal() async throws {
        let place = try TemporaryDirectory()
        try place.makeEmptyVaultDirectory()
        try runSQL(
            """
            CREATE TABLE t (x BLOB);
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
            INSERT INTO t SELECT randomblob(3000) FROM n
            """,
            on: place.database
        )
        try check(chmod(place.database, 0o600), "chmod")
        await #expect(processExitsWith: .signal(SIGKILL)) { [database = place.database as String] in
            try changeHalfway("UPDATE t SET x = zeroblob(3000)", on: database)
        }
        let before = try Listing(place.path)
        #expect(try bytes(place.journal).starts(with: [0xD9, 0xD5, 0x05, 0xF9]), "the journal is not hot")
        try await expectRefusal(.damaged) { _ = try await place.openStore() }
        #expect(try Listing(place.path) == before)
    }

    @Test func rollsBackWhatAKilledWriterLeft() async throws {
        let place = try TemporaryDirectory()
        let records = try (0..<60).map { try record($0, 1, [UInt8](repeating: $0, count: 3000)) }
        try await place.makeStore().commit(records.map { .put($0, replacing: nil) }, ifHeaderGeneration: 1)
        let whole = try bytes(place.database)
        await #expect(processExitsWith: .signal(SIGKILL)) { [database = place.database as String] in
            try changeHalfway("UPDATE record SET sealed = zeroblob(3000)", on: database)
        }
        #expect(try bytes(place.database) != whole, "nothing was changed halfway")
        let store = try await place.openStore()
        #expect(try await store.records(after: nil, limit: 99) == records)
    }
}

/// Everything below a directory: paths, kinds, modes, sizes and, unless they are large, bytes.
struct Listing: Equatable {
    struct Item: Equatable {
        let path: String
        let mode: UInt32
        let size: Int
        let bytes: [UInt8]
    }

    let items: [Item]

    init(_ directory: String) throws {
        var items: [Item] = []
        for path in try FileManager.default.subpathsOfDirectory(atPath: directory).sorted() {
            let full = "\(directory)/\(path)"
            var status = stat()
            try check(lstat(full, &status), "lstat \(full)")
            let isReadable = status.st_mode & S_IFMT == S_IFREG && status.st_size < 1 << 30
            items.append(
                Item(
                    path: path,
                    mode: status.st_mode,
                    size: Int(status.st_size),
                    bytes: isReadable ? try VaultStorageTests.bytes(full) : []
                )
            )
        }
        self.items = items
    }
}
