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
        guard root.hasString("accessToken"), root.has("expiresAt") else { return .no }
        return path.lies(in: "agentos", "auth") || path.lies(in: "wunderland", "auth") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let provider = context.path.stem
        let client: KnownClient? = provider.hasPrefix("openai") ? .openAI : .of(provider: provider)
        let read = try FoundGrant.read(root, as: .camel, named: "agentos-\(provider)", client: client, in: context)
        guard var grant = read else { return FileContents() }
        grant.summary.provider = grant.summary.provider ?? provider
        let claims = JWTClaims(of: grant.token(.idToken))
        OpenAIIdentity(claims).label(&grant.summary)
        grant.summary.issuer = grant.summary.issuer ?? claims?.issuer
        if let access = grant.token(.accessToken), access.hasSecretPrefix("sk-") {
            // A token exchange leaves an API key here and the expiry of the token that was exchanged.
            grant.summary.expiry = .unknown
            grant.notes.append("the access token is an API key, to which the file's expiry does not apply")
        }
        for fact in root["metadata"]?.children ?? [] where fact.kind == .string && Self.isPlain(fact.name) {
            if let text = try? fact.fact() { grant.summary.metadata["agentos.\(fact.name)"] = text }
        }
        grant.take("metadata", of: root)
        return FileContents(grants: [grant])
    }

    /// Whether a fact's name says that it is none of the things a list must not show.
    private static func isPlain(_ name: String) -> Bool {
        let lower = name.lowercased()
        return !["token", "secret", "key", "password", "code", "verifier"].contains { lower.contains($0) }
            && lower.unicodeScalars.allSatisfy { !isUnprintable($0) } && name.utf8.count <= 64
    }
}
