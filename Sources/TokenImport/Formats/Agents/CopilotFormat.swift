internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// GitHub Copilot's `apps.json` in editors, and `hosts.json` before it: GitHub's tokens by host and application.
struct CopilotFormat: TokenFileFormat {
    let identifier = "github-copilot"

    private static let layout = GrantLayout(
        access: ["oauth_token"],
        refresh: [],
        idToken: [],
        account: ["user"],
        clientID: ["githubAppId"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.isMap { $0.has("oauth_token") } && root.children.allSatisfy { Self.isKey($0.name) } ? .yes : .no
    }

    /// A host, and an application behind a colon.
    private static func isKey(_ name: String) -> Bool {
        let parts = name.split(separator: ":", omittingEmptySubsequences: false)
        guard let host = parts.first, !host.isEmpty, parts.count <= 2 else { return false }
        return parts.dropFirst().allSatisfy { part in
            !part.isEmpty
                && part.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                        true
                    default: false
                    }
                }
        }
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        var contents = FileContents()
        for entry in root.children {
            let host = String(entry.name.prefix { $0 != ":" })
            let name = host == "github.com" ? "github-copilot" : "github-copilot-\(host)"
            if var grant = try FoundGrant.read(entry, as: Self.layout, named: name, client: .copilot, in: context) {
                // An older file names the application in the key alone, the oldest nowhere.
                if !entry.has("githubAppId") {
                    let application = entry.name.dropFirst(host.count + 1)
                    grant.summary.clientID = application.isEmpty ? nil : String(application)
                }
                if host == entry.label?.prefix(host.count).description { grant.summary.metadata["host"] = host }
                contents.grants.append(grant)
            }
        }
        return contents
    }
}

/// GitHub Copilot CLI's `config.json`, where no keyring takes its tokens: settings, and tokens by host and user.
struct CopilotCLIFormat: TokenFileFormat {
    let identifier = "copilot-cli"

    private static let names = ["copilot_tokens", "copilotTokens"]
    private static let layout = GrantLayout(
        access: ["token", "oauth_token", "access_token"],
        refresh: [],
        idToken: [],
        account: ["login", "user"]
    )

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        Self.names.contains { root[$0]?.kind == .object } ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        var contents = FileContents()
        guard let tokens = root.first(of: Self.names) else { return contents }
        guard tokens.kind == .object else { throw tokens.mismatch(expected: "an object") }
        for entry in tokens.children {
            // `https://github.com:octocat`
            let user = entry.label.flatMap { label in label.lastIndex(of: ":").map { label[label.index(after: $0)...] }
            }
            let account = user.flatMap { $0.hasPrefix("//") || $0.isEmpty ? nil : String($0) }
            let name = "copilot-cli" + (account.map { "-\($0)" } ?? "")
            var grant: FoundGrant?
            if entry.kind == .object {
                grant = try FoundGrant.read(entry, as: Self.layout, named: name, client: .copilot, in: context)
            } else if let token = try tokens.token(entry.name) {
                var found = FoundGrant(.nearest(.oauth, name), at: entry, in: context)
                found.add(.accessToken, token)
                found.summary.tokenType = "Bearer"
                found.belongs(to: .copilot, in: context)
                found.members = [entry]
                grant = found
            }
            guard var grant else { continue }
            // Which application asked is not written down.
            grant.summary.clientID = nil
            grant.summary.clientAuthentication = nil
            grant.summary.account = grant.summary.account ?? account
            contents.grants.append(grant)
        }
        return contents
    }
}
