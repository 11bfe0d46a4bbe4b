internal import Glibc
internal import NIOCore
internal import PrivateFiles
internal import VaultAPI
internal import VaultCore

/// A Unix socket that only its owner can reach, and that goes when it is no longer listened to.
struct UnixSocket: Sendable {
    let path: String
    private let device: UInt64
    private let inode: UInt64

    /// Binds a socket at `path`.
    ///
    /// - Throws: `.unsafe` if others could reach the directory or anything but a dead socket of ours is there;
    ///   `.unavailable` if it cannot be made.
    static func bind(_ path: String) throws(VaultError) -> (socket: UnixSocket, descriptor: NIOBSDSocket.Handle) {
        do throws(FileError) {
            try requirePrivateDirectory(of: path)
            try removeDead(path)
            let descriptor = try bound(path)
            // The directory is closed to others, so nobody could come in before this.
            guard chmod(path, 0o600) == 0, let status = try FileStatus.of(path) else {
                let error = FileError.system("set the mode of", path)
                Glibc.close(descriptor)
                throw error
            }
            return (UnixSocket(path: path, device: status.device, inode: status.inode), descriptor)
        } catch { throw VaultError(error) }
    }

    private static func requirePrivateDirectory(of path: String) throws(FileError) {
        do throws(FileError) {
            try PrivateFiles.requireDirectory(PrivateFiles.parentDirectory(of: path))
        } catch {
            // The hint for directories that are the vault's own would have somebody close /tmp to everybody.
            let hint = "choose a directory that only you can enter, such as $XDG_RUNTIME_DIR"
            throw FileError(error.code, error.path, error.message, hint: hint)
        }
    }

    /// Removes it, unless somebody has put another one there.
    func remove() {
        guard let status = try? FileStatus.of(path), status.device == device, status.inode == inode else { return }
        unlink(path)
    }

    /// A socket that nobody listens at is what a proxy leaves behind that was killed.
    private static func removeDead(_ path: String) throws(FileError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return }
            throw FileError.system("look at", path)
        }
        guard status.st_mode & S_IFMT == S_IFSOCK, status.st_uid == geteuid() else {
            throw FileError(.unsafe, path, "is there already, and is no socket of ours", hint: "choose another path")
        }
        let probe = try made(path)
        defer { Glibc.close(probe) }
        let result = try withAddress(path) { Glibc.connect(probe, $0, $1) }
        guard result != 0, errno == ECONNREFUSED else {
            throw FileError(.unsafe, path, "is a socket that somebody listens at", hint: "choose another path")
        }
        guard unlink(path) == 0 else { throw FileError.system("remove", path) }
    }

    private static func bound(_ path: String) throws(FileError) -> Int32 {
        let descriptor = try made(path)
        do throws(FileError) {
            guard try withAddress(path, { Glibc.bind(descriptor, $0, $1) }) == 0 else {
                throw FileError.system("make the socket", path)
            }
            // At once: until then it looks like one that a dead proxy left behind.
            guard listen(descriptor, 4096) == 0 else { throw FileError.system("listen at", path) }
            return descriptor
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    private static func made(_ path: String) throws(FileError) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, type, 0)
        guard descriptor >= 0 else { throw FileError.system("make a socket for", path) }
        return descriptor
    }

    private static func withAddress(
        _ path: String,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws(FileError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw FileError(
                .unsafe,
                path,
                "is longer than the \(MemoryLayout.size(ofValue: address.sun_path) - 1) bytes of a socket's path",
                hint: "choose a shorter path"
            )
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
