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
        seed.withUnsafeBytes { seed in
            text.withUnsafeMutableBytes { text in
                var position = 0
                RandomText.encode(seed, .url) { character in
                    text[position] = character
                    position += 1
                }
            }
        }
        self.init(taking: SharedSecret(text))
    }

    /// A known verifier: for the test vector of RFC 7636, appendix B.
    package init(taking secret: SharedSecret) {
        self.secret = secret
        // RFC 7636 §4.2: "code_challenge = BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))"
        let digest = secret.withSecret { $0.withUnsafeBytes { sha256($0) } }
        challenge = RandomText.text(digest, .url)
    }
}

/// Random texts that go into URLs, and the base64 they are written in.
enum RandomText {
    /// RFC 4648: §5 without padding, or §4 with it.
    enum Alphabet {
        case url, standard

        fileprivate var last: (UInt8, UInt8) {
            self == .url ? (UInt8(ascii: "-"), UInt8(ascii: "_")) : (UInt8(ascii: "+"), UInt8(ascii: "/"))
        }
    }

    /// 256 random bits: what guesses a `state` or a `nonce` must meet.
    ///
    /// RFC 6749 §10.10 wants a probability of at most 2^-128, and 2^-160 if it can be had.
    static func make() -> String { text(randomBytes(32), .url) }

    static func text(_ bytes: [UInt8], _ alphabet: Alphabet) -> String {
        var characters: [UInt8] = []
        bytes.withUnsafeBytes { encode($0, alphabet) { characters.append($0) } }
        return String(decoding: characters, as: UTF8.self)
    }

    /// Calls `body` with each character, so that a secret need not pass through a `String`.
    static func encode(_ bytes: UnsafeRawBufferPointer, _ alphabet: Alphabet, _ body: (UInt8) -> Void) {
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits: UInt32 = 0
            for index in 0..<3 { bits = bits << 8 | (index < group.count ? UInt32(group[start + index]) : 0) }
            for index in 0..<4 {
                if index <= group.count {
                    body(character(UInt8(bits >> UInt32(18 - 6 * index) & 63), alphabet))
                } else if alphabet == .standard {
                    body(UInt8(ascii: "="))
                }
            }
        }
    }

    private static func character(_ digit: UInt8, _ alphabet: Alphabet) -> UInt8 {
        switch digit {
        case 0..<26: UInt8(ascii: "A") + digit
        case 26..<52: UInt8(ascii: "a") + digit - 26
        case 52..<62: UInt8(ascii: "0") + digit - 52
        case 62: alphabet.last.0
        default: alphabet.last.1
        }
    }
}
