internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Claude Code's `.credentials.json`: its own grant and one for each MCP server.
struct ClaudeFormat: TokenFileFormat {
    let identifier = "claude"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.has("claudeAiOauth") || root.has("mcpOAuth") || root.has("mcpOAuthClientConfig") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        var contents = FileContents()
        if let own = root["claudeAiOauth"], own.kind != .null {
            guard own.kind == .object else { throw own.mismatch(expected: "an object") }
            if let grant = try self.own(own, context) { contents.grants.append(grant) }
        }
        if let servers = root["mcpOAuth"], servers.kind != .null {
            guard servers.kind == .object else { throw servers.mismatch(expected: "an object") }
            for server in servers.children {
                guard server.kind == .object else { throw server.mismatch(expected: "an object") }
                if let grant = try self.server(server, context) {
                    contents.grants.append(grant)
                } else {
                    contents.notes.append("\(printable(server.name)): a login that was not finished, left in the file")
                }
            }
        }
        for name in ["trustedDeviceToken", "mcpOAuthClientConfig", "enterpriseGateway", "designOauth", "pluginSecrets"]
        where root.has(name) {
            contents.notes.append("\(name) is a secret of another kind, left in the file")
        }
        return contents
    }

    private func own(_ value: JSONValue, _ context: ReadingContext) throws(VaultError) -> FoundGrant? {
        guard let access = try value.token("accessToken") else { return nil }
        var grant = FoundGrant(.nearest(.oauth, "claude"), at: value, in: context)
        grant.summary.apply(.anthropic)
        grant.summary.clientAuthentication = "none"
        grant.summary.tokenType = "Bearer"
        grant.summary.scopes = try value.words("scopes")
        try grant.expires("expiresAt", of: value, as: .milliseconds)
        try grant.keep("subscriptionType", of: value)
        try grant.keep("rateLimitTier", of: value)
        grant.add(.accessToken, access)
        grant.add(.refreshToken, try value.token("refreshToken"))
        grant.members = [value]
        return grant
    }

    private func server(_ value: JSONValue, _ context: ReadingContext) throws(VaultError) -> FoundGrant? {
        guard let access = try value.token("accessToken") else { return nil }
        let server = try value.fact("serverName") ?? String(value.name.prefix { $0 != "|" })
        var grant = FoundGrant(.nearest(.oauth, "claude-mcp-\(server)"), at: value, in: context)
        grant.summary.provider = "mcp"
        grant.summary.tokenType = "Bearer"
        grant.summary.scopes = try value.words("scope")
        try grant.expires("expiresAt", of: value, as: .milliseconds)
        grant.summary.clientID = try value.fact("clientId")
        grant.summary.metadata["serverName"] = server
        // RFC 8707: the grant is for this server. What it names as its authorization server is only ever an issuer to
        // discover, which has to answer for itself.
        if let resource = try value.fact("serverUrl"), Endpoint.isAcceptable(resource) {
            grant.summary.resource = resource
        }
        if let issuer = try value["discoveryState"]?.fact("authorizationServerUrl"), Endpoint.isAcceptable(issuer) {
            grant.summary.issuer = issuer
        }
        let secret = try value.token("clientSecret", allowingSpaces: true)
        if secret == nil { grant.summary.clientAuthentication = "none" }
        grant.add(.accessToken, access)
        grant.add(.refreshToken, try value.token("refreshToken"))
        grant.add(.clientSecret, secret)
        grant.members = [value]
        return grant
    }
}
