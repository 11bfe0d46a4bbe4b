internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// The token cache of the Databricks CLI and SDKs: a map from hosts and profiles, in which one grant may stand under
/// both.
struct DatabricksCLIFormat: TokenFileFormat {
    let identifier = "databricks-cli"
    let chaff: Set<String> = ["version"]

    private static let layout = GrantLayout(
        idToken: [],
        scopes: [],
        expiry: [.init("expiry", .rfc3339, zero: .never)],
        assumedType: nil
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.has("version"), root["tokens"]?.isMap(where: { $0.has("access_token") }) ?? false else { return .no }
        guard root.number("version") == "1" else {
            return .declined("it is the Databricks CLI's token cache in another version than 1, the only one known")
        }
        return .yes
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard root.number("version") == "1" else {
            throw VaultError(.damaged, "\(root.subject) has no version 1, the only one that is known of this cache")
        }
        guard let tokens = root["tokens"], tokens.kind == .object else {
            throw (root["tokens"] ?? root).mismatch(expected: "an object of tokens")
        }
        var merged = try MergedGrants()
        for entry in tokens.children {
            let host = Self.host(entry.name)
            let name = host.map { Endpoint.host(of: $0) ?? $0 } ?? entry.name
            guard var grant = try FoundGrant.read(entry, as: Self.layout, named: "databricks-\(name)", in: context)
            else { continue }
            grant.summary.apply(.databricks)
            grant.summary.clientAuthentication = "none"
            if let host {
                // An account's server is a path of its host's.
                let isAccount = entry.name.contains("/oidc/accounts/")
                grant.summary.issuer = isAccount ? entry.name : host + "/oidc"
                grant.summary.metadata["host"] = host
            } else {
                grant.summary.metadata["profile"] = entry.name
                if grant.token(.refreshToken) != nil, context.options.tokenURL == nil {
                    grant.notes.append(
                        "the file does not say its host; to refresh it, give --token-url https://HOST/oidc/v1/token"
                    )
                }
            }
            try merged.add(grant, leads: host != nil)
        }
        return FileContents(grants: merged.grants)
    }

    /// The host of a key that is one: a URL, or an account's server at one.
    private static func host(_ key: String) -> String? {
        guard key.hasPrefix("https://"), Endpoint.isAcceptable(key), let name = Endpoint.host(of: key) else {
            return nil
        }
        let rest = key.dropFirst("https://".count + name.count)
        let isBare = rest.isEmpty || rest == "/" || rest.hasPrefix("/oidc/accounts/")
        return isBare ? String(key.prefix(key.count - rest.count)) : nil
    }
}
