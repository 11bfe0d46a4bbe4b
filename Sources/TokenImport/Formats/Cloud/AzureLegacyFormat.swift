internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// The Azure CLI's files beside MSAL's cache, which hold secrets of service principals.
///
/// `accessTokens.json`, from before MSAL, has the grants of users side by side with them;
/// `service_principal_entries.json` has them alone.
struct AzureLegacyFormat: TokenFileFormat {
    let identifier = "azure-legacy"

    private static let user = GrantLayout(
        access: ["accessToken"],
        refresh: ["refreshToken"],
        idToken: [],
        tokenType: ["tokenType"],
        scopes: [],
        account: ["userId"],
        clientID: ["_clientId"],
        kept: ["resource", "_authority", "oid"],
        assumedType: nil
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.kind == .array, !root.children.isEmpty, root.children.allSatisfy({ $0.kind == .object }) else {
            return .no
        }
        let isKnown = root.children.allSatisfy {
            $0.has("_authority") && $0.has("accessToken") || $0.has("servicePrincipalId")
                || $0.has("client_id") && $0.has("tenant") && !$0.has("access_token")
        }
        return isKnown ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard root.kind == .array else { throw root.mismatch(expected: "an array") }
        var merged = try MergedGrants()
        var contents = FileContents()
        for entry in root.children {
            guard entry.kind == .object else { throw entry.mismatch(expected: "an object") }
            if entry.has("servicePrincipalId") || entry.has("client_id") {
                if let grant = try principal(entry, context) {
                    try merged.add(grant)
                } else {
                    contents.notes.append("a service principal without a secret, such as one with a certificate, stays")
                }
            } else if let grant = try user(entry, context) {
                try merged.add(grant)
            }
        }
        contents.grants = merged.grants
        return contents
    }

    /// What the older file calls the access token of a service principal is its secret.
    private func principal(_ entry: JSONValue, _ context: ReadingContext) throws(VaultError) -> FoundGrant? {
        let client = try entry.fact("client_id", "servicePrincipalId")
        guard let secret = try entry.token("client_secret", "accessToken", allowingSpaces: true) else { return nil }
        var grant = FoundGrant.key(
            secret,
            named: "azure-\(client ?? "principal")",
            provider: "microsoft",
            taking: entry,
            in: context
        )
        grant.summary.account = client
        if let client { grant.summary.metadata["client_id"] = client }
        if let tenant = try entry.fact("tenant", "servicePrincipalTenant") {
            grant.summary.metadata["tenant"] = tenant
        }
        return grant
    }

    private func user(_ entry: JSONValue, _ context: ReadingContext) throws(VaultError) -> FoundGrant? {
        let name = try entry.fact("userId") ?? "user"
        guard var grant = try FoundGrant.read(entry, as: Self.user, named: "azure-\(name)", in: context) else {
            return nil
        }
        // ADAL for Python wrote local time without saying so; the command that came before it, UTC.
        if let text = try entry.fact("expiresOn") {
            try grant.expires("expiresOn", of: entry, as: Timestamp(rfc3339: text) == nil ? .local : .rfc3339)
        }
        grant.summary.clientAuthentication = grant.token(.refreshToken) == nil ? nil : "none"
        if let resource = try entry.fact("resource") {
            grant.summary.scopes = [resource + "/.default"]
        }
        let authority = try entry.fact("_authority") ?? ""
        let tenant = authority.split(separator: "/").last.map(String.init)
        let host = authority.hasPrefix("https://") ? Endpoint.host(of: authority) : nil
        grant.applyMicrosoft(host ?? authority, tenant: tenant)
        return grant
    }
}
