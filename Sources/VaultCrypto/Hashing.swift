internal import CSodium

/// BLAKE2b (`crypto_generichash`), keyed or not, fed piece by piece.
///
/// Whatever is hashed for a purpose begins with a label of that purpose, so that no hash of one can stand for another.
public struct Blake2b: ~Copyable {
    // The C structure is packed and over-aligned, which Swift does not import: it is opaque here, and wiped, because
    // the state of a keyed hash holds the key.
    private let memory: UnsafeMutableRawPointer
    private let length: Int

    /// An unkeyed hash of `length` bytes (16 to 64).
    public init(length: Int = 32) {
        self.init(key: UnsafeRawBufferPointer(start: nil, count: 0), of: length)
    }

    /// A hash of `length` bytes (16 to 64) under a key of 16 to 64 bytes.
    public init(key: borrowing SecretBytes, length: Int = 32) {
        precondition(key.count >= 16, "VaultCrypto: BLAKE2b key too short")
        self = key.withUnsafeBytes { Blake2b(key: $0, of: length) }
    }

    private init(key: UnsafeRawBufferPointer, of length: Int) {
        Sodium.ready()
        self.length = length
        memory = .allocate(byteCount: crypto_generichash_statebytes(), alignment: 64)
        let result = crypto_generichash_init(OpaquePointer(memory), key.octets, key.count, length)
        precondition(result == 0, "VaultCrypto: BLAKE2b parameters out of bounds")
    }

    deinit {
        sodium_memzero(memory, crypto_generichash_statebytes())
        memory.deallocate()
    }

    /// Adds bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        crypto_generichash_update(OpaquePointer(memory), bytes.octets, UInt64(bytes.count))
    }

    /// Adds bytes.
    public mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// Adds the UTF-8 bytes of a label.
    public mutating func update(_ label: StaticString) {
        update(UnsafeRawBufferPointer(start: label.utf8Start, count: label.utf8CodeUnitCount))
    }

    /// Adds the bytes of a secret.
    public mutating func update(_ secret: borrowing SecretBytes) {
        secret.withUnsafeBytes { update($0) }
    }

    /// The hash, where it is not secret.
    public consuming func finish() -> [UInt8] {
        var output = [UInt8](repeating: 0, count: length)
        crypto_generichash_final(OpaquePointer(memory), &output, length)
        return output
    }

    /// The hash, where it is a key.
    public consuming func finishSecret() throws(CryptoError) -> SecretBytes {
        var output = try SecretBytes(zeroed: length)
        let length = length
        output.withUnsafeMutableBytes { target in
            _ = crypto_generichash_final(OpaquePointer(memory), target.octets, length)
        }
        return output
    }
}

/// SHA-256 (`crypto_hash_sha256`), for formats that name it: the bytes an entry was imported from, for one.
public func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    Sodium.ready()
    var output = [UInt8](repeating: 0, count: 32)
    crypto_hash_sha256(&output, bytes.octets, UInt64(bytes.count))
    return output
}

/// `count` random bytes that are not secret: salts, ids.
public func randomBytes(_ count: Int) -> [UInt8] {
    Sodium.ready()
    var bytes = [UInt8](repeating: 0, count: count)
    randombytes_buf(&bytes, count)
    return bytes
}

/// A subkey of a 32-byte master key (`crypto_kdf_derive_from_key`).
///
/// - Parameters:
///   - id: Tells subkeys of one context apart.
///   - context: Exactly eight ASCII bytes.
public func subkey(
    of master: borrowing SecretBytes,
    id: UInt64,
    context: StaticString
) throws(CryptoError) -> SecretBytes {
    Sodium.ready()
    precondition(context.utf8CodeUnitCount == 8 && master.count == 32, "VaultCrypto: crypto_kdf sizes")
    var output = try SecretBytes(zeroed: 32)
    let result = output.withUnsafeMutableBytes { output in
        master.withUnsafeBytes { master in
            let context = UnsafeRawPointer(context.utf8Start).assumingMemoryBound(to: CChar.self)
            return crypto_kdf_derive_from_key(output.octets, 32, id, context, master.octets)
        }
    }
    precondition(result == 0, "VaultCrypto: crypto_kdf failed")
    return output
}

extension UnsafeRawBufferPointer {
    /// The bytes as C takes them.
    ///
    /// Of an empty buffer, some address nobody reads from.
    var octets: UnsafePointer<UInt8> {
        UnsafePointer((baseAddress ?? UnsafeRawPointer(Self.nowhere)).assumingMemoryBound(to: UInt8.self))
    }

    private static var nowhere: UnsafeMutableRawPointer {
        guard let address = UnsafeMutableRawPointer(bitPattern: 64) else {
            preconditionFailure("VaultCrypto: no address")
        }
        return address
    }
}

extension UnsafeMutableRawBufferPointer {
    /// The bytes as C takes them.
    var octets: UnsafeMutablePointer<UInt8> { UnsafeMutablePointer(mutating: UnsafeRawBufferPointer(self).octets) }
}
