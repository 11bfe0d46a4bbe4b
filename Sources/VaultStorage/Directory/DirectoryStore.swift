internal import Dispatch
internal import Glibc
internal import PrivateFiles

/// The store of those who sync: a directory with one sealed file for each entry.
///
/// ```
/// <directory>/                    0700
///     header                      the header; see SealedFile
///     entries/
///         <2 digits>/             the first byte of the ids in it
///             <64 digits>         a sealed record, named by its id
///     set-aside/                  second versions that were settled; never read again, and deleted only with the vault
///     .vault-making/              files in the making; empty between changes
///     .gitattributes              keeps git from merging and converting
/// <locks>/                        0700, outside of what is synced
///     leases                      empty; a lease is a lock on one of its bytes
///     directory                   the change counter, and the lock of those who write
///     directory-*.redo            a commit of several changes, while it is done
/// ```
///
/// Every change writes a new file and puts it in place of the old one, so that a sync tool finds whole files only. A
/// commit of several is written down beside the locks first, and finished by whoever comes next if this process dies.
///
/// Two machines that change different entries change different files. Of two versions of one entry, a sync tool keeps one
/// under the entry's name and the other under a name of its own making; `conflicts()` finds it by what is in it.
public final class DirectoryStore: RecordStore {
    private let work: DirectoryWork
    private let leases: LeaseFile
    private let reads = DispatchQueue(label: "vault.directory.reads")
    private let writes = DispatchQueue(label: "vault.directory.writes")

    /// The directory of the versions that were set aside, in that of the store.
    package static let setAsideName = "set-aside"

    /// Whether writes are bound to fail: the directory is write-protected or on read-only media.
    public let isReadOnly: Bool

    private init(_ directory: String, locks: String) {
        work = DirectoryWork(directory: directory, locks: locks)
        leases = LeaseFile(directory: locks)
        let directories: [String] = [work.layout.root, work.layout.entries]
        isReadOnly = directories.contains { path in
            faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0 && errno != ENOENT
        }
    }

    /// What may lie in a directory that becomes a store.
    private static func isHarmless(_ name: String) -> Bool {
        [".git", ".stfolder", ".gitignore", ".stignore", DirectoryLayout.attributesName].contains(name)
            || name.hasPrefix("README")
            // What a killed creation left.
            || name == DirectoryLayout.makingName || name.hasPrefix("\(DirectoryLayout.attributesName).")
    }

    /// Makes a store that holds `header` and no records.
    ///
    /// The header comes last: before it, there is no store.
    ///
    /// - Parameters:
    ///   - directory: Made with mode 0700 unless it exists, is private, and holds nothing but what git or Syncthing put
    ///     there, or a README.
    ///   - locks: Where the locks lie, outside of what is synced.
    /// - Throws: `.exists`, `.unsafe`, `.invalid` or `.unavailable`, with no store made.
    public static func create(
        in directory: String,
        locks: String,
        header: StoredHeader
    ) async throws(StoreError) -> DirectoryStore {
        let layout = DirectoryLayout(directory)
        try RecordLimits.check(header, subject: layout.root)
        try await run(on: .global(qos: .userInitiated)) { () throws(StoreError) in
            try make(layout, header)
        }
        return DirectoryStore(directory, locks: locks)
    }

    private static func make(_ layout: DirectoryLayout, _ header: StoredHeader) throws(StoreError) {
        try translatingFileErrors { () throws(FileError) in try PrivateFiles.makeDirectory(layout.root) }
        let names = try SyncedFiles.names(in: layout.root)
        guard !names.contains("header") else { throw exists(layout) }
        for name in names where !isHarmless(name) {
            throw StoreError(
                .exists,
                layout.root,
                "holds \(name) already, and a vault wants a directory of its own",
                hint: "name another directory, or move what is there away"
            )
        }
        try translatingFileErrors { () throws(FileError) in
            guard !names.contains(DirectoryLayout.attributesName) else { return }
            let file = try NewFile(for: layout.attributes)
            try file.write(Array(DirectoryLayout.gitAttributes.utf8))
            try file.publish()
        }
        let step = layout.step(layout.header, new: SealedFile.bytes(of: header), old: nil)
        do throws(StoreError) {
            try step.prepare()
            try step.perform()
            try translatingFileErrors { () throws(FileError) in try FileStep.synchronize([step]) }
        } catch {
            do throws(FileError) { try step.undo() } catch {}
            guard error.code != .conflict else { throw exists(layout) }
            throw error
        }
    }

    private static func exists(_ layout: DirectoryLayout) -> StoreError {
        StoreError(.exists, layout.header, "there is a vault already")
    }

    /// Opens the store in `directory`.
    ///
    /// Nothing is written in `locks`, which may be a directory for all vaults as long as only the header is read.
    ///
    /// - Throws: `.absent`, `.unsafe`, `.damaged` or `.unavailable`, with every file as it was.
    public static func open(in directory: String, locks: String) async throws(StoreError) -> DirectoryStore {
        let layout = DirectoryLayout(directory)
        try await run(on: .global(qos: .userInitiated)) { () throws(StoreError) in
            _ = try layout.readHeader()
            _ = try SyncedFiles.hasDirectory(layout.entries)
        }
        return DirectoryStore(directory, locks: locks)
    }

    /// The same store with its locks, its counter and its unfinished commits in `locks`: where they belong may stand in
    /// the header.
    public func leasing(in locks: String) -> DirectoryStore { DirectoryStore(path, locks: locks) }

    /// Removes the store in `directory`, and the directory if that leaves it empty.
    ///
    /// The header goes last, so that a removal which was cut off can be run again. What lies in `locks` stays.
    ///
    /// - Parameter takesSetAside: Whether the versions that were set aside go as well: with the vault they do, and not when
    ///   it was moved elsewhere.
    /// - Throws: `.absent`, `.unsafe` or `.unavailable`.
    public static func remove(in directory: String, takesSetAside: Bool = false) throws(StoreError) {
        try DirectoryRemoval(layout: DirectoryLayout(directory), takesSetAside: takesSetAside).run()
    }

    /// The directory.
    public var path: String { work.layout.root }

    /// The header, as it was last committed.
    public func header() async throws(StoreError) -> StoredHeader {
        try await Self.run(on: reads) { [work] () throws(StoreError) in try work.layout.readHeader() }
    }

    /// Replaces the header if the stored one still has the generation `old`.
    public func replaceHeader(_ header: StoredHeader, ifGeneration old: UInt64) async throws(StoreError) {
        try RecordLimits.check(header, after: old, subject: path)
        try await write { (work) throws(StoreError) in try work.replaceHeader(header, ifGeneration: old) }
    }

    /// The record filed under `id`, or `nil` if there is none.
    public func record(_ id: RecordID) async throws(StoreError) -> StoredRecord? {
        try await Self.run(on: reads) { [work] () throws(StoreError) in
            try work.readRecord(id)
        }
    }

    /// Up to `limit` records in ascending order of their ids, beginning after `id` (`nil`: from the first).
    public func records(after id: RecordID?, limit: Int) async throws(StoreError) -> [StoredRecord] {
        guard limit > 0 else { return [] }
        return try await Self.run(on: reads) { [work] () throws(StoreError) in
            try work.reading { () throws(StoreError) in try work.layout.readRecords(after: id, limit: limit) }
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
        try await write { (work) throws(StoreError) in try work.commit(changes, ifHeaderGeneration: generation) }
    }

    /// A number that grows with every commit and every replaced header of this machine, and when a sync tool has changed
    /// the directory.
    public func changeCounter() async throws(StoreError) -> UInt64 {
        try await Self.run(on: reads) { [work] () throws(StoreError) in try work.changeCounter() }
    }

    /// An exclusive lease by that name, or `nil` if another holds it: another process, or this one.
    ///
    /// - Throws: `.unsafe`, or `.unavailable` where the lock file cannot be made or written.
    public func tryLease(_ name: LeaseName) async throws(StoreError) -> Lease? {
        try leases.tryLease(name)
    }

    /// The files that hold second versions of entries or of the header, by name.
    ///
    /// Where there are none it reads names only. A copy may be the same as the entry it belongs to, or older; which one
    /// wins is for those to say who have the keys. Afterwards `settle` moves them out of the way.
    public func conflicts() async throws(StoreError) -> [ConflictCopy] {
        try await Self.run(on: reads) { [work, isReadOnly] () throws(StoreError) in
            try work.conflicts(isReadOnly: isReadOnly)
        }
    }

    /// Moves second versions into `set-aside`, after the version that wins was committed.
    ///
    /// Nothing is deleted. One that is gone already counts as settled.
    ///
    /// - Throws: `.conflict` for one that holds another version by now; those before it in `copies` are moved.
    public func settle(_ copies: [ConflictCopy]) async throws(StoreError) {
        try await write { (work) throws(StoreError) in try work.settle(copies) }
    }

    func write<T: Sendable>(
        _ body: @escaping @Sendable (DirectoryWork) throws(StoreError) -> T
    ) async throws(StoreError) -> T {
        guard !isReadOnly else {
            throw StoreError(.unavailable, path, "cannot be written: it is write-protected or on read-only media")
        }
        return try await Self.run(on: writes) { [work] () throws(StoreError) in try body(work) }
    }

    /// Off the cooperative pool, and not cancelled with the task that asked for it: see `DatabaseConnection`.
    static func run<T: Sendable>(
        on queue: DispatchQueue,
        _ body: @escaping @Sendable () throws(StoreError) -> T
    ) async throws(StoreError) -> T {
        let result: Result<T, StoreError> = await withCheckedContinuation { continuation in
            queue.async {
                continuation.resume(returning: Result { () throws(StoreError) in try body() })
            }
        }
        return try result.get()
    }
}
