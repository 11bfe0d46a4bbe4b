internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// flyctl's `config.yml`: a list of macaroons in one text, a token for metrics, and settings.
struct FlyFormat: TokenFileFormat {
    let identifier = "fly"

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.hasString("access_token") || root.hasString("metrics_token") else { return .no }
        if root.has("metrics_token") || root.has("wire_guard_state") { return .yes }
        return path.lies(in: "fly") && path.stem == "config" ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        var contents = FileContents()
        for (member, name) in [("access_token", "fly"), ("metrics_token", "fly-metrics")] {
            guard let token = try root.token(member) else { continue }
            var grant = FoundGrant(.nearest(.static, name), at: token, in: context)
            grant.summary.provider = "fly"
            grant.add(.secret, token)
            grant.members = [token]
            contents.grants.append(grant)
        }
        if root["wire_guard_state"].map({ $0.kind == .object && !$0.children.isEmpty }) ?? false {
            contents.notes.append("wire_guard_state holds private keys of WireGuard, which are left in the file")
        }
        return contents
    }
}
