internal import FoundationEssentials
internal import GRDB
internal import Synchronization

/// What this machine has seen of a vault, kept apart from it: so that a vault put back is noticed.
///
/// ```
/// <stateDirectory>/               0700
///     seen.sqlite                 0600   application_id "VLTS", user_version 1, journal_mode TRUNCATE
///         header   id = 1, generation, digest (32 bytes), counter    at most one row
///         record   id (32 bytes), generation                         a row for each record seen
///     seen.sqlite-journal         0600   empty between changes
/// ```
///
/// Where there is no file, nothing has been seen yet; the first raise makes it. It is written after the vault's own
/// commit and, but for `accept`, only upwards. That is why `synchronous=NORMAL` is enough here: a power failure may
/// lose the last raise, and then one rollback to just before it would go unnoticed until the next one.
public final class GenerationLedger: Sendable {
    /// Whether raising has an effect.
    ///
    /// Without a state directory that can be written, a vault put back goes unnoticed, and `vault doctor` says so.
    public let isWritable: Bool

    private let file: DatabaseFile
    private let opened: Mutex<DatabaseConnection?>

    private init(_ file: DatabaseFile, connection: DatabaseConnection?) {
        self.file = file
        self.opened = Mutex(connection)
        // SQLite needs the directory too, for the journal.
        self.isWritable = file.canBeMade && connection?.file.isReadOnly != true
    }

    private static func file(in directory: String) -> DatabaseFile {
        DatabaseFile(
            noun: "ledger of seen generations",
            directory: directory,
            name: "seen.sqlite",
            applicationID: 0x564C_5453,  // "VLTS"
            version: 1,
            schema: """
                CREATE TABLE header (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL,
                    digest BLOB NOT NULL, counter INTEGER NOT NULL);
                CREATE TABLE record (id BLOB NOT NULL PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID;
                """,
            synchronous: "NORMAL"
        )
    }

    /// Opens the ledger in `stateDirectory`, if there is one yet.
    ///
    /// - Parameter stateDirectory: The directory of one vault; empty where there is no place for it.
    /// - Throws: `.unsafe`, `.damaged` or `.unavailable`, with every file as it was.
    public static func open(_ stateDirectory: String) async throws(StoreError) -> GenerationLedger {
        let file = file(in: stateDirectory)
        return GenerationLedger(file, connection: try await open(file))
    }

    /// Removes the ledger in `stateDirectory`, if there is one, and the directory if that leaves it empty.
    public static func remove(_ stateDirectory: String) throws(StoreError) {
        do {
            try file(in: stateDirectory).remove()
        } catch {
            guard error.code == .absent else { throw error }
        }
    }

    /// Where the ledger is, or would be.
    public var path: String { file.path }

    /// The highest header seen, or `nil`.
    public func header() async throws(StoreError) -> SeenHeader? {
        try await connection()?.read { [path] database in
            try LedgerTransaction(database: database, path: path).header()
        }
    }

    /// The highest generation seen of that record, or `nil`.
    public func generation(of id: RecordID) async throws(StoreError) -> UInt64? {
        try await connection()?.read { [path] database in
            try LedgerTransaction(database: database, path: path).generation(of: id)
        }
    }

    /// The highest generation seen of every record, for those who look at all of them.
    public func generations() async throws(StoreError) -> [RecordID: UInt64] {
        guard let connection = try await connection() else { return [:] }
        return try await connection.read { [path] database in
            let rows = try Row.fetchCursor(database.cachedStatement(sql: "SELECT id, generation FROM record"))
            var generations: [RecordID: UInt64] = [:]
            while let row = try rows.next() {
                let values = StoredValues(row: row, path: path)
                generations[try values.recordID(0)] = try values.unsigned(1)
            }
            return generations
        }
    }

    /// Remembers what was seen: every value only upwards, all in one transaction, and no write where nothing rises.
    ///
    /// It does nothing unless `isWritable`. Its cost does not depend on how many records are remembered.
    ///
    /// - Throws: `.invalid`, `.damaged` or `.unavailable`, with nothing remembered.
    public func raise(header: SeenHeader?, records: [RecordID: UInt64]) async throws(StoreError) {
        if let header { try check(header) }
        for generation in records.values { try RecordLimits.check(generation: generation, subject: path) }
        guard isWritable else { return }
        if let connection = try await connection() {
            // Most of what is seen has been seen before; that costs no lock and no sync.
            let rises = try await connection.read { [path] database in
                let ledger = LedgerTransaction(database: database, path: path)
                return try header.map { try ledger.rises($0) } ?? false
                    || records.contains { try ledger.rises($0.key, $0.value) }
            }
            guard rises else { return }
        } else if header == nil, records.isEmpty {
            return
        }
        try await write { ledger in
            if let header { try ledger.raise(header) }
            for (id, generation) in records { try ledger.raise(id, generation) }
        }
    }

    /// Files what is remembered of records under the new ids that a rotation gave them.
    ///
    /// Each is remembered with the greatest of its new generation and what was remembered under either id, so that an
    /// older record stays noticed as older through a rotation.
    public func replace(
        _ moves: [(old: RecordID, new: RecordID, generation: UInt64)]
    ) async throws(StoreError) {
        for move in moves { try RecordLimits.check(generation: move.generation, subject: path) }
        guard isWritable, !moves.isEmpty else { return }
        try await write { ledger in
            for move in moves {
                let seen = try ledger.generation(of: move.old) ?? 0
                if move.old != move.new { try ledger.forget(move.old) }
                try ledger.raise(move.new, max(move.generation, seen))
            }
        }
    }

    /// Remembers `header` as the highest one seen, be it lower than another: the user has said that the vault was put
    /// back on purpose.
    ///
    /// What is remembered of the records stays, so that those older than what this machine has seen are still noticed.
    ///
    /// - Throws: `.invalid`, `.damaged`, or `.unavailable` also where `isWritable` is false.
    public func accept(header: SeenHeader) async throws(StoreError) {
        try check(header)
        guard isWritable else {
            throw StoreError(.unavailable, path, "cannot be written, so nothing can be accepted")
        }
        try await write { ledger in try ledger.set(header) }
    }

    private func check(_ header: SeenHeader) throws(StoreError) {
        guard header.digest.count == SeenHeader.digestLength else {
            throw StoreError(
                .invalid,
                path,
                "a digest of \(header.digest.count) bytes, expected \(SeenHeader.digestLength)"
            )
        }
        try RecordLimits.check(generation: header.generation, subject: path)
        try RecordLimits.check(generation: header.changeCounter, subject: path)
    }

    private func write(_ body: @escaping @Sendable (LedgerTransaction) throws -> Void) async throws(StoreError) {
        try await madeConnection().write { [path] database in
            try body(LedgerTransaction(database: database, path: path))
        }
    }

    /// The open connection, or one opened now if another process has made the file since; `nil` where there is none.
    ///
    /// A ledger that was removed or replaced under us is treated as if it had been so before: it is no worse to lose
    /// it now than then.
    private func connection() async throws(StoreError) -> DatabaseConnection? {
        if let connection = opened.withLock({ $0 }), connection.isInPlace { return connection }
        let connection = try await Self.open(file)
        opened.withLock { $0 = connection }
        return connection
    }

    private func madeConnection() async throws(StoreError) -> DatabaseConnection {
        if let connection = try await connection() { return connection }
        do {
            try await file.create { _ in }
        } catch {
            guard error.code == .exists else { throw error }
            // Another process was faster, which is as good, or a remainder is in the way, which `open` reports.
        }
        let connection = try await file.open()
        opened.withLock { $0 = connection }
        return connection
    }

    private static func open(_ file: DatabaseFile) async throws(StoreError) -> DatabaseConnection? {
        guard !file.directory.isEmpty else { return nil }
        do {
            return try await file.open()
        } catch {
            guard error.code == .absent else { throw error }
            return nil
        }
    }
}
