internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// GAM's `oauth2.txt`: what google-auth for Python writes, with an id token and what that says beside it.
struct GAMFormat: TokenFileFormat {
    let identifier = "gam"
    var chaff: Set<String> { Self.layout.chaff }

    private static let layout = GrantLayout(
        access: ["token"],
        tokenType: [],
        scopes: ["scopes"],
        expiry: [.init("token_expiry", .utc)],
        clientID: ["client_id"],
        clientSecret: ["client_secret"],
        rest: ["token_uri", "decoded_id_token"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.has("token") && root.has("token_uri") && root.hasString("client_id") && !root.has("type")
            && (root.has("decoded_id_token") || root.has("token_expiry")) ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard var grant = try FoundGrant.read(root, as: Self.layout, named: "gam", in: context) else {
            return FileContents()
        }
        grant.applyGoogle(endpoint: try root.fact("token_uri"))
        let said = root["decoded_id_token"].flatMap { $0.kind == .object ? $0 : nil }
        grant.summary.account = try said?.fact("email") ?? JWTClaims(of: grant.token(.idToken))?.text("email")
        grant.summary.clientAuthentication = grant.token(.clientSecret) == nil ? "none" : "client_secret_post"
        return FileContents(grants: [grant])
    }
}
