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

    private static let layout = GrantLayout(expiry: [.init("expiry_date", .milliseconds)])

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
        var grant = try FoundGrant.read(root, as: Self.layout, named: "gemini", client: .gemini, in: context)
        if grant?.summary.account == nil, context.path.lies(in: "gemini") {
            // Without an id token only the file of accounts says whose it is.
            let accounts = Companion.read("\(context.path.ancestor(1))/google_accounts.json")
            grant?.summary.account = (try? accounts?.fact("active")) ?? nil
        }
        return FileContents(grant)
    }
}
