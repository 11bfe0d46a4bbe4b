internal import ArgumentParser
internal import OAuthFlows
internal import Glibc
internal import VaultAPI
internal import VaultCrypto

/// The protocol of docker-credential-helpers, which Docker, Podman and others start as `docker-credential-NAME`.
struct DockerHelper: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "docker",
        abstract: "Speak docker's credential protocol; read only.",
        discussion: """
            As docker-credential-vault in PATH (a link to vault), with "credsStore": "vault" or "credHelpers": {"HOST": \
            "vault"} in docker's config.json.
            """
    )

    @Argument(help: "get, store, erase or list.")
    var operation: String

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var global: GlobalOptions

    /// The name by which docker starts it.
    private static let program = "docker-credential-vault"

    /// The sentence that docker knows, and goes on without a credential.
    private static let notFound = "credentials not found in native keychain"

    /// The arguments of a command line, with what the program's name stands for.
    static func arguments(_ commandLine: [String]) -> [String] {
        let isDockers = commandLine.first?.split(separator: "/").last.map(String.init) == program
        return (isDockers ? ["helper", "docker"] : []) + commandLine.dropFirst()
    }

    func validate() throws {
        if global.json { throw ValidationError("docker has documents of its own; leave out --json") }
    }

    func run() async throws {
        do {
            let context = try Context(global)
            switch operation {
            case "get": try await get(context)
            case "list": try await list(context)
            case "erase":
                // docker says which server, and not which credential it was: there is nothing to learn from it.
                context.note("nothing was deleted: docker does not own what the vault holds; vault remove NAME deletes")
            case "store":
                throw VaultError(
                    .failed,
                    "nothing was stored: the vault takes credentials from logins, not from docker",
                    hint: "vault login NAME --url URL"
                )
            default:
                throw VaultError(.usage, "docker asks for “\(operation)”; known are get, store, erase and list")
            }
        } catch let error as VaultError {
            // docker shows what stands on standard output, and may throw standard error away.
            try Output.print([error.hint.map { "\(error.message) (\($0))" } ?? error.message])
            throw error
        }
    }

    private func get(_ context: Context) async throws {
        let asked = try server()
        let broker = try await context.broker(connection)
        let entry: EntrySummary
        switch try await broker.entry(for: try ServedHost(server: asked), named: nil, further: []) {
        case .success(let found): entry = found
        case .failure(let none):
            context.note(none.reason)
            try Output.print([Self.notFound])
            Glibc.exit(1)
        }
        let token = try await broker.token(for: entry.name, TokenRequirements(began: ProcessTimes.began), .accessToken)
        try token.requireUnbound(entry.name)
        for note in token.notes { context.note(note) }
        try Output.print(
            .object([
                ("ServerURL", .string(asked)), ("Username", .string(Self.username(entry))),
                ("Secret", .secret(try token.value.shared())),
            ])
        )
    }

    private func list(_ context: Context) async throws {
        let broker = try await context.broker(connection)
        var users: [String: String] = [:]
        for entry in try await broker.list().entries {
            for host in entry.hosts {
                guard let known = try? ServedHost(server: host) else { continue }
                // One that several entries are for is given to nobody.
                users[known.url.origin] = users[known.url.origin] == nil ? Self.username(entry) : ""
            }
        }
        let members = users.filter { !$0.value.isEmpty }.sorted { $0.key < $1.key }
        try Output.print(.object(members.map { ($0.key, .string($0.value)) }))
    }

    /// `<token>` says that the secret is an identity token, which docker exchanges itself; any other name that it is a
    /// password, and registries that take access tokens as such mostly want this name beside it.
    private static func username(_ entry: EntrySummary) -> String {
        entry.metadata["docker_username"] ?? "oauth2accesstoken"
    }

    /// The server on standard input: one line, a URL or a host alone.
    private func server() throws(VaultError) -> String {
        let line = try SecretInput.withoutFinalNewline(
            try SecretInput.readAll(STDIN_FILENO, limit: 4096, "the server")
        )
        let text = line.withUnsafeBytes { String(validating: $0, as: UTF8.self) }
        guard let text, !text.isEmpty, text.unicodeScalars.allSatisfy(Diagnostics.isPrintable) else {
            throw VaultError(.unsafe, "the server that docker names is refused: it is empty, or no line of text")
        }
        return text
    }
}
