internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// spotipy's `.cache` and `.cache-USER`, which lie where a program was run.
struct SpotipyFormat: TokenFileFormat {
    let identifier = "spotipy"
    var chaff: Set<String> { Self.layout.chaff }

    private static let layout = GrantLayout(
        idToken: [],
        scopes: ["scope"],
        expiry: [.init("expires_at", .seconds)],
        assumedType: nil,
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
            var grant = try FoundGrant.read(
                root,
                as: Self.layout,
                named: user.isEmpty ? "spotify" : "spotify-\(user)",
                in: context
            )
        else { return FileContents() }
        grant.summary.apply(.spotify)
        grant.summary.account = user.isEmpty ? nil : user
        grant.noteWhatARefreshLacks(context)
        return FileContents(grants: [grant])
    }
}
