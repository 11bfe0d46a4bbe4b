internal import Glibc

/// What `lstat` or `fstat` says of a file, as far as the vault decides by it.
public struct FileStatus: Hashable, Sendable {
    /// What kind of thing it is.
    public enum Kind: String, Sendable {
        /// A regular file.
        case regular = "a regular file"
        /// A directory.
        case directory = "a directory"
        /// A symbolic link.
        case symbolicLink = "a symbolic link"
        /// A FIFO.
        case fifo = "a FIFO"
        /// Anything else: a device or a socket.
        case special = "a device or socket"
    }

    /// What kind of thing it is.
    public let kind: Kind
    /// The device it is on.
    public let device: UInt64
    /// Its inode number.
    public let inode: UInt64
    /// The user id of its owner.
    public let owner: UInt32
    /// The permission bits.
    public let mode: UInt32
    /// How many names it has.
    public let links: UInt64
    /// Its size in bytes.
    public let size: Int64
    /// When its contents were last changed, in nanoseconds since 1970.
    public let modifiedNanoseconds: Int64

    /// Whether another user owns it.
    public var isForeign: Bool { owner != geteuid() }

    /// Whether group or others may do anything with it.
    public var isWide: Bool { mode & 0o077 != 0 }

    /// The status of what is at `path`, a link not followed; `nil` where nothing is.
    public static func of(_ path: String) throws(FileError) -> FileStatus? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw FileError.system("look at", path)
        }
        return FileStatus(status)
    }

    /// What stands for the status of something that is read like a file and is none: ours, private, of one name.
    public static var nowhere: FileStatus {
        var status = stat()
        status.st_mode = S_IFREG | 0o600
        status.st_nlink = 1
        status.st_uid = geteuid()
        return FileStatus(status)
    }

    init(_ status: stat) {
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            case S_IFIFO: .fifo
            default: .special
            }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        owner = status.st_uid
        mode = status.st_mode & 0o7777
        links = UInt64(status.st_nlink)
        size = Int64(status.st_size)
        modifiedNanoseconds = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
    }

    /// Refuses whatever is not a regular file of ours with mode 0600 or narrower and one name.
    public func requirePrivateFile(at path: String) throws(FileError) {
        try requireOwn(.regular, at: path)
        guard links <= 1 else {
            throw FileError(
                .unsafe,
                path,
                "has \(links) hard links; whoever put the other one there can change it",
                hint: "cp --remove-destination a copy of it into place, or remove the other names"
            )
        }
        guard !isWide else {
            throw FileError(
                .unsafe,
                path,
                "has mode 0\(String(mode, radix: 8)), expected 0600: others can reach it",
                hint: "chmod 600 \(shellQuoted(path))"
            )
        }
    }

    /// Refuses whatever is not a directory of ours with mode 0700 or narrower.
    public func requirePrivateDirectory(at path: String) throws(FileError) {
        try requireOwn(.directory, at: path)
        guard !isWide else {
            throw FileError(
                .unsafe,
                path,
                "has mode 0\(String(mode, radix: 8)), expected 0700: others can reach what is in it",
                hint: "chmod 700 \(shellQuoted(path))"
            )
        }
    }

    private func requireOwn(_ wanted: Kind, at path: String) throws(FileError) {
        guard kind == wanted else {
            throw FileError(
                .unsafe,
                path,
                "is \(kind.rawValue), expected \(wanted.rawValue)",
                hint: "look at it with: ls -ld \(shellQuoted(path))"
            )
        }
        guard !isForeign else {
            throw FileError(
                .unsafe,
                path,
                "belongs to user \(owner), expected \(geteuid())",
                hint: "look at it with: ls -ld \(shellQuoted(path))"
            )
        }
    }
}

/// A path as a POSIX shell takes it as one word.
public func shellQuoted(_ path: String) -> String {
    let plain = path.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: ":"), UInt8(ascii: "@"), UInt8(ascii: ","):
            true
        default: false
        }
    }
    if plain && !path.isEmpty { return path }
    var quoted = "'"
    for character in path {
        if character == "'" { quoted += "'\\''" } else { quoted.append(character) }
    }
    return quoted + "'"
}
