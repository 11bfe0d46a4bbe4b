internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// The token file of `mutt_oauth2.py` where it is not encrypted.
struct MuttFormat: TokenFileFormat {
    let identifier = "mutt"
    var chaff: Set<String> { Self.fields.chaff }

    private static let fields = CloudFields(
        access: "access_token",
        refresh: "refresh_token",
        clientSecret: "client_secret",
        clientID: "client_id",
        account: "email",
        expiry: ("access_token_expiration", .local),
        facts: ["registration", "authflow"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.has("registration") && root.has("access_token_expiration") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let name = try root.fact("email") ?? context.path.stem
        guard var grant = try Self.fields.grant("mutt-\(name)", at: root, in: context) else { return FileContents() }
        grant.summary.tokenType = "Bearer"
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
