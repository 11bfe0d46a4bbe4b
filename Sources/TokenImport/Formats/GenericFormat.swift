internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Any flat object with an access token: what a token endpoint answers (RFC 6749 §5.1), saved with little change.
///
/// The last to be asked. It takes no endpoint from the file: nobody vouches for a file of no known tool.
struct GenericFormat: TokenFileFormat {
    let identifier = "generic"
    let chaff: Set<String> = [
        "token_type", "tokenType", "expires_in", "expiresIn", "expires_at", "expiresAt", "expiry_date", "expiry",
        "scope", "scopes",
        "issued_at", "issuedAt", "token_received_at", "ext_expires_in", "refresh_token_expires_in",
    ]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.hasString("access_token") || root.hasString("accessToken") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard root.kind == .object else { throw root.mismatch(expected: "an object") }
        let access = try root.token("access_token", "accessToken")
        let refresh = try root.token("refresh_token", "refreshToken")
        guard access != nil || refresh != nil else { return FileContents() }
        let idToken = try root.token("id_token", "idToken")
        let secret = try root.token("client_secret", "clientSecret", allowingSpaces: true)
        var grant = FoundGrant(.nearest(.oauth, context.path.stem), at: root, in: context)
        grant.summary.tokenType = try root.fact("token_type", "tokenType")
        grant.summary.scopes = try root.words(root.has("scope") ? "scope" : "scopes")
        grant.summary.clientID = try root.fact("client_id", "clientId")
        try setTimes(root, &grant)
        grant.label(by: idToken)
        grant.add(.accessToken, access)
        grant.add(.refreshToken, refresh)
        grant.add(.idToken, idToken)
        grant.add(.clientSecret, secret)
        grant.members = grant.secrets.map(\.value) + chaff.compactMap { root[$0] }
        return FileContents(grants: [grant])
    }

    /// A lifetime without its beginning says nothing: the file's own time is that of the last copy as often as not.
    private func setTimes(_ root: JSONValue, _ grant: inout FoundGrant) throws(VaultError) {
        let names = ["expires_at", "expiresAt", "expiry_date", "expiry"]
        if let value = root.first(of: names) { grant.summary.expiry = try anyExpiry(value, &grant) }
        let starts = ["issued_at", "issuedAt", "token_received_at", "created_at"]
        if let name = starts.first(where: { root.hasNumber($0) }), let value = root[name] {
            grant.summary.issuedAt = DecimalTime.instant(
                value.numberText,
                DecimalTime.unitByMagnitude(value.numberText)
            )
        }
        guard case .unknown = grant.summary.expiry else { return }
        guard let lifetime = root["expires_in"] ?? root["expiresIn"], lifetime.kind == .number else { return }
        if let issuedAt = grant.summary.issuedAt, let seconds = Int64(lifetime.numberText), seconds > 0,
            let expiry = Timestamp(seconds: issuedAt.seconds &+ seconds, nanoseconds: issuedAt.nanoseconds)
        {
            grant.summary.expiry = .known(expiry)
        } else {
            grant.notes.append("the file says how long the token lives but not since when: its expiry is unknown")
        }
    }

    private func anyExpiry(_ value: JSONValue, _ grant: inout FoundGrant) throws(VaultError) -> Expiry {
        if value.kind == .number { return try value.expiry(in: DecimalTime.unitByMagnitude(value.numberText)) }
        guard let text = try value.fact() else { return .unknown }
        if text.utf8.count < 20, text.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) {
            if DecimalTime.isZero(text) { return .unknown }
            return DecimalTime.instant(text, DecimalTime.unitByMagnitude(text)).map { .known($0) } ?? .unknown
        }
        if text.hasPrefix("0001-01-01T00:00:00") { return .never }
        if let instant = Timestamp(rfc3339: text) { return .known(instant) }
        if Timestamp(rfc3339: text, assumingUTC: true) != nil {
            grant.notes.append("the file's expiry has no time zone: it is unknown")
            return .unknown
        }
        throw value.noInstant(text)
    }
}

extension FoundGrant {
    /// Labels a grant of no known tool by its id token: the account, the issuer, and a client that is known.
    mutating func label(by idToken: JSONValue?) {
        guard let claims = JWTClaims(of: idToken) else { return }
        summary.account = claims.text("email") ?? claims.text("preferred_username") ?? claims.text("sub")
        summary.issuer = claims.issuer
        // The endpoint that comes with it is the provider's own, so a forged audience sends a token nowhere new.
        if let client = KnownClient.all.first(where: { $0.clientID.map(claims.audiences.contains) ?? false }) {
            summary.apply(client)
        }
    }
}
