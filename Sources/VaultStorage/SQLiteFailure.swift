internal import GRDB

/// What SQLite said, for debugging: its result code and its words, which name tables and never values.
public struct SQLiteFailure: Error, Sendable, CustomStringConvertible {
    /// SQLite's extended result code.
    public let code: Int32
    /// SQLite's own sentence.
    public let words: String

    /// The words and the code.
    public var description: String { "\(words) (SQLite \(code))" }

    init(_ error: DatabaseError) {
        code = error.extendedResultCode.rawValue
        // Not `error.description`, which goes on with the statement.
        words = error.message ?? "no message"
    }
}

extension StoreError {
    /// The store's error for whatever a body run on a connection threw.
    init(_ error: any Error, path: String, noun: String) {
        switch error {
        case let error as StoreError: self = error
        case let error as DatabaseError: self.init(error, path: path, noun: noun)
        default: self.init(.unavailable, path, "cannot use the \(noun)", underlying: error)
        }
    }

    private init(_ error: DatabaseError, path: String, noun: String) {
        let failure = SQLiteFailure(error)
        let (code, message): (Code, String) =
            switch (error.resultCode, error.extendedResultCode) {
            case (.SQLITE_FULL, _):
                (.unavailable, "cannot be written: the disk or the quota is full; nothing was changed")
            case (.SQLITE_BUSY, _), (.SQLITE_LOCKED, _):
                (
                    .unavailable,
                    "another process holds the \(noun); waited \(BusyWaiting.limit.components.seconds) s for it"
                )
            case (_, .SQLITE_READONLY_DBMOVED):
                (.unavailable, "was moved or replaced while it was open; nothing was changed")
            case (_, .SQLITE_READONLY_ROLLBACK), (_, .SQLITE_READONLY_RECOVERY):
                (.unavailable, "a change of it was interrupted and cannot be undone here, where it is read-only")
            case (.SQLITE_READONLY, _):
                (.unavailable, "cannot be written: it is write-protected or on read-only media")
            case (.SQLITE_CANTOPEN, _):
                (.unavailable, "cannot be opened, or its journal cannot be made beside it: \(failure)")
            case (.SQLITE_CORRUPT, _), (.SQLITE_NOTADB, _), (.SQLITE_FORMAT, _):
                (.damaged, "is damaged: \(failure)")
            case (.SQLITE_ERROR, _), (.SQLITE_SCHEMA, _), (.SQLITE_MISMATCH, _), (.SQLITE_CONSTRAINT, _),
                (.SQLITE_TOOBIG, _):
                (.damaged, "does not have the tables of a \(noun): \(failure)")
            default:
                (.unavailable, "cannot be read or written: \(failure)")
            }
        self.init(code, path, message, underlying: failure)
    }
}
