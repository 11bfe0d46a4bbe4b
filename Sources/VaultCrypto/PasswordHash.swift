internal import CSodium

/// Argon2id with stored parameters (`crypto_pwhash` with `crypto_pwhash_ALG_ARGON2ID13`, never `ALG_DEFAULT`: a newer
/// libsodium may mean another algorithm by it).
public struct PasswordHash: Hashable, Sendable {
    /// The salt's length in bytes.
    public static let saltBytes = 16
    /// The identifier of Argon2id, version 1.3, as libsodium numbers it and slots store it.
    public static let argon2id13: UInt32 = 2

    /// How often the memory is gone over.
    public let passes: UInt32
    /// The memory used, in bytes.
    public let memoryBytes: UInt64

    /// Parameters as they are, unchecked; `derive` refuses what libsodium refuses.
    public init(passes: UInt32, memoryBytes: UInt64) {
        self.passes = passes
        self.memoryBytes = memoryBytes
    }

    /// 2 passes over 64 MiB (`crypto_pwhash_*LIMIT_INTERACTIVE`): about 0.1 s.
    public static let interactive = PasswordHash(passes: 2, memoryBytes: 64 << 20)
    /// 3 passes over 256 MiB (`…_MODERATE`): about 0.7 s.
    ///
    /// The default: a login session pays it once.
    public static let moderate = PasswordHash(passes: 3, memoryBytes: 256 << 20)
    /// 4 passes over 1 GiB (`…_SENSITIVE`): several seconds.
    public static let sensitive = PasswordHash(passes: 4, memoryBytes: 1 << 30)

    /// What one derivation costs: passes times bytes.
    public var cost: UInt64 { memoryBytes.multipliedReportingOverflow(by: UInt64(passes)).0 }

    /// 32 bytes from a passphrase.
    ///
    /// - Throws: `.parameters` for parameters outside libsodium's range, `.memory` where there is not enough.
    public func derive(from passphrase: borrowing SecretBytes, salt: [UInt8]) throws(CryptoError) -> SecretBytes {
        Sodium.ready()
        guard salt.count == Self.saltBytes, passes >= 1, memoryBytes >= 8192, memoryBytes <= UInt64(Int.max) else {
            throw CryptoError(.parameters, "Argon2id parameters out of range")
        }
        var output = try SecretBytes(zeroed: 32)
        let passes = UInt64(passes)
        let memory = Int(memoryBytes)
        let result = output.withUnsafeMutableBytes { output in
            passphrase.withUnsafeBytes { passphrase in
                crypto_pwhash(
                    output.octets,
                    32,
                    UnsafeRawPointer(passphrase.octets).assumingMemoryBound(to: CChar.self),
                    UInt64(passphrase.count),
                    salt,
                    passes,
                    memory,
                    Int32(Self.argon2id13)
                )
            }
        }
        guard result == 0 else {
            throw CryptoError(.memory, "Argon2id could not get its \(memoryBytes >> 20) MiB of memory")
        }
        return output
    }
}
