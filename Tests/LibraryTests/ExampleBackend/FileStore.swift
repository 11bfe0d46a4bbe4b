import Foundation
import Glibc
import VaultStorage

/// A store in one file, a property list that is replaced as a whole; an example, not for large vaults.
public final class FileStore: RecordStore {
    /// What the file holds.
    private struct Contents: Codable {
        struct Record: Codable {
            var generation: UInt64
            var sealed: Data
        }

        var headerGeneration: UInt64
        var header: Data
        var changeCounter: UInt64 = 0
        /// By the id in hexadecimal digits, whose order is that of the bytes.
        var records: [String: Record] = [:]
    }

    private let directory: String
    /// Whether it was opened for reading alone.
    public let isReadOnly: Bool

    private var file: String { "\(directory)/records.plist" }

    private init(_ directory: String, isReadOnly: Bool) {
        self.directory = directory
        self.isReadOnly = isReadOnly
    }

    /// Makes a store with `header` and no records in a directory that must not exist.
    public static func create(in directory: String, header: StoredHeader) throws(StoreError) -> FileStore {
        try RecordLimits.check(header, subject: directory)
        guard mkdir(directory, 0o700) == 0 else {
            throw StoreError(errno == EEXIST ? .exists : .unavailable, directory, "cannot be made")
        }
        let store = FileStore(directory, isReadOnly: false)
        try store.write(Contents(headerGeneration: header.generation, header: Data(header.bytes)))
        return store
    }

    /// Opens the store in that directory.
    public static func open(in directory: String, readOnly: Bool = false) throws(StoreError) -> FileStore {
        let store = FileStore(directory, isReadOnly: readOnly)
        _ = try store.read()
        return store
    }

    // MARK: Reading

    // A reader needs no lock: the file it opened stays as it is, and another one takes its name.
    private func read() throws(StoreError) -> Contents {
        let data: Data
        do { data = try Data(contentsOf: URL(filePath: file)) } catch {
            let isAbsent = access(directory, F_OK) != 0
            throw StoreError(isAbsent ? .absent : .unavailable, file, "cannot be read", underlying: error)
        }
        do { return try PropertyListDecoder().decode(Contents.self, from: data) } catch {
            throw StoreError(.damaged, file, "is no store", underlying: error)
        }
    }

    /// The header.
    public func header() async throws(StoreError) -> StoredHeader {
        let contents = try read()
        return StoredHeader(generation: contents.headerGeneration, bytes: [UInt8](contents.header))
    }

    /// The count of changes.
    public func changeCounter() async throws(StoreError) -> UInt64 { try read().changeCounter }

    /// The record of that id.
    public func record(_ id: RecordID) async throws(StoreError) -> StoredRecord? {
        guard let found = try read().records["\(id)"] else { return nil }
        return StoredRecord(id: id, generation: found.generation, sealed: [UInt8](found.sealed))
    }

    /// Records in ascending order of their ids.
    public func records(after id: RecordID?, limit: Int) async throws(StoreError) -> [StoredRecord] {
        let records = try read().records
        let first = id.map { "\($0)" } ?? ""
        return records.keys.filter { $0 > first }.sorted().prefix(max(0, limit)).compactMap { key in
            guard let id = RecordID(hexadecimal: key.utf8), let found = records[key] else { return nil }
            return StoredRecord(id: id, generation: found.generation, sealed: [UInt8](found.sealed))
        }
    }

    // MARK: Writing

    /// Replaces the header of that generation.
    public func replaceHeader(_ header: StoredHeader, ifGeneration old: UInt64) async throws(StoreError) {
        try RecordLimits.check(header, after: old, subject: file)
        try change(ifHeaderGeneration: old) { contents in
            contents.headerGeneration = header.generation
            contents.header = Data(header.bytes)
        }
    }

    /// Applies all changes or none.
    ///
    /// A lease of this store ends with its holder, so that whoever commits under one still has it.
    public func commit(
        _ changes: [RecordChange],
        ifHeaderGeneration generation: UInt64,
        holding lease: Lease?
    ) async throws(StoreError) {
        try RecordLimits.check(changes, subject: file)
        try change(ifHeaderGeneration: generation) { (contents) throws(StoreError) in
            for change in changes {
                try change.check(found: contents.records["\(change.id)"]?.generation, subject: file)
                contents.records["\(change.id)"] =
                    switch change {
                    case .put(let new, _): Contents.Record(generation: new.generation, sealed: Data(new.sealed))
                    case .delete: nil
                    }
            }
        }
    }

    // Whoever writes holds the lock from before it reads until after the new file has the name.
    private func change(
        ifHeaderGeneration generation: UInt64,
        _ body: (inout Contents) throws(StoreError) -> Void
    ) throws(StoreError) {
        guard !isReadOnly else { throw StoreError(.unavailable, file, "cannot be written") }
        let lock = try lock("write", waiting: true)
        defer { close(lock) }
        var contents = try read()
        guard contents.headerGeneration == generation else {
            throw StoreError.headerMoved(file, found: contents.headerGeneration, expected: generation)
        }
        try body(&contents)
        contents.changeCounter += 1
        try write(contents)
    }

    // Durable when it returns: first the bytes, then the name. A process that dies before leaves the old file.
    private func write(_ contents: Contents) throws(StoreError) {
        let encoder = PropertyListEncoder()
        encoder.outputFormat = .binary
        do {
            try encoder.encode(contents).write(to: URL(filePath: file + ".new"))
            let new = try FileHandle(forUpdating: URL(filePath: file + ".new"))
            try new.synchronize()
            try new.close()
        } catch {
            throw StoreError(.unavailable, file, "cannot be written", underlying: error)
        }
        guard rename(file + ".new", file) == 0 else { throw StoreError(.unavailable, file, "cannot be replaced") }
        let directory = Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw StoreError(.unavailable, file, "cannot be made durable") }
    }

    // MARK: Leases

    /// The lease of that name, unless another has it.
    public func tryLease(_ name: LeaseName) async throws(StoreError) -> Lease? {
        let digits = name.bytes.map { String(Int($0) + 256, radix: 16).dropFirst() }.joined()
        let descriptor = try lock("lease-\(digits)", waiting: false)
        // The kernel lets go of it when the process dies, in whatever way.
        return descriptor < 0 ? nil : Lease { close(descriptor) }
    }

    /// An open file with an exclusive lock, or -1 if another holds it.
    private func lock(_ name: String, waiting: Bool) throws(StoreError) -> Int32 {
        let path = "\(directory)/\(name).lock"
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StoreError(.unavailable, path, "cannot be opened") }
        var result: Int32
        repeat { result = flock(descriptor, LOCK_EX | (waiting ? 0 : LOCK_NB)) } while result != 0 && errno == EINTR
        if result == 0 { return descriptor }
        let isHeld = errno == EWOULDBLOCK
        close(descriptor)
        guard isHeld else { throw StoreError(.unavailable, path, "cannot be locked") }
        return -1
    }
}
