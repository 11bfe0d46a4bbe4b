internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// A token of AWS's single sign-on, in a file of its own below `~/.aws/sso/cache`.
struct AWSFormat: TokenFileFormat {
    let identifier = "aws-sso"
    var chaff: Set<String> { Self.layout.chaff }

    private static let layout = GrantLayout(
        access: ["accessToken"],
        refresh: ["refreshToken"],
        idToken: [],
        tokenType: [],
        scopes: [],
        expiry: [.init("expiresAt", .rfc3339, zero: .never)],
        clientID: ["clientId"],
        clientSecret: ["clientSecret"],
        kept: ["startUrl", "region"],
        rest: ["registrationExpiresAt"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.hasString("accessToken"), root.hasString("expiresAt") else { return .no }
        // Kiro keeps its grant in the same directory, with a region as well.
        if ["authMethod", "clientIdHash", "profileArn"].contains(where: { root.has($0) }) { return .no }
        if root.has("startUrl") || root.has("region") { return .yes }
        guard path.lies(in: "aws", "sso", "cache") else { return .no }
        return isHexadecimal(path.stem, count: 40)
            ? .yes : .ambiguous("it lies where AWS keeps its tokens, but its name is no SHA-1")
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let start = try root.fact("startUrl")
        let name = start.flatMap { Endpoint.host(of: $0) } ?? String(context.path.stem.prefix(8))
        guard var grant = try FoundGrant.read(root, as: Self.layout, named: "aws-sso-\(name)", in: context) else {
            return FileContents()
        }
        grant.summary.provider = "aws"
        // It is told by the call that renews it.
        grant.summary.clientAuthentication = nil
        if let value = root["registrationExpiresAt"], value.kind != .null {
            grant.summary.clientSecretExpiresAt = try value.instant(as: .rfc3339)
        }
        if grant.token(.refreshToken) != nil {
            grant.notes.append(
                "AWS renews it by a call of its own (sso-oidc CreateToken), not as OAuth says: the vault does not "
                    + "refresh it"
            )
        }
        if let end = grant.summary.clientSecretExpiresAt, end <= context.now {
            grant.notes.append("its client's registration ran out at \(end): only a new login gives a token")
        }
        return FileContents(grants: [grant])
    }
}
