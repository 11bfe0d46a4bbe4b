internal import Glibc
package import PrivateFiles
internal import StrictJSON
package import VaultAPI

/// A file that a user wrote for the vault to read: small, of their own, and nobody else's to change.
package enum SettingsFile {
    /// More than any settings or provider needs.
    package static let longest = 64 << 10

    /// The file's bytes; `nil` where there is none.
    ///
    /// - Throws: `.unsafe` for a link, a foreign owner or a file that others may write, `.configuration` for what is no
    ///   file or too long, `.unavailable` if it cannot be read.
    package static func read(_ path: String) throws(VaultError) -> (bytes: [UInt8], isReadableByOthers: Bool)? {
        do throws(FileError) {
            // lstat first: opening a device or FIFO can have effects of its own.
            guard let before = try FileStatus.of(path) else { return nil }
            if before.kind == .symbolicLink { throw unsafe(path, "is a symbolic link, expected a file") }
            guard before.kind == .regular else { throw unusable(path, "is \(before.kind.rawValue), expected a file") }
            let descriptor = try Descriptor.open(path)
            let status = try descriptor.status()
            guard status.kind == .regular else { throw unusable(path, "is \(status.kind.rawValue), expected a file") }
            try requireOwn(status, path)
            guard status.size <= longest else { throw tooLong(path, Int(status.size)) }
            let bytes = try descriptor.read(upTo: longest + 1)
            // It may have grown since its length was asked for.
            guard bytes.count <= longest else { throw tooLong(path, bytes.count) }
            return (bytes, status.mode & 0o044 != 0)
        } catch {
            if error.code == .absent { return nil }
            throw VaultError(error, path)
        }
    }

    /// The names in a directory of the user's, sorted by their bytes; empty where there is none.
    package static func names(in path: String) throws(VaultError) -> [String] {
        do throws(FileError) {
            let path = PrivateFiles.withoutTrailingSlashes(path)
            guard try isOwnDirectory(path) else { return [] }
            let names = try PrivateFiles.names(in: path).filter { !$0.hasPrefix(".") }
            return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        } catch {
            if error.code == .absent { return [] }
            throw VaultError(error, path)
        }
    }

    /// Makes a file that does not exist, whole or not at all, mode 0600, and its directory where that is missing.
    ///
    /// - Throws: `.exists` where there is one, `.unsafe` for a directory that others may write.
    package static func create(_ path: String, _ bytes: [UInt8]) throws(FileError) {
        let directory = PrivateFiles.parentDirectory(of: path)
        if try !isOwnDirectory(directory) { try PrivateFiles.makeDirectory(directory) }
        let file = try NewFile(for: path)
        try file.write(bytes)
        try file.publish()
    }

    /// Whether there is a directory, which others may then not write.
    private static func isOwnDirectory(_ path: String) throws(FileError) -> Bool {
        guard let status = try FileStatus.of(path) else { return false }
        if status.kind == .symbolicLink { throw unsafe(path, "is a symbolic link, expected a directory") }
        guard status.kind == .directory else {
            throw unusable(path, "is \(status.kind.rawValue), expected a directory")
        }
        try requireOwn(status, path)
        return true
    }

    private static func requireOwn(_ status: FileStatus, _ path: String) throws(FileError) {
        // What root put there, an administrator did.
        guard !status.isForeign || status.owner == 0 else {
            throw unsafe(path, "belongs to user \(status.owner), expected \(geteuid())")
        }
        guard status.mode & 0o022 == 0 else {
            throw FileError(
                .unsafe,
                path,
                "has mode 0\(String(status.mode, radix: 8)): others can write it, and so choose where tokens go",
                hint: "chmod go-w \(shellQuoted(path))"
            )
        }
    }

    private static func unsafe(_ path: String, _ message: String) -> FileError {
        FileError(.unsafe, path, message, hint: "look at it with: ls -ld \(shellQuoted(path))")
    }

    private static func unusable(_ path: String, _ message: String) -> FileError {
        FileError(.exists, path, message, hint: "look at it with: ls -ld \(shellQuoted(path))")
    }

    private static func tooLong(_ path: String, _ count: Int) -> FileError {
        FileError(.tooLarge, path, "has \(count) bytes or more, expected \(longest) at most")
    }
}

extension VaultError {
    /// The error for a settings file at `path`.
    package init(_ error: FileError, _ path: String) {
        let code: Code =
            switch error.code {
            case .unsafe: .unsafe
            case .tooLarge, .exists: .configuration
            default: .unavailable
            }
        self.init(code, "\(printable(path)): \(error.message)", hint: error.hint, underlying: error)
    }
}
