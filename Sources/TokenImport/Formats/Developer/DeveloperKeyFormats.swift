internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Terraform's `credentials.tfrc.json`: a token for each host, which lives until it is revoked.
struct TerraformFormat: TokenFileFormat {
    let identifier = "terraform"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root["credentials"]?.isMap(where: { $0.has("token") }) ?? false else { return .no }
        let name = path.fileName
        return name.hasPrefix("credentials.tfrc.json") || name.hasSuffix(".tfrc.json") || path.lies(in: "terraform.d")
            ? .yes : .ambiguous("it has the shape of Terraform's credentials, but neither name nor place")
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard let hosts = root["credentials"], hosts.kind == .object else {
            throw (root["credentials"] ?? root).mismatch(expected: "an object of credentials")
        }
        var merged = try MergedGrants()
        for host in hosts.children {
            guard host.kind == .object else { throw host.mismatch(expected: "an object") }
            guard let token = try host.token("token") else { continue }
            var grant = FoundGrant.key(
                token,
                named: "terraform-\(host.name)",
                provider: "terraform",
                taking: host,
                in: context
            )
            grant.summary.metadata["host"] = host.name
            try merged.add(grant)
        }
        return FileContents(grants: merged.grants)
    }
}

/// The Netlify CLI's `config.json`: settings, and for each user a token and perhaps one of GitHub's.
struct NetlifyFormat: TokenFileFormat {
    let identifier = "netlify"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root["users"]?.children.contains { $0["auth"].map { $0.has("token") || $0.has("github") } ?? false } ?? false
            ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard let users = root["users"], users.kind == .object else {
            throw (root["users"] ?? root).mismatch(expected: "an object of users")
        }
        let current = try root.fact("userId")
        var merged = try MergedGrants()
        for user in users.children {
            guard user.kind == .object else { throw user.mismatch(expected: "an object") }
            guard let auth = user["auth"], auth.kind != .null else { continue }
            guard auth.kind == .object else { throw auth.mismatch(expected: "an object") }
            let account = try user.fact("email", "name", "id") ?? user.name
            if let token = try auth.token("token") {
                var grant = FoundGrant.key(token, named: "netlify-\(account)", provider: "netlify", in: context)
                grant.summary.account = account
                grant.summary.metadata["id"] = user.name
                // Logging out has only ever forgotten who is logged in.
                if current != user.name {
                    grant.notes.append("netlify is not logged in as this user, but the token may still be valid")
                }
                try merged.add(grant)
            }
            guard let github = auth["github"], github.kind == .object, let token = try github.token("token") else {
                continue
            }
            let login = try github.fact("user") ?? account
            var grant = FoundGrant.key(token, named: "netlify-github-\(login)", provider: "github", in: context)
            grant.members = [github]
            grant.summary.account = login
            try merged.add(grant)
        }
        return FileContents(grants: merged.grants)
    }
}

/// dbxcli's `auth.json`: Dropbox tokens by domain and by what they may do, without expiry and refresh.
struct DropboxFormat: TokenFileFormat {
    let identifier = "dbxcli"

    private static let kinds: Set<String> = ["personal", "teamAccess", "teamManage"]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.isMap { domain in
            !domain.children.isEmpty && domain.children.allSatisfy { Self.kinds.contains($0.name) }
        } ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard root.kind == .object else { throw root.mismatch(expected: "an object") }
        var merged = try MergedGrants()
        for domain in root.children {
            guard domain.kind == .object else { throw domain.mismatch(expected: "an object") }
            for kind in domain.children where Self.kinds.contains(kind.name) {
                guard let token = try domain.token(kind.name) else { continue }
                let place = domain.name.isEmpty ? kind.name : "\(domain.name)-\(kind.name)"
                var grant = FoundGrant.key(token, named: "dropbox-\(place)", provider: "dropbox", in: context)
                grant.summary.metadata["access"] = kind.name
                if !domain.name.isEmpty { grant.summary.metadata["domain"] = domain.name }
                try merged.add(grant)
            }
        }
        return FileContents(grants: merged.grants)
    }
}

/// The Vercel CLI's `auth.json`: in older versions a token alone, now one that is refreshed.
struct VercelFormat: TokenFileFormat {
    let identifier = "vercel"
    var chaff: Set<String> { Self.layout.chaff }

    private static let layout = GrantLayout(
        access: ["token"],
        refresh: ["refreshToken"],
        idToken: [],
        tokenType: [],
        scopes: [],
        expiry: [.init("expiresAt", .seconds)],
        kept: ["userId"],
        rest: ["// Note", "// Docs", "skipWrite"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        let isRefreshed = root.hasString("token") && root.has("refreshToken") && root.hasNumber("expiresAt")
        guard root.hasString("token") || root.hasString("refreshToken"), !root.has("token_uri") else { return .no }
        if root.has("// Note") || path.isBelow("com.vercel.cli") { return root.has("accessToken") ? .no : .yes }
        return isRefreshed ? .ambiguous("it has the shape of the Vercel CLI's grant, but lies elsewhere") : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard var grant = try FoundGrant.read(root, as: Self.layout, named: "vercel", in: context) else {
            return FileContents()
        }
        if grant.token(.refreshToken) == nil, grant.summary.expiry == .unknown, let token = grant.token(.accessToken) {
            var key = FoundGrant.key(token, named: "vercel", provider: "vercel", in: context)
            key.members = grant.members
            key.summary.metadata = grant.summary.metadata
            return FileContents(grants: [key])
        }
        grant.summary.apply(.vercel)
        grant.summary.clientAuthentication = "none"
        return FileContents(grants: [grant])
    }
}
