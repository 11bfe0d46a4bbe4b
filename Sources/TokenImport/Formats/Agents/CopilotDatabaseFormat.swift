internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// GitHub Copilot's `auth.db`: a token for each login.
struct CopilotDatabaseFormat: TokenFileFormat {
    let identifier = "github-copilot-db"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard let table = root["oauth_tokens"], table.kind == .object else { return .no }
        return table.children.allSatisfy { $0.has("auth_authority") && $0.has("token_ciphertext") } ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard let table = root["oauth_tokens"] else { throw root.mismatch(expected: "a table of tokens") }
        var contents = FileContents()
        for row in table.children {
            let authority = try row.fact("auth_authority") ?? "github.com"
            // The column's name notwithstanding, editors on Linux keep it as text; what does not look like one is not.
            guard let token = row["token_ciphertext"], token.kind == .string, token.hasSecretPrefix("gh") else {
                contents.notes.append("\(printable(authority)): its token is encrypted, left in the file")
                continue
            }
            var grant = FoundGrant(.nearest(.oauth, "github-copilot-\(authority)"), at: row, in: context)
            grant.summary.provider = "github"
            grant.summary.rotation = .never
            grant.summary.tokenType = "Bearer"
            grant.summary.clientID = "Iv1.b507a08c87ecfe98"
            grant.summary.metadata["host"] = authority
            if Endpoint.isAcceptable("https://\(authority)") { grant.summary.issuer = "https://\(authority)" }
            grant.add(.accessToken, try row.token("token_ciphertext"))
            grant.members = [row]
            contents.grants.append(grant)
        }
        return contents
    }
}
