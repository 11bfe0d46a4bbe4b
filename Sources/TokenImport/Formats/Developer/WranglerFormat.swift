internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Cloudflare Wrangler's `default.toml`: a grant, or the API token of Wrangler 1.
struct WranglerFormat: TokenFileFormat {
    let identifier = "wrangler"
    let chaff: Set<String> = ["expiration_time", "scopes"]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        if root.hasString("oauth_token"), root.has("expiration_time") || root.has("refresh_token") { return .yes }
        guard root.hasString("oauth_token") || root.hasString("api_token") else { return .no }
        // The directory is `.wrangler`, whose dot counts for nothing.
        return path.lies(in: "wrangler", "config") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        var contents = FileContents()
        let access = try root.token("oauth_token")
        let refresh = try root.token("refresh_token")
        if access != nil || refresh != nil {
            var grant = FoundGrant(.nearest(.oauth, "wrangler"), at: root, in: context)
            grant.summary.apply(.cloudflare)
            grant.summary.clientAuthentication = "none"
            grant.summary.tokenType = "Bearer"
            grant.summary.scopes = try root.words("scopes")
            try grant.expires("expiration_time", of: root, as: .rfc3339)
            // To Wrangler a token without a time has run out.
            if case .unknown = grant.summary.expiry, let past = Timestamp(seconds: 0) {
                grant.summary.expiry = .known(past)
            }
            grant.add(.accessToken, access)
            grant.add(.refreshToken, refresh)
            grant.take("oauth_token", "refresh_token", "expiration_time", "scopes", of: root)
            contents.grants.append(grant)
        }
        if let key = try root.token("api_token") {
            var grant = FoundGrant(.nearest(.static, "wrangler"), at: key, in: context)
            grant.summary.provider = KnownClient.cloudflare.provider
            grant.add(.secret, key)
            grant.members = [key]
            contents.grants.append(grant)
        }
        return contents
    }
}
