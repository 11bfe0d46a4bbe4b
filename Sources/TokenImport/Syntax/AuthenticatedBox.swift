internal import Crypto
internal import VaultCrypto

/// AES-256-GCM as Go writes it: `nonce (12) ‖ ciphertext ‖ tag (16)`, without associated data.
enum AuthenticatedBox {
    /// What the box holds; `nil` where the key does not open it.
    static func open(_ box: UnsafeRawBufferPointer, under key: UnsafeRawBufferPointer) -> VaultCrypto.SharedSecret? {
        guard box.count >= 28, let sealed = try? AES.GCM.SealedBox(combined: Array(box)),
            var plain = try? AES.GCM.open(sealed, using: SymmetricKey(data: Array(key)))
        else { return nil }
        return take(&plain)
    }

    /// The bytes of a collection, which is wiped; nothing of it is a secret afterwards.
    private static func take<Bytes: MutableCollection<UInt8>>(_ bytes: inout Bytes) -> VaultCrypto.SharedSecret? {
        guard var copy = try? SecretBytes(zeroed: bytes.count) else { return nil }
        copy.withUnsafeMutableBytes { target in
            for (offset, index) in bytes.indices.enumerated() {
                target[offset] = bytes[index]
                bytes[index] = 0
            }
        }
        return VaultCrypto.SharedSecret(copy)
    }

    /// A box under a fresh nonce; `nil` where there is no memory.
    static func seal(_ text: UnsafeRawBufferPointer, under key: UnsafeRawBufferPointer) -> SecretBytes? {
        guard let sealed = try? AES.GCM.seal(Array(text), using: SymmetricKey(data: Array(key))),
            let bytes = sealed.combined
        else { return nil }
        return try? SecretBytes(Array(bytes))
    }
}
