import FoundationEssentials
import Glibc

/// A directory of its own for one test, removed with it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path =
            FileManager.default.temporaryDirectory
            .appending(path: "vault-storage-\(UUID().uuidString)", directoryHint: .notDirectory).path
        try FileManager.default.createDirectory(
            atPath: path,
            withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700]
        )
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of what is called `name` in it.
    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}

/// All bytes of a file.
func bytes(_ path: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(filePath: path)))
}

/// Writes a file of that mode, whatever the umask.
func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o600) throws {
    try Data(bytes).write(to: URL(filePath: path))
    try check(chmod(path, mode), "chmod \(path)")
}

/// Names in a directory, in order.
func names(in directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
}

/// The permission bits.
func mode(of path: String) throws -> UInt32 {
    var status = stat()
    try check(lstat(path, &status), "lstat \(path)")
    return status.st_mode & 0o7777
}

/// Throws unless a system call succeeded.
func check(_ result: Int32, _ what: String) throws {
    guard result == 0 else { throw SystemCallFailed(what: what, number: errno) }
}

struct SystemCallFailed: Error {
    let what: String
    let number: Int32
}
