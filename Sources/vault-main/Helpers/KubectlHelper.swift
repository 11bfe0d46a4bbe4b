internal import ArgumentParser
internal import OAuthFlows
internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// Kubernetes' client authentication by a program (client.authentication.k8s.io, `ExecCredential`).
struct KubectlHelper: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kubectl",
        abstract: "Print an ExecCredential with the id token.",
        discussion: """
            In a kubeconfig: exec: {apiVersion: client.authentication.k8s.io/v1, command: vault, args: [helper, kubectl, \
            NAME], interactiveMode: IfAvailable}.
            """
    )

    @Argument(help: "NAME or oauth:NAME.")
    var name: String

    @Flag(help: "Give the access token instead, to a server that takes those.")
    var accessToken = false

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if global.json { throw ValidationError("kubectl has a document of its own; leave out --json") }
    }

    func run() async throws {
        var global = global
        let request = try ExecRequest(Context(global).environment["KUBERNETES_EXEC_INFO"])
        // kubectl needs the terminal itself, or there is none.
        if !request.isInteractive { global.noInput = true }
        let context = try Context(global)
        let name = try EntryName(parsing: name)
        let broker = try await context.broker(connection)
        if let server = request.server { try await requireServed(server, by: name, broker) }
        let value: SecretText
        let end: Timestamp?
        if accessToken {
            let token = try await broker.token(for: name, TokenRequirements(began: ProcessTimes.began), .accessToken)
            try token.requireUnbound(name)
            for note in token.notes { context.note(note) }
            (value, end) = (token.value, token.expiresAt)
        } else {
            let token = try await IdentityToken.current(of: name, broker, context)
            (value, end) = (token.value, token.expiresAt)
        }
        var status: [(String, Document)] = [("token", .secret(try value.shared()))]
        // Without it kubectl asks again when the server answers 401.
        if let end { status.append(("expirationTimestamp", .string(end.description))) }
        try Output.print(
            .object([
                ("apiVersion", .string(request.version)), ("kind", .string(ExecRequest.kind)),
                ("status", .object(status)),
            ])
        )
    }

    /// Where kubectl says which cluster it is (`provideClusterInfo`) and the entry for which hosts, they must agree.
    private func requireServed(
        _ server: String,
        by name: EntryName,
        _ broker: any VaultBroker
    ) async throws(VaultError) {
        let entry = try await broker.summary(of: name)
        let host = try ServedHost(server: server)
        guard !entry.hosts.isEmpty, !host.isServed(by: entry) else { return }
        throw VaultError(
            .unsafe,
            "\(name) is for \(entry.hosts.joined(separator: ", ")), and the cluster is at \(host.url.authority)",
            hint: "vault show \(name) tells what it is for"
        )
    }
}

/// What kubectl says of itself in `KUBERNETES_EXEC_INFO`.
private struct ExecRequest {
    static let kind = "ExecCredential"
    private static let group = "client.authentication.k8s.io/"

    /// The version of the answer, which must be that of the question.
    let version: String
    let isInteractive: Bool
    /// The API server's URL, where the kubeconfig lets it be told.
    let server: String?

    /// - Throws: `.configuration`.
    init(_ text: String?) throws(VaultError) {
        guard let text, !text.isEmpty else {
            (version, isInteractive, server) = (Self.group + "v1", true, nil)
            return
        }
        let subject = "KUBERNETES_EXEC_INFO"
        do throws(VaultError) {
            let root = try JSONDocument(try SecretInput.secret(of: text), subject: subject).root
            let (kind, version) = (try root.fact("kind"), try root.fact("apiVersion"))
            guard kind == Self.kind else {
                throw VaultError(.configuration, "\(subject) is a \(kind ?? "nothing"), expected an \(Self.kind)")
            }
            guard let version, [Self.group + "v1", Self.group + "v1beta1"].contains(version) else {
                throw VaultError(
                    .configuration,
                    "\(subject) asks for \(version ?? "no apiVersion"), and what is spoken here is \(Self.group)v1 and v1beta1",
                    hint: "set apiVersion: \(Self.group)v1 in the kubeconfig"
                )
            }
            self.version = version
            let spec = root["spec"]
            // In v1 it is always there.
            isInteractive = spec?["interactive"].map { $0.kind == .boolean && $0.isTrue } ?? true
            server = try spec?["cluster"].flatMap { $0.kind == .object ? $0 : nil }?.fact("server")
        } catch {
            throw VaultError(.configuration, error.message, hint: error.hint, underlying: error)
        }
    }
}

extension JSONValue {
    fileprivate var isTrue: Bool { document.raw(range) == "true" }
}
