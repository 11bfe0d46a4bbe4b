internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// The Slack CLI's `credentials.json`: a map from teams, by their id or in older versions by their domain.
struct SlackFormat: TokenFileFormat {
    let identifier = "slack"

    private static let layout = GrantLayout(
        access: ["token"],
        idToken: [],
        tokenType: [],
        scopes: [],
        expiry: [.init("exp", .seconds)],
        issued: [.init("last_updated", .rfc3339)],
        account: ["team_id"],
        kept: ["team_domain", "user_id", "enterprise_id"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.isMap { $0.has("team_id") && $0.has("token") && $0.has("user_id") } ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard root.kind == .object else { throw root.mismatch(expected: "an object") }
        var merged = try MergedGrants()
        for team in root.children {
            let name = "slack-\(try domain(team) ?? team.name)"
            guard var grant = try FoundGrant.read(team, as: Self.layout, named: name, in: context) else { continue }
            grant.summary.provider = "slack"
            if grant.token(.refreshToken) != nil {
                // A rotating pair, whose loser is logged out.
                grant.summary.rotation = .always
                grant.notes.append(
                    "Slack renews it by a call of its own (tooling.tokens.rotate), not as OAuth says: the vault does "
                        + "not refresh it"
                )
                try merged.add(grant)
            } else if case .known = grant.summary.expiry {
                try merged.add(grant)
            } else if let token = grant.token(.accessToken) {
                var key = FoundGrant.key(token, named: name, provider: "slack", taking: team, in: context)
                key.summary.account = grant.summary.account
                key.summary.metadata = grant.summary.metadata
                try merged.add(key)
            }
        }
        return FileContents(grants: merged.grants)
    }

    private func domain(_ team: JSONValue) throws(VaultError) -> String? {
        guard team.kind == .object else { throw team.mismatch(expected: "an object") }
        return try team.fact("team_domain")
    }
}
