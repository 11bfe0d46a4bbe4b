internal import VaultAPI
internal import VaultCrypto

/// The assertion by which a client proves that it has its private key (RFC 7523 §3).
enum ClientAssertion {
    /// RFC 7521 §4.2.
    static let type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

    /// Seconds; servers refuse those above five minutes, and some by a clock that is behind.
    private static let lifetime: Int64 = 180

    static func make(for client: OAuthClient, at endpoint: EndpointURL, now: Timestamp) throws(VaultError) -> String {
        guard let pem = client.secret else {
            throw VaultError(.configuration, "the client has no private key, which private_key_jwt needs")
        }
        let key = try SigningKey(pem: pem)
        let header: [(name: String, value: JSONMember)] = [("alg", .text(key.algorithm)), ("typ", .text("JWT"))]
        // "a value that identifies the authorization server as an intended audience. The token endpoint URL … MAY be
        // used". The issuer is safer: a server that names another's token endpoint as its own gains nothing by it.
        let toEndpoint = client.quirks.contains(.assertionAudienceTokenEndpoint)
        let audience = toEndpoint ? endpoint.text : client.issuer ?? endpoint.text
        let claims: [(name: String, value: JSONMember)] = [
            ("iss", .text(client.id)),
            ("sub", .text(client.id)),
            ("aud", .text(audience)),
            ("jti", .text(base64URL(randomBytes(16)))),
            ("iat", .number(now.seconds)),
            ("exp", .number(now.seconds + lifetime)),
        ]
        return try signedJWT(header: header, claims: claims, with: key)
    }
}
