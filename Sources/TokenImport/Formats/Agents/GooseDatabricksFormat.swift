internal import StrictJSON
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// Goose's file for one Databricks host: `databricks/oauth/<hash>.json`.
///
/// The file names neither host nor client. Its name is the SHA-256 of both with the scopes, so a guess can be proven,
/// and only a proven one is used: a refresh token must not go to a host that somebody merely guessed.
struct GooseDatabricksFormat: TokenFileFormat {
    let identifier = "goose-databricks"
    let chaff: Set<String> = ["expires_at"]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.kind == .object, root.hasString("access_token"), root["refresh_token"] != nil,
            root["expires_at"].map({ $0.kind == .string || $0.kind == .null }) ?? false, root.children.count == 3
        else { return .no }
        if isHexadecimal(path.stem, count: 64), path.fileName.hasSuffix(".json") { return .yes }
        return path.lies(in: "databricks", "oauth") || path.lies(in: "provider", "oauth")
            ? .ambiguous("it lies where Goose keeps its grants, but its name is no SHA-256")
            : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        // <config>/goose/databricks/oauth/<hash>.json, so <config>/goose is three levels up.
        let configuration = context.path.ancestor(3) + "/config.yaml"
        guard let grant = try Self.grant(root, hash: context.path.stem, configuration, context) else {
            return FileContents()
        }
        return FileContents(grants: [grant])
    }

    /// The grant in these three members; `nil` where they hold no token.
    ///
    /// - Parameter hash: What says whom it is for, if it is a hash.
    static func grant(
        _ root: JSONValue,
        hash: String,
        _ configuration: String,
        _ context: ReadingContext
    ) throws(VaultError) -> FoundGrant? {
        let (access, refresh) = (try root.token("access_token"), try root.token("refresh_token"))
        guard access != nil || refresh != nil else { return nil }
        let isHashed = isHexadecimal(hash, count: 64)
        let target = isHashed ? GooseTarget.confirmed(by: hash, configuration, in: context) : nil
        let host = target.flatMap { Endpoint.host(of: $0.host) }
        let suffix = host ?? (isHashed ? String(hash.prefix(8)) : hash)
        var grant = FoundGrant(.nearest(.oauth, "goose-databricks-\(suffix)"), at: root, in: context)
        grant.summary.apply(.databricks)
        grant.summary.clientAuthentication = "none"
        grant.summary.tokenType = "Bearer"
        try grant.expires("expires_at", of: root, as: .rfc3339)
        if let target {
            grant.summary.clientID = target.clientID
            grant.summary.scopes = target.scopes
            grant.summary.issuer = target.host + "/oidc"
            grant.summary.metadata["host"] = target.host
            grant.summary.metadata["metadata_url"] = target.host + "/oidc/.well-known/oauth-authorization-server"
        } else {
            // Nothing confirms the usual client, and an entry must not look as if it knew.
            grant.summary.clientID = nil
            grant.notes.append(
                context.options.host == nil
                    ? "its host is not known; --host URL, with --client-id and --scope where they are unusual, says it"
                    : "it is not for \(printable(context.options.host ?? "")): the hash in its name says so"
            )
        }
        grant.add(.accessToken, access)
        grant.add(.refreshToken, refresh)
        grant.take("access_token", "refresh_token", "expires_at", of: root)
        return grant
    }
}

/// What one of Goose's files is for.
struct GooseTarget {
    let host: String
    let clientID: String
    let scopes: [String]

    /// Lower-case hexadecimal SHA-256 of the three, one behind the other, the scopes joined by commas.
    var hash: String {
        let text = Array((host + clientID + scopes.joined(separator: ",")).utf8)
        return hexadecimal(text.withUnsafeBytes { sha256($0) })
    }

    /// The candidate with that hash among the options, Goose's configuration and its defaults.
    static func confirmed(
        by hash: String,
        _ configuration: String,
        in context: ReadingContext
    ) -> GooseTarget? {
        let options = context.options
        var hosts = options.host.map { [$0] } ?? []
        if let host = configuredHost(configuration) { hosts.append(host) }
        let clients = [options.clientID, KnownClient.databricks.clientID].compactMap { $0 }
        let scopes = [options.scopes, ["all-apis", "offline_access"]].filter { !$0.isEmpty }
        for host in hosts.flatMap(spellings) where Endpoint.isAcceptable(host) {
            for clientID in clients {
                for scopes in scopes {
                    let target = GooseTarget(host: host, clientID: clientID, scopes: scopes)
                    if target.hash == hash { return target.normalised }
                }
            }
        }
        return nil
    }

    /// Goose hashes the host as it was typed, with or without the last slash.
    private static func spellings(of host: String) -> [String] {
        let full = host.contains("://") ? host : "https://" + host
        let bare = full.hasSuffix("/") ? String(full.dropLast()) : full
        return [full, bare, bare + "/"]
    }

    private var normalised: GooseTarget {
        guard host.hasSuffix("/") else { return self }
        return GooseTarget(host: String(host.dropLast()), clientID: clientID, scopes: scopes)
    }

    /// `DATABRICKS_HOST` in a flat YAML file, by lines: a key at the margin, a value that may be quoted.
    private static func configuredHost(_ path: String) -> String? {
        guard let file = try? TokenFile.read(path) else { return nil }
        return file.bytes.withBytes { bytes in
            let key = Array("DATABRICKS_HOST:".utf8)
            for line in bytes.split(separator: UInt8(ascii: "\n")) where line.starts(with: key) {
                let value = String(decoding: line.dropFirst(key.count).prefix(1024), as: UTF8.self)
                let bare = value.split(separator: " ").first.map(String.init) ?? ""
                return bare.filter { $0 != "\"" && $0 != "'" && $0 != "\r" }
            }
            return nil
        }
    }
}
