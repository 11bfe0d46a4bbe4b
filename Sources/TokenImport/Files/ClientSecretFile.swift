internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// A file with a client secret and nothing else; one final newline is not part of it.
enum ClientSecretFile {
    /// The secret.
    ///
    /// - Throws: The errors of the file, and `.configuration` where it is empty or holds more than a secret.
    static func read(_ path: String) throws(VaultError) -> SecretBytes {
        let file = try TokenFile.read(PathResolution.absolute(path))
        let length = file.bytes.withBytes { bytes in
            var end = bytes.count
            if end > 0, bytes[end - 1] == UInt8(ascii: "\n") { end -= 1 }
            if end > 0, bytes[end - 1] == UInt8(ascii: "\r") { end -= 1 }
            return bytes[..<end].allSatisfy { $0 >= 0x20 && $0 != 0x7F } ? end : 0
        }
        guard length > 0, length <= 4096 else {
            throw VaultError(
                .configuration,
                "\(printable(path)) is empty or holds more than one line with a client secret"
            )
        }
        do {
            return try file.bytes.withSecret { (bytes) throws(CryptoError) in try bytes.copy(0..<length) }
        } catch { throw VaultError(.failed, "no memory for a secret: \(error.message)") }
    }
}
