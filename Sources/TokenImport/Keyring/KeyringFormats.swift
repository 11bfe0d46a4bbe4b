internal import StrictJSON
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// A format whose text is a token and nothing else, written as JSON where it is to be read.
protocol BareTextFormat: TokenFileFormat {
    func wrapped(_ text: SharedSecret) throws(VaultError) -> SharedSecret
}

/// gh's token in the keyring: service `gh:HOST`, the account a login, or empty for the active one.
struct GitHubKeyringFormat: BareTextFormat {
    let identifier = "gh-keyring"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition { .no }

    func wrapped(_ text: SharedSecret) throws(VaultError) -> SharedSecret {
        let quoted = try JSONEdit.quoted(text, "the item of gh")
        do throws(CryptoError) {
            return try quoted.withBytes { (bytes) throws(CryptoError) in
                var buffer = try SecretBuffer(capacity: bytes.count + 20)
                try buffer.append("{\"oauth_token\":")
                try buffer.append(bytes)
                try buffer.append("}")
                return SharedSecret(try buffer.finish())
            }
        } catch { throw VaultError(.failed, "the item of gh cannot be held in memory: \(error.message)") }
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard let token = try root.token("oauth_token"), let item = ForeignItem(path: context.path.path) else {
            return FileContents()
        }
        let host = String(item.service.dropFirst("gh:".count))
        let name = item.account.isEmpty ? "gh-\(host)" : "gh-\(host)-\(item.account)"
        var grant = FoundGrant(.nearest(.oauth, name), at: root, in: context)
        grant.summary.provider = "github"
        grant.summary.account = item.account.isEmpty ? nil : item.account
        grant.summary.rotation = .never
        grant.summary.tokenType = "Bearer"
        grant.summary.metadata["host"] = host
        if Endpoint.isAcceptable("https://\(host)") { grant.summary.issuer = "https://\(host)" }
        grant.add(.accessToken, token)
        return FileContents(grants: [grant])
    }
}

/// The Databricks CLI's token in the keyring: service `databricks-cli`, the account a profile or a host, the value Go's
/// `oauth2.Token`.
struct DatabricksKeyringFormat: TokenFileFormat {
    let identifier = "databricks-keyring"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition { .no }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard root.kind == .object, let access = try root.token("access_token") else { return FileContents() }
        let account = ForeignItem(path: context.path.path)?.account ?? ""
        // A host as the key of a file's cache is a URL; with a profile's name nothing is known of its host.
        let host = Endpoint.isAcceptable(account) ? Endpoint.host(of: account) : nil
        var grant = FoundGrant(.nearest(.oauth, "databricks-\(host ?? account)"), at: root, in: context)
        grant.summary.apply(.databricks)
        grant.summary.clientAuthentication = "none"
        grant.summary.tokenType = try root.fact("token_type")
        if let host {
            grant.summary.metadata["host"] = "https://\(host)"
            grant.summary.issuer = "https://\(host)/oidc"
        } else {
            grant.summary.metadata["profile"] = account
            grant.notes.append(
                "its host is not known: it is that of the profile \(printable(account)) in ~/.databrickscfg"
            )
        }
        try grant.expires("expiry", of: root, as: .rfc3339, zero: .never)
        grant.add(.accessToken, access)
        grant.add(.refreshToken, try root.token("refresh_token"))
        return FileContents(grants: [grant])
    }
}

/// All of Goose's secrets, kept as one JSON object under service `goose`, account `secrets`: what `secrets.yaml` says
/// where there is no keyring.
struct GooseKeyringFormat: TokenFileFormat {
    let identifier = "goose-keyring"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition { .no }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        // Where Goose keeps its configuration, which names the Databricks host.
        let directory = (try? PlacePattern("${XDG_CONFIG_HOME:-~/.config}/goose"))?.path(on: context.machine)
        return try GooseSecretsFormat.contents(of: root, configuration: "\(directory ?? "")/config.yaml", in: context)
    }
}
