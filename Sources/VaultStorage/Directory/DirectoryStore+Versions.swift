internal import Dispatch
internal import PrivateFiles

/// What a vault asks of a directory beside its records: which file an entry is in, and what else there is of it.
extension DirectoryStore {
    /// Each machine has locks of its own, outside of what is synced.
    public var hasCommonLock: Bool { false }

    /// The file of a record.
    public func file(of id: RecordID) -> String { DirectoryLayout(path).file(of: id) }

    /// Where second versions are moved to.
    public var setAside: String { DirectoryLayout(path).setAside }

    /// The second versions of one record, as sync tools leave them: beside it, or in a copy of the directory it is in.
    ///
    /// Of 256 directories only the names in one are read.
    public func conflicts(of id: RecordID) async throws(StoreError) -> [ConflictCopy] {
        let layout = DirectoryLayout(path)
        return try await Self.run(on: .global(qos: .userInitiated)) { () throws(StoreError) in
            let (shard, byte) = (layout.shard(of: id), id.bytes[0])
            let others = try SyncedFiles.names(in: shard).filter { DirectoryLayout.id(of: $0, shard: byte) == nil }
            let prefix = shard.dropFirst(layout.root.count + 1)
            let files = others.map { "\(prefix)/\($0)" } + (try layout.strangers(of: id))
            guard !files.isEmpty else { return [] }
            return try layout.conflicts(among: files).filter { copy in
                if case .record(let record) = copy.kind { record.id == id } else { false }
            }
        }
    }

    /// Keeps a version where second versions are moved to, durably, before another takes its place.
    public func keepAside(_ record: StoredRecord) async throws(StoreError) {
        let layout = DirectoryLayout(path)
        try await Self.run(on: .global(qos: .userInitiated)) { () throws(StoreError) in
            let bytes = record.fault == nil ? SealedFile.bytes(of: record) : record.sealed
            try SyncedFiles.makeDirectory(layout.setAside)
            try translatingFileErrors { () throws(FileError) in
                do throws(FileError) {
                    let file = try NewFile(for: "\(layout.setAside)/\(record.id).\(String(Sum.of(bytes), radix: 16))")
                    try file.write(bytes)
                    try file.publish()
                } catch {
                    // By its contents: what is there under that name is the same.
                    guard error.code == .exists else { throw error }
                }
            }
        }
    }

    /// Makes a record a second version of the one that is in its place, durably.
    public func putBeside(_ record: StoredRecord) async throws(StoreError) {
        try await write { (work) throws(StoreError) in try work.putBeside(record) }
    }
}
