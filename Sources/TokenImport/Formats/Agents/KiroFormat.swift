internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Kiro CLI's `data.sqlite3`: grants by key in the table `auth_kv`, and the client they were asked for with.
struct KiroFormat: TokenFileFormat {
    let identifier = "kiro"

    /// The keys of grants, as Kiro spells them, and what a grant of each is called.
    private static let grants = [
        (key: "kirocli:odic:token", name: "kiro", client: "kirocli:odic:device-registration"),
        (key: "kirocli:social:token", name: "kiro-social", client: nil),
        (key: "codewhisperer:odic:token", name: "kiro-codewhisperer", client: "codewhisperer:odic:device-registration"),
    ]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard let table = root["auth_kv"], table.kind == .object else { return .no }
        return table.children.allSatisfy { $0.has("key") && $0.has("value") } ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard let table = root["auth_kv"] else { throw root.mismatch(expected: "a table of keys and values") }
        var contents = FileContents()
        for known in Self.grants {
            guard let row = table[known.key], let value = row["value"] else { continue }
            guard value.kind == .object else { throw value.mismatch(expected: "a JSON object") }
            guard let access = try value.token("access_token") else { continue }
            let client = known.client.flatMap { table[$0]?["value"] }.flatMap { $0.kind == .object ? $0 : nil }
            var grant = FoundGrant(.nearest(.oauth, known.name), at: row, in: context)
            grant.summary.provider = "kiro"
            grant.summary.tokenType = "Bearer"
            grant.summary.scopes = try value.words("scopes")
            try grant.expires("expires_at", of: value, as: .rfc3339)
            try grant.keep("region", of: value)
            try grant.keep("start_url", of: value)
            grant.summary.clientID = try client?.fact("client_id")
            if let start = try value.fact("start_url"), Endpoint.isAcceptable(start) { grant.summary.issuer = start }
            grant.add(.accessToken, access)
            grant.add(.refreshToken, try value.token("refresh_token"))
            grant.add(.clientSecret, try client?.token("client_secret", allowingSpaces: true))
            // The registration goes with the grant: without its secret Kiro could not read it, and a login makes another.
            grant.members = [row] + [client?.parent].compactMap { $0 }
            contents.grants.append(grant)
        }
        return contents
    }
}
