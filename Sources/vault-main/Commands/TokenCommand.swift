internal import ArgumentParser
internal import OAuthFlows
internal import TokenBroker
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Print a valid access token, refreshed if need be, or a static secret."
    )

    @Argument(help: "NAME, oauth:NAME or static:NAME.")
    var name: String

    @Option(help: ArgumentHelp("Ask for that much validity, such as 5m, 90s or 1h.", valueName: "duration"))
    var minValid: LifetimeArgument?

    @Flag(help: "Print an Authorization header instead of the bare token.")
    var header = false

    @Flag(help: "Print the id token instead.")
    var idToken = false

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Print both headers of one request with a bound token.", valueName: "method url")
    )
    var dpop: [String] = []

    @Option(help: ArgumentHelp("With --dpop, the DPoP-Nonce that the server asked for.", valueName: "value"))
    var nonce: String?

    @Flag(help: "Refresh, whatever validity is left.")
    var refresh = false

    @Flag(help: "Log in if only a new login helps.")
    var login = false

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if [header, idToken, !dpop.isEmpty].count(where: { $0 }) > 1 {
            throw ValidationError("--header, --id-token and --dpop contradict each other")
        }
        if !dpop.isEmpty, dpop.count != 2 { throw ValidationError("--dpop takes a method and a URL") }
        if nonce != nil, dpop.isEmpty { throw ValidationError("--nonce goes with --dpop METHOD URL") }
        if header || idToken || !dpop.isEmpty, global.json {
            throw ValidationError("--json has a document of its own; leave out --header, --id-token and --dpop")
        }
    }

    func run() async throws {
        // Before anything takes time: whoever asked at the same moment is content with the same refresh.
        let began = ProcessTimes.began
        let context = try Context(global)
        let name = try EntryName(parsing: name)
        let broker = try context.broker(try await context.open(), connection)
        var need = TokenNeed(began: began)
        need.minimumValidity = minValid?.seconds ?? 0
        need.requiresRefresh = refresh
        let token = try await fresh(name, need, broker, context)
        for note in token.notes { context.note(note) }
        if !dpop.isEmpty { return try await printProof(name, broker) }
        guard token.summary.tokenType != "DPoP" || idToken else {
            throw VaultError(
                .unsafe,
                "\(name) is bound to a key that does not leave the vault: its token alone is worth nothing",
                hint: "vault proxy \(name.name) --to URL puts it into requests; "
                    + "vault token \(name.name) --dpop METHOD URL prints the headers of one"
            )
        }
        try await print(token, broker.vault, context)
    }

    private func fresh(
        _ name: EntryName,
        _ need: TokenNeed,
        _ broker: LocalBroker,
        _ context: Context
    ) async throws(VaultError) -> FreshToken {
        do {
            return try await broker.token(for: name, need)
        } catch {
            guard login, error.code == .loginRequired, name.kind == .oauth else { throw error }
            // Nobody to log in: a hundred tools must not open a hundred browsers for nobody (int128/kubelogin #904).
            guard context.isInteractive else { throw error }
            return try await loggedIn(name, need, broker, context)
        }
    }

    /// Logs in, or waits for whoever is doing so by the same name.
    private func loggedIn(
        _ name: EntryName,
        _ need: TokenNeed,
        _ broker: LocalBroker,
        _ context: Context
    ) async throws(VaultError) -> FreshToken {
        var options = LoginOptions.none
        options.connection = connection
        let conversation = LoginConversation(context, opensBrowser: true)
        do {
            var resolution = try LoginResolution(context, options, name, broker)
            let resolved = try await resolution.resolve()
            _ = try await conversation.hold { interaction throws(VaultError) in
                try await broker.login(resolved.plan, by: resolved.flow, asking: interaction)
            }
        } catch {
            guard error.isLoginElsewhere else { throw error.naming(login: "vault login \(name.name)") }
            context.note("another login as \(name) is under way; waiting for it")
            guard try await broker.waitForLogin(name, within: LoginOptions.standardTimeout) else { throw error }
        }
        // Whatever was refused before the login is answered by it.
        var need = need
        need.requiresRefresh = false
        return try await broker.token(for: name, need)
    }

    private func printProof(_ name: EntryName, _ broker: LocalBroker) async throws {
        var requirements = TokenRequirements()
        requirements.dpopNonce = nonce
        let authorization = try await broker.authorization(
            for: name.description,
            method: dpop[0],
            // RFC 9449 §4.2: `htu` is the URI "without query and fragment parts", so that they may hold what they like.
            url: String(dpop[1].prefix { $0 != "?" && $0 != "#" }),
            requirements
        )
        for field in authorization.fields {
            var value = field.value
            try value.withUTF8 { try Output.print(secret: UnsafeRawBufferPointer($0), prefix: "\(field.name): ") }
        }
    }

    private func print(_ token: FreshToken, _ vault: Vault, _ context: Context) async throws {
        let name = token.summary.name
        if idToken {
            let entry = try await vault.read(name)
            let printed: Void? = try entry.secrets.withField(.idToken) { try Output.print(secret: $0) }
            guard printed != nil else {
                throw VaultError(.notFound, "\(name) holds no id token", hint: "vault show \(name) tells what it holds")
            }
        } else if context.json {
            try Output.print(
                .object([
                    ("access_token", .secret(token.value)),
                    ("token_type", .string(token.summary.tokenType ?? "Bearer")),
                    ("expires_at", .time(token.summary.expiresAt)),
                    ("state", .string(token.summary.state.word)),
                ])
            )
        } else if header {
            try token.value.withSecret { secret in
                try secret.withUnsafeBytes { bytes in
                    // A line break in a secret would begin a header of its own.
                    guard bytes.allSatisfy({ $0 > 32 && $0 < 127 }) else {
                        throw VaultError(
                            .unsafe,
                            "\(name) holds characters that no header may carry",
                            hint: "leave out --header"
                        )
                    }
                    try Output.print(secret: bytes, prefix: "Authorization: Bearer ")
                }
            }
        } else {
            try token.value.withSecret { try $0.withUnsafeBytes { try Output.print(secret: $0) } }
        }
    }
}

/// A time span on the command line: `90`, `90s`, `5m`, `2h`, `1d`.
struct LifetimeArgument: ExpressibleByArgument {
    let seconds: Int64

    init?(argument: String) {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        let unit = argument.last.flatMap { units[$0] }
        guard let number = Int64(unit == nil ? Substring(argument) : argument.dropLast()), number >= 0 else {
            return nil
        }
        let (seconds, overflow) = number.multipliedReportingOverflow(by: unit ?? 1)
        guard !overflow else { return nil }
        self.seconds = seconds
    }
}
