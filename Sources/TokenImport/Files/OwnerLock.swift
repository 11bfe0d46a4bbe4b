internal import Glibc
internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI

/// The locks of the program that owns a file, held while the file is edited.
///
/// Directories, as npm's proper-lockfile makes them: whoever makes one holds it. One that its holder has not touched
/// for a minute is stale by that program's own rule, so a kill here costs the owner no more than that.
enum OwnerLock {
    private static let staleNanoseconds: Int64 = 60_000_000_000

    /// Runs `body` with all of them taken, or not at all.
    ///
    /// A place where no directory can be made is no lock of anybody's and is left out.
    ///
    /// - Throws: `.temporary` where the owner holds one, and what `body` throws.
    static func holding<Result>(
        _ paths: [String],
        _ body: () throws(VaultError) -> Result
    ) throws(VaultError) -> Result {
        var held: [String] = []
        defer { for path in held { _ = rmdir(path) } }
        for path in paths where try take(path) { held.append(path) }
        return try body()
    }

    /// Whether the lock is ours now, as opposed to nobody's.
    private static func take(_ path: String) throws(VaultError) -> Bool {
        if mkdir(path, 0o700) == 0 { return true }
        guard errno == EEXIST else { return false }
        guard isStale(path), rmdir(path) == 0, mkdir(path, 0o700) == 0 else {
            throw VaultError(
                .temporary,
                "\(printable(path)) is held by the program that owns the file; nothing was removed",
                hint: "end that program, or try again"
            )
        }
        return true
    }

    private static func isStale(_ path: String) -> Bool {
        guard let status = try? FileStatus.of(path), status.kind == .directory else { return false }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let nanoseconds = Int64(now.tv_sec) &* 1_000_000_000 &+ Int64(now.tv_nsec)
        return nanoseconds &- status.modifiedNanoseconds > staleNanoseconds
    }
}
