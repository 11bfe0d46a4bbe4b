internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// Edits a database row by row: in a copy of its bytes, or in the file under the locks of SQLite.
struct SQLiteEditor: InPlaceEditor {
    let bytes: SharedSecret
    let view: JSONDocument

    private var subject: String { view.subject }

    func removing(_ members: [JSONValue]) throws(VaultError) -> SecretBytes {
        let changes = try SQLiteChange.grouped(removed: members, replaced: [])
        return try edited(changes)
    }

    func replacing(_ values: [Replacement]) throws(VaultError) -> SecretBytes {
        let changes = try SQLiteChange.grouped(removed: [], replaced: values)
        return try edited(changes)
    }

    private func edited(_ changes: [SQLiteChange]) throws(VaultError) -> SecretBytes {
        try bytes.withBytes { (bytes) throws(VaultError) in
            let connection = try SQLiteConnection(bytes, writable: true, subject: subject)
            try connection.run("PRAGMA journal_mode = OFF")
            for change in changes { try change.apply(to: connection) }
            return try connection.serialized()
        }
    }

    func remove(_ members: [JSONValue], from file: TokenFile) throws(VaultError) {
        let changes = try SQLiteChange.grouped(removed: members, replaced: [])
        try withExclusiveLock(on: file) { (connection) throws(VaultError) in
            let current = try SQLiteView.document(of: connection)
            for change in changes {
                guard let row = current.root[change.table]?[change.row.name], row.says(whatIsSaidBy: change.row) else {
                    throw Self.changed(subject)
                }
                try change.apply(to: connection)
            }
        }
    }

    func putBack(_ members: [JSONValue], with values: [Replacement], into file: TokenFile) throws(VaultError) {
        let changes = try SQLiteChange.grouped(removed: [], replaced: values, touched: members)
        let meant = try written(changes)
        try withExclusiveLock(on: file) { (connection) throws(VaultError) in
            try bytes.withBytes { (bytes) throws(VaultError) in
                let original = try SQLiteConnection(bytes, writable: false, subject: subject)
                let current = try SQLiteView.document(of: connection)
                for change in changes {
                    switch Self.standing(of: change, in: current, meant) {
                    case .present: continue
                    // Somebody has logged in again meanwhile, and theirs is newer than what was sealed.
                    case .foreign: throw Self.changed(subject)
                    case .open: break
                    }
                    if current.root[change.table]?[change.row.name] == nil {
                        try change.insert(from: original, into: connection)
                    }
                    try change.apply(to: connection)
                }
            }
        }
    }

    func standing(
        of members: [JSONValue],
        with values: [Replacement],
        in bytes: SharedSecret
    ) throws(VaultError) -> InPlaceStanding {
        let changes = try SQLiteChange.grouped(removed: [], replaced: values, touched: members)
        let meant = try written(changes)
        let current = try SQLiteView.document(bytes, subject: subject)
        let all = changes.map { Self.standing(of: $0, in: current, meant) }
        if all.contains(.foreign) { return .foreign }
        return all.contains(.open) ? .open : .present
    }

    private static func standing(
        of change: SQLiteChange,
        in current: JSONDocument,
        _ meant: JSONDocument
    ) -> InPlaceStanding {
        guard let row = current.root[change.table]?[change.row.name] else { return .open }
        if let new = meant.root[change.table]?[change.row.name], row.says(whatIsSaidBy: new) { return .present }
        return row.says(whatIsSaidBy: change.row) ? .open : .foreign
    }

    /// What the sealed bytes say with these changes.
    private func written(_ changes: [SQLiteChange]) throws(VaultError) -> JSONDocument {
        try SQLiteView.document(SharedSecret(try edited(changes)), subject: subject)
    }

    /// Runs `body` in a transaction that nobody else can read or write beside, on the file that was read.
    private func withExclusiveLock(
        on file: TokenFile,
        _ body: (SQLiteConnection) throws(VaultError) -> Void
    ) throws(VaultError) {
        try SQLiteFile.requireSettled(file.path)
        let connection = try SQLiteConnection(editing: file.path, subject: subject)
        try connection.run("BEGIN EXCLUSIVE")
        do throws(VaultError) {
            // By its name: to open it a second time and close it would drop the locks just taken.
            let status = try withFiles { () throws(FileError) in try FileStatus.of(file.path) }
            guard let status, status.kind == .regular, status.device == file.status.device,
                status.inode == file.status.inode
            else { throw Self.changed(subject) }
            guard status.links == 1 else {
                throw VaultError(
                    .unsafe,
                    "\(subject) has \(status.links) names (hard links)",
                    hint: "remove the others"
                )
            }
            try body(connection)
            try connection.run("COMMIT")
        } catch {
            try? connection.run("ROLLBACK")
            throw error
        }
        // In WAL mode the old pages stay in the file until then; a reader of the owner's may be in the way.
        _ = try? connection.run("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    private static func changed(_ subject: String) -> VaultError {
        VaultError(
            .temporary,
            "\(subject) changed after it was sealed and is left as it is",
            hint: "end the program that owns it and import again"
        )
    }
}

/// What beside a database says that its own bytes are not all of it.
enum SQLiteFile {
    /// Refuses a database whose owner has changes in flight: they stand in another file, or are half written.
    static func requireSettled(_ path: String) throws(VaultError) {
        let log = try withFiles { () throws(FileError) in try FileStatus.of(path + "-wal") }
        var inFlight = (log?.size ?? 0) > 0
        if !inFlight, let journal = try withFiles({ () throws(FileError) in try FileStatus.of(path + "-journal") }),
            journal.kind == .regular, journal.size > 0
        {
            // A journal that is done with has its header wiped, where it is not deleted.
            let first = try withFiles { () throws(FileError) in try Descriptor.open(path + "-journal").read(upTo: 1) }
            inFlight = first.first.map { $0 != 0 } ?? false
        }
        guard inFlight else { return }
        throw VaultError(
            .temporary,
            "\(printable(path)) is a database and its owner has changes in flight",
            hint: "end the program that owns it, and try again"
        )
    }
}
