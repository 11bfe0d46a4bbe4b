internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// `oauth2.Token` of golang.org/x/oauth2, which many Go programs write as it is.
struct GoFormat: TokenFileFormat {
    let identifier = "go"
    let chaff: Set<String> = ["token_type", "expiry", "expires_in"]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.hasString("access_token") && root.hasString("expiry") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let access = try root.token("access_token")
        let refresh = try root.token("refresh_token")
        guard access != nil || refresh != nil else { return FileContents() }
        let idToken = try root.token("id_token")
        var grant = FoundGrant(.nearest(.oauth, context.path.stem), at: root, in: context)
        grant.summary.tokenType = try root.fact("token_type")
        // The zero time is Go's "no expiry": compared as text, since calendars disagree about the year 1.
        if let text = try root.fact("expiry"), text.hasPrefix("0001-01-01T00:00:00") {
            grant.summary.expiry = .never
        } else {
            try grant.expires("expiry", of: root, as: .rfc3339)
        }
        grant.label(by: idToken)
        grant.add(.accessToken, access)
        grant.add(.refreshToken, refresh)
        grant.add(.idToken, idToken)
        grant.take("access_token", "refresh_token", "id_token", "token_type", "expiry", "expires_in", of: root)
        return FileContents(grants: [grant])
    }
}
