internal import Glibc
internal import PrivateFiles

/// The files of an audit log, in the state directory of one vault.
///
/// ```
/// audit.log       the newest lines, 1 KiB each; only ever appended to, but for a line that was not finished
/// audit.log.1     the lines before those, and so on up to audit.log.8
/// audit.head      how far the log has come: one sealed head, written over in place
/// ```
///
/// Whoever touches them holds the lease of the log, a lock on a byte of `leases`, which is never renamed.
struct AuditFiles: Sendable {
    static let kept = 8

    let directory: String
    /// A file of that size is followed by a new one.
    var fullBytes: UInt64 = 16 << 20

    var log: String { "\(directory)/audit.log" }
    var head: String { "\(directory)/audit.head" }

    func old(_ index: Int) -> String { "\(log).\(index)" }

    /// The older files there are, the oldest first.
    ///
    /// A rotation that was broken off leaves a gap in their numbers.
    var olderFiles: [String] { (1...Self.kept).reversed().map(old).filter { access($0, F_OK) == 0 } }

    /// Opens one of them; `nil` where there is none.
    static func open(_ path: String, forWriting: Bool = false) throws(FileError) -> Descriptor? {
        do throws(FileError) {
            return try PrivateFiles.open(path, forWriting: forWriting)
        } catch {
            guard error.code == .absent else { throw error }
            return nil
        }
    }

    /// Opens one of them, made empty where there is none.
    static func make(_ path: String) throws(FileError) -> Descriptor {
        if let file = try open(path, forWriting: true) { return file }
        try PrivateFiles.makeDirectory(PrivateFiles.parentDirectory(of: path))
        return try Descriptor.create(path)
    }

    /// Makes room for a new `audit.log`: each file gets the next number.
    ///
    /// - Parameter dropping: Called before the oldest file goes, which is only then in the way.
    func shift(dropping: (_ next: String) throws(FileError) -> Void) throws(FileError) {
        // Up to the first gap: one that a kill left is filled before a file is dropped for it.
        var count = 0
        while count < Self.kept, access(old(count + 1), F_OK) == 0 { count += 1 }
        if count == Self.kept {
            try dropping(old(Self.kept - 1))
            guard unlink(old(Self.kept)) == 0 else { throw FileError.system("remove", old(Self.kept)) }
            count -= 1
        }
        for index in stride(from: count, to: 0, by: -1) { try rename(old(index), old(index + 1)) }
        try rename(log, old(1))
    }

    private func rename(_ from: String, _ to: String) throws(FileError) {
        guard Glibc.rename(from, to) == 0 else { throw FileError.system("rename", from) }
    }

    /// Removes all of them.
    func remove() throws(FileError) {
        for path in olderFiles + [log, head] {
            guard unlink(path) == 0 || errno == ENOENT else { throw FileError.system("remove", path) }
        }
    }
}

extension Descriptor {
    /// The last of the lines that end at `end`; empty where there is none.
    func lastLine(end: UInt64) throws(FileError) -> [UInt8] {
        guard end >= UInt64(AuditLine.sealedBytes) else { return [] }
        return try line(at: end - UInt64(AuditLine.sealedBytes))
    }

    /// The line that begins at `offset`; shorter where the file ends before.
    func line(at offset: UInt64) throws(FileError) -> [UInt8] {
        try read(upTo: AuditLine.sealedBytes, at: Int64(offset))
    }

    /// How many bytes whole lines have here, and how many there are behind them.
    func wholeLines() throws(FileError) -> (bytes: UInt64, torn: UInt64) {
        let size = UInt64(max(0, try status().size))
        let torn = size % UInt64(AuditLine.sealedBytes)
        return (size - torn, torn)
    }
}
