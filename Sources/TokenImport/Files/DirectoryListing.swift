internal import Glibc
internal import PrivateFiles
internal import VaultAPI

/// What stands in a directory, opened once.
///
/// The directory stays open, so that what is looked at in it needs no path of its own.
struct DirectoryListing: ~Copyable {
    /// One name in it.
    struct Entry {
        /// As the file system has it, with the zero that ends it.
        let bytes: [CChar]
        /// `nil` where the bytes are no UTF-8.
        let name: String?
        let kind: FileStatus.Kind
    }

    /// The open directory.
    let descriptor: Int32
    let entries: [Entry]
    private let stream: OpaquePointer

    /// Opens and reads a directory; a link to one is none.
    init(_ path: String, followingLink: Bool = false) throws(VaultError) {
        let opened = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | (followingLink ? 0 : O_NOFOLLOW))
        guard opened >= 0, let stream = fdopendir(opened) else {
            let error = FileError.system("list", path)
            if opened >= 0 { close(opened) }
            throw VaultError(error)
        }
        self.stream = stream
        descriptor = opened
        entries = Self.read(stream, opened)
    }

    deinit { closedir(stream) }

    /// In the order of the names' bytes, so that two looks at the same tree give the same plan.
    private static func read(_ stream: OpaquePointer, _ descriptor: Int32) -> [Entry] {
        var entries: [Entry] = []
        let offset = MemoryLayout<dirent>.offset(of: \.d_name) ?? 0
        while let found = readdir(stream) {
            let name = UnsafeRawPointer(found).advanced(by: offset).assumingMemoryBound(to: CChar.self)
            let bytes = Array(UnsafeBufferPointer(start: name, count: strlen(name) + 1))
            if bytes == [46, 0] || bytes == [46, 46, 0] { continue }
            entries.append(
                Entry(
                    bytes: bytes,
                    name: String(validatingCString: name),
                    kind: kind(found.pointee.d_type, name, descriptor)
                )
            )
        }
        return entries.sorted { one, other in
            one.bytes.withUnsafeBufferPointer { one in
                other.bytes.withUnsafeBufferPointer { other in
                    guard let one = one.baseAddress, let other = other.baseAddress else { return false }
                    return strcmp(one, other) < 0
                }
            }
        }
    }

    /// As the directory says; where it does not, the file is asked.
    private static func kind(_ type: UInt8, _ name: UnsafePointer<CChar>, _ descriptor: Int32) -> FileStatus.Kind {
        switch Int32(type) {
        case 8: return .regular
        case 4: return .directory
        case 10: return .symbolicLink
        case 1: return .fifo
        case 0:
            var status = stat()
            guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return .special }
            switch status.st_mode & S_IFMT {
            case S_IFREG: return .regular
            case S_IFDIR: return .directory
            case S_IFLNK: return .symbolicLink
            case S_IFIFO: return .fifo
            default: return .special
            }
        default: return .special
        }
    }
}
