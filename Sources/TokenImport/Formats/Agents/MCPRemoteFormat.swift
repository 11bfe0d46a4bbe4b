internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// mcp-remote's `<hash>_tokens.json`: a token endpoint's answer, its client in a file beside it, its server in none.
///
/// The hash is that of the server's URL and of what mcp-remote was started with, so a server is taken from where MCP
/// clients are configured, and only where the hash confirms it.
struct MCPRemoteFormat: TokenFileFormat {
    let identifier = "mcp-remote"
    let chaff: Set<String> = ["token_type", "expires_in", "scope"]

    private static let suffix = "_tokens.json"
    private static let layout = GrantLayout(rest: ["expires_in"])

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.hasString("access_token") && Self.hash(of: path) != nil ? .yes : .no
    }

    private static func hash(of path: TokenPath) -> String? {
        guard path.fileName.hasSuffix(suffix) else { return nil }
        let hash = String(path.fileName.dropLast(suffix.count))
        return isHexadecimal(hash, count: 32) ? hash : nil
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let hash = Self.hash(of: context.path)
        let server = hash.flatMap { MCPRemoteServer.confirmed(by: $0, in: context) }
        let host = server.flatMap { Endpoint.host(of: $0.url) }
        let name = "mcp-remote-\(host ?? hash.map { String($0.prefix(8)) } ?? context.path.stem)"
        guard var grant = try FoundGrant.read(root, as: Self.layout, named: name, in: context) else {
            return FileContents()
        }
        grant.serves(nil, at: server?.url)
        if server == nil {
            grant.notes.append("its server is written nowhere that import looks; --resource URL says it")
        }
        try takeLifetime(of: root, to: &grant, context)
        if let hash { takeClient("\(context.path.ancestor(1))/\(hash)_client_info.json", to: &grant) }
        return FileContents(grant)
    }

    /// mcp-remote writes the file when it has the token, so in its directory the file's time is that of issue.
    ///
    /// A copy elsewhere has the time of the copying.
    private func takeLifetime(
        of root: JSONValue,
        to grant: inout FoundGrant,
        _ context: ReadingContext
    ) throws(VaultError) {
        guard let lifetime = root.first(of: ["expires_in"]) else { return }
        guard lifetime.kind == .number else { throw lifetime.mismatch(expected: "a number") }
        let isInItsPlace = TokenPath(context.path.ancestor(1)).fileName.hasPrefix("mcp-remote-")
        // Whole seconds: the lifetime has no more, and the clock of the server is not that of the file.
        if isInItsPlace, let written = context.modified?.seconds {
            grant.summary.issuedAt = Timestamp(seconds: written)
        }
        grant.expires(after: lifetime)
    }

    /// The registration (RFC 7591) is another file's, so it is read and stays.
    private func takeClient(_ path: String, to grant: inout FoundGrant) {
        guard let client = Companion.read(path) else {
            grant.notes.append("the file with its client is not there or cannot be read; --client-id says it")
            return
        }
        grant.summary.clientID = (try? client.fact("client_id")) ?? nil
        grant.summary.clientAuthentication = (try? client.fact("token_endpoint_auth_method")) ?? nil
        if let secret = (try? client.token("client_secret", allowingSpaces: true)) ?? nil {
            grant.elsewhere.append((.clientSecret, secret))
            if let end = (try? client["client_secret_expires_at"]?.instant(as: .seconds)) ?? nil {
                grant.summary.clientSecretExpiresAt = end
            }
        } else if grant.summary.clientID != nil {
            grant.summary.clientAuthentication = grant.summary.clientAuthentication ?? "none"
        }
    }
}

/// A JSON file of the same program's beside a token file.
enum Companion {
    /// What it says; `nil` where it is not there, is not ours or is no JSON: it only ever adds to what is known.
    static func read(_ path: String) -> JSONValue? {
        guard let file = try? TokenFile.read(path) else { return nil }
        return (try? JSONDocument(file.bytes, subject: printable(path)))?.root
    }
}
