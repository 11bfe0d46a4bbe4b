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

    @Argument(help: "NAME, oauth:NAME or static:NAME.", completion: .entryNames)
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
        let broker = try await context.broker(connection)
        var requirements = TokenRequirements(began: began)
        requirements.minimumValiditySeconds = minValid?.seconds ?? 0
        requirements.requiresRefresh = refresh
        requirements.dpopNonce = nonce
        if !dpop.isEmpty { return try await printProof(name, requirements, broker, context) }
        let token = try await orLoggedIn(name, &requirements, broker, context) {
            (broker, requirements) async throws(VaultError) in
            try await broker.token(for: name, requirements, idToken ? .idToken : .accessToken)
        }
        for note in token.notes { context.note(note) }
        guard token.type != "DPoP" || idToken else {
            throw VaultError.bound(name)
        }
        try print(token, name, context)
    }

    /// What `body` gives, if need be after a login.
    private func orLoggedIn<Result: Sendable>(
        _ name: EntryName,
        _ requirements: inout TokenRequirements,
        _ broker: any VaultBroker,
        _ context: Context,
        _ body: (any VaultBroker, TokenRequirements) async throws(VaultError) -> Result
    ) async throws(VaultError) -> Result {
        do {
            return try await body(broker, requirements)
        } catch {
            guard login, error.code == .loginRequired, name.kind == .oauth else { throw error }
            // Nobody to log in: a hundred tools must not open a hundred browsers for nobody (int128/kubelogin #904).
            guard context.isInteractive else { throw error }
            try await logIn(name, context)
            // Whatever was refused before the login is answered by it.
            requirements.requiresRefresh = false
            return try await body(broker, requirements)
        }
    }

    /// Logs in, or waits for whoever is doing so by the same name.
    private func logIn(_ name: EntryName, _ context: Context) async throws(VaultError) {
        let broker = try context.broker(try await context.open(), connection)
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
    }

    private func printProof(
        _ name: EntryName,
        _ requirements: TokenRequirements,
        _ broker: any VaultBroker,
        _ context: Context
    ) async throws {
        var requirements = requirements
        // RFC 9449 §4.2: `htu` is the URI "without query and fragment parts", so that they may hold what they like.
        let url = String(dpop[1].prefix { $0 != "?" && $0 != "#" })
        let authorization = try await orLoggedIn(name, &requirements, broker, context) {
            (broker, requirements) async throws(VaultError) in
            try await broker.authorization(for: name.description, method: dpop[0], url: url, requirements)
        }
        for field in authorization.fields {
            var value = field.value
            try value.withUTF8 { try Output.print(secret: UnsafeRawBufferPointer($0), prefix: "\(field.name): ") }
        }
    }

    private func print(_ token: GivenToken, _ name: EntryName, _ context: Context) throws {
        if context.json {
            try Output.print(
                .object([
                    ("access_token", .secret(try token.value.shared())),
                    ("token_type", .string(token.type)),
                    ("expires_at", .time(token.expiresAt)),
                    ("state", .string(token.state)),
                ])
            )
        } else if header {
            try token.value.withUnsafeBytes { bytes in
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
        } else {
            try token.value.withUnsafeBytes { try Output.print(secret: $0) }
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
