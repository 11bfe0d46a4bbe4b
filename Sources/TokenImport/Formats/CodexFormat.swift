internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// OpenAI Codex CLI's `auth.json`: a grant, an API key, or both.
struct CodexFormat: TokenFileFormat {
    let identifier = "codex"

    /// What describes a grant that is gone.
    ///
    /// Without the file Codex is logged out, which is what is meant.
    let chaff: Set<String> = ["auth_mode", "last_refresh", "OPENAI_API_KEY", "tokens"]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        if root.has("OPENAI_API_KEY") || root.has("auth_mode") && !root.has("providers") { return .yes }
        guard let tokens = root["tokens"] else { return .no }
        return tokens.has("id_token") && tokens.has("access_token") && tokens.has("refresh_token") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        var contents = FileContents()
        if let tokens = root["tokens"], tokens.kind != .null {
            guard tokens.kind == .object else { throw tokens.mismatch(expected: "an object") }
            if let grant = try grant(tokens, root, context) { contents.grants.append(grant) }
        }
        if let key = try root.token("OPENAI_API_KEY") {
            var grant = FoundGrant(.nearest(.static, "codex"), at: key, in: context)
            grant.summary.provider = KnownClient.openAI.provider
            grant.add(.secret, key)
            grant.members = [key]
            contents.grants.append(grant)
        }
        for name in ["agent_identity", "personal_access_token"] where root[name].map({ $0.kind != .null }) ?? false {
            contents.notes.append("\(name) is a secret of another kind, left in the file")
        }
        return contents
    }

    private func grant(
        _ tokens: JSONValue,
        _ root: JSONValue,
        _ context: ReadingContext
    ) throws(VaultError) -> FoundGrant? {
        guard let access = try tokens.token("access_token") else { return nil }
        let idToken = try tokens.token("id_token")
        var grant = FoundGrant(.nearest(.oauth, "codex"), at: tokens, in: context)
        grant.summary.apply(.openAI)
        grant.summary.clientAuthentication = "none"
        grant.summary.tokenType = "Bearer"
        grant.summary.account = try tokens.fact("account_id")
        OpenAIIdentity(JWTClaims(of: idToken)).label(&grant.summary)
        // The file states no expiry. The access token's own claim counts; the id token's is about the id token.
        grant.summary.expiry = JWTClaims(of: access)?.expiry.map { .known($0) } ?? .unknown
        if let refreshed = try root.fact("last_refresh") {
            grant.summary.metadata["last_refresh"] = refreshed
            try grant.issued("last_refresh", of: root, as: .rfc3339)
        }
        try grant.keep("auth_mode", of: root)
        grant.add(.accessToken, access)
        grant.add(.refreshToken, try tokens.token("refresh_token"))
        grant.add(.idToken, idToken)
        grant.members = [tokens]
        return grant
    }
}
