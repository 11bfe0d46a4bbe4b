internal import CVaultSystem
internal import GRDB
internal import Glibc
internal import PrivateFiles

extension DatabaseFile {
    /// Makes the file, with its tables and what `populate` writes, complete or not at all.
    ///
    /// It grows under a temporary name and gets its own by a rename that replaces nothing, so a process killed at any
    /// instant leaves no file or a whole one. What it may leave is the temporary file; the next creation removes that
    /// once it is old.
    ///
    /// - Throws: `.exists`, `.unsafe`, `.unavailable`, with no file made.
    func create(populate: @escaping @Sendable (Database) throws -> Void) async throws(StoreError) {
        try translatingFileErrors { () throws(FileError) in try PrivateFiles.makeDirectory(directory) }
        try refuseRemains()
        removeTemporaries(olderThan: .seconds(3600))
        let temporary = "\(path).\(String(UInt64.random(in: .min ... .max), radix: 36)).new"
        let descriptor = try translatingFileErrors { () throws(FileError) in try Descriptor.create(temporary) }
        do throws(StoreError) {
            try await write(temporary, populate: populate)
            // Closed only now that SQLite is done with the file: closing drops the process's locks on it.
            try publish(temporary, descriptor)
        } catch {
            _ = unlink(temporary)
            throw error
        }
        try translatingFileErrors { () throws(FileError) in try PrivateFiles.synchronizeDirectory(directory) }
    }

    /// Removes the file, its journal and what killed creations left, and the directory if that leaves it empty.
    ///
    /// The file goes first. A journal without its file is harmless to read and refused by `create`; a file
    /// without the journal of an interrupted change would be a damaged one.
    ///
    /// - Throws: `.absent` where neither was there, `.unsafe` and `.damaged` with nothing removed.
    func remove() throws(StoreError) {
        try translatingFileErrors { () throws(FileError) in try PrivateFiles.requireDirectory(directory) }
        do throws(StoreError) {
            _ = try requireOurs()
        } catch {
            guard error.code == .absent else { throw error }
            // An earlier removal may have been killed before it came to the journal.
        }
        try translatingFileErrors { () throws(FileError) in
            var removed = false
            for path in [path, journal] {
                guard let status = try FileStatus.of(path) else { continue }
                try status.requirePrivateFile(at: path)
                try PrivateFiles.remove(path)
                removed = true
            }
            guard removed else { throw FileError(.absent, path, "does not exist") }
        }
        removeTemporaries(olderThan: .zero)
        // Other files in it are none of ours, so a directory that is not empty stays.
        guard rmdir(directory) == 0 else { return }
        try translatingFileErrors { () throws(FileError) in
            try PrivateFiles.synchronizeDirectory(PrivateFiles.parentDirectory(of: directory))
        }
    }

    /// A journal or write-ahead log that waits for a file of our name would be played into the new one.
    private func refuseRemains() throws(StoreError) {
        let found = try translatingFileErrors { () throws(FileError) -> (String, FileStatus)? in
            for path in [path, journal, writeAheadLog] {
                if let status = try FileStatus.of(path) {
                    // What a finished change leaves in TRUNCATE mode.
                    if path == journal, status.kind == .regular, status.size == 0 { continue }
                    return (path, status)
                }
            }
            return nil
        }
        guard let (found, status) = found else { return }
        if found == path { throw StoreError(.exists, path, "there is \(status.kind.rawValue) already") }
        throw StoreError(
            .exists,
            found,
            "belongs to a \(noun) that is not here; a new one would be damaged by it",
            hint: "put the \(noun) back beside it, or move it away: mv \(shellQuoted(found)) ~"
        )
    }

    private func write(
        _ temporary: String,
        populate: @escaping @Sendable (Database) throws -> Void
    ) async throws(StoreError) {
        let uri = Self.uri(temporary, mode: "rw")
        let written = await blocking {
            let queue = try DatabaseQueue(path: uri, configuration: Self.configuration())
            try queue.writeWithoutTransaction { database in
                // Nobody knows the file yet, and it is synced as a whole before anybody does.
                try database.execute(sql: "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF")
                try database.inTransaction(.exclusive) {
                    try database.execute(
                        sql: """
                            PRAGMA application_id = \(applicationID); PRAGMA user_version = \(version);
                            \(schema)
                            """
                    )
                    try populate(database)
                    return .commit
                }
            }
            try queue.close()
        }
        do {
            try written.get()
        } catch {
            throw StoreError(error, path: path, noun: noun)
        }
    }

    private func publish(_ temporary: String, _ descriptor: consuming Descriptor) throws(StoreError) {
        do throws(FileError) {
            try descriptor.synchronize()
            try descriptor.close()
            let result = vault_rename_exclusive(temporary, path)
            guard result == 0 else { throw FileError.system("create", path, result) }
        } catch {
            throw StoreError(error)
        }
    }

    /// Removes what killed creations left: files of ours with the name that only they use.
    ///
    /// One that cannot be removed is in nobody's way.
    private func removeTemporaries(olderThan age: Duration) {
        guard let names = try? PrivateFiles.names(in: directory) else { return }
        var clock = timespec()
        clock_gettime(CLOCK_REALTIME, &clock)
        let now = Int64(clock.tv_sec) * 1_000_000_000 + Int64(clock.tv_nsec)
        let limit = now - Int64(age.components.seconds) * 1_000_000_000
        for found in names where found.hasPrefix("\(name).") && found.hasSuffix(".new") {
            let path = "\(directory)/\(found)"
            guard let status = try? FileStatus.of(path), status.kind == .regular, !status.isForeign,
                status.modifiedNanoseconds <= limit
            else { continue }
            _ = unlink(path)
        }
    }
}
