internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// The token of oauthlib, which requests-oauthlib and tweepy hand to a program and the program writes as it is.
///
/// It makes the scope an array and the expiry a number with a fraction; a token with neither is any program's.
struct OAuthlibFormat: TokenFileFormat {
    let identifier = "oauthlib"
    var chaff: Set<String> { Self.layout.chaff }

    private static let layout = GrantLayout(
        scopes: ["scope"],
        expiry: [.init("expires_at", .seconds)],
        assumedType: nil,
        rest: ["expires_in"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.hasString("access_token"), root.has("token_type") else { return .no }
        if let scope = root["scope"], scope.kind != .null {
            return scope.kind == .array && !root.hasString("expires_at") ? .yes : .no
        }
        return root.has("expires_in") && root.number("expires_at")?.contains(".") == true ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard var grant = try FoundGrant.read(root, as: Self.layout, named: context.path.stem, in: context) else {
            return FileContents()
        }
        grant.label(by: grant.token(.idToken))
        grant.noteWhatARefreshLacks(context)
        return FileContents(grants: [grant])
    }
}
