internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// Puts who the client is into a request to the token, revocation, device or PAR endpoint.
///
/// RFC 6749 §2.3: "The client MUST NOT use more than one authentication method in each request." Nor are methods tried
/// in turn: a server may spend the token of a request whose client it then refuses.
///
/// - Returns: What it has put there that proves the client, and nobody may repeat.
func authenticate(
    _ client: OAuthClient,
    at endpoint: EndpointURL,
    fields: inout [(name: String, value: String)],
    form: inout FormBody,
    now: Timestamp
) throws(VaultError) -> [SharedSecret] {
    try checkCredentials(of: client)
    var proofs = [client.secret].compactMap(\.self)
    do {
        switch client.authentication {
        case .none:
            try form.add("client_id", client.id)
        case .basic:
            let credentials = try basicCredentials(of: client)
            proofs.append(SharedSecret(try SecretBytes(Array(credentials.utf8))))
            fields.append(("Authorization", "Basic \(credentials)"))
            if client.quirks.contains(.clientIDInBody) { try form.add("client_id", client.id) }
        case .post:
            try form.add("client_id", client.id)
            if let secret = client.secret { try form.add("client_secret", secret) }
        case .privateKeyJWT:
            // The assertion's own name is enough (RFC 7521 §4.2), and some servers need the parameter all the same.
            if client.quirks.contains(.clientIDInBody) { try form.add("client_id", client.id) }
            try form.add("client_assertion_type", ClientAssertion.type)
            let assertion = Array(try ClientAssertion.make(for: client, at: endpoint, now: now).utf8)
            let proof = SharedSecret(try SecretBytes(assertion))
            proofs.append(proof)
            try form.add("client_assertion", proof)
        }
        return proofs
    } catch {
        if let error = error as? VaultError { throw error }
        throw VaultError(.failed, "there is no memory for a request", underlying: error)
    }
}

/// RFC 6749 §2.3.1: id and secret form-encoded, joined by a colon, in base64.
private func basicCredentials(of client: OAuthClient) throws(CryptoError) -> String {
    let isEncoded = !client.quirks.contains(.basicUnencoded)
    var buffer = try SecretBuffer(capacity: 256)
    try buffer.append(Array((isEncoded ? formEncoded(client.id) : client.id).utf8))
    try buffer.append(UInt8(ascii: ":"))
    if let secret = client.secret { try append(secret, encoded: isEncoded, to: &buffer) }
    // A header is a `String` on its way through AsyncHTTPClient; this copy cannot be wiped.
    return buffer.withUnsafeBytes { base64($0) }
}

private func append(_ secret: SharedSecret, encoded: Bool, to buffer: inout SecretBuffer) throws(CryptoError) {
    try secret.withSecret { (secret) throws(CryptoError) in
        try secret.withUnsafeBytes { (bytes) throws(CryptoError) in
            if encoded { try buffer.append(formEncoding: bytes) } else { try buffer.append(bytes) }
        }
    }
}

/// What would not arrive as it is, or would arrive as a line of its own.
private func checkCredentials(of client: OAuthClient) throws(VaultError) {
    let hint = "vault login NAME --client-id ID --client-secret-file FILE sets them anew"
    guard !client.id.isEmpty else { throw VaultError(.configuration, "the client has no id", hint: hint) }
    guard client.id.unicodeScalars.allSatisfy({ !isUnprintable($0) }) else {
        throw VaultError(.configuration, "the client id holds a control character", hint: hint)
    }
    switch client.authentication {
    case .none: return
    case .basic, .post, .privateKeyJWT:
        guard let secret = client.secret, secret.count > 0 else {
            let method = client.authentication.rawValue
            throw VaultError(.configuration, "the client has no secret, which \(method) needs", hint: hint)
        }
        // A PEM has lines.
        guard client.authentication != .privateKeyJWT else { return }
        let isSound = secret.withSecret { secret in
            secret.withUnsafeBytes { bytes in bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F } }
        }
        guard isSound else {
            throw VaultError(.configuration, "the client secret holds a control character", hint: hint)
        }
    }
    // RFC 7617 §2: "a user-id containing a colon character is invalid".
    if client.authentication == .basic, client.quirks.contains(.basicUnencoded), client.id.contains(":") {
        throw VaultError(
            .configuration,
            "the client id holds a colon, and basic_unencoded sends it as it is",
            hint: hint
        )
    }
}
