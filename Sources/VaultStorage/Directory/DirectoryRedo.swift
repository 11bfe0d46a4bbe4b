internal import CVaultSystem
internal import Glibc
internal import PrivateFiles

/// A commit of several changes that is decided and perhaps not yet done, so that it is done whole or not at all.
///
/// It lies beside the locks and not in the store's directory: no sync tool takes it to another machine. It appears under
/// its name complete and synced; from then on the commit counts, whoever has the lock next finishes it, and readers wait
/// for that. It holds all the new bytes, so what a sync tool does to half-done files does not matter.
///
/// ```
/// <locks>/directory-*.redo    magic 8, counter 8, length of the path 4, path of the store's directory, count 4; for each
///                             change: kind 1, id 32, hasOld 1, old sum 8, length 4, bytes of the new file; sum 8
/// ```
///
/// Its name is that of the directory's device and inode: a copy elsewhere is none of its business. What is at the path by
/// now, put back or mounted anew under another number, is the same store, and takes it over.
///
/// Between the commit and its replay, other machines may have changed the same entries. Then the file in place is neither
/// the old nor the new one, and both its version and the commit's are kept: the file stays, and the new version is put
/// beside it under another name, where `conflicts()` finds it. A record that the commit deletes and another machine
/// changed stays.
struct DirectoryRedo {
    let layout: DirectoryLayout
    let path: String
    private let name: String

    private static let magic = Array("VLTREDO1".utf8)
    private static let longest = 1024 + Int(PATH_MAX) + RecordLimits.changesPerCommit * (SealedFile.longest + 64)

    struct Change {
        let id: RecordID
        let new: [UInt8]?
        let oldSum: UInt64?
    }

    init(layout: DirectoryLayout, locks: String) {
        self.layout = layout
        // A copy of the directory has the same vault's locks, and is none of this commit's business.
        name = Self.name(for: layout.root)
        let directory = PrivateFiles.withoutTrailingSlashes(locks)
        path = "\(directory)/\(name)"
        takeOver(in: directory)
    }

    private func takeOver(in directory: String) {
        for (other, root) in Self.all(in: directory) where root == layout.root && other != path {
            _ = vault_rename_exclusive(other, path)
        }
    }

    /// Those of other directories that have the same locks, as far as they are where they were.
    func others() -> [DirectoryRedo] {
        let directory = PrivateFiles.parentDirectory(of: path)
        return Self.all(in: directory).compactMap { other, root in
            let layout = DirectoryLayout(root)
            // Only the very directory that it was cut off in: another vault may be at that path by now.
            guard other != path, other == "\(directory)/\(Self.name(for: root))", (try? layout.require()) != nil
            else { return nil }
            return DirectoryRedo(layout: layout, locks: directory)
        }
    }

    private static func name(for root: String) -> String {
        let status = try? FileStatus.of(root)
        let place = Sum.of(status?.device ?? 0, status?.inode ?? 0, from: Sum.empty)
        return "directory-\(String(place, radix: 16)).redo"
    }

    /// Every redo beside some locks, and the directory that it is for.
    private static func all(in directory: String) -> [(path: String, root: String)] {
        ((try? PrivateFiles.names(in: directory)) ?? []).compactMap { name in
            guard name.hasPrefix("directory-"), name.hasSuffix(".redo") else { return nil }
            let path = "\(directory)/\(name)"
            guard let bytes = try? PrivateFiles.open(path).read(upTo: 20 + Int(PATH_MAX)) else { return nil }
            return Self.path(in: bytes).map { (path, $0) }
        }
    }

    /// The path that a redo begins with; `nil` for what does not begin as one.
    private static func path(in bytes: [UInt8]) -> String? {
        guard bytes.count >= 20, bytes.starts(with: magic) else { return nil }
        let length = UInt64(bigEndian: bytes[16..<20])
        guard length <= UInt64(PATH_MAX), bytes.count >= 20 + Int(length) else { return nil }
        return String(validating: bytes[20..<20 + Int(length)], as: UTF8.self)
    }

    /// Whether a file is the redo of some directory, complete or not.
    static func isName(_ name: String) -> Bool { name.hasPrefix("directory-") && name.contains(".redo") }

    /// Whether a commit is under way, or was cut off.
    var isThere: Bool {
        get throws(StoreError) {
            try translatingFileErrors { () throws(FileError) in try FileStatus.of(path) != nil }
        }
    }

    /// Decides the commit that will be change number `counter`.
    func write(_ steps: [(id: RecordID, step: FileStep)], counter: UInt64) throws(StoreError) {
        tidy()
        var bytes = Self.magic
        bytes.append(bigEndian: counter)
        bytes.append(bigEndian: UInt32(layout.root.utf8.count))
        bytes += Array(layout.root.utf8)
        bytes.append(bigEndian: UInt32(steps.count))
        for (id, step) in steps {
            bytes.append(step.new == nil ? 0 : 1)
            bytes += id.bytes
            bytes.append(step.old == nil ? 0 : 1)
            bytes.append(bigEndian: step.old.map { Sum.of($0) } ?? 0)
            bytes.append(bigEndian: UInt32(step.new?.count ?? 0))
            bytes += step.new ?? []
        }
        bytes.append(bigEndian: Sum.of(bytes))
        try translatingFileErrors { () throws(FileError) in
            let file = try NewFile(for: path)
            try file.write(bytes)
            try file.publish(replacing: true)
        }
    }

    /// Removes what killed processes left of redos that were never decided; under the lock.
    private func tidy() {
        let directory = PrivateFiles.parentDirectory(of: path)
        guard let names = try? PrivateFiles.names(in: directory) else { return }
        for name in names where name.hasPrefix(self.name + ".") && name.hasSuffix(".tmp") {
            _ = unlink("\(directory)/\(name)")
        }
    }

    /// Takes the decision back, or notes that all of it is done.
    func remove() throws(FileError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw FileError.system("remove", path) }
        try PrivateFiles.synchronizeDirectory(PrivateFiles.parentDirectory(of: path))
    }

    /// Finishes what was cut off; under the lock.
    ///
    /// - Parameter counter: The number of the last change that was counted. A redo of that number or a lower one is done
    ///   already: the change is counted after its files are synced.
    /// - Returns: The number of the change, if there was one to be finished.
    func replay(after counter: UInt64) throws(StoreError) -> UInt64? {
        let bytes: [UInt8]
        do throws(FileError) {
            guard try FileStatus.of(path) != nil else { return nil }
            let file = try PrivateFiles.open(path)
            bytes = try file.read(upTo: min(Self.longest, Int(try file.status().size)))
        } catch {
            throw StoreError(error)
        }
        // One that is not whole never counted: it gets its name only when it is.
        guard let (number, changes) = Self.parse(bytes) else {
            throw StoreError(
                .damaged,
                path,
                "is no list of changes to be finished, or is damaged",
                hint: "look at the vault with vault doctor, and move the file away: mv \(shellQuoted(path)) ~"
            )
        }
        if number > counter {
            for change in changes { try finish(change) }
            for shard in Set(changes.map { layout.shard(of: $0.id) }) where try SyncedFiles.hasDirectory(shard) {
                try translatingFileErrors { () throws(FileError) in try PrivateFiles.synchronizeDirectory(shard) }
            }
        }
        return number
    }

    private func finish(_ change: Change) throws(StoreError) {
        let found = try layout.readFile(of: change.id)
        if found == change.new { return }
        let isOld = found.map { Sum.of($0) } == change.oldSum
        if change.new == nil, !isOld { return }
        var replaced = found
        if !isOld, let found {
            if let new = change.new, case .record = SealedFile.read(found) {
                return try layout.putBeside(new, change.id)
            }
            // Damage is not a version that could win.
            try layout.setAside(layout.file(of: change.id))
            replaced = nil
        }
        // Nothing there where something was: another machine deleted it while it was changed here. What was changed
        // outlives what was deleted.
        try layout.makeShard(of: change.id)
        let step = layout.step(layout.file(of: change.id), new: change.new, old: replaced)
        try step.prepare()
        try step.perform()
    }

    private static func parse(_ bytes: [UInt8]) -> (UInt64, [Change])? {
        guard let path = path(in: bytes), bytes.count >= 32 + path.utf8.count,
            Sum.of(bytes.dropLast(8)) == UInt64(bigEndian: bytes.suffix(8))
        else { return nil }
        let number = UInt64(bigEndian: bytes[8..<16])
        var rest = bytes[(20 + path.utf8.count)...].dropLast(8)
        var changes: [Change] = []
        let count = UInt64(bigEndian: rest.prefix(4))
        rest = rest.dropFirst(4)
        for _ in 0..<count {
            guard rest.count >= 46, let kind = rest.popFirst(), let id = RecordID(Array(rest.prefix(32))) else {
                return nil
            }
            rest = rest.dropFirst(32)
            let hasOld = rest.popFirst() == 1
            let oldSum = UInt64(bigEndian: rest.prefix(8))
            let length = Int(UInt64(bigEndian: rest.dropFirst(8).prefix(4)))
            rest = rest.dropFirst(12)
            guard rest.count >= length else { return nil }
            let new = Array(rest.prefix(length))
            rest = rest.dropFirst(length)
            changes.append(Change(id: id, new: kind == 1 ? new : nil, oldSum: hasOld ? oldSum : nil))
        }
        return rest.isEmpty ? (number, changes) : nil
    }
}

extension DirectoryLayout {
    /// Makes bytes a second version of a record, beside the one in its place; under the lock.
    func putBeside(_ new: [UInt8], _ id: RecordID) throws(StoreError) {
        let name = versionFile(of: id, new)
        // It may have been put there before, by one that was cut off.
        if try SyncedFiles.read(name) == new { return }
        try makeShard(of: id)
        let step = step(name, new: new, old: nil)
        try step.prepare()
        try step.perform()
        try translatingFileErrors { () throws(FileError) in try FileStep.synchronize([step]) }
    }

    func makeShard(of id: RecordID) throws(StoreError) {
        try SyncedFiles.makeDirectory(entries)
        try SyncedFiles.makeDirectory(shard(of: id))
    }
}
