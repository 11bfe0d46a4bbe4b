internal import PrivateFiles
internal import Synchronization

/// Which file it is, whatever its name.
struct FileIdentity: Hashable, Sendable {
    let device: UInt64
    let inode: UInt64

    init(_ status: FileStatus) {
        device = status.device
        inode = status.inode
    }
}

/// A descriptor that was opened to look at a database file, and is never closed.
///
/// SQLite locks with classic POSIX record locks. They belong to the process, not to the descriptor, and closing any
/// descriptor of a file drops all locks that the process has on it, those that SQLite took through another one
/// included: a second `open` of the same vault would silently unlock a transaction under way in the first. SQLite takes
/// care of its own descriptors; this takes care of ours. Each file is held once, so the cost is one descriptor for each
/// database file that the process ever looked at. Holding it also keeps the inode from being used again, so that
/// the table's keys stay true.
final class HeldDescriptor: Sendable {
    let descriptor: Descriptor

    private init(_ descriptor: consuming Descriptor) {
        self.descriptor = descriptor
    }

    // More than one where the file was swapped between `lstat` and `open`; those must stay open too.
    private static let table = Mutex<[FileIdentity: [HeldDescriptor]]>([:])

    /// The descriptor of the private file at `path`, opened for reading unless it is held already.
    static func of(_ path: String) throws(FileError) -> HeldDescriptor {
        try table.withLock { (table) throws(FileError) in
            guard let status = try FileStatus.of(path) else { throw FileError(.absent, path, "does not exist") }
            try status.requirePrivateFile(at: path)
            if let held = table[FileIdentity(status)]?.first { return held }
            let opened = HeldDescriptor(try PrivateFiles.open(path))
            table[FileIdentity(try opened.descriptor.status()), default: []].append(opened)
            return opened
        }
    }
}
