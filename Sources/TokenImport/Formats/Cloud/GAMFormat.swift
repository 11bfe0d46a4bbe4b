internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// GAM's `oauth2.txt`: what google-auth for Python writes, with an id token and what that says beside it.
struct GAMFormat: TokenFileFormat {
    let identifier = "gam"
    var chaff: Set<String> { Self.fields.chaff }

    private static let fields = CloudFields(
        access: "token",
        refresh: "refresh_token",
        idToken: "id_token",
        clientSecret: "client_secret",
        clientID: "client_id",
        scopes: "scopes",
        expiry: ("token_expiry", .utc),
        rest: ["token_uri", "decoded_id_token"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.has("token") && root.has("token_uri") && root.hasString("client_id") && !root.has("type")
            && (root.has("decoded_id_token") || root.has("token_expiry")) ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard var grant = try Self.fields.grant("gam", at: root, in: context) else { return FileContents() }
        grant.applyGoogle(endpoint: try root.fact("token_uri"))
        let said = root["decoded_id_token"].flatMap { $0.kind == .object ? $0 : nil }
        grant.summary.account = try said?.fact("email") ?? JWTClaims(of: grant.token(.idToken))?.text("email")
        grant.summary.tokenType = "Bearer"
        grant.summary.clientAuthentication = grant.token(.clientSecret) == nil ? "none" : "client_secret_post"
        return FileContents(grants: [grant])
    }
}
