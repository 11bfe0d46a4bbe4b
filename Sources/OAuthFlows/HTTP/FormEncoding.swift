package import VaultCrypto

// application/x-www-form-urlencoded as RFC 6749 appendix B asks for it: UTF-8, a space as `+`, everything but letters,
// digits, `-`, `.`, `_` and `*` as an escape.

/// The encoding of each byte.
private let encodings: [[UInt8]] = (0...255).map { (byte: UInt8) in
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "*"):
        return [byte]
    case UInt8(ascii: " "): return [UInt8(ascii: "+")]
    default:
        let digits = Array("0123456789ABCDEF".utf8)
        return [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
}

/// A text that is no secret, encoded.
package func formEncoded(_ text: String) -> String {
    String(decoding: text.utf8.flatMap { encodings[Int($0)] }, as: UTF8.self)
}

/// A name of an encoded query, decoded; an escape that is none stays as it is.
package func formDecoded(_ text: Substring) -> [UInt8] {
    var decoded: [UInt8] = []
    Array(text.utf8).withUnsafeBytes { bytes in formDecode(bytes) { decoded.append($0) } }
    return decoded
}

extension SecretBuffer {
    /// Adds bytes, form-encoded.
    package mutating func append(formEncoding bytes: UnsafeRawBufferPointer) throws(CryptoError) {
        for byte in bytes { try append(encodings[Int(byte)]) }
    }
}

/// Calls `body` with each byte of the decoded text.
package func formDecode<Failure: Error>(
    _ bytes: UnsafeRawBufferPointer,
    _ body: (UInt8) throws(Failure) -> Void
) throws(Failure) {
    var position = 0
    while position < bytes.count {
        let byte = bytes[position]
        position += 1
        if byte == UInt8(ascii: "+") {
            try body(UInt8(ascii: " "))
        } else if byte == UInt8(ascii: "%"), position + 1 < bytes.count, let high = hexadecimal(bytes[position]),
            let low = hexadecimal(bytes[position + 1])
        {
            try body(high << 4 | low)
            position += 2
        } else {
            try body(byte)
        }
    }
}

/// The value of a hexadecimal digit.
func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}

/// The body of a form, in secret memory.
package struct FormBody: ~Copyable {
    private var buffer: SecretBuffer

    package init() throws(CryptoError) { buffer = try SecretBuffer(capacity: 1024) }

    /// Adds a parameter that is no secret.
    package mutating func add(_ name: String, _ value: String) throws(CryptoError) {
        try begin(name)
        try buffer.append(Array(formEncoded(value).utf8))
    }

    /// Adds a secret parameter.
    package mutating func add(_ name: String, _ value: SharedSecret) throws(CryptoError) {
        try begin(name)
        // The buffer cannot be lent to a closure that also has the secret's bytes, except through an `inout` of its own.
        try value.encode(into: &buffer)
    }

    package consuming func finish() throws(CryptoError) -> SharedSecret { SharedSecret(try buffer.finish()) }

    private mutating func begin(_ name: String) throws(CryptoError) {
        if buffer.count > 0 { try buffer.append(UInt8(ascii: "&")) }
        try buffer.append(Array(formEncoded(name).utf8))
        try buffer.append(UInt8(ascii: "="))
    }
}

extension SharedSecret {
    fileprivate func encode(into buffer: inout SecretBuffer) throws(CryptoError) {
        try withSecret { (secret) throws(CryptoError) in
            try secret.withUnsafeBytes { (bytes) throws(CryptoError) in try buffer.append(formEncoding: bytes) }
        }
    }
}
