internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// crush's `crush.json`, whose providers have a grant, a key, or the grant's access token once more as a key.
///
/// A grant alone in a file of its own, as crush lays it out, is told by its client.
struct CrushFormat: TokenFileFormat {
    let identifier = "crush"
    let chaff: Set<String> = ["expires_at", "expires_in", "account_id", "client"]

    private static let layout = GrantLayout(
        expiry: [.init("expires_at", .seconds)],
        account: ["account_id"],
        rest: ["expires_in"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        if root.hasString("access_token"), root.hasNumber("expires_at"), root["client"]?.kind == .object { return .yes }
        let providers = root["providers"]?.children ?? []
        if providers.contains(where: { $0["oauth"]?.has("access_token") ?? false }) { return .yes }
        return path.lies(in: "crush") && providers.contains { $0.has("oauth") || $0.has("api_key") } ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        var contents = FileContents()
        guard root.has("providers") else {
            return FileContents(try grant(root, "crush-\(context.path.stem)", nil, context))
        }
        for provider in try root.object("providers")?.children ?? [] {
            guard provider.kind == .object else { throw provider.mismatch(expected: "an object") }
            let name = "crush-\(provider.name)"
            if let oauth = try provider.object("oauth"),
                var grant = try grant(oauth, name, .of(provider: provider.label), context)
            {
                grant.summary.provider = grant.summary.provider ?? provider.label
                // What crush sends: the access token, in older versions with its scheme before it.
                if let key = provider["api_key"] {
                    grant.noteCopy(.accessToken, key)
                    grant.members.append(key)
                }
                contents.grants.append(grant)
            } else if let key = provider["api_key"], !key.isReference,
                let token = try provider.token("api_key")
            {
                contents.grants.append(.key(token, named: name, provider: provider.label, in: context))
            }
        }
        return contents
    }

    private func grant(
        _ value: JSONValue,
        _ name: String,
        _ known: KnownClient?,
        _ context: ReadingContext
    ) throws(VaultError) -> FoundGrant? {
        guard var grant = try FoundGrant.read(value, as: Self.layout, named: name, client: known, in: context) else {
            return nil
        }
        // To crush a token of 1970 has run out, whether it was written so or was never known.
        if value.hasNumber("expires_at"), case .unknown = grant.summary.expiry {
            grant.summary.expiry = Timestamp(seconds: 0).map { .known($0) } ?? .unknown
        }
        if let client = try value.object("client") {
            if let own = try client.fact("client_id") { grant.summary.clientID = own }
            let secret = try client.token("client_secret", allowingSpaces: true)
            grant.add(.clientSecret, secret)
            if secret != nil { grant.summary.clientAuthentication = nil }
            grant.trust(try client.fact("token_url"), onlyAt: nil)
            if value.parent == nil { grant.members.append(client) }
        }
        if known?.provider == KnownClient.copilot.provider { grant.takeGitHubToken() }
        return grant
    }
}
