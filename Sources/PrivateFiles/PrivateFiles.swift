internal import CVaultSystem
internal import Glibc

/// Files and directories that only their owner may reach: made 0600 and 0700 from the first instant, replaced
/// atomically, refused where someone else could have a hand in them.
public enum PrivateFiles {
    /// Makes `path` and what is missing above it, each with mode 0700, and refuses an existing one that is not private.
    ///
    /// Only the last part must be private; directories above it that exist already are the user's own affair.
    public static func makeDirectory(_ path: String) throws(FileError) {
        let path = withoutTrailingSlashes(path)
        if let status = try FileStatus.of(path) { return try status.requirePrivateDirectory(at: path) }
        let parent = parentDirectory(of: path)
        if parent != path, access(parent, F_OK) != 0 {
            try makeDirectory(parent)
        }
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw FileError.system("make the directory", path) }
        // A umask can take the owner's own bits away.
        if let status = try FileStatus.of(path), status.mode & 0o700 != 0o700, !status.isForeign,
            status.kind == .directory
        {
            guard chmod(path, 0o700) == 0 else { throw FileError.system("set the mode of", path) }
        }
        guard let status = try FileStatus.of(path) else { throw FileError(.absent, path, "vanished while it was made") }
        try status.requirePrivateDirectory(at: path)
        try synchronizeDirectory(parent)
    }

    /// Refuses what is not a private directory of ours, and throws `.absent` where nothing is.
    public static func requireDirectory(_ path: String) throws(FileError) {
        let path = withoutTrailingSlashes(path)
        guard let status = try FileStatus.of(path) else { throw FileError(.absent, path, "does not exist") }
        try status.requirePrivateDirectory(at: path)
    }

    /// The names in a directory of whatever owner, without `.` and `..`, unordered; bytes that are no UTF-8 are replaced.
    ///
    /// - Throws: `.absent` where there is none.
    public static func names(in path: String) throws(FileError) -> [String] {
        guard let stream = opendir(path) else { throw FileError.system("list", path) }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        guard errno == 0 else { throw FileError.system("list", path) }
        return names
    }

    /// Opens a private file of ours, or throws `.absent`.
    public static func open(_ path: String, forWriting: Bool = false) throws(FileError) -> Descriptor {
        // lstat first: opening a device or FIFO can have effects of its own.
        guard let before = try FileStatus.of(path) else { throw FileError(.absent, path, "does not exist") }
        try before.requirePrivateFile(at: path)
        let descriptor = try Descriptor.open(path, forWriting: forWriting)
        try descriptor.status().requirePrivateFile(at: path)
        return descriptor
    }

    /// Writes a file that must not exist: all of it under a temporary name, fsync, then a rename that replaces nothing.
    public static func create(_ path: String, contents: UnsafeRawBufferPointer) throws(FileError) {
        let file = try NewFile(for: path)
        try file.write(contents)
        try file.publish()
    }

    /// Replaces a file as a whole, or makes it: under a temporary name, fsync, rename, fsync of the directory.
    ///
    /// If it throws, the file at `path` is what it was.
    ///
    /// - Parameter mode: The permission bits of the new file.
    public static func replace(
        _ path: String,
        contents: UnsafeRawBufferPointer,
        mode: UInt32 = 0o600
    ) throws(FileError) {
        let file = try NewFile(for: path)
        try file.write(contents)
        try file.publish(replacing: true, mode: mode)
    }

    /// Puts the file `old` in the place of `new`, atomically and durably.
    public static func rename(_ old: String, to new: String) throws(FileError) {
        guard Glibc.rename(old, new) == 0 else { throw FileError.system("replace", new) }
        try synchronizeDirectory(parentDirectory(of: new))
    }

    /// Removes a file and makes the removal durable.
    public static func remove(_ path: String) throws(FileError) {
        guard unlink(path) == 0 else { throw FileError.system("remove", path) }
        try synchronizeDirectory(parentDirectory(of: path))
    }

    /// Makes renames and removals in a directory durable.
    public static func synchronizeDirectory(_ path: String) throws(FileError) {
        let result = vault_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        guard result >= 0 else { throw FileError.system("open", path, -result) }
        try Descriptor(owning: result, path: path).synchronize()
    }

    /// Everything before the last slash; `.` for a bare name, `/` for the root.
    public static func parentDirectory(of path: String) -> String {
        let trimmed = withoutTrailingSlashes(path)
        guard let slash = trimmed.lastIndex(of: "/") else { return "." }
        let parent = trimmed[..<slash]
        return parent.isEmpty ? "/" : String(parent)
    }

    /// The path without slashes at its end: `lstat` follows a link whose path ends in one.
    public static func withoutTrailingSlashes(_ path: String) -> String {
        var trimmed = Substring(path)
        while trimmed.count > 1, trimmed.hasSuffix("/") { trimmed.removeLast() }
        return String(trimmed)
    }
}
