internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Google's application default credentials of a user: a refresh token and its client, without an access token.
struct GoogleADCFormat: TokenFileFormat {
    let identifier = "google-adc"
    let chaff: Set<String> = ["type", "client_id", "universe_domain", "account", "quota_project_id"]

    private static let others: Set<String> = [
        "service_account", "external_account", "external_account_authorized_user", "impersonated_service_account",
        "gdch_service_account",
    ]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard let type = try? root.fact("type") else { return .no }
        if type == "authorized_user" { return .yes }
        guard Self.others.contains(type) else { return .no }
        return .declined("it is a Google credential of type \(type), which is no OAuth grant of a user")
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard let refresh = try root.token("refresh_token") else { return FileContents() }
        var grant = FoundGrant(.nearest(.oauth, "google-adc"), at: root, in: context)
        grant.summary.apply(.google)
        grant.summary.clientID = try root.fact("client_id")
        grant.summary.clientAuthentication = "client_secret_post"
        grant.summary.account = try root.fact("account")
        try grant.keep("quota_project_id", of: root)
        try grant.keep("universe_domain", of: root)
        grant.add(.refreshToken, refresh)
        grant.add(.clientSecret, try root.token("client_secret", allowingSpaces: true))
        grant.take("type", "client_id", "client_secret", "refresh_token", of: root)
        return FileContents(grants: [grant])
    }
}
