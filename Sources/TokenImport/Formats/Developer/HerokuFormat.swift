internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// What the Heroku CLI keeps in `~/.netrc`: the same token for its API and for git, as a password.
///
/// Other machines are somebody else's.
struct HerokuFormat: TokenFileFormat {
    let identifier = "heroku"
    /// People write it themselves, comments and all.
    let keepsFile = true

    private static let machines = ["api.heroku.com", "git.heroku.com"]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        Self.machines.contains { root[$0]?.hasString("password") ?? false } ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        var contents = FileContents()
        for machine in Self.machines.compactMap({ root[$0] }) {
            guard let token = try machine.token("password") else { continue }
            if let first = contents.grants.first?.token(.secret), try GHFormat.isSame(first, token) {
                contents.grants[0].copies.append((.secret, token))
                contents.grants[0].members.append(machine)
                continue
            }
            let name = contents.grants.isEmpty ? "heroku" : "heroku-git"
            var grant = FoundGrant(.nearest(.static, name), at: machine, in: context)
            grant.summary.provider = "heroku"
            grant.summary.account = try machine.fact("login")
            grant.add(.secret, token)
            grant.members = [machine]
            contents.grants.append(grant)
        }
        return contents
    }
}
