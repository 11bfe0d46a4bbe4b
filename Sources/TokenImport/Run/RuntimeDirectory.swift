internal import CVaultSystem
internal import Glibc
internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI

/// The user's own directory in memory: gone with the session, and on no disk.
enum RuntimeDirectory {
    /// Where private directories are made: `vault` below the user's runtime directory.
    ///
    /// - Parameter variable: The value of `XDG_RUNTIME_DIR`.
    /// - Throws: `.unavailable` where there is no such directory, `.unsafe` where others can reach it or it lies on a
    ///   disk: what was once written there can be read from the disk.
    static func forRuns(_ variable: String?) throws(VaultError) -> String {
        let hint =
            "log in as a user of a systemd machine does, or set XDG_RUNTIME_DIR to a private directory on a tmpfs"
        let given = variable.flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "/run/user/\(geteuid())"
        let found = try withFiles { () throws(FileError) in try FileStatus.of(given) }
        guard let found else {
            throw VaultError(
                .unavailable,
                "there is no runtime directory: \(printable(given)) does not exist",
                hint: hint
            )
        }
        guard found.kind == .directory, !found.isForeign, !found.isWide else {
            throw VaultError(.unsafe, "\(printable(given)) is not a private directory of yours", hint: hint)
        }
        guard vault_is_in_memory(given) else {
            throw VaultError(
                .unsafe,
                "\(printable(given)) is not in memory (tmpfs); no token is written to a disk",
                hint: hint
            )
        }
        let directory = PathResolution.absolute(given) + "/vault"
        try withFiles { () throws(FileError) in try PrivateFiles.makeDirectory(directory) }
        return directory
    }
}
