internal import enum Crypto.P256
internal import VaultAPI
internal import VaultCrypto
internal import enum _CryptoExtras._RSA

/// A private key that signs JWTs (RFC 7518 §3.1).
enum SigningKey {
    case es256(P256.Signing.PrivateKey)
    case rs256(_RSA.Signing.PrivateKey)

    /// Reads a PEM: EC P-256 in SEC 1 or PKCS #8, or RSA in PKCS #1 or PKCS #8.
    ///
    /// - Throws: `.configuration` if it is neither.
    init(pem: SharedSecret) throws(VaultError) {
        // Crypto takes a PEM as a `String` alone: this copy is not wiped (SECURITY.md).
        let text = pem.withSecret { secret in secret.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
        if let key = try? P256.Signing.PrivateKey(pemRepresentation: text) {
            self = .es256(key)
        } else if let key = try? _RSA.Signing.PrivateKey(pemRepresentation: text) {
            self = .rs256(key)
        } else {
            throw VaultError(
                .configuration,
                "the client's private key is neither an EC P-256 nor an RSA key of 2048 bits or more in PEM"
            )
        }
    }

    var algorithm: String {
        switch self {
        case .es256: "ES256"
        case .rs256: "RS256"
        }
    }

    fileprivate func signature(of bytes: [UInt8]) throws -> [UInt8] {
        switch self {
        // RFC 7518 §3.4: R and S as they are, 64 bytes, not DER.
        case .es256(let key): Array(try key.signature(for: bytes).rawRepresentation)
        // RFC 7518 §3.3: RS256 is PKCS #1 v1.5 by definition.
        case .rs256(let key): Array(try key.signature(for: bytes, padding: .insecurePKCS1v1_5).rawRepresentation)
        }
    }
}

/// A JWS in compact form (RFC 7515 §7.1).
func signedJWT(
    header: [(name: String, value: JSONMember)],
    claims: [(name: String, value: JSONMember)],
    with key: SigningKey
) throws(VaultError) -> String {
    let input = base64URL(jsonObject(header).utf8) + "." + base64URL(jsonObject(claims).utf8)
    do {
        return input + "." + base64URL(try key.signature(of: Array(input.utf8)))
    } catch {
        throw VaultError(.failed, "a proof cannot be signed: \(error)")
    }
}
