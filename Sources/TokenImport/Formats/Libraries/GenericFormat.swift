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
        grant.noteWhatARefreshLacks(context)
        grant.members = grant.secrets.map(\.value) + chaff.compactMap { root[$0] }
        return FileContents(grants: [grant])
    }

    /// The file's own time is no beginning of a lifetime: it is that of the last copy as often as not.
    private func setTimes(_ root: JSONValue, _ grant: inout FoundGrant) throws(VaultError) {
        for name in ["expires_at", "expiresAt", "expiry_date", "expiry"] {
            guard let value = root[name], value.kind != .null else { continue }
            try setExpiry(name, value, root, &grant)
            break
        }
        let starts = ["issued_at", "issuedAt", "token_received_at", "created_at"]
        if let name = starts.first(where: { root.hasNumber($0) }), let value = root[name] {
            try grant.issued(name, of: root, as: TimeForm(byMagnitude: value.numberText))
        }
        guard case .unknown = grant.summary.expiry else { return }
        guard let lifetime = root["expires_in"] ?? root["expiresIn"], lifetime.kind == .number else { return }
        grant.expires(after: lifetime)
    }

    /// The unit by the magnitude, the zone by the text: no format vouches for either.
    private func setExpiry(
        _ name: String,
        _ value: JSONValue,
        _ root: JSONValue,
        _ grant: inout FoundGrant
    ) throws(VaultError) {
        if value.kind == .number {
            return try grant.expires(name, of: root, as: TimeForm(byMagnitude: value.numberText))
        }
        guard let text = try value.fact() else { return }
        if text.utf8.count < 20, text.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) {
            if DecimalTime.unitByMagnitude(text) == .seconds {
                try grant.expires(name, of: root, as: .quotedSeconds)
            } else {
                grant.notes.append("the file's expiry is a text of digits that is no number of seconds: it is unknown")
            }
            return
        }
        let lacksZone = Timestamp(rfc3339: text) == nil && Timestamp(rfc3339: text, assumingUTC: true) != nil
        if lacksZone, try !value.isZeroTime(as: .rfc3339) {
            grant.notes.append("the file's expiry has no time zone: it is unknown")
        } else {
            try grant.expires(name, of: root, as: .rfc3339, zero: .never)
        }
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
