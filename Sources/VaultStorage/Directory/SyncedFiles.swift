internal import Glibc
internal import PrivateFiles

/// Files that a sync tool may have put where they are.
///
/// Git and most sync services do not keep permission bits: a fresh checkout has 0644 and 0755 under the usual umask. The
/// files hold sealed bytes only, and the directory above them all must be 0700, so that others may read them is let
/// pass. That others may write them, own them, or reach them by another name is not.
enum SyncedFiles {
    /// The bytes of a file, or `nil` where nothing is.
    static func read(_ path: String) throws(StoreError) -> [UInt8]? {
        do throws(FileError) {
            // lstat first: opening a device or FIFO can have effects of its own.
            guard let before = try FileStatus.of(path) else { return nil }
            try before.requireSynced(.regular, at: path)
            let descriptor = try Descriptor.open(path)
            let status = try descriptor.status()
            try status.requireSynced(.regular, at: path)
            let longest = SealedFile.longest
            guard status.size <= Int64(longest) else {
                throw FileError(.tooLarge, path, "has \(status.size) bytes, expected at most \(longest)")
            }
            return try descriptor.read(upTo: min(longest, Int(status.size)))
        } catch {
            // A sync tool took it away between the two.
            if error.code == .absent { return nil }
            throw StoreError(error)
        }
    }

    /// The first bytes of a file; none where there is no file to read.
    static func beginning(of path: String, _ count: Int) throws(StoreError) -> [UInt8] {
        do throws(FileError) {
            guard let status = try FileStatus.of(path), status.kind == .regular else { return [] }
            return try Descriptor.open(path).read(upTo: count)
        } catch {
            if error.code == .absent || error.code == .unsafe { return [] }
            throw StoreError(error)
        }
    }

    /// Whether there is such a directory; refuses a link in its place and one that others may write.
    static func hasDirectory(_ path: String) throws(StoreError) -> Bool {
        try translatingFileErrors { () throws(FileError) in
            guard let status = try FileStatus.of(path) else { return false }
            try status.requireSynced(.directory, at: path)
            return true
        }
    }

    /// The names in a directory, unordered; none where it does not exist.
    static func names(in directory: String) throws(StoreError) -> [String] {
        guard try hasDirectory(directory) else { return [] }
        do throws(FileError) { return try PrivateFiles.names(in: directory) } catch {
            // A sync tool took it away between the two.
            if error.code == .absent { return [] }
            throw StoreError(error)
        }
    }

    /// Makes a directory where there is none, and its name durable.
    static func makeDirectory(_ path: String) throws(StoreError) {
        guard try !hasDirectory(path) else { return }
        try translatingFileErrors { () throws(FileError) in try PrivateFiles.makeDirectory(path) }
    }
}

extension FileStatus {
    fileprivate func requireSynced(_ wanted: Kind, at path: String) throws(FileError) {
        let look = "look at it with: ls -ld \(shellQuoted(path))"
        guard kind == wanted else {
            throw FileError(.unsafe, path, "is \(kind.rawValue), expected \(wanted.rawValue)", hint: look)
        }
        guard !isForeign else {
            throw FileError(.unsafe, path, "belongs to user \(owner), expected \(geteuid())", hint: look)
        }
        guard wanted == .directory || links <= 1 else {
            throw FileError(
                .unsafe,
                path,
                "has \(links) hard links; whoever put the other one there can change it",
                hint: "cp --remove-destination a copy of it into place, or remove the other names"
            )
        }
        guard mode & 0o022 == 0 else {
            throw FileError(
                .unsafe,
                path,
                "has mode 0\(String(mode, radix: 8)): others may write it",
                hint: "chmod go-w \(shellQuoted(path))"
            )
        }
    }
}
