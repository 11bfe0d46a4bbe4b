internal import ArgumentParser
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Print a valid access token, or a static secret.",
        discussion: "This version does not refresh: an expired token is exit 5."
    )

    @Argument(help: "NAME, oauth:NAME or static:NAME.")
    var name: String

    @Option(help: ArgumentHelp("Say so if less validity is left, such as 5m, 90s or 1h.", valueName: "duration"))
    var minValid: LifetimeArgument?

    @Flag(help: "Print an Authorization header instead of the bare token.")
    var header = false

    @Flag(help: "Print the id token instead.")
    var idToken = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if header, idToken { throw ValidationError("--header and --id-token contradict each other") }
        if header || idToken, global.json {
            throw ValidationError("--json has a document of its own; leave out --header and --id-token")
        }
    }

    func run() async throws {
        let context = try Context(global)
        let name = try EntryName(parsing: name)
        let entry = try await context.open().read(name)
        let now = Timestamp.systemNow
        if idToken {
            let printed: Void? = try entry.secrets.withField(.idToken) { try Output.print(secret: $0) }
            guard printed != nil else {
                throw VaultError(.notFound, "\(name) holds no id token", hint: "vault show \(name) tells what it holds")
            }
            return
        }
        let field = try entry.summary.usableToken(at: now)
        if let end = entry.summary.expiresAt, let minValid, end.seconds - now.seconds < minValid.seconds {
            context.note("\(name) is valid for \(end.seconds - now.seconds) s more, less than was asked for")
        }
        if context.json {
            let copy = try entry.secrets.withField(field) { try SharedSecret(SecretBytes(copying: $0)) }
            try Output.print(
                .object([
                    ("access_token", copy.map { .secret($0) } ?? .null),
                    ("token_type", .string(entry.summary.tokenType ?? "Bearer")),
                    ("expires_at", .time(entry.summary.expiresAt)),
                    ("state", .string(entry.summary.state.word)),
                ])
            )
            return
        }
        _ = try entry.secrets.withField(field) { bytes in
            if header {
                // A line break in a secret would begin a header of its own.
                guard bytes.allSatisfy({ $0 > 32 && $0 < 127 }) else {
                    throw VaultError(
                        .unsafe,
                        "\(name) holds characters that no header may carry",
                        hint: "leave out --header"
                    )
                }
                try Output.print(secret: bytes, prefix: "Authorization: Bearer ")
            } else {
                try Output.print(secret: bytes)
            }
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
