internal import CSodium

/// XSalsa20-Poly1305 with a random nonce (`crypto_secretbox_easy`).
///
/// It has no associated data and does not commit to its key; what uses it binds names into subkeys and plaintexts, and
/// commits to keys by itself.
public enum SecretBox {
    /// The key's length in bytes.
    public static let keyBytes = 32
    /// What a sealed box is longer than its plaintext: the nonce (24) and the authenticator (16).
    public static let overhead = 40
    private static let nonceBytes = 24

    /// The nonce and the box over `plaintext`.
    public static func seal(_ plaintext: borrowing SecretBytes, under key: borrowing SecretBytes) -> [UInt8] {
        plaintext.withUnsafeBytes { seal($0, under: key) }
    }

    /// The nonce and the box over bytes that need no secret memory: what a list shows.
    public static func seal(_ plaintext: UnsafeRawBufferPointer, under key: borrowing SecretBytes) -> [UInt8] {
        Sodium.ready()
        precondition(key.count == keyBytes, "VaultCrypto: secretbox key of a wrong size")
        var sealed = [UInt8](repeating: 0, count: overhead + plaintext.count)
        key.withUnsafeBytes { key in
            sealed.withUnsafeMutableBytes { sealed in
                // 192 random bits: a repetition is not to be expected in the life of a key.
                let nonce = sealed.octets
                randombytes_buf(nonce, nonceBytes)
                let size = UInt64(plaintext.count)
                let result = crypto_secretbox_easy(nonce + nonceBytes, plaintext.octets, size, nonce, key.octets)
                precondition(result == 0, "VaultCrypto: secretbox failed")
            }
        }
        return sealed
    }

    /// The plaintext of what `seal` returned.
    ///
    /// - Throws: `.malformed` if it is too short, `.authentication` if it does not open.
    public static func open(_ sealed: ArraySlice<UInt8>, under key: borrowing SecretBytes) throws(CryptoError)
        -> SecretBytes
    {
        var plaintext = try SecretBytes(zeroed: max(0, sealed.count - overhead))
        let opened = plaintext.withUnsafeMutableBytes { plain in
            sealed.withUnsafeBytes { open($0, into: plain, under: key) }
        }
        try check(opened, sealed)
        return plaintext
    }

    /// The plaintext of what `seal` returned, where it needs no secret memory: what a list shows.
    public static func openPublic(_ sealed: ArraySlice<UInt8>, under key: borrowing SecretBytes) throws(CryptoError)
        -> [UInt8]
    {
        var plaintext = [UInt8](repeating: 0, count: max(0, sealed.count - overhead))
        let opened = plaintext.withUnsafeMutableBytes { plain in
            sealed.withUnsafeBytes { open($0, into: plain, under: key) }
        }
        try check(opened, sealed)
        return plaintext
    }

    private static func check(_ opened: Bool, _ sealed: ArraySlice<UInt8>) throws(CryptoError) {
        guard sealed.count >= overhead else {
            throw CryptoError(.malformed, "a sealed box is shorter than its overhead")
        }
        guard opened else { throw CryptoError(.authentication, "a sealed box does not open under this key") }
    }

    private static func open(
        _ sealed: UnsafeRawBufferPointer,
        into plaintext: UnsafeMutableRawBufferPointer,
        under key: borrowing SecretBytes
    ) -> Bool {
        Sodium.ready()
        precondition(key.count == keyBytes, "VaultCrypto: secretbox key of a wrong size")
        guard sealed.count >= overhead else { return false }
        return key.withUnsafeBytes { key in
            let nonce = sealed.octets
            let size = UInt64(sealed.count - nonceBytes)
            return crypto_secretbox_open_easy(plaintext.octets, nonce + nonceBytes, size, nonce, key.octets) == 0
        }
    }
}
