import Testing
import VaultCrypto

/// The bytes of hexadecimal digits.
func hex(_ text: String) throws -> [UInt8] {
    let digits = Array(text)
    return try stride(from: 0, to: digits.count, by: 2).map {
        try #require(UInt8(String(digits[$0...$0 + 1]), radix: 16))
    }
}

/// 0, 1, 2 and so on.
func counting(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0) } }

extension SecretBytes {
    /// The bytes, in a test that may show them.
    var revealed: [UInt8] { withUnsafeBytes { Array($0) } }
}

extension SecretBuffer {
    /// The bytes, in a test that may show them.
    var revealed: [UInt8] { withUnsafeBytes { Array($0) } }
}

/// The code of what `body` throws.
func cryptoFailure(_ body: () throws -> Void) -> CryptoError.Code? {
    let error = #expect(throws: CryptoError.self) { try body() }
    return error?.code
}
