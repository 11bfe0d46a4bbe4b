import FoundationEssentials
import GRDB
import Glibc
import Testing
import VaultStorage

/// Fails the test unless `body` throws a `StoreError` of that code, and gives it back.
@discardableResult
func expectRefusal(
    _ code: StoreError.Code,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async throws -> StoreError? {
    do {
        try await body()
    } catch let error as StoreError {
        #expect(error.code == code, "refused with another code: \(error)", sourceLocation: sourceLocation)
        return error
    }
    Issue.record("was not refused", sourceLocation: sourceLocation)
    return nil
}

func recordID(_ first: UInt8) throws -> RecordID {
    try #require(RecordID([first] + [UInt8](repeating: 0, count: RecordID.length - 1)))
}

func record(_ first: UInt8, _ generation: UInt64, _ sealed: [UInt8] = [7]) throws -> StoredRecord {
    StoredRecord(id: try recordID(first), generation: generation, sealed: sealed)
}

func leaseName(_ first: UInt8) throws -> LeaseName {
    try #require(LeaseName([first] + [UInt8](repeating: 3, count: 15)))
}

let firstHeader = StoredHeader(generation: 1, bytes: [1, 2, 3])

extension TemporaryDirectory {
    /// A new store in `vault`, its leases in `locks`.
    func makeStore() async throws -> SQLiteStore {
        try await SQLiteStore.create(in: self("vault"), locks: self("locks"), header: firstHeader)
    }

    func openStore() async throws -> SQLiteStore {
        try await SQLiteStore.open(in: self("vault"), locks: self("locks"))
    }

    var database: String { self("vault/vault.sqlite") }
    var journal: String { self("vault/vault.sqlite-journal") }

    /// An empty private directory where a store is looked for.
    func makeEmptyVaultDirectory() throws {
        try check(mkdir(self("vault"), 0o700), "mkdir")
    }
}

/// Runs SQL on a file with a connection of its own, as any other program would.
func runSQL(_ sql: String, on path: String) throws {
    let queue = try DatabaseQueue(path: path)
    try queue.writeWithoutTransaction { try $0.execute(sql: sql) }
    try queue.close()
}

/// Leaves the file at `path` in the middle of a change, its journal beside it, and kills the process.
///
/// For exit tests. The small cache makes SQLite write changed pages into the file before the transaction ends.
func changeHalfway(_ sql: String, on path: String) throws {
    let queue = try DatabaseQueue(path: path)
    try queue.writeWithoutTransaction { database in
        try database.execute(sql: "PRAGMA journal_mode = TRUNCATE; PRAGMA cache_size = 1; BEGIN IMMEDIATE")
        try database.execute(sql: sql)
        kill(getpid(), SIGKILL)
    }
}

/// Gives up root for good, so that permissions count.
///
/// Does nothing for an ordinary user.
func becomeOrdinaryUser() throws {
    guard geteuid() == 0 else { return }
    try check(setgroups(0, nil), "setgroups")
    try check(setgid(65534), "setgid")
    try check(setuid(65534), "setuid")
}

extension TemporaryDirectory {
    /// Gives the directory to the user that `becomeOrdinaryUser` becomes.
    func giveAway() throws {
        guard geteuid() == 0 else { return }
        try check(chown(path, 65534, 65534), "chown")
    }
}
