package import VaultAPI

extension SecretText {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The bytes in base64 (RFC 4648 §4), in memory that is wiped too.
    package var base64: SecretText {
        withUnsafeBytes { bytes in
            SecretText(count: (bytes.count + 2) / 3 * 4) { text in
                for group in 0..<(bytes.count + 2) / 3 {
                    let rest = bytes.count - group * 3
                    let first = UInt32(bytes[group * 3]) << 16
                    let second = rest > 1 ? UInt32(bytes[group * 3 + 1]) << 8 : 0
                    let value = first | second | (rest > 2 ? UInt32(bytes[group * 3 + 2]) : 0)
                    for digit in 0..<4 {
                        let isPadding = digit > rest
                        let index = Int(value >> UInt32(18 - digit * 6) & 63)
                        text[group * 4 + digit] = isPadding ? UInt8(ascii: "=") : Self.alphabet[index]
                    }
                }
            }
        }
    }

    /// What the bytes mean in base64; `nil` unless they are whole groups of it with nothing else between.
    package var decodedBase64: SecretText? {
        withUnsafeBytes { text in
            guard text.count % 4 == 0 else { return nil }
            let padding = text.suffix(2).count { $0 == UInt8(ascii: "=") }
            var isValid = true
            let decoded = SecretText(count: text.count / 4 * 3 - padding) { bytes in
                for group in 0..<text.count / 4 {
                    var value: UInt32 = 0
                    for digit in 0..<4 {
                        let position = group * 4 + digit
                        let byte = text[position]
                        let index = Self.digit(byte)
                        if index == nil, byte != UInt8(ascii: "=") || position < text.count - padding {
                            isValid = false
                        }
                        value = value << 6 | (index ?? 0)
                    }
                    for place in 0..<3 where group * 3 + place < bytes.count {
                        bytes[group * 3 + place] = UInt8(truncatingIfNeeded: value >> UInt32(16 - place * 8))
                    }
                }
            }
            return isValid ? decoded : nil
        }
    }

    private static func digit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
