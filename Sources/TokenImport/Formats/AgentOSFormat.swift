internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// AgentOS (TypeScript): one file for each provider, in `~/.agentos/auth` by its documents and `~/.wunderland/auth` by
/// its source.
///
/// The shape is shared with other tools, so a file that lies elsewhere is read as a generic one.
struct AgentOSFormat: TokenFileFormat {
    let identifier = "agentos"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.hasString("accessToken"), root.hasNumber("expiresAt") else { return .no }
        return path.lies(in: "agentos", "auth") || path.lies(in: "wunderland", "auth") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard let access = try root.token("accessToken") else { return FileContents() }
        let provider = context.path.stem
        let idToken = try root.token("idToken")
        var grant = FoundGrant(.nearest(.oauth, "agentos-\(provider)"), at: root, in: context)
        grant.summary.provider = provider
        if provider.hasPrefix("openai") {
            grant.summary.apply(.openAI)
            grant.summary.clientAuthentication = "none"
        }
        grant.summary.tokenType = "Bearer"
        let claims = JWTClaims(of: idToken)
        OpenAIIdentity(claims).label(&grant.summary)
        grant.summary.issuer = grant.summary.issuer ?? claims?.issuer
        try grant.expires("expiresAt", of: root, as: .milliseconds)
        if access.hasSecretPrefix("sk-") {
            // A token exchange leaves an API key here and the expiry of the token that was exchanged.
            grant.summary.expiry = .unknown
            grant.notes.append("the access token is an API key, to which the file's expiry does not apply")
        }
        for fact in root["metadata"]?.children ?? [] where fact.kind == .string && Self.isPlain(fact.name) {
            if let text = try? fact.fact() { grant.summary.metadata["agentos.\(fact.name)"] = text }
        }
        grant.add(.accessToken, access)
        grant.add(.refreshToken, try root.token("refreshToken"))
        grant.add(.idToken, idToken)
        grant.take("accessToken", "refreshToken", "idToken", "expiresAt", "metadata", of: root)
        return FileContents(grants: [grant])
    }

    /// Whether a fact's name says that it is none of the things a list must not show.
    private static func isPlain(_ name: String) -> Bool {
        let lower = name.lowercased()
        return !["token", "secret", "key", "password", "code", "verifier"].contains { lower.contains($0) }
            && lower.unicodeScalars.allSatisfy { !isUnprintable($0) } && name.utf8.count <= 64
    }
}
