internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// `oauth2.Token` of golang.org/x/oauth2, which many Go programs write as it is, and of goauth2, which came before it.
struct GoFormat: TokenFileFormat {
    let identifier = "go"
    var chaff: Set<String> { Self.layout.chaff.union(Self.older.chaff) }

    private static let layout = GrantLayout(
        scopes: [],
        expiry: [.init("expiry", .rfc3339, zero: .never)],
        assumedType: nil,
        rest: ["expires_in"]
    )
    /// Fields of a structure without names of their own.
    private static let older = GrantLayout(
        access: ["AccessToken"],
        refresh: ["RefreshToken"],
        idToken: [],
        tokenType: ["TokenType"],
        scopes: [],
        expiry: [.init("Expiry", .rfc3339, zero: .never)],
        assumedType: nil,
        rest: ["Extra"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.hasString("access_token") && root.hasString("expiry")
            || root.hasString("AccessToken") && root.hasString("Expiry") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let layout = root.has("AccessToken") ? Self.older : Self.layout
        guard var grant = try FoundGrant.read(root, as: layout, named: context.path.stem, in: context) else {
            return FileContents()
        }
        grant.label(by: grant.token(.idToken))
        grant.noteWhatARefreshLacks(context)
        return FileContents(grants: [grant])
    }
}
