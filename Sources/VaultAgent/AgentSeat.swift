internal import AgentClient
internal import CVaultSystem
internal import Glibc
internal import PrivateFiles
internal import Synchronization
package import VaultAPI

/// The one place of the user's agent: a socket, and a lock that says whose it is.
///
/// The lock is held as long as the process lives, so a socket that was left behind by one that died is known for what it
/// is; a file with a process id would not say that.
package final class AgentSeat: Sendable {
    package let path: String
    /// Descriptors that hold the lock; more than one where its file was taken away and made anew.
    private let locks: Mutex<[Int32]>

    private init(path: String, lock: Int32) {
        self.path = path
        locks = Mutex([lock])
    }

    deinit { locks.withLock { $0.forEach { close($0) } } }

    /// Takes the place.
    ///
    /// - Throws: `.failed` if another agent has it; `.unsafe` if the directory is not the user's alone.
    package static func take(_ path: String) throws(VaultError) -> AgentSeat {
        guard let lock = try lock(path) else {
            throw VaultError(
                .failed,
                "another agent runs already at \(path)",
                hint: "vault status shows it; vault agent stop ends it"
            )
        }
        return AgentSeat(path: path, lock: lock)
    }

    /// Whether the place is this agent's still; a lock file that somebody has removed is made anew.
    func keep() -> Bool {
        let held = locks.withLock { locks in locks.compactMap { FileIdentity($0) } }
        if let there = FileIdentity(path + ".lock"), held.contains(there) { return true }
        guard let lock = try? Self.lock(path) else { return false }
        locks.withLock { $0.append(lock) }
        return true
    }

    /// A descriptor that holds the lock; `nil` if another one does.
    private static func lock(_ path: String) throws(VaultError) -> Int32? {
        let directory = PrivateFiles.parentDirectory(of: path)
        do throws(FileError) {
            try PrivateFiles.makeDirectory(directory)
            try PrivateFiles.requireDirectory(directory)
        } catch {
            throw VaultError(.unsafe, "the agent's directory \(directory): \(error.message)", hint: error.hint)
        }
        let file = path + ".lock"
        let lock = vault_open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else {
            throw VaultError(.unavailable, "cannot open \(file): \(String(cString: strerror(-lock)))")
        }
        guard vault_try_lock_range(lock, 0, 1) == 0 else {
            close(lock)
            return nil
        }
        return lock
    }

    /// A new listening socket at the path, mode 0600.
    ///
    /// What was left there by an agent that died goes; what is no socket of ours stays, and is an error.
    package func makeSocket() throws(VaultError) -> Int32 { try Self.makeSocket(path) }

    /// A new listening socket at any path, for `--forward`.
    package static func makeSocket(_ path: String) throws(VaultError) -> Int32 {
        var status = stat()
        if lstat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFSOCK, status.st_uid == geteuid() else {
                throw VaultError(
                    .unsafe,
                    "\(path) is there and is no socket of this user's",
                    hint: "look at it, and remove it"
                )
            }
            unlink(path)
        }
        guard let address = AgentSocket.Address(path) else {
            throw VaultError(.unavailable, "\(path) is too long for a socket", hint: "set VAULT_AGENT_SOCK")
        }
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw failure("make a socket", path) }
        // unix(7): on Linux the file gets the mode that the socket has; there is no moment at which others could connect.
        fchmod(socket, 0o600)
        guard address.with({ Glibc.bind(socket, $0, $1) }) == 0, Glibc.listen(socket, 4096) == 0 else {
            let error = failure("listen at", path)
            close(socket)
            throw error
        }
        return socket
    }

    /// Removes the socket from the path.
    package func clear() { unlink(path) }

    private static func failure(_ action: String, _ path: String) -> VaultError {
        VaultError(.unavailable, "cannot \(action) \(path): \(String(cString: strerror(errno)))")
    }
}

/// Which file stands at a path, or is open.
struct FileIdentity: Equatable, Sendable {
    private let device: UInt64
    private let inode: UInt64

    /// `nil` where nothing is there.
    init?(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        self.init(status)
    }

    init?(_ descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }
}
