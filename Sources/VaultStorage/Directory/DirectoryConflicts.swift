internal import CVaultSystem
internal import Glibc
internal import PrivateFiles

/// The second versions that a directory store holds, and what becomes of them.
extension DirectoryLayout {
    /// The files that are named as no file of ours and begin as one.
    ///
    /// Only names are read but of those. Names that begin with a dot or with `~syncthing~` are files in the making, of a
    /// sync tool, an editor or ourselves: what is in them is in a file of another name as soon as it is whole.
    ///
    /// - Parameter others: The files to look at, relative to the directory; all for `nil`.
    func conflicts(among others: [String]? = nil) throws(StoreError) -> [ConflictCopy] {
        let files = if let others { others } else { try otherFiles() }
        var copies: [ConflictCopy] = []
        for file in files {
            if let copy = try conflict(file) { copies.append(copy) }
        }
        return copies.sorted { $0.file < $1.file }
    }

    /// All that is named as no file of ours, relative to the directory.
    private func otherFiles() throws(StoreError) -> [String] {
        var files = try strangers()
        for name in try SyncedFiles.names(in: entries) {
            guard let shard = shard(named: name) else { continue }
            for inside in try SyncedFiles.names(in: shards[Int(shard)])
            where Self.id(of: inside, shard: shard) == nil {
                files.append("entries/\(name)/\(inside)")
            }
        }
        return files
    }

    private func shard(named name: String) -> UInt8? {
        UInt8(name, radix: 16).flatMap { shards[Int($0)] == "\(entries)/\(name)" ? $0 : nil }
    }

    /// What lies beside the header and the shards, relative to the directory: files, and what is in directories that a
    /// sync tool has put beside `entries` or beside a shard, such as `entries (1)` and `entries/a7 (conflicted copy)`.
    ///
    /// - Parameter id: The record that is asked about; then those directories are passed over in which it cannot be.
    func strangers(of id: RecordID? = nil) throws(StoreError) -> [String] {
        let own: Set<String> = ["header", "entries", DirectoryStore.setAsideName]
        let digits = id.map { String("\($0)".prefix(2)) }
        var files: [String] = []
        for name in try SyncedFiles.names(in: root) where !own.contains(name) {
            guard name.hasPrefix("entries"), let inside = try namesOfDirectory(name) else {
                files.append(name)
                continue
            }
            for other in inside { try add("\(name)/\(other)", digits, to: &files) }
        }
        for name in try SyncedFiles.names(in: entries) where shard(named: name) == nil {
            try add("entries/\(name)", digits, to: &files)
        }
        return files
    }

    /// Adds a file, or the files of a directory that is named as a shard or a copy of one.
    private func add(_ path: String, _ digits: String?, to files: inout [String]) throws(StoreError) {
        guard let inside = try namesOfDirectory(path) else { return files.append(path) }
        let name = path.split(separator: "/").last ?? ""
        guard digits.map({ name.hasPrefix($0) }) ?? true else { return }
        files += inside.map { "\(path)/\($0)" }
    }

    /// `nil` for what is no directory; nothing for one that others may write, which is nobody's copy of ours.
    private func namesOfDirectory(_ path: String) throws(StoreError) -> [String]? {
        let path = "\(root)/\(path)"
        let status = try translatingFileErrors { () throws(FileError) in try FileStatus.of(path) }
        guard status?.kind == .directory else { return nil }
        do throws(StoreError) { return try SyncedFiles.names(in: path) } catch {
            guard error.code == .unsafe else { throw error }
            return []
        }
    }

    private func conflict(_ file: String) throws(StoreError) -> ConflictCopy? {
        let name = file.split(separator: "/").last ?? ""
        guard !name.hasPrefix("."), !name.hasPrefix("~syncthing~") else { return nil }
        let path = "\(root)/\(file)"
        let bytes: [UInt8]?
        do throws(StoreError) {
            guard SealedFile.isOurs(try SyncedFiles.beginning(of: path, SealedFile.magicLength)) else { return nil }
            bytes = try SyncedFiles.read(path)
        } catch {
            guard [.unsafe, .damaged, .unavailable].contains(error.code) else { throw error }
            // What may not be read is told by its name alone, which a sync tool makes from the entry's.
            guard error.code != .unavailable || Self.isDerived(String(name)) else { return nil }
            return ConflictCopy(file: file, kind: .unreadable)
        }
        guard let bytes else { return nil }
        switch SealedFile.read(bytes) {
        case .record(let record): return ConflictCopy(file: file, kind: .record(record))
        case .header(let header): return ConflictCopy(file: file, kind: .header(header))
        case .broken, .later: return ConflictCopy(file: file, kind: .unreadable)
        case .foreign: return nil
        }
    }

    /// Whether a name begins as one of our files' does.
    private static func isDerived(_ name: String) -> Bool {
        let digits = name.utf8.prefix { hexadecimalDigits.contains($0) }.count
        return name.hasPrefix("header") || digits >= 2 * RecordID.length
    }

    private static let hexadecimalDigits = Set("0123456789abcdef".utf8)

    /// Moves a second version out of the way, durably; under the lock.
    ///
    /// One that is gone is settled, by another process or another machine.
    ///
    /// - Throws: `.conflict` where the file holds something else by now, with nothing moved.
    func settle(_ copy: ConflictCopy) throws(StoreError) {
        let path = "\(root)/\(copy.file)"
        guard try translatingFileErrors({ () throws(FileError) in try FileStatus.of(path) }) != nil else { return }
        guard !copy.file.hasPrefix("/"), !copy.file.split(separator: "/").contains(".."),
            try conflict(copy.file) == copy
        else { throw StoreError(.conflict, path, "holds another version than the one that was settled") }
        try setAside(path)
    }

    /// Moves a file into `set-aside`, under a name that tells it from every other version.
    func setAside(_ path: String) throws(StoreError) {
        try SyncedFiles.makeDirectory(setAside)
        let directory = PrivateFiles.parentDirectory(of: path)
        // A name may have 255 bytes.
        let name = String(decoding: path.utf8.dropFirst(directory.utf8.count + 1).prefix(200), as: UTF8.self)
        let bytes = (try? SyncedFiles.beginning(of: path, SealedFile.longest)) ?? []
        let sum = String(Sum.of(bytes), radix: 16)
        try translatingFileErrors { () throws(FileError) in
            for number in 1... {
                let place = "\(setAside)/\(name).\(sum)\(number == 1 ? "" : ".\(number)")"
                let result = vault_rename_exclusive(path, place)
                if result == EEXIST { continue }
                guard result == 0 else { throw FileError.system("set aside", path, result) }
                break
            }
            try PrivateFiles.synchronizeDirectory(setAside)
            try PrivateFiles.synchronizeDirectory(directory)
        }
    }
}
