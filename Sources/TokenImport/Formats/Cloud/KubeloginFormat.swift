internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// kubelogin's cache: an id token, which is what kubectl presents, and a refresh token.
struct KubeloginFormat: TokenFileFormat {
    let identifier = "kubelogin"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        let isBoth =
            !root.children.isEmpty && root.children.allSatisfy { ["id_token", "refresh_token"].contains($0.name) }
        guard isBoth, root.kind == .object else { return .no }
        if isHexadecimal(path.fileName, count: 64) { return .yes }
        return path.lies(in: "oidc-login")
            ? .ambiguous("it lies where kubelogin keeps its tokens, but its name is no SHA-256") : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let idToken = try root.token("id_token")
        let refresh = try root.token("refresh_token")
        guard idToken != nil || refresh != nil else { return FileContents() }
        let claims = JWTClaims(of: idToken)
        let host = claims?.issuer.flatMap { Endpoint.host(of: $0) } ?? String(context.path.fileName.prefix(8))
        var grant = FoundGrant(.nearest(.oauth, "kubelogin-\(host)"), at: root, in: context)
        grant.summary.issuer = claims?.issuer
        let audiences = claims?.audiences ?? []
        grant.summary.clientID = claims?.text("azp") ?? (audiences.count == 1 ? audiences[0] : nil)
        grant.summary.account = claims?.text("email") ?? claims?.text("preferred_username") ?? claims?.text("sub")
        if let subject = claims?.text("sub") { grant.summary.metadata["sub"] = subject }
        // There is no access token that it could be mistaken for, and to kubectl the grant is as good as its id token.
        grant.summary.expiry = claims?.expiry.map { .known($0) } ?? .unknown
        grant.summary.issuedAt = claims?.issuedAt
        grant.add(.refreshToken, refresh)
        grant.add(.idToken, idToken)
        grant.take("id_token", "refresh_token", of: root)
        if idToken != nil {
            grant.notes.append(
                "it has an id token, which kubectl presents, and no access token; the expiry is the id token's"
            )
        }
        if refresh != nil, context.options.clientSecretFile == nil {
            grant.notes.append("if its client has a secret, the kubeconfig has it: --client-secret-file")
        }
        grant.noteWhatARefreshLacks(context)
        return FileContents(grants: [grant])
    }
}
