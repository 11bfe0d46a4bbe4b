internal import VaultAPI
package import VaultCrypto

/// BLAKE2b-256 of a token: tells whether two are the same, and nothing else.
package struct TokenFingerprint: Hashable, Sendable {
    package let bytes: [UInt8]

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package init(of token: UnsafeRawBufferPointer) {
        var hash = Blake2b()
        hash.update("vault token fingerprint")
        hash.update(token)
        bytes = hash.finish()
    }

    package init(of token: SharedSecret) {
        self = token.withSecret { $0.withUnsafeBytes { TokenFingerprint(of: $0) } }
    }

    package init(of token: [UInt8]) { self = token.withUnsafeBytes { TokenFingerprint(of: $0) } }
}

extension EntrySecrets {
    /// The fingerprint of one of the tokens; `nil` where it is absent.
    package borrowing func fingerprint(_ field: Field) -> TokenFingerprint? {
        withField(field) { TokenFingerprint(of: $0) }
    }
}
