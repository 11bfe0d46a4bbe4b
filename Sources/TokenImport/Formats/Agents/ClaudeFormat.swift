internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Claude Code's `.credentials.json`: its own grant and one for each MCP server.
///
/// The oldest files hold the grant alone, flat or under another name; they are read in its place only, since many tools
/// write that shape.
struct ClaudeFormat: TokenFileFormat {
    let identifier = "claude"
    let chaff: Set<String> = [
        "expiresAt", "expires_at", "expires", "expiresIn", "expires_in", "scope", "scopes", "email", "token_type",
        "subscriptionType", "rateLimitTier", "organizationUuid",
    ]

    /// Claude Code's own members; the others are those of its first versions, and of tools that write for it.
    private static let own = GrantLayout(
        access: ["accessToken", "access_token", "access"],
        refresh: ["refreshToken", "refresh_token", "refresh"],
        idToken: [],
        scopes: ["scopes", "scope"],
        expiry: [.init("expiresAt", .milliseconds), .init("expires_at", nil), .init("expires", nil)],
        account: ["email"],
        kept: ["subscriptionType", "rateLimitTier"],
        rest: ["email", "expires_in", "expiresIn"]
    )
    private static let server: GrantLayout = {
        var layout = GrantLayout.camel
        layout.clientID = ["clientId"]
        layout.clientSecret = ["clientSecret"]
        return layout
    }()

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        if ["claudeAiOauth", "claude_ai_oauth", "mcpOAuth", "mcpOAuthClientConfig"].contains(where: root.has) {
            return .yes
        }
        guard path.lies(in: "claude"), path.stem == "credentials", path.fileName.hasSuffix(".json") else { return .no }
        if root.has("trustedDeviceToken") { return .yes }
        return Self.isGrant(root) || root["oauth"].map(Self.isGrant) ?? false ? .yes : .no
    }

    private static func isGrant(_ value: JSONValue) -> Bool {
        (["accessToken", "access_token", "access"].contains { value.hasString($0) })
            && ["refreshToken", "refresh_token", "refresh", "expiresAt", "expires_at"].contains(where: value.has)
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard root.kind == .object else { throw root.mismatch(expected: "an object") }
        var contents = FileContents()
        if let grant = try own(root, context) { contents.grants.append(grant) }
        if let design = try root.object("designOauth") {
            let grant = try FoundGrant.read(design, as: Self.own, named: "claude-design", in: context)
            if let grant { contents.grants.append(grant) }
        }
        if let token = try root.token("trustedDeviceToken") {
            let provider = KnownClient.anthropic.provider
            contents.grants.append(.key(token, named: "claude-trusted-device", provider: provider, in: context))
        }
        try servers(root, context, &contents)
        for name in ["enterpriseGateway", "pluginSecrets"] where root.first(of: [name]) != nil {
            contents.notes.append("\(name) is a secret of another kind, left in the file")
        }
        return contents
    }

    private func own(_ root: JSONValue, _ context: ReadingContext) throws(VaultError) -> FoundGrant? {
        var place = try root.object("claudeAiOauth")
        if place == nil { place = try root.object("claude_ai_oauth") }
        if place == nil, let nested = root["oauth"], nested.kind == .object { place = nested }
        let value = place ?? root
        var grant = try FoundGrant.read(value, as: Self.own, named: "claude", client: .anthropic, in: context)
        if grant?.summary.account == nil { grant?.summary.account = account(context.path) }
        return grant
    }

    /// Claude Code writes whose account it is into its settings, beside its directory or in it.
    private func account(_ path: TokenPath) -> String? {
        guard path.lies(in: "claude") else { return nil }
        for place in ["\(path.ancestor(1))/.claude.json", "\(path.ancestor(2))/.claude.json"] {
            guard let account = Companion.read(place)?["oauthAccount"] else { continue }
            if let name = try? account.fact("emailAddress", "accountUuid") { return name }
        }
        return nil
    }

    private func servers(
        _ root: JSONValue,
        _ context: ReadingContext,
        _ contents: inout FileContents
    ) throws(VaultError) {
        let clients = try root.object("mcpOAuthClientConfig")
        var taken: Set<String> = []
        for entry in try root.object("mcpOAuth")?.children ?? [] {
            guard entry.kind == .object else { throw entry.mismatch(expected: "an object") }
            let server = try entry.fact("serverName") ?? String(entry.name.prefix { $0 != "|" })
            let name = "claude-mcp-\(server)"
            guard var grant = try FoundGrant.read(entry, as: Self.server, named: name, in: context) else {
                contents.noteUnfinished(entry.name)
                continue
            }
            grant.serves(
                server,
                at: try entry.fact("serverUrl"),
                issuer: try entry["discoveryState"]?.fact("authorizationServerUrl")
            )
            // A secret that the user gave stands beside the grant's own, or instead of it.
            if let secret = try clients?[entry.name]?.token("clientSecret", allowingSpaces: true) {
                if grant.token(.clientSecret) == nil {
                    grant.add(.clientSecret, secret)
                    grant.summary.clientAuthentication = nil
                } else {
                    grant.noteCopy(.clientSecret, secret)
                }
                let isTaken = (grant.secrets + grant.copies).contains { $0.value.index == secret.index }
                if isTaken { taken.insert(entry.name) }
            }
            contents.grants.append(grant)
        }
        for client in clients?.children ?? [] where !taken.contains(client.name) {
            guard client.kind == .object else { throw client.mismatch(expected: "an object") }
            guard let secret = try client.token("clientSecret", allowingSpaces: true) else { continue }
            let server = String(client.name.prefix { $0 != "|" })
            contents.grants.append(.key(secret, named: "claude-mcp-\(server)-client", provider: "mcp", in: context))
        }
    }
}
