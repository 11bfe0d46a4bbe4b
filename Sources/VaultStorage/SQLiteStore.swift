internal import FoundationEssentials
internal import GRDB

/// The store of one machine: a SQLite database in a private directory.
///
/// ```
/// <directory>/                    0700
///     vault.sqlite                0600   application_id "VLT1", user_version 1, journal_mode TRUNCATE
///         header   id = 1, generation, bytes            one row
///         record   id (32 bytes), generation, sealed    a row for each sealed record
///         counter  id = 1, value                        one row; grows with every change
///     vault.sqlite-journal        0600   empty between changes
/// <locks>/
///     leases                      0600   empty; a lease is a lock on one of its bytes
/// ```
///
/// Every write is one `BEGIN IMMEDIATE` transaction with `synchronous=FULL`: when it returns it is on the disk, and if
/// it throws the file is what it was. Deleted bytes are overwritten with zeros. Where the file cannot be written, as on
/// read-only media, all reads work and writes throw `.unavailable`.
public final class SQLiteStore: RecordStore {
    let connection: DatabaseConnection
    private let leases: LeaseFile

    private init(_ connection: DatabaseConnection, locks: String) {
        self.connection = connection
        self.leases = LeaseFile(directory: locks)
    }

    private static func file(in directory: String) -> DatabaseFile {
        DatabaseFile(
            noun: "vault",
            directory: directory,
            name: "vault.sqlite",
            applicationID: 0x564C_5431,  // "VLT1"
            version: 1,
            schema: """
                CREATE TABLE header (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL,
                    bytes BLOB NOT NULL);
                CREATE TABLE record (id BLOB NOT NULL PRIMARY KEY, generation INTEGER NOT NULL, sealed BLOB NOT NULL);
                CREATE TABLE counter (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL);
                """,
            synchronous: "FULL"
        )
    }

    /// Makes a store that holds `header` and no records, and opens it.
    ///
    /// The database appears complete or not at all, even if this process is killed on the way.
    ///
    /// - Parameters:
    ///   - directory: Made with mode 0700 unless it exists and is private.
    ///   - locks: Where the file lies that leases lock. Made when the first lease is asked for.
    /// - Throws: `.exists`, `.unsafe`, `.invalid` or `.unavailable`, with no store made.
    public static func create(
        in directory: String,
        locks: String,
        header: StoredHeader
    ) async throws(StoreError) -> SQLiteStore {
        let file = file(in: directory)
        try RecordLimits.check(header, subject: file.path)
        try await file.create { database in
            try database.execute(
                sql: "INSERT INTO header VALUES (1, ?, ?)",
                arguments: [Int64(header.generation), Data(header.bytes)]
            )
            try database.execute(sql: "INSERT INTO counter VALUES (1, 0)")
        }
        return SQLiteStore(try await file.open(), locks: locks)
    }

    /// Opens the store in `directory`.
    ///
    /// - Throws: `.absent`, `.unsafe`, `.damaged` or `.unavailable`, with every file as it was.
    public static func open(in directory: String, locks: String) async throws(StoreError) -> SQLiteStore {
        SQLiteStore(try await file(in: directory).open(), locks: locks)
    }

    /// The same open store, its leases locked in `locks`: where they belong may stand in the header.
    public func leasing(in locks: String) -> SQLiteStore { SQLiteStore(connection, locks: locks) }

    /// Removes the store in `directory`, and the directory if that leaves it empty.
    ///
    /// The lock file stays.
    ///
    /// - Throws: `.absent`, `.unsafe` or `.unavailable`.
    public static func remove(in directory: String) throws(StoreError) {
        try file(in: directory).remove()
    }

    /// Where the database is.
    public var path: String { connection.file.path }

    /// Whether writes are bound to fail: the file is write-protected or on read-only media.
    public var isReadOnly: Bool { connection.file.isReadOnly }

    /// The header, as it was last committed.
    public func header() async throws(StoreError) -> StoredHeader {
        try await connection.read { [path] database in
            let row = try database.firstRow(
                "SELECT generation, iif(length(bytes) <= \(RecordLimits.headerBytes), bytes, NULL) FROM header"
            )
            guard let row else { throw StoreError(.damaged, path, "is damaged: it has no header") }
            let values = StoredValues(row: row, path: path)
            return StoredHeader(generation: try values.unsigned(0), bytes: try values.bytes(1))
        }
    }

    /// Replaces the header if the stored one still has the generation `old`.
    public func replaceHeader(_ header: StoredHeader, ifGeneration old: UInt64) async throws(StoreError) {
        try RecordLimits.check(header, after: old, subject: path)
        try await connection.write { [path] database in
            let changes = StoreTransaction(database: database, path: path)
            try changes.requireHeader(old)
            try changes.put(header)
            try changes.count()
        }
    }

    /// The record filed under `id`, or `nil` if there is none.
    public func record(_ id: RecordID) async throws(StoreError) -> StoredRecord? {
        try await connection.read { [path] database in
            try database.firstRow("\(Self.selectRecord) WHERE id = ?", [Data(id.bytes)]).map { row in
                try Self.record(row, path: path)
            }
        }
    }

    /// Up to `limit` records in ascending order of their ids, beginning after `id` (`nil`: from the first).
    public func records(after id: RecordID?, limit: Int) async throws(StoreError) -> [StoredRecord] {
        guard limit > 0 else { return [] }
        return try await connection.read { [path] database in
            let condition = id == nil ? "" : "WHERE id > ?"
            let statement = try database.cachedStatement(
                sql: "\(Self.selectRecord) \(condition) ORDER BY id LIMIT ?"
            )
            let arguments: StatementArguments = id.map { [Data($0.bytes), limit] } ?? [limit]
            let rows = try Row.fetchCursor(statement, arguments: arguments)
            var records: [StoredRecord] = []
            while let row = try rows.next() {
                records.append(try Self.record(row, path: path))
            }
            return records
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
        try RecordLimits.check(changes, subject: path)
        try await connection.write { [path] database in
            let transaction = StoreTransaction(database: database, path: path)
            try transaction.requireHeader(generation)
            for change in changes { try transaction.apply(change) }
            try transaction.count()
        }
    }

    /// A number that grows with every commit and every replaced header, and never otherwise changes.
    public func changeCounter() async throws(StoreError) -> UInt64 {
        try await connection.read { [path] database in
            guard let row = try database.firstRow("SELECT value FROM counter") else {
                throw StoreError(.damaged, path, "is damaged: it has no change counter")
            }
            return try StoredValues(row: row, path: path).unsigned(0)
        }
    }

    /// An exclusive lease by that name, or `nil` if another holds it: another process, or this one.
    ///
    /// - Throws: `.unsafe`, or `.unavailable` where the lock file cannot be made or written.
    public func tryLease(_ name: LeaseName) async throws(StoreError) -> Lease? {
        try leases.tryLease(name)
    }

    // One that is too large becomes NULL, and so damage, before it takes memory: `length` of a blob reads no content.
    private static let selectRecord = """
        SELECT id, generation, iif(length(sealed) <= \(RecordLimits.recordBytes), sealed, NULL) FROM record
        """

    private static func record(_ row: Row, path: String) throws(StoreError) -> StoredRecord {
        let values = StoredValues(row: row, path: path)
        return StoredRecord(
            id: try values.recordID(0),
            generation: try values.unsigned(1),
            sealed: try values.bytes(2)
        )
    }
}
