internal import ArgumentParser
internal import OAuthFlows
internal import Providers
internal import StrictJSON
internal import VaultAPI
internal import VaultCore

struct DiscoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "discover",
        abstract: "Show what a server says about itself, from where, and what was refused.",
        discussion: """
            Asks what a login by that URL would ask, and nothing else: the resource, its metadata, and the metadata of \
            the authorization server that it names. Nothing is registered, opened or stored, and no vault is needed.
            """
    )

    @Argument(help: "The resource, such as https://mcp.example.com/mcp, or the name of a known server.")
    var url: String

    @Option(help: ArgumentHelp("The authorization server, whatever the resource says.", valueName: "url"))
    var issuer: String?

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let servers = try ServerCatalog(userDirectory: "\(context.location.configuration)/servers")
        let report = try await ResourceDiscovery(http: try context.http(connection), namedIssuer: issuer).report(
            on: servers.server(url)?.url ?? url
        )
        if context.json {
            try Output.print(.discovery(report))
        } else {
            try Output.print(report.lines)
        }
        if !report.reach.isByAddress {
            context.note(
                "these requests go through the proxy that HTTPS_PROXY names: whether a name leads to a private address "
                    + "is for the proxy to check"
            )
        }
        if let failure = report.failure { throw failure }
    }
}

extension DiscoveryReport {
    /// For a terminal.
    fileprivate var lines: [String] {
        var lines = ["asked, in this order:"]
        lines += steps.map { "  \($0.url)\n    \($0.subject.words): \($0.outcome.sentence)" }
            .flatMap { $0.split(separator: "\n").map(String.init) }
        lines.append("resource: \(resource?.resource ?? asked.text)")
        if let resource {
            lines.append("  authorization servers: \(resource.authorizationServers.joined(separator: " "))")
        }
        let scopes = challenge?.scopes ?? resource?.scopesSupported
        if let scopes { lines.append("  scope: \(scopes.joined(separator: " "))") }
        guard let server else { return lines }
        lines.append("authorization server: \(server.issuer ?? "no issuer") (\(source?.words ?? "unknown"))")
        for (name, url, _) in server.endpoints {
            if let url { lines.append("  \(name): \(url.text)") }
        }
        lines.append("  PKCE: \(server.pkceWords)")
        lines.append("  client: \(server.clientWords)")
        return lines
    }
}

extension DiscoveryStep.Subject {
    fileprivate var words: String {
        switch self {
        case .resource: "the resource, without a token"
        case .resourceMetadata: "the resource's metadata"
        case .serverMetadata: "the authorization server's metadata"
        case .clientMetadata: "the client's metadata"
        }
    }
}

extension DiscoveryStep.Outcome {
    fileprivate var word: String {
        switch self {
        case .found: "found"
        case .absent: "absent"
        case .redirected: "redirected"
        case .failed: "failed"
        case .refused: "refused"
        }
    }

    fileprivate var status: Int? {
        switch self {
        case .found(let status), .absent(let status), .redirected(let status, _): status
        case .failed, .refused: nil
        }
    }

    fileprivate var reason: String? {
        switch self {
        case .found, .absent, .redirected: nil
        case .failed(let reason), .refused(let reason): reason
        }
    }

    fileprivate var target: String? { if case .redirected(_, let target) = self { target } else { nil } }

    fileprivate var sentence: String {
        [word, status.map { "(\($0))" }, target.map { "to \($0)" }, reason].compactMap(\.self).joined(separator: " ")
    }
}

extension DiscoveryReport.Source {
    fileprivate var words: String {
        switch self {
        case .user: "named by --issuer"
        case .resourceMetadata: "named by the resource"
        case .resourceOrigin: "published at the resource's origin, as in MCP 2025-03-26"
        case .assumed: "assumed: nothing is published, and these are the places of MCP 2025-03-26"
        }
    }
}

extension AuthorizationServer {
    fileprivate var pkceWord: String {
        guard let methods = codeChallengeMethods else { return "unadvertised" }
        return methods.contains("S256") ? "S256" : "refused"
    }

    fileprivate var pkceWords: String {
        switch pkceWord {
        case "S256": "S256"
        case "refused": "refused: S256 is not among \((codeChallengeMethods ?? []).joined(separator: " "))"
        default: "not listed: refused without --pkce-unadvertised"
        }
    }

    fileprivate var clientWords: String {
        var ways = ["--client-id"]
        if clientIDMetadataDocumentSupported { ways.append("--client-metadata-url") }
        if registrationEndpoint != nil { ways.append("registers itself") }
        return ways.joined(separator: ", ")
    }
}

extension Document {
    /// `Schemas/discover.schema.json`.
    fileprivate static func discovery(_ report: DiscoveryReport) -> Document {
        .object([
            ("url", .string(report.asked.text)),
            ("address_check", .string(report.reach.isByAddress ? "here" : "proxy")),
            ("steps", .array(report.steps.map(step))),
            ("resource", report.resource.map(resource) ?? .null),
            ("challenge", report.challenge.map(challenge) ?? .null),
            ("authorization_server", report.server.map { server($0, report.source) } ?? .null),
            ("error", .optional(report.failure?.message)),
        ])
    }

    private static func step(_ step: DiscoveryStep) -> Document {
        .object([
            ("url", .string(step.url)),
            ("subject", .string(step.subject.rawValue)),
            ("outcome", .string(step.outcome.word)),
            ("status", step.outcome.status.map { .number(Int64($0)) } ?? .null),
            ("redirected_to", .optional(step.outcome.target)),
            ("reason", .optional(step.outcome.reason)),
        ])
    }

    private static func resource(_ resource: ProtectedResourceMetadata) -> Document {
        .object([
            ("resource", .string(resource.resource)),
            ("authorization_servers", .strings(resource.authorizationServers)),
            ("scopes_supported", resource.scopesSupported.map { .strings($0) } ?? .null),
            ("dpop_bound_access_tokens_required", .bool(resource.requiresDPoP)),
        ])
    }

    private static func challenge(_ challenge: ResourceChallenge) -> Document {
        .object([
            ("error", .optional(challenge.error)),
            ("scope", challenge.scopes.map { .strings($0) } ?? .null),
            ("resource_metadata", .optional(challenge.resourceMetadata)),
        ])
    }

    private static func server(_ server: AuthorizationServer, _ source: DiscoveryReport.Source?) -> Document {
        .object(
            [("issuer", .optional(server.issuer)), ("source", .optional(source?.rawValue))]
                + server.endpoints.map { ($0.name, .optional($0.url?.text)) }
                + [
                    ("scopes_supported", server.scopesSupported.map { .strings($0) } ?? .null),
                    ("pkce", .string(server.pkceWord)),
                    ("client_id_metadata_document_supported", .bool(server.clientIDMetadataDocumentSupported)),
                    ("authorization_response_iss_parameter_supported", .bool(server.sendsIssuer)),
                ]
        )
    }
}
