internal import GRDBSQLite
internal import Glibc
internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// A connection to another program's database, which may be anybody's and say anything.
///
/// SQLite runs what a schema contains: triggers, views, generated columns, expressions in indexes. None of it runs here:
/// the authorizer refuses whatever a trigger or view asks for, and every function. SQLite is used directly, since its
/// rows would pass through strings otherwise, which nobody wipes.
final class SQLiteConnection {
    /// More than any program's store of tokens needs: a bound for what a corrupt tree makes a statement walk through.
    private static let maximumSteps: Int32 = 20_000_000

    private let handle: OpaquePointer
    private let isInMemory: Bool
    let subject: String

    /// A database in memory, with a copy of these bytes, which is wiped when the connection goes.
    ///
    /// A file in WAL mode says so in two bytes of its header; without its `-wal` it is whole, and in memory there is none.
    init(_ bytes: UnsafeRawBufferPointer, writable: Bool, subject: String) throws(VaultError) {
        let handle = try Self.open(":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, subject)
        self.handle = handle
        self.isInMemory = true
        self.subject = subject
        guard let memory = sqlite3_malloc64(UInt64(max(bytes.count, 1))), let source = bytes.baseAddress else {
            throw VaultError(.unavailable, "\(subject) cannot be held in memory")
        }
        memory.copyMemory(from: source, byteCount: bytes.count)
        if bytes.count > 19 {
            for offset in [18, 19] where bytes[offset] == 2 {
                memory.storeBytes(of: 1, toByteOffset: offset, as: UInt8.self)
            }
        }
        let mode = writable ? SQLITE_DESERIALIZE_RESIZEABLE : SQLITE_DESERIALIZE_READONLY
        let size = Int64(bytes.count)
        try check(
            sqlite3_deserialize(
                handle,
                "main",
                memory.assumingMemoryBound(to: UInt8.self),
                size,
                size,
                UInt32(SQLITE_DESERIALIZE_FREEONCLOSE | mode)
            )
        )
        try harden()
    }

    /// The file itself, for a change under SQLite's own locks.
    ///
    /// While it is open nothing else in this process may open and close that file: that would drop the locks (POSIX).
    init(editing path: String, subject: String) throws(VaultError) {
        handle = try Self.open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, subject)
        isInMemory = false
        self.subject = subject
        try harden()
    }

    deinit {
        if isInMemory {
            var size: Int64 = 0
            if let memory = sqlite3_serialize(handle, "main", &size, UInt32(SQLITE_SERIALIZE_NOCOPY)) {
                explicit_bzero(memory, Int(size))
            }
        }
        sqlite3_close_v2(handle)
    }

    private static func open(_ path: String, _ flags: Int32, _ subject: String) throws(VaultError) -> OpaquePointer {
        var handle: OpaquePointer?
        let code = sqlite3_open_v2(path, &handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, nil)
        if code == SQLITE_OK, let handle { return handle }
        sqlite3_close_v2(handle)
        throw SQLiteConnection.error(code, subject)
    }

    private func harden() throws(VaultError) {
        sqlite3_busy_timeout(handle, 0)
        sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, Int32(TokenFile.maximumBytes))
        sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0)
        sqlite3_limit(handle, SQLITE_LIMIT_TRIGGER_DEPTH, 1)
        try run("PRAGMA trusted_schema = OFF")
        try run("PRAGMA cell_size_check = ON")
        try run("PRAGMA temp_store = MEMORY")
        try run("PRAGMA mmap_size = 0")
        try run("PRAGMA secure_delete = ON")
        // The last name is that of the trigger or view that the access is for.
        let refused = sqlite3_set_authorizer(
            handle,
            { _, action, _, _, _, origin in
                origin != nil || action == SQLITE_FUNCTION || action == SQLITE_ATTACH ? SQLITE_DENY : SQLITE_OK
            },
            nil
        )
        try check(refused)
        // A callback that is called at all ends the statement: one of ours takes a few thousand steps.
        sqlite3_progress_handler(handle, Self.maximumSteps, { _ in 1 }, nil)
    }

    /// Runs a statement that returns nothing of interest.
    func run(_ sql: String) throws(VaultError) {
        let statement = try SQLiteStatement(sql, on: self)
        while try statement.step() {}
    }

    /// How many rows the last statement changed.
    var changes: Int { Int(sqlite3_changes(handle)) }

    /// The database's bytes as they are now.
    func serialized() throws(VaultError) -> SecretBytes {
        var size: Int64 = 0
        guard let memory = sqlite3_serialize(handle, "main", &size, UInt32(SQLITE_SERIALIZE_NOCOPY)) else {
            throw VaultError(.failed, "\(subject) cannot be edited in memory")
        }
        do { return try SecretBytes(copying: UnsafeRawBufferPointer(start: memory, count: Int(size))) } catch {
            throw VaultError(.failed, "\(subject) cannot be edited in memory: \(error.message)")
        }
    }

    fileprivate func prepare(_ sql: String) throws(VaultError) -> OpaquePointer {
        var statement: OpaquePointer?
        try check(sqlite3_prepare_v2(handle, sql, -1, &statement, nil))
        guard let statement else { throw VaultError(.failed, "\(subject): an empty statement") }
        return statement
    }

    fileprivate func check(_ code: Int32) throws(VaultError) {
        guard code == SQLITE_OK else { throw Self.error(code, subject) }
    }

    /// What a result code means; its text is SQLite's own and holds nothing of the file.
    fileprivate static func error(_ code: Int32, _ subject: String) -> VaultError {
        let text = String(cString: sqlite3_errstr(code))
        switch code & 0xFF {
        case SQLITE_BUSY, SQLITE_LOCKED:
            return VaultError(
                .temporary,
                "\(subject) is locked by the program that owns it; nothing was changed",
                hint: "end that program, or try again"
            )
        case SQLITE_AUTH:
            return VaultError(
                .damaged,
                "\(subject) is a database with code in it (a trigger, view or function), which is not run"
            )
        case SQLITE_READONLY, SQLITE_PERM, SQLITE_CANTOPEN, SQLITE_IOERR, SQLITE_FULL, SQLITE_NOMEM:
            return VaultError(.unavailable, "\(subject) cannot be used as a database: \(text)")
        default:
            return VaultError(.damaged, "\(subject) is no sound database: \(text)")
        }
    }
}

/// A statement of ours, with the values that go into it.
final class SQLiteStatement {
    private let handle: OpaquePointer
    private let connection: SQLiteConnection

    init(_ sql: String, on connection: SQLiteConnection) throws(VaultError) {
        handle = try connection.prepare(sql)
        self.connection = connection
    }

    deinit { sqlite3_finalize(handle) }

    /// Whether there is a row.
    func step() throws(VaultError) -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code: throw SQLiteConnection.error(code, connection.subject)
        }
    }

    // MARK: Values in

    /// What tells SQLite to copy a value before the call returns.
    private static var copying: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

    func bind(_ text: String, at index: Int) throws(VaultError) {
        try connection.check(sqlite3_bind_text(handle, Int32(index), text, -1, Self.copying))
    }

    func bind(_ number: Int64, at index: Int) throws(VaultError) {
        try connection.check(sqlite3_bind_int64(handle, Int32(index), number))
    }

    func bind(_ number: Double, at index: Int) throws(VaultError) {
        try connection.check(sqlite3_bind_double(handle, Int32(index), number))
    }

    /// A text or blob, as the column has it.
    func bind(_ bytes: UnsafeRawBufferPointer, asBlob: Bool, at index: Int) throws(VaultError) {
        let count = Int32(bytes.count)
        // A null pointer would be NULL and not an empty value.
        let start = bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1)
        let code =
            asBlob
            ? sqlite3_bind_blob(handle, Int32(index), start, count, Self.copying)
            : sqlite3_bind_text(
                handle,
                Int32(index),
                start?.assumingMemoryBound(to: CChar.self),
                count,
                Self.copying
            )
        try connection.check(code)
    }

    /// A value of another statement's row, with its type.
    func bind(_ column: Int, of other: SQLiteStatement, at index: Int) throws(VaultError) {
        try connection.check(
            sqlite3_bind_value(handle, Int32(index), sqlite3_column_value(other.handle, Int32(column)))
        )
    }

    // MARK: Values out

    enum Kind { case null, integer, real, text, blob }

    func kind(_ column: Int) -> Kind {
        switch sqlite3_column_type(handle, Int32(column)) {
        case SQLITE_INTEGER: .integer
        case SQLITE_FLOAT: .real
        case SQLITE_TEXT: .text
        case SQLITE_BLOB: .blob
        default: .null
        }
    }

    func integer(_ column: Int) -> Int64 { sqlite3_column_int64(handle, Int32(column)) }

    func real(_ column: Int) -> Double { sqlite3_column_double(handle, Int32(column)) }

    /// A name out of the schema, never a value.
    func name(_ column: Int) -> String {
        guard let text = sqlite3_column_text(handle, Int32(column)) else { return "" }
        return String(cString: text)
    }

    /// The bytes of a text or blob, while `body` runs.
    func withBytes<Result: ~Copyable, Failure: Error>(
        _ column: Int,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let start = sqlite3_column_blob(handle, Int32(column))
        let count = Int(sqlite3_column_bytes(handle, Int32(column)))
        return try body(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
    }
}
