internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// `oauth2.Token` of golang.org/x/oauth2, which many Go programs write as it is, and of goauth2, which came before it.
struct GoFormat: TokenFileFormat {
    let identifier = "go"
    var chaff: Set<String> { Self.fields.chaff.union(Self.older.chaff) }

    private static let fields = CloudFields(
        access: "access_token",
        refresh: "refresh_token",
        idToken: "id_token",
        tokenType: "token_type",
        expiry: ("expiry", .rfc3339),
        rest: ["expires_in"]
    )
    /// Fields of a structure without names of their own.
    private static let older = CloudFields(
        access: "AccessToken",
        refresh: "RefreshToken",
        tokenType: "TokenType",
        expiry: ("Expiry", .rfc3339),
        rest: ["Extra"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.hasString("access_token") && root.hasString("expiry")
            || root.hasString("AccessToken") && root.hasString("Expiry") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let fields = root.has("AccessToken") ? Self.older : Self.fields
        guard var grant = try fields.grant(context.path.stem, at: root, in: context) else { return FileContents() }
        grant.label(by: grant.token(.idToken))
        grant.noteWhatARefreshLacks(context)
        return FileContents(grants: [grant])
    }
}
