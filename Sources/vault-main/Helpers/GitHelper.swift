internal import ArgumentParser
internal import OAuthFlows
internal import Glibc
internal import VaultAPI
internal import VaultCrypto

/// gitcredentials(7), CUSTOM HELPERS.
struct GitHelper: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "git",
        abstract: "Speak git's credential protocol.",
        discussion: """
            git config credential.https://HOST.helper '!vault helper git --name NAME'
            """
    )

    @Option(help: ArgumentHelp("The entry; without it the one whose hosts hold git's.", valueName: "name"))
    var name: String?

    @Option(
        name: .customLong("host"),
        help: ArgumentHelp("With --name, one more host that the token is for, with its port.", valueName: "host")
    )
    var hosts: [String] = []

    @Argument(help: "get, store or erase.")
    var operation: String

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var global: GlobalOptions

    /// The user names that go with a token of OAuth, whoever it is of, by provider: these take no other.
    private static let usernames = ["github": "x-access-token", "gitlab": "oauth2", "bitbucket": "x-token-auth"]
    private static let forges = ["github.com": "github", "gitlab.com": "gitlab", "bitbucket.org": "bitbucket"]

    func validate() throws {
        if global.json { throw ValidationError("git reads lines; leave out --json") }
        if name == nil, !hosts.isEmpty { throw ValidationError("--host goes with --name") }
    }

    func run() async throws {
        // "If a helper receives any other operation, it should silently ignore the request", which also holds for one
        // that only stores what it was not asked to store.
        guard operation == "get" || operation == "erase" else { return }
        let context = try Context(global)
        let asked = try GitAttributes.read(STDIN_FILENO)
        let name = try name.map { (name) throws(VaultError) in try EntryName(parsing: name) }
        guard let host = try host(asked, context) else { return }
        // Nothing was rejected, or nothing that came from here.
        if operation == "erase", asked["password"] == nil { return }
        let broker = try await context.broker(connection)
        let entry: EntrySummary
        switch try await broker.entry(for: host, named: name, further: hosts) {
        case .success(let found): entry = found
        case .failure(let none): return context.note(none.reason)
        }
        if operation == "erase" {
            await renew(entry, asked["password"] ?? "", broker, context)
        } else {
            try await answer(entry, host, asked, broker, context)
        }
    }

    /// The host, or nothing where none is asked for that may have a token.
    private func host(_ asked: GitAttributes, _ context: Context) throws(VaultError) -> ServedHost? {
        guard let scheme = asked["protocol"], let host = asked["host"] else { return nil }
        guard scheme == "https" || scheme == "http" else {
            context.note("tokens are for https, and git asks for \(scheme)")
            return nil
        }
        for host in hosts { _ = try ServedHost(scheme: "https", host) }
        do throws(VaultError) {
            return try ServedHost(scheme: scheme, host)
        } catch {
            // http too, where it is not loopback. Others may know better.
            context.note(error.message)
            return nil
        }
    }

    private func answer(
        _ entry: EntrySummary,
        _ host: ServedHost,
        _ asked: GitAttributes,
        _ broker: any VaultBroker,
        _ context: Context
    ) async throws {
        let fixed = entry.metadata["git_username"]
        if let wanted = asked["username"], let fixed, wanted != fixed {
            return context.note("\(entry.name) is for the user \(fixed), and git asks for \(wanted)")
        }
        let provider = Self.forges[host.url.host] ?? entry.provider ?? ""
        let username = asked["username"] ?? fixed ?? Self.usernames[provider] ?? entry.account ?? "oauth2"
        let token = try await broker.token(for: entry.name, TokenRequirements(began: ProcessTimes.began), .accessToken)
        try token.requireUnbound(entry.name)
        for note in token.notes { context.note(note) }
        guard username.unicodeScalars.allSatisfy(Diagnostics.isPrintable) else {
            throw VaultError(.unsafe, "the user name of \(entry.name) holds a control character")
        }
        var answer = try SecretBuffer(capacity: 1024)
        try answer.append(Array("username=\(username)\n".utf8))
        try answer.append("password=")
        try token.value.withUnsafeBytes { bytes in
            // A line break in a secret would begin an attribute of its own.
            guard bytes.allSatisfy({ $0 > 32 && $0 < 127 }) else {
                throw VaultError(.unsafe, "\(entry.name) holds characters that no token may hold")
            }
            try answer.append(bytes)
        }
        try answer.append(UInt8(ascii: "\n"))
        if let end = token.expiresAt {
            // Without it a helper behind this one would keep the token for ever (git 2.40).
            try answer.append(Array("password_expiry_utc=\(end.seconds)\n".utf8))
        }
        try answer.withUnsafeBytes { try Output.write($0, to: STDOUT_FILENO) }
    }

    /// Has another token ready for the next request, if it was this entry's token that the server refused.
    ///
    /// Nothing is kept between two calls: the refused token is what the vault still holds, or it was replaced since. So
    /// each token is refused once, however many gits it was refused to.
    private func renew(
        _ entry: EntrySummary,
        _ refused: String,
        _ broker: any VaultBroker,
        _ context: Context
    ) async {
        var requirements = TokenRequirements(began: ProcessTimes.began)
        do throws(VaultError) {
            guard entry.name.kind == .oauth else {
                return context.note("\(entry.name) was refused; vault set \(entry.name) replaces it")
            }
            // A password of another helper says nothing about this entry.
            let current = try await broker.token(for: entry.name, requirements, .accessToken)
            guard current.value.text == refused else { return }
            requirements.rejected = AccessToken(value: refused)
            _ = try await broker.token(for: entry.name, requirements, .accessToken)
        } catch {
            context.note(error.hint.map { "\(error.message); \($0)" } ?? error.message)
        }
    }
}
