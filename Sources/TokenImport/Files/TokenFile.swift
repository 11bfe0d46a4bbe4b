internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// One reading of a token file: its bytes, their hash, and what the file was at that moment.
struct TokenFile: Sendable {
    /// Larger files are no token files.
    static let maximumBytes: Int64 = 16 << 20

    let path: String
    let status: FileStatus
    /// SHA-256 of the bytes.
    let sha256: [UInt8]
    let bytes: SharedSecret

    /// When it was last written.
    var modified: Timestamp {
        let (seconds, rest) = status.modifiedNanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
        let nanoseconds = UInt32(rest < 0 ? rest + 1_000_000_000 : rest)
        guard let instant = Timestamp(seconds: rest < 0 ? seconds - 1 : seconds, nanoseconds: nanoseconds) else {
            preconditionFailure("TokenImport: 64 bits of nanoseconds reach from 1677 to 2262")
        }
        return instant
    }

    /// Reads a regular file of ours, once more if it changed while it was read.
    ///
    /// Its mode may be wide: most tools write with the umask, and a wide mode is a reason to import, not to refuse.
    ///
    /// - Throws: `.notFound`; `.unsafe` for links, FIFOs, devices and foreign files; `.damaged` for one that is too
    ///   large; `.temporary` for one that keeps changing; `.unavailable`.
    static func read(_ path: String) throws(VaultError) -> TokenFile {
        if let file = try withFiles({ () throws(FileError) in try attempt(path) }) { return file }
        if let file = try withFiles({ () throws(FileError) in try attempt(path) }) { return file }
        throw VaultError(
            .temporary,
            "\(printable(path)) changes while it is read; the program that owns it is at work",
            hint: "end that program or try again"
        )
    }

    /// `nil` if the file changed meanwhile.
    private static func attempt(_ path: String) throws(FileError) -> TokenFile? {
        // lstat first: opening a device or FIFO can have effects of its own.
        guard let before = try FileStatus.of(path) else { throw FileError(.absent, path, "does not exist") }
        try require(before, path)
        let descriptor = try Descriptor.open(path)
        let opened = try descriptor.status()
        try require(opened, path)
        guard opened.isSame(as: before) else { return nil }
        var secret = try memory(Int(opened.size), path)
        let count = try secret.withUnsafeMutableBytes { (target) throws(FileError) in try descriptor.read(into: target)
        }
        guard count == secret.count else { return nil }
        guard try descriptor.status().isSame(as: opened) else { return nil }
        let text = SharedSecret(secret)
        let digest = text.withBytes { VaultCrypto.sha256($0) }
        return TokenFile(path: path, status: opened, sha256: digest, bytes: text)
    }

    private static func require(_ status: FileStatus, _ path: String) throws(FileError) {
        guard status.kind == .regular else {
            throw FileError(.unsafe, path, "is \(status.kind.rawValue), expected a regular file")
        }
        guard !status.isForeign else {
            throw FileError(.unsafe, path, "belongs to user \(status.owner): its tokens are not yours to take in")
        }
        guard status.size <= maximumBytes else {
            throw FileError(.tooLarge, path, "has \(status.size) bytes; a token file has \(maximumBytes) at most")
        }
    }

    private static func memory(_ size: Int, _ path: String) throws(FileError) -> SecretBytes {
        do { return try SecretBytes(zeroed: size) } catch {
            throw FileError(.unavailable, path, "cannot be read: \(error.message)")
        }
    }
}

extension FileStatus {
    /// Whether nothing of what a write or a rename changes has changed.
    func isSame(as other: FileStatus) -> Bool {
        device == other.device && inode == other.inode && size == other.size
            && modifiedNanoseconds == other.modifiedNanoseconds
    }
}
