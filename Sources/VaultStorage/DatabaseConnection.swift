internal import Dispatch
internal import GRDB
internal import PrivateFiles
internal import Synchronization

/// An open database file and the queue its work runs on.
///
/// Work is not cancelled with the task that asked for it. A caller that goes away while a refreshed token is being
/// stored must not leave the old one behind, which the server has voided by then; GRDB's own async calls would
/// interrupt the statement.
final class DatabaseConnection: Sendable {
    /// What it is a connection to.
    struct File: Sendable {
        let path: String
        let noun: String
        let identity: FileIdentity
        let isReadOnly: Bool
    }

    let file: File
    private let queue: DatabaseQueue
    private let hasJournal = Mutex(false)

    private init(file: File, queue: DatabaseQueue) {
        self.file = file
        self.queue = queue
    }

    static func open(
        _ uri: String,
        _ configuration: Configuration,
        file: File
    ) async throws(StoreError) -> DatabaseConnection {
        let opened = await blocking { try DatabaseQueue(path: uri, configuration: configuration) }
        do {
            let connection = DatabaseConnection(file: file, queue: try opened.get())
            try connection.requireInPlace()
            return connection
        } catch {
            throw StoreError(error, path: file.path, noun: file.noun)
        }
    }

    /// Runs `body` outside of a transaction: right for one statement, which is consistent in itself.
    func read<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws(StoreError) -> T {
        try await run { database in
            try self.requireInPlace()
            return try body(database)
        }
    }

    /// Runs `body` in one transaction that excludes every other writer from its beginning; what it throws rolls back.
    func write<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws(StoreError) -> T {
        guard !file.isReadOnly else {
            throw StoreError(
                .unavailable,
                file.path,
                "cannot be written: it is write-protected or on read-only media"
            )
        }
        return try await run { database in
            try self.makeJournal()
            var value: T?
            // Immediate: a transaction that begins by reading and then wants to write cannot wait for another writer,
            // because what it has read would be stale by then.
            try database.inTransaction(.immediate) {
                try self.requireInPlace()
                value = try body(database)
                return .commit
            }
            guard let value else { preconditionFailure("VaultStorage: a transaction committed without its body") }
            return value
        }
    }

    /// Makes the journal's name durable before the first change.
    ///
    /// SQLite would make the file itself, sync its directory, and go on whatever comes of that: after a power failure
    /// a half-written database could lie there without the journal that mends it.
    private func makeJournal() throws(StoreError) {
        guard !hasJournal.withLock({ $0 }) else { return }
        let journal = "\(file.path)-journal"
        try translatingFileErrors { () throws(FileError) in
            if try FileStatus.of(journal) != nil { return }
            do throws(FileError) {
                try PrivateFiles.create(journal, contents: UnsafeRawBufferPointer(start: nil, count: 0))
            } catch {
                // Another process was as fast, and syncs it before it uses it.
                guard error.code == .exists else { throw error }
            }
        }
        hasJournal.withLock { $0 = true }
    }

    /// Whether the path still leads to the file that is open.
    ///
    /// SQLite goes on with a file that lost its name: reads would show a vault that is gone, and a write would be
    /// acknowledged and lost.
    var isInPlace: Bool {
        guard let status = try? FileStatus.of(file.path) else { return false }
        return FileIdentity(status) == file.identity
    }

    private func requireInPlace() throws(StoreError) {
        let status = try translatingFileErrors { () throws(FileError) in try FileStatus.of(file.path) }
        guard let status else { throw StoreError(.absent, file.path, "was removed while it was open") }
        guard FileIdentity(status) == file.identity else {
            throw StoreError(.unavailable, file.path, "was replaced while it was open; open it again")
        }
    }

    private func run<T: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> T
    ) async throws(StoreError) -> T {
        let result: Result<T, any Error> = await withCheckedContinuation { continuation in
            queue.asyncWriteWithoutTransaction { database in
                continuation.resume(returning: Result { try body(database) })
            }
        }
        do {
            return try result.get()
        } catch {
            throw StoreError(error, path: file.path, noun: file.noun)
        }
    }
}

/// Runs `work`, which may wait for locks and disks, on a thread that is allowed to.
func blocking<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async -> Result<T, any Error> {
    await withCheckedContinuation { continuation in
        DispatchQueue.global(qos: .userInitiated).async {
            continuation.resume(returning: Result { try work() })
        }
    }
}
