internal import FoundationEssentials
internal import GRDB
internal import Glibc
internal import PrivateFiles
internal import Synchronization

/// What is kept on this machine of a store on others: sealed bytes as they came, and of when they are.
///
/// ```
/// <directory>/                    0700
///     cache.sqlite                0600   application_id "VLTC", user_version 1, journal_mode TRUNCATE
///         header   id = 1, generation, bytes, counter, complete, at    at most one row
///         record   id (32 bytes), generation, sealed, counter          a row for each record that was seen
/// ```
///
/// `counter` is the store's change counter at an instant when it held just that; `complete` the one at which no record
/// was missing here, or -1. Losing all of it costs round trips and what could be read while the store is away, so it is
/// not synced to the disk, and a file that is damaged, foreign or cannot be written is thrown away or done without.
package final class RecordCache: Sendable {
    /// A header, and of when it is.
    package struct CachedHeader: Sendable {
        package var header: StoredHeader
        /// The greatest change counter of the store that was seen.
        package var counter: UInt64
        /// The counter at which every record of the store was here; `nil` for never.
        package var complete: UInt64?
        /// When the store answered last, in seconds since 1970.
        package var at: Int64

        /// Whether there is no need to write that down: most of what is seen was seen a moment ago.
        fileprivate func isAhead(of counter: UInt64, at time: Int64) -> Bool {
            self.counter >= counter && time - at < 10
        }
    }

    private struct State {
        var connection: DatabaseConnection?
        /// Whether there is no place for it.
        var isUseless = false
    }

    private let directory: String
    private let state = Mutex(State())

    /// The cache in `directory`, opened or made when it is first needed.
    package init(_ directory: String) { self.directory = directory }

    private static func file(in directory: String) -> DatabaseFile {
        DatabaseFile(
            noun: "cache of a store",
            directory: directory,
            name: "cache.sqlite",
            applicationID: 0x564C_5443,  // "VLTC"
            version: 1,
            schema: """
                CREATE TABLE header (id INTEGER PRIMARY KEY CHECK (id = 1), generation INTEGER NOT NULL,
                    bytes BLOB NOT NULL, counter INTEGER NOT NULL, complete INTEGER NOT NULL, at INTEGER NOT NULL);
                CREATE TABLE record (id BLOB NOT NULL PRIMARY KEY, generation INTEGER NOT NULL, sealed BLOB NOT NULL,
                    counter INTEGER NOT NULL) WITHOUT ROWID;
                """,
            synchronous: "OFF"
        )
    }

    /// Opens it, and makes it where there is none that can be used.
    private static func make(_ directory: String) async -> DatabaseConnection? {
        let file = file(in: directory)
        for _ in 0..<2 {
            do throws(StoreError) {
                let connection = try await file.open()
                return connection.file.isReadOnly ? nil : connection
            } catch {
                // What others may read or write is no place for it, and not ours to remove.
                guard error.code == .absent || error.code == .damaged else { return nil }
                if error.code == .damaged { discard(directory) }
            }
            do throws(StoreError) { try await file.create { _ in } } catch {
                guard error.code == .exists else { return nil }
            }
        }
        return nil
    }

    /// Removes the cache in `directory`, if there is one, and the directory if that leaves it empty.
    package static func remove(_ directory: String) {
        discard(directory)
        rmdir(directory)
    }

    private static func discard(_ directory: String) {
        let file = file(in: directory)
        for path in [file.path, file.journal, file.writeAheadLog] { try? PrivateFiles.remove(path) }
    }

    // MARK: - What there is

    /// The header; `nil` if none was seen.
    package func header() async -> CachedHeader? {
        await read { database, path in
            guard let row = try database.firstRow("SELECT generation, bytes, counter, complete, at FROM header") else {
                return nil
            }
            let values = StoredValues(row: row, path: path)
            let complete: Int64 = row[3]
            return CachedHeader(
                header: StoredHeader(generation: try values.unsigned(0), bytes: try values.bytes(1)),
                counter: try values.unsigned(2),
                complete: UInt64(exactly: complete),
                at: row[4]
            )
        }
    }

    /// The record filed under `id`, as it was when it was seen last.
    package func record(_ id: RecordID) async -> StoredRecord? {
        await read { database, path in
            try database.firstRow("SELECT id, generation, sealed FROM record WHERE id = ?", [Data(id.bytes)])
                .map { row in try Self.record(row, path) }
        }
    }

    /// Up to `limit` records in ascending order of their ids, beginning after `id`.
    package func records(after id: RecordID?, limit: Int) async -> [StoredRecord]? {
        guard limit > 0 else { return [] }
        return await read { database, path in
            let statement = try database.cachedStatement(
                sql: "SELECT id, generation, sealed FROM record WHERE id > ? ORDER BY id LIMIT ?"
            )
            let rows = try Row.fetchCursor(statement, arguments: [Data(id?.bytes ?? []), limit])
            var records: [StoredRecord] = []
            while let row = try rows.next() { records.append(try Self.record(row, path)) }
            return records
        }
    }

    private static func record(_ row: Row, _ path: String) throws(StoreError) -> StoredRecord {
        let values = StoredValues(row: row, path: path)
        return StoredRecord(
            id: try values.recordID(0),
            generation: try values.unsigned(1),
            sealed: try values.bytes(2)
        )
    }

    // MARK: - What was seen

    /// Notes the header that the store had when its counter was `counter`, and that it answered.
    ///
    /// Another header may be of another data key, under which the records here are not sealed: then some are missing.
    package func note(_ header: StoredHeader, counter: UInt64, at time: Int64) async {
        if let known = await self.header(), known.header == header, known.isAhead(of: counter, at: time) { return }
        await write { database in
            try database.run(
                """
                INSERT INTO header (id, generation, bytes, counter, complete, at) VALUES (1, ?, ?, ?, -1, ?)
                ON CONFLICT (id) DO UPDATE SET counter = max(counter, excluded.counter), at = max(at, excluded.at),
                    complete = iif(excluded.generation > generation, -1, complete),
                    bytes = iif(excluded.generation >= generation, excluded.bytes, bytes),
                    generation = max(generation, excluded.generation)
                """,
                [Int64(header.generation), Data(header.bytes), Int64(counter), time]
            )
        }
    }

    /// Notes that the store's counter was `counter`.
    package func note(counter: UInt64, at time: Int64) async {
        if let known = await header(), known.isAhead(of: counter, at: time) { return }
        await write { database in
            try database.run(
                "UPDATE header SET counter = max(counter, ?), at = max(at, ?)",
                [Int64(counter), time]
            )
        }
    }

    /// Notes records as the store had them when its counter was `counter`, or later.
    ///
    /// What was noted of a later time stays.
    package func note(_ records: [StoredRecord], counter: UInt64) async {
        guard !records.isEmpty else { return }
        await write { database in
            for record in records {
                try database.run(
                    """
                    INSERT INTO record (id, generation, sealed, counter) VALUES (?, ?, ?, ?)
                    ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, sealed = excluded.sealed,
                        counter = excluded.counter WHERE excluded.counter >= counter
                    """,
                    [Data(record.id.bytes), Int64(record.generation), Data(record.sealed), Int64(counter)]
                )
            }
        }
    }

    /// Notes that there was no record under `id` when the store's counter was `counter`.
    package func noteAbsence(of id: RecordID, counter: UInt64) async {
        await write { database in
            try database.run(
                "DELETE FROM record WHERE id = ? AND counter <= ?",
                [Data(id.bytes), Int64(counter)]
            )
        }
    }

    /// Notes a commit of this machine, whose counter is not known.
    package func note(_ changes: [RecordChange]) async {
        await write { database in
            for change in changes {
                switch change {
                case .put(let record, _):
                    try database.run(
                        """
                        INSERT INTO record (id, generation, sealed, counter) VALUES (?, ?, ?, 0)
                        ON CONFLICT (id) DO UPDATE SET generation = excluded.generation, sealed = excluded.sealed
                            WHERE excluded.generation > generation
                        """,
                        [Data(record.id.bytes), Int64(record.generation), Data(record.sealed)]
                    )
                case .delete(let id, let generation):
                    try database.run(
                        "DELETE FROM record WHERE id = ? AND generation <= ?",
                        [Data(id.bytes), Int64(generation)]
                    )
                }
            }
        }
    }

    /// Notes that every record was seen while the counter stood at `counter`: what was not seen then has gone.
    package func noteComplete(_ counter: UInt64) async {
        await write { database in
            let isLatest = try Bool.fetchOne(
                database,
                sql: "SELECT counter = ? FROM header",
                arguments: [Int64(counter)]
            )
            guard isLatest == true else { return }
            try database.run("DELETE FROM record WHERE counter < ?", [Int64(counter)])
            try database.run("UPDATE header SET complete = ?", [Int64(counter)])
        }
    }

    /// Forgets everything: the store was put back to an older state, or is another one.
    package func clear() async {
        await write { database in
            try database.run("DELETE FROM header")
            try database.run("DELETE FROM record")
        }
    }

    // MARK: - Doing without

    /// The open connection, or one to the file that has taken the place of a discarded one; `nil` to do without.
    private func connection() async -> DatabaseConnection? {
        let (known, isUseless) = state.withLock { ($0.connection, $0.isUseless) }
        if isUseless { return nil }
        if let known, known.isInPlace { return known }
        let made = await Self.make(directory)
        state.withLock { state in
            state.connection = made
            state.isUseless = made == nil
        }
        return made
    }

    private func read<Value: Sendable>(
        _ body: @escaping @Sendable (Database, String) throws -> Value?
    ) async -> Value? {
        guard let connection = await connection() else { return nil }
        do throws(StoreError) {
            return try await connection.read { [path = connection.file.path] database in try body(database, path) }
        } catch {
            if error.code == .damaged, connection.isInPlace { Self.discard(directory) }
            return nil
        }
    }

    private func write(_ body: @escaping @Sendable (Database) throws -> Void) async {
        guard let connection = await connection() else { return }
        do throws(StoreError) { try await connection.write(body) } catch {
            // One that lags behind what was told of the store, because the disk is full, must not stand for it.
            if connection.isInPlace { Self.discard(directory) }
        }
    }
}
