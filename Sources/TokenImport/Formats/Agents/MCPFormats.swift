internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Codex's `.credentials.json`: a grant for each MCP server, in a file of the name that Claude Code's has.
struct CodexMCPFormat: TokenFileFormat {
    let identifier = "codex-mcp"

    private static let layout = GrantLayout(
        expiry: [.init("expires_at", .milliseconds)],
        clientID: ["client_id"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.isMap {
            $0.has("server_name") && $0.has("server_url") && $0.has("client_id") && $0.has("access_token")
        } ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard root.kind == .object else { throw root.mismatch(expected: "an object") }
        var contents = FileContents()
        for entry in root.children {
            guard entry.kind == .object else { throw entry.mismatch(expected: "an object") }
            let server = try entry.fact("server_name") ?? String(entry.name.prefix { $0 != "|" })
            let name = "codex-mcp-\(server)"
            guard var grant = try FoundGrant.read(entry, as: Self.layout, named: name, in: context) else {
                contents.noteUnfinished(entry.name)
                continue
            }
            grant.serves(server, at: try entry.fact("server_url"))
            contents.grants.append(grant)
        }
        return contents
    }
}

/// Gemini CLI's `mcp-oauth-tokens.json`: an array of grants for MCP servers.
struct GeminiMCPFormat: TokenFileFormat {
    let identifier = "gemini-mcp"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.kind == .array, !root.children.isEmpty else { return .no }
        return root.children.allSatisfy { $0.has("serverName") && ($0["token"]?.has("accessToken") ?? false) }
            ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard root.kind == .array else { throw root.mismatch(expected: "an array") }
        var contents = FileContents()
        for entry in root.children {
            guard entry.kind == .object else { throw entry.mismatch(expected: "an object") }
            let server = try entry.fact("serverName")
            let name = "gemini-mcp-\(server ?? "server")"
            guard let token = try entry.object("token"),
                var grant = try FoundGrant.read(token, as: .camel, named: name, at: entry, in: context)
            else {
                contents.noteUnfinished(server ?? "")
                continue
            }
            grant.serves(server, at: try entry.fact("mcpServerUrl"))
            grant.summary.clientID = try entry.fact("clientId")
            if grant.summary.clientID != nil { grant.summary.clientAuthentication = "none" }
            if entry.first(of: ["updatedAt"]) != nil { try grant.issued("updatedAt", of: entry, as: .milliseconds) }
            grant.trust(try entry.fact("tokenUrl"), onlyAt: nil)
            contents.grants.append(grant)
        }
        return contents
    }
}

/// opencode's `mcp-auth.json`: grants for MCP servers, in seconds where its neighbour counts milliseconds.
struct OpenCodeMCPFormat: TokenFileFormat {
    let identifier = "opencode-mcp"

    private static let layout = GrantLayout(
        access: ["accessToken"],
        refresh: ["refreshToken"],
        idToken: ["idToken"],
        expiry: [.init("expiresAt", .seconds)]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.isMap {
            ($0["tokens"]?.has("accessToken") ?? false) || ($0["clientInfo"]?.has("clientId") ?? false)
                || $0.has("codeVerifier")
        } ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard root.kind == .object else { throw root.mismatch(expected: "an object") }
        var contents = FileContents()
        for entry in root.children {
            guard entry.kind == .object else { throw entry.mismatch(expected: "an object") }
            let name = "opencode-mcp-\(entry.name)"
            guard let tokens = try entry.object("tokens"),
                var grant = try FoundGrant.read(tokens, as: Self.layout, named: name, at: entry, in: context)
            else {
                contents.noteUnfinished(entry.name)
                continue
            }
            grant.serves(entry.label, at: try entry.fact("serverUrl"))
            if let client = try entry.object("clientInfo") {
                grant.summary.clientID = try client.fact("clientId")
                let secret = try client.token("clientSecret", allowingSpaces: true)
                grant.add(.clientSecret, secret)
                if secret == nil { grant.summary.clientAuthentication = "none" }
                // RFC 7591 §3.2.1: 0 is never.
                if let end = client.first(of: ["clientSecretExpiresAt"]) {
                    grant.summary.clientSecretExpiresAt = try end.instant(as: .seconds)
                }
            }
            contents.grants.append(grant)
        }
        return contents
    }
}

extension FileContents {
    /// Says that an entry without a token stays where it is.
    mutating func noteUnfinished(_ name: String) {
        notes.append("\(printable(name)): a login that was not finished, left in the file")
    }
}
