internal import CVaultSystem
internal import Glibc

/// An open file that closes itself.
///
/// Every one is opened close-on-exec.
public struct Descriptor: ~Copyable, Sendable {
    /// The number, for calls that want one.
    ///
    /// It must not outlive this value.
    public private(set) var rawValue: Int32
    /// What it was opened as, for messages.
    public let path: String

    /// Takes over `rawValue`.
    public init(owning rawValue: Int32, path: String) {
        self.rawValue = rawValue
        self.path = path
    }

    deinit {
        if rawValue >= 0 { _ = Glibc.close(rawValue) }
    }

    /// Opens what is at `path` without following a link in its last part, and without waiting for a FIFO's peer.
    ///
    /// The caller still has to look at `status()`.
    public static func open(_ path: String, forWriting: Bool = false) throws(FileError) -> Descriptor {
        let access = forWriting ? O_RDWR : O_RDONLY
        let result = vault_open(path, access | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0)
        guard result >= 0 else {
            if result == -ELOOP {
                throw FileError(
                    .unsafe,
                    path,
                    "is a symbolic link, expected a file",
                    hint: "look at it with: ls -ld \(shellQuoted(path))"
                )
            }
            throw FileError.system("open", path, -result)
        }
        return Descriptor(owning: result, path: path)
    }

    /// Makes a file that did not exist, mode 0600 whatever the umask.
    public static func create(_ path: String) throws(FileError) -> Descriptor {
        let result = vault_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard result >= 0 else { throw FileError.system("create", path, -result) }
        let descriptor = Descriptor(owning: result, path: path)
        // A umask can only take bits away, and one that takes away the owner's would lock us out of our own file.
        guard fchmod(result, 0o600) == 0 else {
            let code = errno
            _ = unlink(path)
            throw FileError.system("set the mode of", path, code)
        }
        return descriptor
    }

    /// What the open file is, which a rename of its path cannot change.
    public func status() throws(FileError) -> FileStatus {
        var status = stat()
        guard fstat(rawValue, &status) == 0 else { throw FileError.system("look at", path) }
        return FileStatus(status)
    }

    /// Reads from the current position until `buffer` is full or the file ends, and returns the count.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
        var count = 0
        while count < buffer.count {
            let got = Glibc.read(rawValue, buffer.baseAddress.map { $0 + count }, buffer.count - count)
            if got == 0 { break }
            if got < 0 {
                if errno == EINTR { continue }
                throw FileError.system("read", path)
            }
            count += got
        }
        return count
    }

    /// Reads up to `longest` bytes from the current position; fewer only where the file ends before.
    public func read(upTo longest: Int) throws(FileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: longest)
        var failure: FileError?
        let count = bytes.withUnsafeMutableBytes { buffer in
            do throws(FileError) { return try read(into: buffer) } catch { failure = error }
            return 0
        }
        if let failure { throw failure }
        bytes.removeLast(longest - count)
        return bytes
    }

    /// Writes all of `bytes` at the current position.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
        var written = 0
        while written < bytes.count {
            let count = Glibc.write(rawValue, bytes.baseAddress.map { $0 + written }, bytes.count - written)
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError.system("write", path)
            }
            written += count
        }
    }

    /// Reads up to `longest` bytes from `offset`; fewer only where the file ends before.
    public func read(upTo longest: Int, at offset: Int64) throws(FileError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: longest)
        var count = 0
        while count < longest {
            let got = bytes.withUnsafeMutableBytes { buffer in
                pread(rawValue, buffer.baseAddress.map { $0 + count }, longest - count, off_t(offset) + off_t(count))
            }
            if got == 0 { break }
            if got < 0 {
                if errno == EINTR { continue }
                throw FileError.system("read", path)
            }
            count += got
        }
        bytes.removeLast(longest - count)
        return bytes
    }

    /// Writes all of `bytes` at `offset`; nothing is synced.
    public func write(_ bytes: [UInt8], at offset: Int64) throws(FileError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                pwrite(
                    rawValue,
                    buffer.baseAddress.map { $0 + written },
                    bytes.count - written,
                    off_t(offset) + off_t(written)
                )
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError.system("write", path)
            }
            written += count
        }
    }

    /// Cuts the file off, or lengthens it with zeros.
    public func truncate(to size: Int64) throws(FileError) {
        guard ftruncate(rawValue, off_t(size)) == 0 else { throw FileError.system("truncate", path) }
    }

    /// Writes `bytes` over the beginning of the file, durably.
    public func overwrite(_ bytes: [UInt8]) throws(FileError) {
        guard lseek(rawValue, 0, SEEK_SET) == 0 else { throw FileError.system("write", path) }
        var failure: FileError?
        bytes.withUnsafeBytes { bytes in
            do throws(FileError) { try write(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
        try synchronize()
    }

    /// Writes so many zeros, so that their room is taken.
    ///
    /// Written and not only allocated: on some file systems an allocated block still needs room when it is first used.
    public func fill(zeros count: Int) throws(FileError) {
        let page = [UInt8](repeating: 0, count: min(count, 64 * 1024))
        var left = count
        while left > 0 {
            var failure: FileError?
            page.withUnsafeBytes { bytes in
                let part = UnsafeRawBufferPointer(rebasing: bytes.prefix(left))
                do throws(FileError) { try write(part) } catch { failure = error }
            }
            if let failure { throw failure }
            left -= page.count
        }
    }

    /// Sets the permission bits.
    public func setMode(_ mode: UInt32) throws(FileError) {
        guard fchmod(rawValue, mode) == 0 else { throw FileError.system("set the mode of", path) }
    }

    /// Makes what was written durable.
    ///
    /// A failure is final: the kernel may have dropped the pages, so a second fsync that succeeds proves nothing.
    public func synchronize() throws(FileError) {
        guard fsync(rawValue) == 0 else { throw FileError.system("fsync", path) }
    }

    /// Closes it and reports what the close reports; on some file systems that is where a full disk shows.
    public consuming func close() throws(FileError) {
        let number = rawValue
        rawValue = -1
        guard Glibc.close(number) == 0 || errno == EINTR else { throw FileError.system("close", path) }
    }
}

extension FileError {
    /// The error for a failed system call: absent, exists, or unavailable with the system's own words.
    ///
    /// - Parameter number: The errno value; by default the current one.
    public static func system(_ verb: String, _ path: String, _ number: Int32? = nil) -> FileError {
        let number = number ?? errno
        let code: Code =
            switch number {
            case ENOENT: .absent
            case EEXIST: .exists
            default: .unavailable
            }
        var text = [CChar](repeating: 0, count: 128)
        _ = strerror_r(number, &text, text.count)
        let words = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return FileError(code, path, "cannot \(verb) it: \(words)")
    }
}
