internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Gemini CLI's `oauth_creds.json`: the `Credentials` of google-auth-library for Node.
///
/// Any Node program that uses that library writes the same shape with a client of its own, so the path has to say
/// `.gemini`, or the id token has to name Gemini's client.
struct GeminiFormat: TokenFileFormat {
    let identifier = "gemini"
    /// What describes a grant that is gone.
    let chaff: Set<String> = ["scope", "token_type", "expiry_date"]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.hasString("access_token"), root.hasNumber("expiry_date") else { return .no }
        let audiences = JWTClaims(of: try? root.token("id_token"))?.audiences ?? []
        let isNamed = KnownClient.gemini.clientID.map { audiences.contains($0) } ?? false
        guard path.lies(in: "gemini"), path.fileName.contains("oauth_creds") else { return isNamed ? .yes : .no }
        if !audiences.isEmpty && !isNamed {
            return .ambiguous("it lies where Gemini CLI keeps its grant, but its id token names another client")
        }
        let scopes = (try? root.words("scope")) ?? []
        if !scopes.isEmpty && !scopes.contains(where: { $0.contains("googleapis.com") || $0 == "openid" }) {
            return .ambiguous("it lies where Gemini CLI keeps its grant, but none of its scopes is Google's")
        }
        return .yes
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let access = try root.token("access_token")
        let refresh = try root.token("refresh_token")
        guard access != nil || refresh != nil else { return FileContents() }
        let idToken = try root.token("id_token")
        var grant = FoundGrant(.nearest(.oauth, "gemini"), at: root, in: context)
        grant.summary.apply(.gemini)
        grant.summary.clientAuthentication = "client_secret_post"
        grant.summary.account = JWTClaims(of: idToken)?.text("email")
        grant.summary.scopes = try root.words("scope")
        grant.summary.tokenType = try root.fact("token_type")
        try grant.expires("expiry_date", of: root, as: .milliseconds)
        if refresh != nil, context.options.clientSecretFile == nil {
            grant.notes.append("to refresh it, Gemini CLI's client secret is needed: --client-secret-file")
        }
        grant.add(.accessToken, access)
        grant.add(.refreshToken, refresh)
        grant.add(.idToken, idToken)
        grant.take(
            "access_token",
            "refresh_token",
            "id_token",
            "scope",
            "token_type",
            "expiry_date",
            of: root
        )
        return FileContents(grants: [grant])
    }
}
