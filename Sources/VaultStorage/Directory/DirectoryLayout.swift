internal import Glibc
internal import PrivateFiles

/// Where the files of a directory store lie, and what they are read as.
struct DirectoryLayout: Sendable {
    let root: String
    let header: String
    let entries: String
    let setAside: String
    /// Where files are written before they get their place, and where what they replaced waits for the end.
    ///
    /// Not beside the entries: a change that cannot be made leaves no trace there, and what killed processes leave is all
    /// in one place. It is empty between changes; a sync tool that carries some of it does no harm.
    let making: String
    /// The directories of the entries by the first byte of their ids.
    ///
    /// 256 of them: at 100,000 entries each has 400 files, so that a commit of git writes a tree of 400 names and not of
    /// 100,000, and that a page of a listing reads a directory or two.
    let shards: [String]

    init(_ directory: String) {
        root = PrivateFiles.withoutTrailingSlashes(directory)
        header = "\(root)/header"
        entries = "\(root)/entries"
        setAside = "\(root)/\(DirectoryStore.setAsideName)"
        making = "\(root)/\(Self.makingName)"
        shards = (0...255).map { [entries] byte in "\(entries)/\(Self.hexadecimal(byte))" }
    }

    static let makingName = ".vault-making"
    static let attributesName = ".gitattributes"
    /// What git is told of the files: never to merge them, to convert their line ends, or to show them as text.
    static let gitAttributes = "* binary\n"
    var attributes: String { "\(root)/\(Self.attributesName)" }

    /// A step that makes, replaces or takes away the file at `path`.
    func step(_ path: String, new: [UInt8]?, old: [UInt8]?) -> FileStep {
        FileStep(path, new: new, old: old, making: making)
    }

    func shard(of id: RecordID) -> String { shards[Int(id.bytes[0])] }

    func file(of id: RecordID) -> String { "\(shard(of: id))/\(id)" }

    /// The file of a second version that is ours to keep, by its contents.
    func versionFile(of id: RecordID, _ bytes: [UInt8]) -> String {
        "\(file(of: id)).\(String(Sum.of(bytes), radix: 16)).conflict"
    }

    /// The id that a file of that name in that shard stands for; `nil` unless it is named as we name them.
    static func id(of name: String, shard: UInt8) -> RecordID? {
        guard let id = RecordID(hexadecimal: name.utf8), id.bytes[0] == shard else { return nil }
        return id
    }

    private static func hexadecimal(_ byte: Int) -> String {
        let digits = String(byte, radix: 16)
        return byte < 16 ? "0" + digits : digits
    }

    /// Refuses anything but a private directory that holds a header.
    func require() throws(StoreError) {
        try translatingFileErrors { () throws(FileError) in
            try PrivateFiles.requireDirectory(root)
            guard try FileStatus.of(header) != nil else { throw FileError(.absent, header, "does not exist") }
        }
    }

    func readHeader() throws(StoreError) -> StoredHeader {
        try translatingFileErrors { () throws(FileError) in try PrivateFiles.requireDirectory(root) }
        guard let bytes = try SyncedFiles.read(header) else {
            throw StoreError(.absent, header, "does not exist")
        }
        guard case .header(let found) = SealedFile.read(bytes) else {
            throw Self.damaged(header, bytes, expected: "a vault's header")
        }
        return found
    }

    /// The bytes of the file of that id, without a look at what they are.
    func readFile(of id: RecordID) throws(StoreError) -> [UInt8]? {
        guard try SyncedFiles.hasDirectory(entries), try SyncedFiles.hasDirectory(shard(of: id)) else { return nil }
        return try SyncedFiles.read(file(of: id))
    }

    func readRecord(_ id: RecordID) throws(StoreError) -> StoredRecord? {
        guard let bytes = try readFile(of: id) else {
            // Nothing in a directory that is gone, or is another one's by now, is no answer.
            try require()
            return nil
        }
        return record(id, from: bytes)
    }

    /// The record that a file holds, or that it holds none.
    func record(_ id: RecordID, from bytes: [UInt8]) -> StoredRecord {
        guard case .record(let found) = SealedFile.read(bytes) else {
            let damage = Self.damaged(file(of: id), bytes, expected: "a sealed record")
            let advice = damage.hint.map { "; \($0)" } ?? ""
            return StoredRecord(
                id: id,
                generation: 0,
                sealed: bytes,
                fault: "in \(file(of: id)) \(damage.message)\(advice)"
            )
        }
        guard found.id == id else {
            let fault = "in \(file(of: id)) is damaged: it is the file of record \(found.id)"
            return StoredRecord(id: id, generation: 0, sealed: bytes, fault: fault)
        }
        return found
    }

    /// The ids that have a file in a shard, in order.
    func ids(inShard byte: UInt8) throws(StoreError) -> [RecordID] {
        try SyncedFiles.names(in: shards[Int(byte)]).compactMap { Self.id(of: $0, shard: byte) }.sorted()
    }

    func readRecords(after id: RecordID?, limit: Int) throws(StoreError) -> [StoredRecord] {
        try require()
        guard try SyncedFiles.hasDirectory(entries) else { return [] }
        var found: [StoredRecord] = []
        for byte in (id?.bytes[0] ?? 0)...255 {
            for next in try ids(inShard: byte) {
                if let id, next <= id { continue }
                guard found.count < limit else { return found }
                // One that was deleted since its name was read.
                guard let bytes = try SyncedFiles.read(file(of: next)) else { continue }
                found.append(record(next, from: bytes))
            }
            guard found.count < limit else { return found }
        }
        return found
    }

    static func damaged(_ path: String, _ bytes: [UInt8], expected: String) -> StoreError {
        switch SealedFile.read(bytes) {
        case .later(let version):
            return StoreError(
                .damaged,
                path,
                "has format \(version), expected 1",
                hint: "a newer version of vault wrote it; update this one"
            )
        case .broken(let why): return StoreError(.damaged, path, "is damaged: \(why)", hint: hint(path))
        case .record: return StoreError(.damaged, path, "is damaged: it holds a record, expected \(expected)")
        case .header: return StoreError(.damaged, path, "is damaged: it holds a header, expected \(expected)")
        case .foreign:
            if bytes.starts(with: Array("<<<<<<< ".utf8)) {
                return StoreError(
                    .damaged,
                    path,
                    "is damaged: git merged two versions of it as text",
                    hint:
                        "take one of them: git checkout --ours -- FILE, or --theirs; .gitattributes must say: * binary"
                )
            }
            return StoreError(.damaged, path, "is damaged: it does not hold \(expected)", hint: hint(path))
        }
    }

    private static func hint(_ path: String) -> String {
        "put back an earlier version of \(shellQuoted(path)), as git or the sync service keeps it"
    }
}
