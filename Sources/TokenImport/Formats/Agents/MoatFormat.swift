internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// One of Moat's credentials, opened: `oauth:<name>` with a refresh token, or another provider's token.
struct MoatFormat: TokenFileFormat {
    let identifier = "moat"
    /// A file is one credential, and without its token it is nothing.
    let chaff: Set<String> = ["provider", "scopes", "expires_at", "created_at", "metadata"]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.hasString("provider"), root.has("token"), root.has("created_at") else { return .no }
        guard (try? root.fact("provider")) != "aws" else {
            return .declined("it is Moat's credential for AWS, which names a role and holds no token")
        }
        return .yes
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard let token = try root.token("token") else { return FileContents() }
        let provider = try root.fact("provider") ?? context.path.stem
        let metadata = root["metadata"].flatMap { $0.kind == .object ? $0 : nil }
        let refresh = try metadata?.token("refresh_token")
        let isOAuth = provider.hasPrefix("oauth:") || refresh != nil
        let name = provider.hasPrefix("oauth:") ? String(provider.dropFirst("oauth:".count)) : provider
        var grant = FoundGrant(.nearest(isOAuth ? .oauth : .static, "moat-\(name)"), at: root, in: context)
        if isOAuth {
            try grant.describe(root, metadata, name)
            grant.add(.accessToken, token)
            grant.add(.refreshToken, refresh)
            grant.add(.clientSecret, try metadata?.token("client_secret", allowingSpaces: true))
        } else {
            grant.summary.provider = name
            grant.add(.secret, token)
        }
        grant.members = root.children
        for file in MoatKey.keyFiles(context.path, context.machine) where (try? FileStatus.of(file)) ?? nil != nil {
            grant.notes.append("its key lies in plain text in \(printable(file)): whoever reads both reads the token")
            break
        }
        return FileContents(grants: [grant])
    }
}

extension FoundGrant {
    /// What Moat knows of the grant.
    fileprivate mutating func describe(_ root: JSONValue, _ metadata: JSONValue?, _ name: String) throws(VaultError) {
        summary.provider = "mcp"
        summary.tokenType = "Bearer"
        summary.scopes = try root.words("scopes")
        summary.metadata["moat_provider"] = name
        // Where the server named no lifetime Moat refreshes whenever it looks, so its zero time is not "never".
        try expires("expires_at", of: root, as: .rfc3339)
        guard let metadata else { return }
        summary.clientID = try metadata.fact("client_id")
        if let resource = try metadata.fact("resource"), Endpoint.isAcceptable(resource) { summary.resource = resource }
        if metadata.has("client_secret") {
            summary.clientAuthentication = "client_secret_post"
        } else {
            summary.clientAuthentication = "none"
        }
        if let url = try metadata.fact("token_url") {
            summary.metadata["token_url"] = url
            notes.append(
                "the file's token endpoint \(printable(url)) is not used on its word alone; if it is right, give it with "
                    + "--token-url"
            )
        }
    }
}
