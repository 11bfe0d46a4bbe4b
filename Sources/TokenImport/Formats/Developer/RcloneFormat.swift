internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// rclone's configuration: a section for each remote, in which `token` is Go's `oauth2.Token` as JSON.
///
/// Before 2016 the members of that were capitalised. The settings of a remote stay when its token goes.
struct RcloneFormat: TokenFileFormat {
    let identifier = "rclone"

    /// What a remote of a type is refreshed at, unless its section says otherwise.
    private struct Backend {
        let provider: String
        let tokenEndpoint: String
        var rotation = Rotation.unknown
    }

    private static let google = Backend(
        provider: "google",
        tokenEndpoint: "https://oauth2.googleapis.com/token",
        rotation: .never
    )
    private static let backends: [String: Backend] = [
        "drive": google,
        "google photos": google,
        "google cloud storage": google,
        "dropbox": Backend(provider: "dropbox", tokenEndpoint: "https://api.dropboxapi.com/oauth2/token"),
        "box": Backend(provider: "box", tokenEndpoint: "https://api.box.com/oauth2/token", rotation: .always),
        "onedrive": Backend(
            provider: "microsoft",
            tokenEndpoint: "https://login.microsoftonline.com/common/oauth2/v2.0/token"
        ),
        "pcloud": Backend(provider: "pcloud", tokenEndpoint: "https://api.pcloud.com/oauth2_token"),
        "yandex": Backend(provider: "yandex", tokenEndpoint: "https://oauth.yandex.com/token"),
    ]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.kind == .object else { return .no }
        let hasToken = root.children.contains { section in
            section["token"].map { $0.has("access_token") || $0.has("AccessToken") } ?? false
        }
        if hasToken { return .yes }
        // Its other remotes have passwords that are merely obscured, and keys.
        return path.fileName.hasSuffix("rclone.conf") && root.children.contains { $0.has("type") }
            ? .declined("none of its remotes has a token") : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard root.kind == .object else { throw root.mismatch(expected: "sections") }
        var contents = FileContents()
        for section in root.children where section.kind == .object {
            guard let token = section["token"], token.kind == .object else { continue }
            if let grant = try grant(section, token, context) { contents.grants.append(grant) }
        }
        return contents
    }

    private func grant(
        _ section: JSONValue,
        _ token: JSONValue,
        _ context: ReadingContext
    ) throws(VaultError) -> FoundGrant? {
        let access = try token.token("access_token", "AccessToken")
        let refresh = try token.token("refresh_token", "RefreshToken")
        guard access != nil || refresh != nil else { return nil }
        var grant = FoundGrant(.nearest(.oauth, "rclone-\(section.name)"), at: token, in: context)
        let type = try section.fact("type")
        grant.summary.metadata["type"] = type
        grant.summary.tokenType = try token.fact("token_type", "TokenType")
        grant.summary.scopes = try section.words("scope")
        try grant.expires(token.has("expiry") ? "expiry" : "Expiry", of: token, as: .rfc3339, zero: .never)
        let secret = try section.token("client_secret", allowingSpaces: true)
        try setClient(section, type.flatMap { Self.backends[$0] }, hasSecret: secret != nil, &grant)
        grant.add(.accessToken, access)
        grant.add(.refreshToken, refresh)
        grant.add(.clientSecret, secret)
        grant.members = [token]
        return grant
    }

    /// An endpoint in the file counts only if it is the one that rclone would use for this type anyway.
    private func setClient(
        _ section: JSONValue,
        _ backend: Backend?,
        hasSecret: Bool,
        _ grant: inout FoundGrant
    ) throws(VaultError) {
        grant.summary.provider = backend?.provider
        grant.summary.rotation = backend?.rotation ?? .unknown
        grant.summary.clientID = try section.fact("client_id")
        grant.summary.clientAuthentication = hasSecret ? "client_secret_post" : "none"
        if grant.summary.clientID == nil {
            grant.notes.append("it was granted to rclone's own client; --client-id and --client-secret-file name it")
        }
        let named = try section.fact("token_url")
        if let named, named != backend?.tokenEndpoint {
            grant.notes.append(
                "the file's token endpoint \(printable(named)) is not the usual one and is not used; "
                    + "if it is right, give it with --token-url"
            )
            // Whoever answers there, nobody knows how.
            grant.summary.rotation = .unknown
        } else {
            grant.summary.tokenEndpoint = backend?.tokenEndpoint
        }
    }
}
