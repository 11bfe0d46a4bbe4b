package import VaultAPI
package import VaultCrypto

/// What a JSON Web Token (RFC 7519) claims.
///
/// Hints, never verified: whoever gave the token, a file or a token endpoint, could have given any other. They label an
/// entry; nothing is trusted because of them.
package struct JWTClaims {
    private let root: JSONValue

    /// The claims of a token in a file, or `nil` where it is no JWT: many access tokens are opaque.
    package init?(of token: JSONValue?) {
        guard let token = try? token?.secret() else { return nil }
        self.init(of: token)
    }

    /// The claims of a token, or `nil` where it is no JWT.
    package init?(of token: borrowing SecretBytes) {
        guard let payload = Self.payload(of: token),
            let document = try? JSONDocument(SharedSecret(payload), subject: "a JWT"), document.root.kind == .object
        else { return nil }
        root = document.root
    }

    /// RFC 7519 §4.1.4: `exp`, in seconds that may have a fraction.
    package var expiry: Timestamp? { instant("exp") }
    /// RFC 7519 §4.1.6.
    package var issuedAt: Timestamp? { instant("iat") }
    /// RFC 7519 §4.1.3: one string, or an array of them.
    package var audiences: [String] { (try? root.words("aud")) ?? [] }

    /// The claim of that name, where it is a string.
    package func text(_ name: String) -> String? { try? root.fact(name) }

    /// A member of the claim of that name, where both are there.
    package func text(_ name: String, _ member: String) -> String? { root[name].flatMap { try? $0.fact(member) } }

    /// A member of the first element of a claim, where all are there.
    package func text(_ name: String, first member: String) -> String? {
        guard let first = root[name]?.children.first else { return nil }
        return try? first.fact(member)
    }

    private func instant(_ name: String) -> Timestamp? {
        guard let value = root[name], value.kind == .number else { return nil }
        return DecimalTime.instant(value.numberText, .seconds)
    }

    /// The second of three parts, decoded (RFC 7515 §2: base64url without padding).
    private static func payload(of token: borrowing SecretBytes) -> SecretBytes? {
        token.withUnsafeBytes { bytes in
            let dots = bytes.indices.filter { bytes[$0] == UInt8(ascii: ".") }
            guard dots.count == 2 else { return nil }
            return decode(UnsafeRawBufferPointer(rebasing: bytes[dots[0] + 1..<dots[1]]))
        }
    }

    private static func decode(_ text: UnsafeRawBufferPointer) -> SecretBytes? {
        guard var buffer = try? SecretBuffer(capacity: text.count) else { return nil }
        var (bits, count): (UInt32, Int) = (0, 0)
        for byte in text {
            if byte == UInt8(ascii: "=") { break }
            guard let digit = digit(byte) else { return nil }
            bits = (bits << 6 | digit) & 0xFFFF
            count += 6
            if count >= 8 {
                count -= 8
                guard (try? buffer.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))) != nil else { return nil }
            }
        }
        return try? buffer.finish()
    }

    private static func digit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a") + 26)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0") + 52)
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
