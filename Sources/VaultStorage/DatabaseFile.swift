internal import GRDB
internal import Glibc
internal import PrivateFiles

/// A SQLite file of ours: where it lies, what marks it, and the rules by which it is made and opened.
struct DatabaseFile: Sendable {
    /// What it is called in messages, as in "not a vault".
    let noun: String
    let directory: String
    let name: String
    let applicationID: UInt32
    let version: UInt32
    /// The statements that make its tables.
    let schema: String
    /// SQLite's word for how much is synced, and when.
    let synchronous: String

    init(
        noun: String,
        directory: String,
        name: String,
        applicationID: UInt32,
        version: UInt32,
        schema: String,
        synchronous: String
    ) {
        self.noun = noun
        self.directory = PrivateFiles.withoutTrailingSlashes(directory)
        self.name = name
        self.applicationID = applicationID
        self.version = version
        self.schema = schema
        self.synchronous = synchronous
    }

    var path: String { "\(directory)/\(name)" }
    var journal: String { "\(path)-journal" }
    var writeAheadLog: String { "\(path)-wal" }

    /// Opens it, after all has been looked at that can be looked at without changing anything.
    ///
    /// - Throws: `.absent`, `.unsafe`, `.damaged`, `.unavailable`, with every file as it was. (What a killed writer of
    ///   ours left half done is rolled back by SQLite, as it must be.)
    func open() async throws(StoreError) -> DatabaseConnection {
        try translatingFileErrors { () throws(FileError) in try PrivateFiles.requireDirectory(directory) }
        let identity = try requireOurs()
        try checkCompanions()
        let isReadOnly = !isWritable(path)
        let uri = Self.uri(path, mode: isReadOnly ? "ro" : "rw")
        var configuration = Self.configuration()
        configuration.readonly = isReadOnly
        configuration.prepareDatabase { [synchronous] database in
            // TRUNCATE rather than DELETE, which leaves the journal's unlink unsynced, or WAL, which cannot be read
            // on read-only media. The last three guard against a file made by someone else to do harm, and keep SQLite
            // from writing parts of it into /tmp.
            try database.execute(
                sql: """
                    PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = \(synchronous); PRAGMA secure_delete = ON;
                    PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY;
                    """
            )
        }
        let connection = try await DatabaseConnection.open(
            uri,
            configuration,
            file: DatabaseConnection.File(path: path, noun: noun, identity: identity, isReadOnly: isReadOnly)
        )
        try await checkSchema(connection)
        return connection
    }

    /// Refuses a database that holds anything but our tables: a trigger could undo a write that was reported as done,
    /// and a view in a table's place could answer for ever.
    private func checkSchema(_ connection: DatabaseConnection) async throws(StoreError) {
        let expected = Set(schema.split(separator: ";").map(Self.trimmed).filter { !$0.isEmpty })
        let found = try await connection.read { database in
            Set(try String.fetchAll(database, sql: "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL LIMIT 64"))
        }
        guard found == expected else {
            throw damaged("is not a \(noun) as we made it: its tables are others, or there is more than tables")
        }
    }

    private static func trimmed(_ statement: Substring) -> String {
        let rest = statement.drop { $0.isWhitespace }
        return String(rest.prefix(rest.count - rest.reversed().prefix { $0.isWhitespace }.count))
    }

    /// Whether this process may write what is at `path`.
    ///
    /// Asked with the effective ids, so that it says what an open for writing would find (`EROFS` and immutable files
    /// included), without a descriptor that could not be closed again.
    func isWritable(_ path: String) -> Bool { faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 }

    /// Refuses what is not a file of this kind or not safe to use, and tells which file it is.
    func requireOurs() throws(StoreError) -> FileIdentity {
        let (header, identity) = try translatingFileErrors { () throws(FileError) in
            let held = try HeldDescriptor.of(path)
            return (try DatabaseHeader(held.descriptor), FileIdentity(try held.descriptor.status()))
        }
        try check(header)
        return identity
    }

    private func check(_ header: DatabaseHeader) throws(StoreError) {
        guard !header.bytes.isEmpty else { throw damaged("not a \(noun): the file is empty") }
        guard header.isSQLite else { throw damaged("not a \(noun): the file is not a SQLite database") }
        guard header.applicationID == applicationID else {
            throw damaged(
                """
                not a \(noun): a SQLite database with application id \(header.applicationID), \
                expected \(applicationID)
                """
            )
        }
        guard header.userVersion == version else {
            throw StoreError(
                .damaged,
                path,
                "not a \(noun) this version can read: format \(header.userVersion), expected \(version)",
                hint: header.userVersion > version ? "a newer version of vault wrote it; update this one" : nil
            )
        }
        guard !header.usesWriteAheadLog else {
            throw StoreError(
                .damaged,
                path,
                "not a \(noun) as we leave it: someone set it to WAL mode",
                hint: "sqlite3 \(shellQuoted(path)) 'PRAGMA journal_mode = TRUNCATE'"
            )
        }
    }

    /// Looks at what SQLite would read along with the file.
    private func checkCompanions() throws(StoreError) {
        try translatingFileErrors { () throws(FileError) in
            try FileStatus.of(journal)?.requirePrivateFile(at: journal)
        }
        guard try !journalNamesAnother() else {
            throw damaged("the journal beside it names another file, which SQLite would delete: \(journal)")
        }
        // SQLite would read it in, whatever the file's header says.
        let log = try translatingFileErrors { () throws(FileError) in try FileStatus.of(writeAheadLog) }
        guard log == nil else {
            throw damaged("a write-ahead log lies beside it, which a \(noun) never has: \(writeAheadLog)")
        }
    }

    /// Whether the journal ends with the name of a super-journal.
    ///
    /// SQLite writes one where a transaction spans several attached databases, which ours never do, and deletes the
    /// file of that name when it rolls the journal back: whatever file that is.
    private func journalNamesAnother() throws(StoreError) -> Bool {
        try translatingFileErrors { () throws(FileError) in
            guard let status = try FileStatus.of(journal), status.size >= 16 else { return false }
            let file = try PrivateFiles.open(journal)
            var tail = [UInt8](repeating: 0, count: 8)
            let count = tail.withUnsafeMutableBytes { pread(file.rawValue, $0.baseAddress, 8, Int(status.size) - 8) }
            // "Journal magic": the last eight bytes of such a record, and the first eight of every journal header.
            return count == 8 && tail == [0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7]
        }
    }

    private func damaged(_ message: String) -> StoreError { StoreError(.damaged, path, message) }

    /// What every connection of ours is configured with.
    static func configuration() -> Configuration {
        var configuration = Configuration()
        configuration.foreignKeysEnabled = false
        let waiting = BusyWaiting()
        configuration.busyMode = .callback { waiting.triesAgain(attempt: $0) }
        return configuration
    }

    /// The path as a URI.
    ///
    /// GRDB opens plain paths with SQLite's CREATE flag, and a file that vanished would come back empty; `mode=rw`
    /// takes the flag away again. A SQLite built without URIs takes this for a file in a directory called `file:` and
    /// finds none, so it fails closed.
    static func uri(_ path: String, mode: String) -> String {
        let digits = Array("0123456789ABCDEF")
        var encoded = ""
        for byte in path.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "-"):
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                encoded += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
        // Two slashes more before an absolute path: an empty authority, so that its own first ones are not taken for one.
        return "file:\(path.hasPrefix("/") ? "//" : "")\(encoded)?mode=\(mode)"
    }
}

extension DatabaseFile {
    /// Whether it could be made: the directory, or the nearest one above it that exists, can be written.
    var canBeMade: Bool {
        var path = directory
        guard !path.isEmpty else { return false }
        while true {
            do throws(FileError) {
                if try FileStatus.of(path) != nil { return isWritable(path) }
            } catch {
                return false
            }
            let parent = PrivateFiles.parentDirectory(of: path)
            guard parent != path else { return false }
            path = parent
        }
    }
}
