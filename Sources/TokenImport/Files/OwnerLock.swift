internal import CVaultSystem
internal import Glibc
internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI

/// The locks of the program that owns a file, held while the file is edited.
enum OwnerLock {
    /// What its holder has not touched for a minute is nobody's: programs that lock in this way (npm's proper-lockfile
    /// and its kin) give a lock up after 10 to 60 seconds, so a kill here costs the owner no more than that.
    private static let staleNanoseconds: Int64 = 60_000_000_000

    /// Runs `body` with all of them taken, or not at all.
    ///
    /// A place where nothing can be made is no lock of anybody's and is left out.
    ///
    /// - Throws: `.temporary` where the owner holds one, and what `body` throws.
    static func holding<Result>(
        _ locks: [(kind: LockPattern.Kind, path: String)],
        _ body: () throws(VaultError) -> Result
    ) throws(VaultError) -> Result {
        var directories: [String] = []
        var descriptors: [Int32] = []
        var files: [String] = []
        defer {
            for path in directories { _ = rmdir(path) }
            for path in files { _ = unlink(path) }
            for descriptor in descriptors {
                // A process that is just being started holds a copy until it runs its program, and the lock with it.
                _ = flock(descriptor, LOCK_UN)
                close(descriptor)
            }
        }
        for lock in locks {
            switch lock.kind {
            case .directory:
                if try take(lock.path, kind: .directory, make: { mkdir($0, 0o700) == 0 }, remove: { rmdir($0) }) {
                    directories.append(lock.path)
                }
            case .file:
                if try take(lock.path, kind: .regular, make: makeFile, remove: { unlink($0) }) {
                    files.append(lock.path)
                }
            case .flock: if let descriptor = try open(lock.path) { descriptors.append(descriptor) }
            }
        }
        return try body()
    }

    /// Whether the lock is ours now, as opposed to nobody's.
    private static func take(
        _ path: String,
        kind: FileStatus.Kind,
        make: (String) -> Bool,
        remove: (String) -> Int32
    ) throws(VaultError) -> Bool {
        if make(path) { return true }
        guard errno == EEXIST else { return false }
        guard isStale(path, kind), remove(path) == 0, make(path) else { throw held(path) }
        return true
    }

    private static func makeFile(_ path: String) -> Bool {
        let descriptor = vault_open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            errno = -descriptor
            return false
        }
        close(descriptor)
        return true
    }

    /// The descriptor that holds the lock; `nil` where it is nobody's.
    ///
    /// The file stays: whoever waits for the lock has it open already.
    private static func open(_ path: String) throws(VaultError) -> Int32? {
        let descriptor = vault_open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return nil }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw held(path)
        }
        return descriptor
    }

    private static func held(_ path: String) -> VaultError {
        VaultError(
            .temporary,
            "\(printable(path)) is held by the program that owns the file; nothing was changed",
            hint: "end that program, or try again"
        )
    }

    private static func isStale(_ path: String, _ kind: FileStatus.Kind) -> Bool {
        guard let status = try? FileStatus.of(path), status.kind == kind else { return false }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let nanoseconds = Int64(now.tv_sec) &* 1_000_000_000 &+ Int64(now.tv_nsec)
        return nanoseconds &- status.modifiedNanoseconds > staleNanoseconds
    }
}
