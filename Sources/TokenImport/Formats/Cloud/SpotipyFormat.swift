internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// spotipy's `.cache` and `.cache-USER`, which lie where a program was run.
struct SpotipyFormat: TokenFileFormat {
    let identifier = "spotipy"
    var chaff: Set<String> { Self.fields.chaff }

    private static let fields = CloudFields(
        access: "access_token",
        refresh: "refresh_token",
        scopes: "scope",
        tokenType: "token_type",
        expiry: ("expires_at", .seconds),
        rest: ["expires_in"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.hasString("access_token") && root.hasNumber("expires_at") && root["scope"]?.kind != .array
            && (path.fileName == ".cache" || path.fileName.hasPrefix(".cache-")) ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let name = context.path.fileName
        let user = name.hasPrefix(".cache-") ? String(name.dropFirst(".cache-".count)) : ""
        guard
            var grant = try Self.fields.grant(user.isEmpty ? "spotify" : "spotify-\(user)", at: root, in: context)
        else { return FileContents() }
        grant.summary.apply(.spotify)
        grant.summary.account = user.isEmpty ? nil : user
        grant.noteWhatARefreshLacks(context)
        return FileContents(grants: [grant])
    }
}
