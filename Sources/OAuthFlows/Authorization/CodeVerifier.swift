package import VaultCrypto

/// The secret half of PKCE (RFC 7636), made anew for each login.
package struct CodeVerifier: Sendable {
    /// The 43 characters that go to the token endpoint, and nowhere before that.
    package let secret: SharedSecret
    /// The `S256` challenge, which everyone may see.
    package let challenge: String

    /// RFC 7636 §4.1: "It is RECOMMENDED that the output of a suitable random number generator be used to create a
    /// 32-octet sequence. The octet sequence is then base64url-encoded to produce a 43-octet URL safe string to use as
    /// the code verifier."
    package init() throws(CryptoError) {
        let seed = try SecretBytes(random: 32)
        var text = try SecretBytes(zeroed: 43)
        // Six bits at a time within secret memory; `base64URL` would leave a `String` on the heap.
        seed.withUnsafeBytes { seed in
            text.withUnsafeMutableBytes { text in
                for index in text.indices {
                    let bit = index * 6
                    let next = bit / 8 + 1 < seed.count ? UInt16(seed[bit / 8 + 1]) : 0
                    let pair = UInt16(seed[bit / 8]) << 8 | next
                    text[index] = Self.character(UInt8(pair >> UInt16(10 - bit % 8) & 63))
                }
            }
        }
        self.init(taking: SharedSecret(text))
    }

    /// A known verifier: for the test vector of RFC 7636, appendix B.
    package init(taking secret: SharedSecret) {
        self.secret = secret
        // RFC 7636 §4.2: "code_challenge = BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))"
        challenge = base64URL(secret.withSecret { $0.withUnsafeBytes { sha256($0) } })
    }

    private static func character(_ digit: UInt8) -> UInt8 {
        switch digit {
        case 0..<26: UInt8(ascii: "A") + digit
        case 26..<52: UInt8(ascii: "a") + digit - 26
        case 52..<62: UInt8(ascii: "0") + digit - 52
        case 62: UInt8(ascii: "-")
        default: UInt8(ascii: "_")
        }
    }
}
