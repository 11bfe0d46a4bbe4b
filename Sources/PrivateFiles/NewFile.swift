internal import CVaultSystem
internal import Glibc

/// A file in the making: written under a temporary name beside its place, and put there whole or not at all.
///
/// One that is not published is removed again.
public struct NewFile: ~Copyable, Sendable {
    private let temporary: String
    private let path: String
    private let descriptor: Descriptor
    private var isPublished = false

    /// Begins a file that will be `path`.
    public init(for path: String) throws(FileError) {
        let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
        let temporary = "\(path).\(suffix).tmp"
        self.init(try Descriptor.create(temporary), temporary, path)
    }

    private init(_ descriptor: consuming Descriptor, _ temporary: String, _ path: String) {
        self.descriptor = descriptor
        self.temporary = temporary
        self.path = path
    }

    deinit {
        if !isPublished { _ = unlink(temporary) }
    }

    /// Adds bytes.
    public borrowing func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        try descriptor.write(bytes)
    }

    /// Adds bytes that are not secret.
    public borrowing func write(_ bytes: [UInt8]) throws(FileError) {
        var failure: FileError?
        bytes.withUnsafeBytes { bytes in
            do throws(FileError) { try descriptor.write(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Puts the file in its place: fsync, rename, fsync of the directory.
    ///
    /// - Parameters:
    ///   - replacing: Whether a file that is there is replaced; otherwise there must be none.
    ///   - mode: The permission bits.
    ///   - isDurable: Whether it must survive a power failure; otherwise nothing is synced.
    public consuming func publish(
        replacing: Bool = false,
        mode: UInt32 = 0o600,
        isDurable: Bool = true
    ) throws(FileError) {
        if mode != 0o600 { try descriptor.setMode(mode) }
        if isDurable { try descriptor.synchronize() }
        if replacing {
            guard rename(temporary, path) == 0 else { throw FileError.system("replace", path) }
        } else {
            let result = vault_rename_exclusive(temporary, path)
            guard result == 0 else { throw FileError.system("create", path, result) }
        }
        isPublished = true
        if isDurable { try PrivateFiles.synchronizeDirectory(PrivateFiles.parentDirectory(of: path)) }
    }
}
