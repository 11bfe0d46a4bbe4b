internal import enum Crypto.P256
internal import struct Crypto.SHA256
internal import Synchronization
package import VaultAPI
package import VaultCrypto

/// The key that sender-constrained tokens are bound to (RFC 9449), on P-256 with ES256.
///
/// Its proofs and thumbprint leave; the private key leaves only for the sealed entry.
package struct DPoPKey: Sendable {
    private let key: P256.Signing.PrivateKey

    /// A new key.
    package init() { key = P256.Signing.PrivateKey() }

    /// A key that `exported` gave.
    ///
    /// - Throws: `.damaged` if it is none.
    package init(importing secret: SharedSecret) throws(VaultError) {
        do {
            key = try secret.withSecret { secret in
                try secret.withUnsafeBytes { bytes in
                    var raw: [UInt8] = []
                    defer { wipe(&raw) }
                    for digit in bytes.indices where digit % 2 == 0 && digit + 1 < bytes.count {
                        guard let high = hexadecimal(bytes[digit]), let low = hexadecimal(bytes[digit + 1]) else {
                            throw NoKey()
                        }
                        raw.append(high << 4 | low)
                    }
                    guard bytes.count == 64 else { throw NoKey() }
                    return try P256.Signing.PrivateKey(rawRepresentation: raw)
                }
            }
        } catch {
            throw VaultError(.damaged, "the entry's DPoP key is no P-256 private key")
        }
    }

    /// The private key as an entry keeps it: the 32 bytes of the scalar in hexadecimal, so that it is a text like its
    /// tokens.
    package func exported() throws(VaultError) -> SharedSecret {
        var raw = Array(key.rawRepresentation)
        defer { wipe(&raw) }
        do throws(CryptoError) {
            var text = try SecretBuffer(capacity: 64)
            let digits = Array("0123456789abcdef".utf8)
            for byte in raw {
                try text.append(digits[Int(byte >> 4)])
                try text.append(digits[Int(byte & 15)])
            }
            return SharedSecret(try text.finish())
        } catch {
            throw VaultError(.failed, "the DPoP key cannot be held in memory: \(error.message)")
        }
    }

    /// RFC 7638: SHA-256 over the required members in lexicographic order, for `dpop_jkt` and to compare.
    package var thumbprint: String { base64URL(SHA256.hash(data: Array(jsonObject(publicKey(ordered: true)).utf8))) }

    /// The value of a `DPoP` field (RFC 9449 §4.2).
    ///
    /// - Parameters:
    ///   - method: The HTTP method, as sent.
    ///   - nonce: The server's last `DPoP-Nonce`.
    ///   - accessToken: The token that is presented along with it; only to a resource.
    package func proof(
        method: String,
        url: EndpointURL,
        nonce: String? = nil,
        accessToken: SharedSecret? = nil,
        at now: Timestamp
    ) throws(VaultError) -> String {
        let header: [(name: String, value: JSONMember)] = [
            ("typ", .text("dpop+jwt")), ("alg", .text("ES256")), ("jwk", .object(publicKey(ordered: false))),
        ]
        var claims: [(name: String, value: JSONMember)] = [
            // "at least 96 bits of pseudorandom data"
            ("jti", .text(base64URL(randomBytes(16)))),
            ("htm", .text(method)),
            // "without query and fragment parts"
            ("htu", .text(url.withoutQuery)),
            ("iat", .number(now.seconds)),
        ]
        if let nonce { claims.append(("nonce", .text(nonce))) }
        if let accessToken {
            // "the base64url-encoded SHA-256 hash of the ASCII encoding of the associated access token's value"
            let hash = accessToken.withSecret { secret in secret.withUnsafeBytes { sha256($0) } }
            claims.append(("ath", .text(base64URL(hash))))
        }
        return try signedJWT(header: header, claims: claims, with: .es256(key))
    }

    private func publicKey(ordered: Bool) -> [(name: String, value: JSONMember)] {
        let point = key.publicKey.rawRepresentation
        let coordinates: [(name: String, value: JSONMember)] = [
            ("x", .text(base64URL(point.prefix(32)))), ("y", .text(base64URL(point.suffix(32)))),
        ]
        let kind: [(name: String, value: JSONMember)] = [("crv", .text("P-256")), ("kty", .text("EC"))]
        return (ordered ? kind : kind.reversed()) + coordinates
    }
}

/// The nonces that servers gave for DPoP proofs (RFC 9449 §8), the last one for each origin, in memory alone.
package final class DPoPNonces: Sendable {
    /// More authorization servers and resources than one process speaks to.
    private static let maximumCount = 64
    private let nonces = Mutex<[String: String]>([:])

    package init() {}

    /// The nonce for the next proof to this URL's origin.
    package func nonce(for url: EndpointURL) -> String? { nonces.withLock { $0[url.origin] } }

    /// Whether a text is a nonce.
    ///
    /// RFC 9449 §8.1: nonce = 1*NQCHAR.
    package static func isNonce(_ text: String) -> Bool {
        (1...512).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
    }

    /// Keeps the nonce of an answer, where it has one, and says whether it is another than before.
    @discardableResult
    package func keep(from response: HTTPResponse, of url: EndpointURL) -> Bool {
        let values = response.values(of: "DPoP-Nonce")
        guard values.count == 1, let nonce = values.first, Self.isNonce(nonce) else { return false }
        return nonces.withLock { nonces in
            if nonces.count >= Self.maximumCount, nonces[url.origin] == nil { nonces.removeAll() }
            return nonces.updateValue(nonce, forKey: url.origin) != nonce
        }
    }
}

/// Overwrites bytes that Crypto's interfaces wanted in an array.
func wipe(_ bytes: inout [UInt8]) {
    for index in bytes.indices { bytes[index] = 0 }
}

private struct NoKey: Error {}
