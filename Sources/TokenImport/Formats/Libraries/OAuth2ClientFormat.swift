internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Credentials of Google's old oauth2client for Python: one in a file, or several in its "multistore".
struct OAuth2ClientFormat: TokenFileFormat {
    let identifier = "oauth2client"
    var chaff: Set<String> { Self.layout.chaff.union(["file_version"]) }

    private static let layout = GrantLayout(
        idToken: ["id_token_jwt"],
        tokenType: [],
        scopes: ["scopes"],
        expiry: [.init("token_expiry", .utc)],
        clientID: ["client_id"],
        clientSecret: ["client_secret"],
        rest: [
            "_module", "_class", "token_uri", "revoke_uri", "token_info_uri", "user_agent", "id_token", "invalid",
            "token_response",
        ]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        if let stored = root["data"], stored.kind == .array, !stored.children.isEmpty {
            let isStore = stored.children.allSatisfy { $0["credential"].map(Self.isCredential) ?? false }
            return isStore ? .yes : .no
        }
        guard Self.isCredential(root) else { return .no }
        let holdsKey = root.has("_private_key_pkcs8_pem") || root.has("_private_key_pkcs12")
        return holdsKey
            ? .declined("it is a service account's private key of oauth2client, and no grant of a user") : .yes
    }

    private static func isCredential(_ value: JSONValue) -> Bool {
        (try? value.fact("_module"))?.hasPrefix("oauth2client.") ?? false
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        var contents = FileContents()
        guard let stored = root["data"], stored.kind == .array else {
            if let grant = try grant(root, "google-\(context.path.stem)", context) { contents.grants.append(grant) }
            return contents
        }
        for item in stored.children {
            guard let credential = item["credential"] else { continue }
            let account = try item["key"]?.fact("account", "userName")
            guard var grant = try grant(credential, "google-\(account ?? context.path.stem)", context) else { continue }
            grant.summary.account = grant.summary.account ?? account
            grant.members = [item]
            contents.grants.append(grant)
        }
        return contents
    }

    private func grant(
        _ value: JSONValue,
        _ name: String,
        _ context: ReadingContext
    ) throws(VaultError) -> FoundGrant? {
        guard var grant = try FoundGrant.read(value, as: Self.layout, named: name, in: context) else { return nil }
        grant.applyGoogle(endpoint: try value.fact("token_uri"))
        grant.summary.clientAuthentication = grant.token(.clientSecret) == nil ? "none" : "client_secret_post"
        // Here `id_token` is what the token says, already read.
        let claims = value["id_token"].flatMap { $0.kind == .object ? $0 : nil }
        grant.summary.account = try claims?.fact("email") ?? JWTClaims(of: grant.token(.idToken))?.text("email")
        try noteAnswer(value, &grant)
        if value["invalid"].map({ $0.kind == .boolean && $0.document.raw($0.range) == "true" }) ?? false {
            grant.notes.append("the file says that Google has refused its refresh token")
        }
        return grant
    }

    /// The server's answer is kept whole beside what was taken out of it.
    private func noteAnswer(_ value: JSONValue, _ grant: inout FoundGrant) throws(VaultError) {
        guard let answer = value["token_response"], answer.kind == .object else { return }
        let key = try FingerprintKey()
        let places: [(EntrySecrets.Field, String)] = [
            (.accessToken, "access_token"), (.refreshToken, "refresh_token"), (.idToken, "id_token"),
        ]
        for (field, name) in places {
            guard let copy = try answer.token(name), let mine = grant.token(field) else { continue }
            if try key.value(copy) == key.value(mine) { grant.copies.append((field, copy)) }
        }
        grant.summary.tokenType = try answer.fact("token_type") ?? grant.summary.tokenType
        if grant.summary.scopes.isEmpty { grant.summary.scopes = try answer.words("scope") }
    }
}
