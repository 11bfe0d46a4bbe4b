internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// What google-auth for Python writes (`Credentials.to_json()`), usually as `token.json` beside the program.
struct GoogleAuthFormat: TokenFileFormat {
    let identifier = "google-auth"
    let chaff: Set<String> = ["token_uri", "client_id", "scopes", "universe_domain", "account", "expiry", "rapt_token"]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.has("token"), root.hasString("refresh_token"), root.hasString("token_uri"),
            root.hasString("client_id"), !root.has("type")
        else { return .no }
        if root.has("decoded_id_token") || root.has("token_expiry") {
            return .declined("it is GAM's oauth2.txt, which import does not read yet")
        }
        return .yes
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let access = try root.token("token")
        let refresh = try root.token("refresh_token")
        guard access != nil || refresh != nil else { return FileContents() }
        let stem = context.path.stem
        var grant = FoundGrant(
            .nearest(.oauth, stem.hasPrefix("google") ? stem : "google-\(stem)"),
            at: root,
            in: context
        )
        grant.summary.provider = KnownClient.google.provider
        grant.summary.clientID = try root.fact("client_id")
        try applyEndpoint(of: root, to: &grant)
        // google-workspace-mcp names the file after the account.
        grant.summary.account = try root.fact("account") ?? (stem.contains("@") ? stem : nil)
        grant.summary.scopes = try root.words("scopes")
        grant.summary.tokenType = "Bearer"
        // The library writes UTC, in some versions and programs without saying so.
        try grant.expires("expiry", of: root, as: .utc)
        try grant.keep("universe_domain", of: root)
        let secret = try root.token("client_secret", allowingSpaces: true)
        grant.summary.clientAuthentication = secret == nil ? "none" : "client_secret_post"
        grant.add(.accessToken, access)
        grant.add(.refreshToken, refresh)
        grant.add(.clientSecret, secret)
        grant.take("token", "refresh_token", "client_secret", "token_uri", "client_id", "scopes", "expiry", of: root)
        return FileContents(grants: [grant])
    }

    /// An endpoint in a file is where a refresh token would be sent, and a file can be planted: only Google's counts.
    private func applyEndpoint(of root: JSONValue, to grant: inout FoundGrant) throws(VaultError) {
        guard let endpoint = try root.fact("token_uri") else { return }
        if KnownClient.googleTokenEndpoints.contains(endpoint) {
            grant.summary.issuer = KnownClient.google.issuer
            grant.summary.tokenEndpoint = endpoint
            grant.summary.rotation = .never
        } else {
            grant.notes.append(
                "the file's token endpoint \(printable(endpoint)) is none of Google's and is not used; "
                    + "if it is right, give it with --token-url"
            )
        }
    }
}
