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

    /// The file states no expiry.
    ///
    /// The access token's own claim counts; the id token's is about the id token.
    private static let layout = GrantLayout(account: ["account_id"], expiresByClaim: true)

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
            contents.grants.append(.key(key, named: "codex", provider: KnownClient.openAI.provider, in: context))
        }
        for (member, name) in [("personal_access_token", "codex-token"), ("agent_identity", "codex-agent")] {
            // An identity that is no string is a key pair with its facts, of which no entry could be made to be used.
            if let value = root.first(of: [member]), value.kind == .object {
                contents.notes.append("\(member) is a secret of another kind, left in the file")
            } else if let token = try root.token(member) {
                let provider = KnownClient.openAI.provider
                var grant = FoundGrant.key(token, named: name, provider: provider, in: context)
                grant.summary.expiry = JWTClaims(of: token)?.expiry.map { .known($0) } ?? .unknown
                contents.grants.append(grant)
            }
        }
        return contents
    }

    private func grant(
        _ tokens: JSONValue,
        _ root: JSONValue,
        _ context: ReadingContext
    ) throws(VaultError) -> FoundGrant? {
        let read = try FoundGrant.read(tokens, as: Self.layout, named: "codex", client: .openAI, in: context)
        guard var grant = read else { return nil }
        if let refreshed = try root.fact("last_refresh") {
            grant.summary.metadata["last_refresh"] = refreshed
            try grant.issued("last_refresh", of: root, as: .rfc3339)
        }
        try grant.keep("auth_mode", of: root)
        return grant
    }
}
