internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Goose's `secrets.yaml`: every secret of Goose where it has no keyring, grants and keys side by side.
struct GooseSecretsFormat: TokenFileFormat {
    let identifier = "goose-secrets"

    private static let databricks = "DATABRICKS_OAUTH_"
    private static let credentials = "oauth_creds_"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.kind == .object else { return .no }
        let isGoose = root.children.contains { member in
            member.kind == .object
                && (member.name.hasPrefix(Self.credentials) && member.has("token_response")
                    || member.name.hasPrefix(Self.databricks)
                        && isHexadecimal(String(member.name.dropFirst(Self.databricks.count)), count: 64))
        }
        if isGoose { return .yes }
        guard path.fileName == "secrets.yaml", path.lies(in: "goose") || path.lies(in: "config") else { return .no }
        return root.children.contains { $0.kind == .string && Self.isKey($0.name) } ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        try Self.contents(of: root, configuration: context.path.ancestor(1) + "/config.yaml", in: context)
    }

    /// What stands under Goose's keys, in its file or in the keyring.
    static func contents(
        of root: JSONValue,
        configuration: String,
        in context: ReadingContext
    ) throws(VaultError) -> FileContents {
        guard root.kind == .object else { throw root.mismatch(expected: "a mapping") }
        var contents = FileContents()
        for member in root.children {
            let name = member.name
            if name.hasPrefix(databricks), member.kind == .object {
                let hash = String(name.dropFirst(databricks.count))
                if var grant = try GooseDatabricksFormat.grant(member, hash: hash, configuration, context) {
                    grant.members = [member]
                    contents.grants.append(grant)
                }
            } else if name.hasPrefix(credentials), member.kind == .object {
                if let grant = try extensionGrant(member, context) { contents.grants.append(grant) }
            } else if member.kind == .string {
                if let grant = key(member, context) {
                    contents.grants.append(grant)
                } else if !member.range.isEmpty, isKey(name) {
                    contents.notes.append("\(printable(name)) is no single token and is left in the file")
                }
            } else if member.kind != .null {
                contents.notes.append("\(printable(name)) is a secret of another kind, left in the file")
            }
        }
        return contents
    }

    /// What Goose keeps for an extension: the client, the answer of the token endpoint, and, since 2025, when it came.
    private static func extensionGrant(
        _ member: JSONValue,
        _ context: ReadingContext
    ) throws(VaultError) -> FoundGrant? {
        guard let response = member["token_response"], response.kind == .object,
            let access = try response.token("access_token")
        else { return nil }
        let name = String(member.name.dropFirst(credentials.count))
        var grant = FoundGrant(.nearest(.oauth, "goose-\(name)"), at: member, in: context)
        grant.summary.metadata["extension"] = printable(name)
        grant.summary.clientID = try member.fact("client_id")
        grant.summary.tokenType = try response.fact("token_type")
        let granted = try member.words("granted_scopes")
        grant.summary.scopes = try granted.isEmpty ? response.words("scope") : granted
        try grant.issued("token_received_at", of: member, as: .seconds)
        if let lifetime = response["expires_in"], lifetime.kind == .number {
            grant.expires(after: lifetime)
        }
        let options = context.options
        if options.resource == nil, options.issuer == nil, options.tokenURL == nil {
            grant.notes.append("the file does not name the server; --resource URL or --issuer URL does")
        }
        grant.add(.accessToken, access)
        grant.add(.refreshToken, try response.token("refresh_token"))
        grant.members = [member]
        return grant
    }

    /// A text that is a key: every text here is a secret, but an address is no token.
    private static func key(_ member: JSONValue, _ context: ReadingContext) -> FoundGrant? {
        guard !member.hasSecretPrefix("https://"), !member.hasSecretPrefix("http://"),
            let token = try? member.parent?.token(member.name)
        else { return nil }
        let name = String(member.name.lowercased().map { $0 == "_" ? "-" : $0 })
        var grant = FoundGrant(.nearest(.static, "goose-\(name)"), at: member, in: context)
        grant.summary.metadata["variable"] = printable(String(member.name.prefix(256)))
        if member.name == "GITHUB_COPILOT_TOKEN" { grant.summary.provider = "github" }
        grant.add(.secret, token)
        grant.members = [member]
        return grant
    }

    private static func isKey(_ name: String) -> Bool {
        ["_KEY", "_TOKEN", "_SECRET", "_PASSWORD"].contains { name.uppercased().hasSuffix($0) }
    }
}
