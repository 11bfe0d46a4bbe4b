internal import StrictJSON
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// The GitHub CLI's `hosts.yml`: for each host the accounts with their tokens, and the active one's token once more.
///
/// An account whose token is in the keyring has none here. These tokens are not refreshed and do not rotate.
struct GHFormat: TokenFileFormat {
    let identifier = "gh"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.kind == .object, !root.children.isEmpty,
            root.children.allSatisfy({ $0.kind != .string && $0.kind != .number && $0.kind != .boolean })
        else { return .no }
        let hosts = root.children.flatMap(Self.settings)
        // Goose keeps mappings under words; a host has a dot, or is this machine.
        guard root.children.allSatisfy({ $0.name.contains(".") || $0.name.hasPrefix("localhost") }) else { return .no }
        return hosts.contains { $0["users"]?.kind == .object || $0.hasString("oauth_token") } ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard root.kind == .object else { throw root.mismatch(expected: "a mapping of hosts") }
        var contents = FileContents()
        for host in root.children {
            for settings in Self.settings(of: host) { try read(settings, host.name, context, &contents) }
        }
        return contents
    }

    /// The settings of a host; before 2020 they stood in a list.
    private static func settings(of host: JSONValue) -> [JSONValue] {
        switch host.kind {
        case .object: [host]
        case .array: host.children.filter { $0.kind == .object }
        default: []
        }
    }

    private func read(
        _ settings: JSONValue,
        _ host: String,
        _ context: ReadingContext,
        _ contents: inout FileContents
    ) throws(VaultError) {
        let active = try settings.token("oauth_token")
        let user = try settings.fact("user")
        let first = contents.grants.count
        for account in settings["users"]?.children ?? [] where account.kind == .object {
            guard let token = try account.token("oauth_token") else { continue }
            contents.grants.append(grant(token, host, account.name, context))
        }
        guard let active else { return }
        for index in contents.grants.indices.dropFirst(first) {
            guard let token = contents.grants[index].token(.accessToken), try Self.isSame(token, active) else {
                continue
            }
            contents.grants[index].copies.append((.accessToken, active))
            contents.grants[index].members.append(active)
            return
        }
        contents.grants.append(grant(active, host, user, context))
    }

    private func grant(
        _ token: JSONValue,
        _ host: String,
        _ account: String?,
        _ context: ReadingContext
    ) -> FoundGrant {
        let name = ["gh", host, account ?? ""].filter { !$0.isEmpty }.joined(separator: "-")
        var grant = FoundGrant(.nearest(.oauth, name), at: token, in: context)
        grant.summary.provider = "github"
        grant.summary.account = account.map { printable(String($0.prefix(256))) }
        grant.summary.tokenType = "Bearer"
        grant.summary.rotation = .never
        grant.summary.metadata["host"] = printable(String(host.prefix(256)))
        grant.add(.accessToken, token)
        grant.members = [token]
        return grant
    }

    /// Whether both hold the same token.
    static func isSame(_ one: JSONValue, _ other: JSONValue) throws(VaultError) -> Bool {
        let mine = try one.secret()
        let theirs = try other.secret()
        return mine.equals(theirs)
    }
}
