internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// The token cache of Microsoft's libraries (MSAL), which the Azure CLI keeps as `msal_token_cache.json`.
///
/// The parts of a grant stand in five maps. A refresh token and what was got with it are one grant; a refresh token of
/// Microsoft's own family of clients (`family_id`) stands there once for each of them.
struct MSALFormat: TokenFileFormat {
    let identifier = "msal"
    /// Who was logged in with what, which says nothing once the tokens are gone.
    let chaff: Set<String> = ["Account", "AppMetadata"]

    private static let sections = ["AccessToken", "RefreshToken", "IdToken", "Account"]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        let holds = ["AccessToken", "RefreshToken", "IdToken"].contains { name in
            root[name]?.isMap { $0.has("credential_type") && $0.has("secret") } ?? false
        }
        return holds || root.has("AccessToken") && root.has("RefreshToken") && root.has("Account") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        for name in Self.sections {
            guard let section = root[name], section.kind != .null else { continue }
            guard section.kind == .object else { throw section.mismatch(expected: "an object") }
            for entry in section.children where entry.kind != .object { throw entry.mismatch(expected: "an object") }
        }
        var cache = MSALCache()
        try cache.gather(root)
        var contents = FileContents()
        for group in cache.groups {
            if let grant = try group.grant(cache, context) { contents.grants.append(grant) }
        }
        return contents
    }
}

/// The entries of a cache, by the grant they belong to.
private struct MSALCache {
    var groups: [MSALGroup] = []
    private var accounts: [String: JSONValue] = [:]
    /// How many grants an account has, and the first of them.
    private var byHome: [String: (count: Int, first: Int)] = [:]
    /// The grant whose refresh token is for that client of that account.
    private var byClient: [Client: Int] = [:]
    /// The grant of an account whose refresh token is for Microsoft's family of clients.
    private var byFamily: [String: Int] = [:]

    private struct Client: Hashable {
        let home: String
        let client: String?
    }

    mutating func gather(_ root: JSONValue) throws(VaultError) {
        for account in root["Account"]?.children ?? [] {
            guard let home = try account.fact("home_account_id") else { continue }
            let isNamed = try account.fact("username") != nil
            if isNamed || accounts[home] == nil { accounts[home] = account }
        }
        let key = try FingerprintKey()
        var byToken: [[UInt8]: Int] = [:]
        for entry in root["RefreshToken"]?.children ?? [] {
            guard let token = try entry.token("secret") else { continue }
            let home = try entry.fact("home_account_id") ?? ""
            let print = try key.value(token)
            let place: Int
            if let known = byToken[print] {
                place = known
                groups[place].refresh.append(entry)
            } else {
                place = add(MSALGroup(home: home, refresh: [entry]))
                byToken[print] = place
            }
            byClient[Client(home: home, client: try entry.fact("client_id"))] = place
            if try entry.fact("family_id") != nil { byFamily[home] = place }
        }
        for entry in root["AccessToken"]?.children ?? [] where try entry.token("secret") != nil {
            groups[try place(of: entry)].access.append(entry)
        }
        for entry in root["IdToken"]?.children ?? [] where try entry.token("secret") != nil {
            let home = try entry.fact("home_account_id") ?? ""
            // Without any other token an id token is no grant.
            if byHome[home] != nil { groups[try place(of: entry)].identity.append(entry) }
        }
    }

    private mutating func add(_ group: MSALGroup) -> Int {
        byHome[group.home, default: (0, groups.count)].count += 1
        groups.append(group)
        return groups.count - 1
    }

    /// The group whose refresh token is for that client, or for its family; a new one where there is none.
    private mutating func place(of entry: JSONValue) throws(VaultError) -> Int {
        // The token of an application of its own is no account's: the client stands for it.
        let client = try entry.fact("client_id")
        let realm = try entry.fact("realm")
        let home = try entry.fact("home_account_id") ?? "\(client ?? "")/\(realm ?? "")"
        let known = byClient[Client(home: home, client: client)] ?? byFamily[home] ?? byHome[home]?.first
        return known ?? add(MSALGroup(home: home, refresh: []))
    }

    func account(_ home: String) -> JSONValue? { accounts[home] }
    func isOnlyGrant(of home: String) -> Bool { byHome[home]?.count == 1 }
}

/// One grant in the making.
private struct MSALGroup {
    let home: String
    var refresh: [JSONValue]
    var access: [JSONValue] = []
    var identity: [JSONValue] = []

    func grant(_ cache: MSALCache, _ context: ReadingContext) throws(VaultError) -> FoundGrant? {
        let access = try preferredAccess()
        guard let entry = refresh.first ?? access else { return nil }
        let client = try entry.fact("client_id")
        let account = cache.account(home)
        let username = try account?.fact("username")
        let name = username ?? (account == nil && refresh.isEmpty ? client : nil) ?? home
        var grant = FoundGrant(.nearest(.oauth, "azure-\(name)"), at: entry, in: context)
        grant.summary.account = name
        grant.summary.clientID = client
        if let access {
            grant.add(.accessToken, try access.token("secret"))
            grant.summary.tokenType = try access.fact("token_type")
            grant.summary.scopes = try access.words("target")
            try grant.expires("expires_on", of: access, as: Self.form("expires_on", access))
            try grant.issued("cached_at", of: access, as: Self.form("cached_at", access))
        }
        grant.add(.refreshToken, try refresh.first?.token("secret"))
        for other in refresh.dropFirst() {
            if let token = try other.token("secret") { grant.copies.append((.refreshToken, token)) }
        }
        var identity = self.identity.first
        for entry in self.identity where try entry.fact("client_id") == client { identity = entry }
        grant.add(.idToken, try identity?.token("secret"))
        if !refresh.isEmpty { grant.summary.clientAuthentication = "none" }
        var realm: String?
        for place in [access, account, entry] where realm == nil { realm = try place?.fact("realm") }
        grant.applyMicrosoft(try entry.fact("environment"), tenant: realm)
        for fact in ["home_account_id", "environment", "family_id"] {
            try grant.keep(fact, of: entry)
        }
        if let realm { grant.summary.metadata["realm"] = realm }
        if self.access.count > 1 {
            grant.notes.append(
                "the file has \(self.access.count) access tokens of this grant, for different resources: "
                    + "the entry has that for \(printable(grant.summary.scopes.first ?? "the first of them"))"
            )
        }
        if grant.summary.metadata["family_id"] != nil {
            grant.notes.append("its refresh token serves all of Microsoft's own programs, not only this one")
        }
        grant.members = refresh + self.access + self.identity
        if cache.isOnlyGrant(of: home), let account { grant.members.append(account) }
        return grant
    }

    /// Of several the one that manages Azure, which is what `az` is for; of those the one that lives longest.
    private func preferredAccess() throws(VaultError) -> JSONValue? {
        var best: (value: JSONValue, rank: Int, expiry: Timestamp?)?
        for entry in access {
            let target = try entry.words("target")
            let isManagement = target.contains {
                $0.hasPrefix("https://management.core.") || $0.hasPrefix("https://management.azure.")
            }
            let expiry = try entry["expires_on"]?.instant(as: Self.form("expires_on", entry))
            let rank = isManagement ? 1 : 0
            if let best, (best.rank, best.expiry ?? .distantPast) >= (rank, expiry ?? .distantPast) { continue }
            best = (entry, rank, expiry)
        }
        return best?.value
    }

    /// Seconds in quotes; some of the libraries have left the quotes out.
    private static func form(_ name: String, _ value: JSONValue) -> TimeForm {
        value.hasNumber(name) ? .seconds : .quotedSeconds
    }
}

extension Timestamp {
    /// Before every other.
    fileprivate static var distantPast: Timestamp {
        guard let first = Timestamp(seconds: -62_135_596_800) else { preconditionFailure("TokenImport: no year 1") }
        return first
    }
}
