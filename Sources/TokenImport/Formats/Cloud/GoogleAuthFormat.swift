internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// What google-auth for Python writes (`Credentials.to_json()`), usually as `token.json` beside the program.
struct GoogleAuthFormat: TokenFileFormat {
    let identifier = "google-auth"
    var chaff: Set<String> { Self.layout.chaff }

    private static let layout = GrantLayout(
        access: ["token"],
        idToken: [],
        tokenType: [],
        scopes: ["scopes"],
        // The library writes UTC, in some versions and programs without saying so.
        expiry: [.init("expiry", .utc)],
        account: ["account"],
        clientID: ["client_id"],
        clientSecret: ["client_secret"],
        kept: ["universe_domain"],
        rest: ["token_uri", "rapt_token", "account"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        // The library leaves out what it does not have.
        root.has("token") && root.hasString("token_uri") && root.hasString("client_id") && !root.has("type")
            ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let stem = context.path.stem
        let name = stem.hasPrefix("google") ? stem : "google-\(stem)"
        guard var grant = try FoundGrant.read(root, as: Self.layout, named: name, in: context) else {
            return FileContents()
        }
        grant.applyGoogle(endpoint: try root.fact("token_uri"))
        // google-workspace-mcp names the file after the account.
        grant.summary.account = grant.summary.account ?? (stem.contains("@") ? stem : nil)
        grant.summary.clientAuthentication = grant.token(.clientSecret) == nil ? "none" : "client_secret_post"
        return FileContents(grants: [grant])
    }
}
