internal import CSodium

extension SecretBytes {
    /// A copy padded to `size` bytes (ISO/IEC 7816-4, as `sodium_pad` does with a block of that size).
    ///
    /// - Precondition: `size` is greater than `count`, since at least one byte is added.
    public borrowing func padded(to size: Int) throws(CryptoError) -> SecretBytes {
        precondition(size > count, "VaultCrypto: no room for padding")
        var result = try SecretBytes(zeroed: size)
        let unpadded = count
        var length = 0
        let status = withUnsafeBytes { source in
            result.withUnsafeMutableBytes { target in
                target.copyMemory(from: source)
                return sodium_pad(
                    &length,
                    target.octets,
                    unpadded,
                    size,
                    size
                )
            }
        }
        precondition(status == 0 && length == size, "VaultCrypto: sodium_pad failed")
        return result
    }

    /// The number of bytes before the padding (`sodium_unpad`).
    ///
    /// - Throws: `.malformed` where there is none.
    public borrowing func unpaddedCount() throws(CryptoError) -> Int {
        var length = 0
        let size = count
        let status = withUnsafeBytes { bytes in
            sodium_unpad(&length, bytes.octets, size, size)
        }
        guard size > 0, status == 0 else { throw CryptoError(.malformed, "a sealed part has no valid padding") }
        return length
    }
}
