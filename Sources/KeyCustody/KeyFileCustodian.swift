internal import PrivateFiles
public import VaultCrypto

/// Opens with a key file: 32 random bytes that vault made, in a private file of its own.
///
/// The file is one line, `vault-key-file-1 ` and 64 hexadecimal digits. Anything else is refused: a picture or a
/// song as a key file looks clever and has no entropy.
public struct KeyFileCustodian: KeyCustodian {
    private static let prefix = Array("vault-key-file-1 ".utf8)
    private static let length = prefix.count + 64 + 1

    private let path: String?

    /// A custodian for the file at `path`; without one, for the file that a slot names.
    public init(path: String? = nil) {
        self.path = path
    }

    /// Makes the file.
    ///
    /// It must not exist.
    public func enroll(_ slot: SlotDescription, vault: [UInt8]) async throws(CustodyError) -> SharedSecret {
        guard let path else {
            throw CustodyError(.malformed, "a new key file needs a path", hint: "add --key-file PATH")
        }
        return try Self.make(path)
    }

    /// Makes a file beside the one that `old` names, for the slot that replaces it.
    ///
    /// `publish` puts it in place once the new header is on the disk. Its name carries the new slot's id, so that until
    /// then, and if nobody comes to that, the slot finds it, and nothing of anybody else's is ever in the way.
    public func enrollSuccessor(_ new: SlotDescription, of old: KeySlot) throws(CustodyError) -> SharedSecret {
        try Self.make(Self.unpublished(new, at: old.path))
    }

    /// Puts the successor in the place of the old file.
    ///
    /// What a rotation that was cut short left of the old slot goes with it.
    public func publish(_ new: SlotDescription, successorOf old: KeySlot) throws(CustodyError) {
        do throws(FileError) {
            try PrivateFiles.rename(Self.unpublished(new, at: old.path), to: old.path)
            let leftOver = Self.unpublished(old.description, at: old.path)
            if try FileStatus.of(leftOver) != nil { try PrivateFiles.remove(leftOver) }
        } catch {
            throw Self.error(error, old.path)
        }
    }

    /// Takes a successor away again that no header refers to.
    public func discard(_ new: SlotDescription, successorOf old: KeySlot) {
        guard new.kind == .keyFile else { return }
        do throws(FileError) { try PrivateFiles.remove(Self.unpublished(new, at: old.path)) } catch {}
    }

    private static func unpublished(_ slot: SlotDescription, at path: String) -> String {
        "\(path).\(slot.shortID).new"
    }

    private static func make(_ path: String) throws(CustodyError) -> SharedSecret {
        do {
            let key = try SecretBytes(random: 32)
            var line = try SecretBuffer(capacity: length)
            try line.append(prefix)
            try key.withUnsafeBytes { (bytes) throws(CryptoError) -> Void in
                for byte in bytes {
                    try line.append(digits[Int(byte >> 4)])
                    try line.append(digits[Int(byte & 15)])
                }
            }
            try line.append(10)
            try line.withUnsafeBytes { (bytes) throws(FileError) -> Void in
                try PrivateFiles.create(path, contents: bytes)
            }
            // Read back what the disk has: a slot whose key file is not there would look like a key.
            let kept = try read(path)
            guard kept.withSecret({ $0.equals(key) }) else {
                throw CustodyError(.unavailable, "\(path): the key file does not read back as it was written")
            }
            return kept
        } catch {
            throw Self.error(error, path)
        }
    }

    /// The root in the file.
    public func roots(for slot: KeySlot, vault: [UInt8]) async throws(CustodyError) -> [SharedSecret] {
        let path = path ?? slot.path
        // Where a rotation was killed between its header and its rename, the slot's key has not got its name yet.
        let unpublished = Self.unpublished(slot.description, at: path)
        do {
            if try FileStatus.of(unpublished) != nil { return [try Self.read(unpublished)] }
            return [try Self.read(path)]
        } catch {
            throw Self.error(error, path, isReading: true)
        }
    }

    private static let digits = Array("0123456789abcdef".utf8)

    private static func read(_ path: String) throws -> SharedSecret {
        let file = try PrivateFiles.open(path)
        var line = try SecretBytes(zeroed: length + 1)
        let count = try line.withUnsafeMutableBytes { (bytes) throws(FileError) in try file.read(into: bytes) }
        var key = try SecretBytes(zeroed: 32)
        let valid = line.withUnsafeBytes { line in
            key.withUnsafeMutableBytes { key in
                guard count == length, line.starts(with: prefix), line[length - 1] == 10 else { return false }
                for index in key.indices {
                    guard let high = digits.firstIndex(of: line[prefix.count + index * 2]),
                        let low = digits.firstIndex(of: line[prefix.count + index * 2 + 1])
                    else { return false }
                    key[index] = UInt8(high << 4 | low)
                }
                return true
            }
        }
        guard valid else {
            throw CustodyError(
                .damaged,
                "\(path): is no key file that vault made",
                hint: "make one with: vault key add key-file:PATH"
            )
        }
        return SharedSecret(key)
    }

    private static func error(_ error: any Error, _ path: String, isReading: Bool = false) -> CustodyError {
        switch error {
        case let error as CustodyError: return error
        case let error as FileError:
            let code: CustodyError.Code =
                switch error.code {
                case .absent where isReading: .absent
                case .unsafe, .exists: .unsafe
                default: .unavailable
                }
            let hint =
                error.code == .exists
                ? "name a new file; a key file is never overwritten, as it may open a vault" : error.hint
            return CustodyError(code, "the key file \(error)", hint: hint, underlying: error)
        default: return CustodyError(.unavailable, "\(path): \(error)", underlying: error)
        }
    }
}
