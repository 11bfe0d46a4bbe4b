internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Google's application default credentials of a user: a refresh token and its client, without an access token.
///
/// The same file may hold credentials of other types. Where one of those is made of a user's grant, that is taken.
struct GoogleADCFormat: TokenFileFormat {
    let identifier = "google-adc"
    let chaff: Set<String> = [
        "type", "client_id", "universe_domain", "account", "quota_project_id", "service_account_impersonation_url",
        "delegates",
    ]

    private static let layout = GrantLayout(
        access: [],
        idToken: [],
        tokenType: [],
        scopes: [],
        account: ["account"],
        clientID: ["client_id"],
        clientSecret: ["client_secret"],
        kept: ["quota_project_id", "universe_domain"],
        assumedType: nil,
        rest: ["type", "account"]
    )

    /// Why the types that are no user's grant are left where they are.
    private static let others: [String: String] = [
        "service_account": "it is a service account's private key, which is no OAuth grant of a user",
        "gdch_service_account": "it is a service account's private key, which is no OAuth grant of a user",
        "external_account": "it says where another cloud's token is to be exchanged, and holds none",
        "external_account_authorized_user":
            "it is the grant of a workforce pool, which Google renews at another place than a user's",
    ]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard let type = try? root.fact("type") else { return .no }
        guard type == "impersonated_service_account" else { return recognise(type, "of type \(type)") }
        guard let source = try? root["source_credentials"]?.fact("type") else {
            return .declined("it is a Google credential of type \(type) without source_credentials")
        }
        return recognise(source, "of type \(type) from \(printable(source))")
    }

    private func recognise(_ type: String, _ what: String) -> Recognition {
        if type == "authorized_user" { return .yes }
        return Self.others[type].map { .declined("it is a Google credential \(what): \($0)") } ?? .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let isImpersonated = try root.fact("type") == "impersonated_service_account"
        let value = isImpersonated ? root["source_credentials"] ?? root : root
        guard var grant = try FoundGrant.read(value, as: Self.layout, named: "google-adc", in: context) else {
            return FileContents()
        }
        grant.summary.applyGoogleADC()
        if isImpersonated {
            try grant.keep("quota_project_id", of: root)
            try grant.keep("service_account_impersonation_url", of: root)
            grant.notes.append("it is the grant of the user behind a service account; the vault does not impersonate")
        }
        return FileContents(grants: [grant])
    }
}

extension EntrySummary {
    /// The client is the file's, all else is Google's.
    fileprivate mutating func applyGoogleADC() {
        let client = clientID
        apply(.google)
        clientID = client
        clientAuthentication = "client_secret_post"
    }
}
