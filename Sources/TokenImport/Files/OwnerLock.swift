internal import CVaultSystem
internal import Glibc
internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI

/// The locks of the program that owns a file, held while the file is edited.
enum OwnerLock {
    /// A directory that its holder has not touched for a minute is stale by npm's own rule (proper-lockfile), so a kill
    /// here costs the owner no more than that.
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
        defer {
            for path in directories { _ = rmdir(path) }
            for descriptor in descriptors { close(descriptor) }
        }
        for lock in locks {
            switch lock.kind {
            case .directory: if try take(lock.path) { directories.append(lock.path) }
            case .flock: if let descriptor = try open(lock.path) { descriptors.append(descriptor) }
            }
        }
        return try body()
    }

    /// Whether the lock is ours now, as opposed to nobody's.
    private static func take(_ path: String) throws(VaultError) -> Bool {
        if mkdir(path, 0o700) == 0 { return true }
        guard errno == EEXIST else { return false }
        guard isStale(path), rmdir(path) == 0, mkdir(path, 0o700) == 0 else { throw held(path) }
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

    private static func isStale(_ path: String) -> Bool {
        guard let status = try? FileStatus.of(path), status.kind == .directory else { return false }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let nanoseconds = Int64(now.tv_sec) &* 1_000_000_000 &+ Int64(now.tv_nsec)
        return nanoseconds &- status.modifiedNanoseconds > staleNanoseconds
    }
}
