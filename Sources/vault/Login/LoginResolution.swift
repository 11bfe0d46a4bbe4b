internal import OAuthFlows
internal import Providers
internal import StrictJSON
internal import TokenBroker
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// Finds out how to log in by a name: options, then the user's settings file, then a preset, then what the entry was
/// granted by, and last what the server says about itself.
struct LoginResolution {
    /// What a login needs.
    struct Resolved {
        var plan: LoginPlan
        var flow: any AuthorizationFlow
    }

    private let context: Context
    private let options: LoginOptions
    private let name: EntryName
    private let broker: LocalBroker
    private let http: any HTTPExchange

    init(_ context: Context, _ options: LoginOptions, _ name: EntryName, _ broker: LocalBroker) throws(VaultError) {
        (self.context, self.options, self.name, self.broker) = (context, options, name, broker)
        http = try context.http(options.connection)
    }

    func resolve() async throws(VaultError) -> Resolved {
        let settings = try LoginSettings.read("\(context.location.configuration)/oauth/\(name.name).yaml")
        let known = try await knownEntry()
        let preset = try preset(settings, known?.summary)
        let server = try await server(settings, preset, known?.summary)
        guard let tokenEndpoint = server.tokenEndpoint else {
            throw VaultError(
                .configuration,
                "nothing says where \(name) is to log in: there is no token endpoint",
                hint: "vault login \(name.name) --provider NAME, or --issuer URL, or write "
                    + "\(context.location.configuration)/oauth/\(name.name).yaml"
            )
        }
        let client = try client(settings, preset, known, server)
        let scopes = scopes(settings, preset, known?.summary)
        let separator = settings?.scopeSeparator ?? preset?.scopeSeparator ?? " "
        let resource = options.noResource ? nil : options.resource ?? settings?.resource ?? known?.summary.resource
        let dpopKey = options.dpop || wasBound(known, server) ? DPoPKey() : nil

        var request = TokenRequest(endpoint: tokenEndpoint, client: client)
        request.scope = scopes.isEmpty ? nil : scopes.joined(separator: separator)
        request.resource = resource
        request.dpopKey = dpopKey
        let requests = ClientRequests(request, http: http, clock: broker.clock)

        let choice = try choice(preset, server, known?.summary)
        var flow = try flow(choice, server, requests, preset, scopes, separator, settings)
        if options.exchange { flow = try exchanging(flow, preset, requests) }

        var plan = LoginPlan(name: name, server: server, client: client)
        plan.scopes = scopes
        plan.resource = resource
        plan.provider = preset?.name ?? known?.summary.provider
        plan.grantType = choice == .clientCredentials ? "client_credentials" : nil
        plan.hosts = preset?.resourceHosts.map(Self.bareHost) ?? known?.summary.hosts ?? []
        plan.rotation = preset.flatMap { Rotation(rawValue: $0.rotation) } ?? .unknown
        plan.dpopKey = try dpopKey?.exported()
        plan.keepsOld = options.keepOld
        return Resolved(plan: plan, flow: flow)
    }

    /// A preset's `{host}` may stand for `https://host`.
    private static func bareHost(_ text: String) -> String {
        let rest = text.split(separator: "://", maxSplits: 1).last ?? Substring(text)
        return String(rest.prefix { $0 != "/" })
    }

    // MARK: - Where

    private struct KnownEntry {
        let summary: EntrySummary
        let clientSecret: SharedSecret?
        let clientKey: SharedSecret?
    }

    /// The entry of that name, if there is one: `vault login NAME` again needs no options.
    private func knownEntry() async throws(VaultError) -> KnownEntry? {
        do {
            let entry = try await broker.vault.read(name)
            return KnownEntry(
                summary: entry.summary,
                clientSecret: try entry.secrets.shared(.clientSecret),
                clientKey: try entry.secrets.shared(.clientKey)
            )
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    private func preset(_ settings: LoginSettings?, _ known: EntrySummary?) throws(VaultError) -> ProviderPreset? {
        let catalog = try ProviderCatalog(userDirectory: "\(context.location.configuration)/providers")
        var parameters = settings?.parameters ?? [:]
        if let host = options.host { parameters["host"] = host }
        if let tenant = options.tenant { parameters["tenant"] = tenant }
        let wanted = options.provider ?? settings?.provider
        if wanted != nil {
            if let issuer = options.issuer ?? settings?.issuer { parameters["issuer"] = issuer }
        } else {
            // An issuer or endpoints of its own mean that no preset is meant, whatever the name happens to be.
            guard options.issuer == nil, settings?.issuer == nil, settings?.tokenURL == nil else { return nil }
        }
        guard let preset = catalog.preset(wanted ?? known?.provider ?? name.name) else {
            return try wanted.map { (wanted) throws(VaultError) in try catalog.preset(wanted, with: parameters) }
        }
        let lacks = preset.parameters.contains { parameters[$0.name] == nil && $0.preset == nil }
        if lacks, let known, known.tokenEndpoint != nil {
            // What the first login was given stands in the entry's endpoints; all else is the preset's.
            if known.provider == preset.name { return preset.at(known) }
            if wanted == nil { return nil }
        }
        return try catalog.preset(preset.name, with: parameters)
    }

    private func server(
        _ settings: LoginSettings?,
        _ preset: ProviderPreset?,
        _ known: EntrySummary?
    ) async throws(VaultError) -> AuthorizationServer {
        let issuer = options.issuer ?? settings?.issuer ?? preset?.issuer
        // What an entry was granted by counts only where nothing else says anything.
        let old = issuer == nil && settings?.tokenURL == nil && preset == nil ? known : nil
        var server = AuthorizationServer(issuer: issuer ?? old?.issuer)
        let named = (
            authorization: settings?.authorizationURL ?? preset?.authorizationEndpoint ?? old?.authorizationEndpoint,
            token: settings?.tokenURL ?? preset?.tokenEndpoint ?? old?.tokenEndpoint
        )
        if let url = preset?.metadataURL {
            server = try await ServerMetadata(http: http).fetch(at: try EndpointURL(url, as: "the metadata's URL"))
        } else if let issuer = server.issuer, named.token == nil || named.authorization == nil {
            guard let found = try await ServerMetadata(http: http).fetch(issuer: issuer) else {
                throw VaultError(
                    .configuration,
                    "\(shownURL(issuer)) publishes no metadata",
                    hint: "name auth_url and token_url in \(context.location.configuration)/oauth/\(name.name).yaml"
                )
            }
            server = found
        }
        func endpoint(_ text: String?, _ what: String) throws(VaultError) -> EndpointURL? {
            try text.map { (text) throws(VaultError) in try EndpointURL(text, as: what) }
        }
        server.authorizationEndpoint =
            try endpoint(named.authorization, "the authorization endpoint") ?? server.authorizationEndpoint
        server.tokenEndpoint = try endpoint(named.token, "the token endpoint") ?? server.tokenEndpoint
        server.revocationEndpoint =
            try endpoint(
                settings?.revocationURL ?? preset?.revocationEndpoint ?? old?.revocationEndpoint,
                "the revocation endpoint"
            ) ?? server.revocationEndpoint
        server.deviceAuthorizationEndpoint =
            try endpoint(
                options.deviceURL ?? settings?.deviceURL ?? preset?.deviceAuthorizationEndpoint,
                "the device authorization endpoint"
            ) ?? server.deviceAuthorizationEndpoint
        server.pushedAuthorizationRequestEndpoint =
            try endpoint(preset?.pushedAuthorizationRequestEndpoint, "the pushed authorization request endpoint")
            ?? server.pushedAuthorizationRequestEndpoint
        return server
    }

    // MARK: - Who

    private func client(
        _ settings: LoginSettings?,
        _ preset: ProviderPreset?,
        _ known: KnownEntry?,
        _ server: AuthorizationServer
    ) throws(VaultError) -> OAuthClient {
        // "Client credentials and tokens belong to an issuer": the entry's are for the server that gave them.
        let old = known.flatMap { known in
            server.tokenEndpoint?.text == known.summary.tokenEndpoint ? known : nil
        }
        guard let id = options.clientID ?? settings?.clientID ?? preset?.clientID ?? old?.summary.clientID else {
            let page = preset?.registrationPage.map { "register a client at \($0), then " } ?? ""
            throw VaultError(
                .configuration,
                "\(preset?.title ?? "the server") needs a client of your own, and no client id is given",
                hint: "\(page)vault login \(name.name) --client-id ID"
            )
        }
        let isOld = id == old?.summary.clientID
        var secret = settings?.clientSecret ?? (isOld ? old?.clientSecret : nil)
        if let file = options.clientSecretFile {
            secret = try SecretInput.clientSecret(file: file)
        } else if secret == nil, id == preset?.clientID, let text = preset?.publicClientSecret {
            secret = try SecretInput.secret(of: text)
        }
        var key = isOld ? old?.clientKey : nil
        if let file = options.clientKeyFile { key = try SecretInput.privateKey(file: file) }
        let method = try authentication(
            options.clientAuth ?? settings?.clientAuthentication,
            preset?.clientAuthentication ?? (isOld ? old?.summary.clientAuthentication : nil),
            hasSecret: secret != nil,
            hasKey: key != nil,
            server
        )
        var client = OAuthClient(id: id, authentication: method, secret: method == .privateKeyJWT ? key : secret)
        client.quirks = Set((preset?.quirks.map(\.word) ?? []).compactMap { TokenRequestQuirk(rawValue: $0) })
        if isOld, preset == nil {
            client.quirks = Set(old?.summary.quirks.compactMap { TokenRequestQuirk(rawValue: $0) } ?? [])
        }
        client.issuer = server.issuer
        return client
    }

    /// Exactly one method for each request: the registered one if the server lists it; else from its list.
    private func authentication(
        _ asked: String?,
        _ usual: String?,
        hasSecret: Bool,
        hasKey: Bool,
        _ server: AuthorizationServer
    ) throws(VaultError) -> ClientAuthenticationMethod {
        if let asked {
            guard let method = ClientAuthenticationMethod(rawValue: asked) else {
                let known = ClientAuthenticationMethod.allCases.map(\.rawValue).joined(separator: ", ")
                throw VaultError(.usage, "there is no client authentication \(printable(asked))", hint: known)
            }
            return method
        }
        if hasKey { return .privateKeyJWT }
        if let usual = usual.flatMap({ ClientAuthenticationMethod(rawValue: $0) }), (usual == .none) != hasSecret {
            return usual
        }
        guard hasSecret else { return .none }
        // RFC 8414 §2: "If omitted, the default is client_secret_basic."
        let listed = server.tokenEndpointAuthenticationMethods ?? []
        return listed.isEmpty || listed.contains(ClientAuthenticationMethod.basic.rawValue) ? .basic : .post
    }

    private func scopes(
        _ settings: LoginSettings?,
        _ preset: ProviderPreset?,
        _ known: EntrySummary?
    ) -> [String] {
        guard options.scopes.isEmpty else {
            return options.scopes.flatMap { $0.split(separator: " ").map(String.init) }
        }
        if let scopes = settings?.scopes { return scopes }
        if let preset, !preset.scopes.isEmpty { return preset.scopes }
        return known?.scopes ?? []
    }

    /// Whether the tokens that are replaced are bound to a key: then those in their place are too, asked for or not.
    private func wasBound(_ known: KnownEntry?, _ server: AuthorizationServer) -> Bool {
        guard let known = known?.summary else { return false }
        return known.holds.contains(.dpopKey) && known.tokenEndpoint == server.tokenEndpoint?.text
    }

    // MARK: - How

    private enum Choice { case browser, device, openAIDevice, codexDevice, clientCredentials }

    private func choice(
        _ preset: ProviderPreset?,
        _ server: AuthorizationServer,
        _ known: EntrySummary?
    ) throws(VaultError) -> Choice {
        if options.clientCredentials { return .clientCredentials }
        let offered = preset?.flows ?? []
        if options.device {
            if offered.contains("codex-device") { return .codexDevice }
            return offered.contains("openai-device") ? .openAIDevice : .device
        }
        if options.browser { return .browser }
        // A client that was granted its own tokens is no person, whose browser could be opened.
        if known?.grantType == "client_credentials", known?.tokenEndpoint == server.tokenEndpoint?.text {
            return .clientCredentials
        }
        switch offered.first {
        case "device" where server.deviceAuthorizationEndpoint != nil: return .device
        case "client-credentials": return .clientCredentials
        default:
            // A server without an authorization endpoint has no other way for a person.
            let hasOnlyDevice = server.authorizationEndpoint == nil && server.deviceAuthorizationEndpoint != nil
            return hasOnlyDevice ? .device : .browser
        }
    }

    private func flow(
        _ choice: Choice,
        _ server: AuthorizationServer,
        _ requests: ClientRequests,
        _ preset: ProviderPreset?,
        _ scopes: [String],
        _ separator: String,
        _ settings: LoginSettings?
    ) throws(VaultError) -> any AuthorizationFlow {
        switch choice {
        case .clientCredentials: return ClientCredentialsFlow(requests: requests)
        case .openAIDevice, .codexDevice:
            return OpenAIDeviceFlow(
                choice == .codexDevice ? .codex : .platform,
                issuer: server.issuer ?? "",
                requests: requests,
                timeout: options.timeout.map { .seconds($0.seconds) }
            )
        case .device:
            var device = DeviceFlow.Options()
            device.scopes = scopes
            device.scopeSeparator = separator
            device.timeout = options.timeout.map { .seconds($0.seconds) }
            return DeviceFlow(server: server, requests: requests, options: device)
        case .browser:
            var browser = BrowserFlow.Options()
            browser.scopes = scopes
            browser.scopeSeparator = separator
            if let redirect = preset?.redirect {
                browser.redirect = LoopbackRedirect(
                    host: LoopbackRedirect.Host(rawValue: redirect.host) ?? .address,
                    port: redirect.port,
                    path: redirect.path
                )
            }
            if let port = options.port { browser.redirect.port = port == 0 ? nil : port }
            browser.parameters = preset?.authorizationParameters.map { (name: $0.name, value: $0.value) } ?? []
            // Whoever named the server vouches for it; "where the user named the issuer, send S256 anyway and say so".
            browser.pkce = .unadvertised
            browser.timeout = options.timeout.map { .seconds($0.seconds) } ?? LoginOptions.standardTimeout
            return BrowserFlow(server: server, requests: requests, options: browser)
        }
    }

    private func exchanging(
        _ flow: any AuthorizationFlow,
        _ preset: ProviderPreset?,
        _ requests: ClientRequests
    ) throws(VaultError) -> any AuthorizationFlow {
        guard let exchange = preset?.exchange, let subject = ExchangingFlow.Step.Subject(rawValue: exchange.subject)
        else {
            throw VaultError(
                .configuration,
                "--exchange was given, and \(preset?.title ?? "this server") has no preset that says for what",
                hint: "vault login \(name.name) without --exchange"
            )
        }
        var step = ExchangingFlow.Step(subject)
        step.isOptional = exchange.isOptional
        if exchange.requestedTokenType == "openai-api-key" {
            step = .openAIKey
        } else {
            step.requestedTokenType = exchange.requestedTokenType
        }
        return ExchangingFlow(flow, then: step, requests: requests)
    }
}

extension ProviderPreset {
    /// The preset with the endpoints of an entry that was granted by it, in the place of those with parameters in them.
    fileprivate func at(_ entry: EntrySummary) -> ProviderPreset {
        var preset = self
        preset.parameters = []
        preset.metadataURL = nil
        preset.issuer = entry.issuer
        preset.authorizationEndpoint = entry.authorizationEndpoint
        preset.tokenEndpoint = entry.tokenEndpoint
        preset.revocationEndpoint = entry.revocationEndpoint
        preset.deviceAuthorizationEndpoint = nil
        preset.pushedAuthorizationRequestEndpoint = nil
        preset.resourceHosts = entry.hosts
        return preset
    }
}
