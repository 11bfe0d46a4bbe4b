internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// The token file of `mutt_oauth2.py` where it is not encrypted.
struct MuttFormat: TokenFileFormat {
    let identifier = "mutt"
    var chaff: Set<String> { Self.layout.chaff }

    private static let layout = GrantLayout(
        idToken: [],
        tokenType: [],
        scopes: [],
        expiry: [.init("access_token_expiration", .local)],
        account: ["email"],
        clientID: ["client_id"],
        clientSecret: ["client_secret"],
        kept: ["registration", "authflow"],
        rest: ["email"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.has("registration") && root.has("access_token_expiration") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let name = try root.fact("email") ?? context.path.stem
        guard var grant = try FoundGrant.read(root, as: Self.layout, named: "mutt-\(name)", in: context) else {
            return FileContents()
        }
        switch try root.fact("registration") {
        case "google": grant.applyGoogle(endpoint: KnownClient.google.tokenEndpoint)
        case "microsoft": grant.applyMicrosoft("login.microsoftonline.com", tenant: "common")
        case let other:
            grant.notes.append("its registration \(printable(other ?? "")) is neither Google's nor Microsoft's")
        }
        grant.summary.clientAuthentication = grant.token(.clientSecret) == nil ? "none" : "client_secret_post"
        grant.noteWhatARefreshLacks(context)
        return FileContents(grants: [grant])
    }
}
