internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// gcloud's `credentials.db`: an account each row, the value a JSON credential; and `access_tokens.db` beside it.
struct GcloudFormat: TokenFileFormat {
    let identifier = "gcloud"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        if root.has("access_tokens"), !root.has("credentials") {
            return .declined("it is gcloud's cache of access tokens, which is read with the credentials.db beside it")
        }
        guard let table = root["credentials"], table.kind == .object else { return .no }
        return table.children.allSatisfy { $0.has("account_id") && $0.has("value") } ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard let table = root["credentials"] else { throw root.mismatch(expected: "a table of credentials") }
        var contents = FileContents()
        for row in table.children {
            let account = printable(row.name)
            guard let value = row["value"], value.kind == .object else {
                contents.notes.append("\(account): its value is no JSON, left in the file")
                continue
            }
            let type = try value.fact("type") ?? "authorized_user"
            guard type == "authorized_user" else {
                contents.notes.append(
                    "\(account): a Google credential of type \(printable(type)), which is no grant of a user"
                )
                continue
            }
            if let grant = try grant(row, value, context) { contents.grants.append(grant) }
        }
        if !contents.grants.isEmpty, let note = accessTokens(beside: context.path) { contents.notes.append(note) }
        return contents
    }

    private func grant(
        _ row: JSONValue,
        _ value: JSONValue,
        _ context: ReadingContext
    ) throws(VaultError) -> FoundGrant? {
        guard let refresh = try value.token("refresh_token") else { return nil }
        var grant = FoundGrant(.nearest(.oauth, "gcloud-\(row.name)"), at: row, in: context)
        grant.summary.apply(.google)
        grant.summary.clientID = try value.fact("client_id")
        grant.summary.clientAuthentication = "client_secret_post"
        grant.summary.account = try row.fact("account_id")
        grant.summary.scopes = try value.words("scopes")
        grant.summary.tokenType = "Bearer"
        if let endpoint = try value.fact("token_uri"), !KnownClient.googleTokenEndpoints.contains(endpoint) {
            grant.notes.append("the file's token endpoint \(printable(endpoint)) is none of Google's and is not used")
        }
        try grant.keep("universe_domain", of: value)
        grant.add(.refreshToken, refresh)
        grant.add(.clientSecret, try value.token("client_secret", allowingSpaces: true))
        if value["id_token"]?.kind == .string { grant.add(.idToken, try value.token("id_token")) }
        grant.members = [row]
        return grant
    }

    /// Access tokens live an hour and gcloud fetches new ones with the refresh token, so the file beside this one is not
    /// opened: a token out of it would be a second place that can disagree.
    private func accessTokens(beside path: TokenPath) -> String? {
        let file = path.ancestor(1) + "/access_tokens.db"
        guard let status = try? FileStatus.of(file), status.kind == .regular else { return nil }
        return
            "\(printable(file)) holds short-lived access tokens of these accounts, which end by themselves within an hour"
    }
}
