internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// What google-auth for Python writes (`Credentials.to_json()`), usually as `token.json` beside the program.
struct GoogleAuthFormat: TokenFileFormat {
    let identifier = "google-auth"
    var chaff: Set<String> { Self.fields.chaff }

    private static let fields = CloudFields(
        access: "token",
        refresh: "refresh_token",
        clientSecret: "client_secret",
        clientID: "client_id",
        account: "account",
        scopes: "scopes",
        // The library writes UTC, in some versions and programs without saying so.
        expiry: ("expiry", .utc),
        facts: ["universe_domain"],
        rest: ["token_uri", "rapt_token"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        // The library leaves out what it does not have.
        root.has("token") && root.hasString("token_uri") && root.hasString("client_id") && !root.has("type")
            ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let stem = context.path.stem
        let name = stem.hasPrefix("google") ? stem : "google-\(stem)"
        guard var grant = try Self.fields.grant(name, at: root, in: context) else { return FileContents() }
        grant.applyGoogle(endpoint: try root.fact("token_uri"))
        // google-workspace-mcp names the file after the account.
        grant.summary.account = grant.summary.account ?? (stem.contains("@") ? stem : nil)
        grant.summary.tokenType = "Bearer"
        grant.summary.clientAuthentication = grant.token(.clientSecret) == nil ? "none" : "client_secret_post"
        return FileContents(grants: [grant])
    }
}
