internal import OAuthFlows
internal import Providers
internal import StrictJSON
internal import TokenBroker
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// Finds out how to log in by a name: options, then the user's settings file, then what the entry was granted by or the
/// preset of its name, and last what the server says about itself.
struct LoginResolution {
    /// What a login needs.
    struct Resolved {
        var plan: LoginPlan
        var flow: any AuthorizationFlow
    }

    private let context: Context
    private var options: LoginOptions
    private let name: EntryName
    private let broker: LocalBroker
    private let http: any HTTPExchange

    init(_ context: Context, _ options: LoginOptions, _ name: EntryName, _ broker: LocalBroker) throws(VaultError) {
        (self.context, self.options, self.name, self.broker) = (context, options, name, broker)
        http = try context.http(options.connection)
    }

    mutating func resolve() async throws(VaultError) -> Resolved {
        let settings = try settings()
        let known = try await knownEntry()
        let preset = try preset(settings, known?.summary)
        let found = try await find(settings, preset, known?.summary)
        var server = found.server
        // "Client credentials and tokens belong to an issuer": what the entry has is for the server that gave it.
        let old = known.flatMap { isGranted($0.summary, by: found) ? $0 : nil }
        options.recall(old?.summary.loginOptions ?? [], after: settings)
        if let url = options.deviceURL {
            server.deviceAuthorizationEndpoint = try EndpointURL(url, as: "the device authorization endpoint")
        }
        guard let tokenEndpoint = server.tokenEndpoint else {
            throw VaultError(
                .configuration,
                "nothing says where \(name) is to log in: there is no token endpoint",
                hint: "vault login \(name.name) --provider NAME, or --issuer URL, or write "
                    + "\(context.location.configuration)/oauth/\(name.name).yaml"
            )
        }
        var client = try client(settings, preset, old, server)
        let scopes = scopes(settings, preset, old?.summary)
        let separator =
            settings?.scopeSeparator ?? preset?.scopeSeparator
            ?? (client.quirks.contains(.commaSeparatedScope) ? "," : " ")
        // The entry keeps it with the client: a grant that is asked for anew sends the scope once more.
        if separator == "," {
            client.quirks.insert(.commaSeparatedScope)
        } else {
            client.quirks.remove(.commaSeparatedScope)
        }
        let resource = options.noResource ? nil : options.resource ?? settings?.resource ?? old?.summary.resource
        let isBound = options.dpop ?? old?.summary.holds.contains(.dpopKey) ?? false
        let dpopKey = isBound ? DPoPKey() : nil

        var request = TokenRequest(endpoint: tokenEndpoint, client: client)
        request.scope = scopes.isEmpty ? nil : scopes.joined(separator: separator)
        request.resource = resource
        request.dpopKey = dpopKey
        let requests = ClientRequests(request, http: http, clock: broker.clock)

        let choice = choice(preset, server, old?.summary)
        let pkce = pkce(preset, found)
        var flow = flow(choice, server, requests, preset, scopes, separator, pkce)
        if options.exchange { flow = try exchanging(flow, preset, requests) }

        var plan = LoginPlan(name: name, server: server, client: client)
        plan.scopes = scopes
        plan.resource = resource
        plan.provider = preset?.name ?? old?.summary.provider
        plan.grantType = choice == .clientCredentials ? "client_credentials" : nil
        plan.hosts = preset?.resourceHosts.map(Self.bareHost) ?? old?.summary.hosts ?? []
        plan.rotation = preset.flatMap { Rotation(rawValue: $0.rotation) } ?? .unknown
        plan.dpopKey = try dpopKey?.exported()
        plan.revokesOld = options.revokeOld
        plan.options = options.remembered
        return Resolved(plan: plan, flow: flow)
    }

    /// A preset's `{host}` may stand for `https://host`.
    private static func bareHost(_ text: String) -> String {
        let rest = text.split(separator: "://", maxSplits: 1).last ?? Substring(text)
        return String(rest.prefix { $0 != "/" })
    }

    // MARK: - Where

    /// The user's file, as far as it is about the server that options name.
    private func settings() throws(VaultError) -> LoginSettings? {
        let path = "\(context.location.configuration)/oauth/\(name.name).yaml"
        guard var settings = try LoginSettings.read(path) else { return nil }
        let parameters = ["host": options.host, "tenant": options.tenant].compactMapValues { $0 }
        if settings.leaveOutOtherServer(issuer: options.issuer, provider: options.provider, parameters: parameters) {
            context.note("\(printable(path)) is about another server: its endpoints and its client are left out")
        }
        return settings
    }

    /// A server, and where what is known of it is from.
    private struct Found {
        var server: AuthorizationServer
        /// Whether the server's own metadata was read.
        var hasMetadata = false
        /// Whether that metadata says where tokens are given out.
        var publishesTokenEndpoint = false
    }

    /// Whether this is the server that an entry was granted by.
    ///
    /// Metadata may name anybody's token endpoint beside endpoints of its own, which are sent the client's secret too:
    /// so the issuer decides, as bytes, and the endpoint only where the issuer's metadata does not say it.
    private func isGranted(_ entry: EntrySummary, by found: Found) -> Bool {
        guard entry.issuer.map({ Array($0.utf8) }) == found.server.issuer.map({ Array($0.utf8) }) else { return false }
        let isPublished = entry.issuer != nil && found.publishesTokenEndpoint
        return isPublished || entry.tokenEndpoint == found.server.tokenEndpoint?.text
    }

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

    private mutating func preset(
        _ settings: LoginSettings?,
        _ known: EntrySummary?
    ) throws(VaultError) -> ProviderPreset? {
        let catalog = try ProviderCatalog(userDirectory: "\(context.location.configuration)/providers")
        let wanted = options.provider ?? settings?.provider
        if wanted == nil {
            // An issuer or endpoints of its own mean that no preset is meant, whatever the name happens to be; and so
            // does an entry that was granted without one.
            guard options.issuer == nil, settings?.issuer == nil, settings?.tokenURL == nil else { return nil }
            if let known, known.provider == nil, known.source == nil, known.tokenEndpoint != nil { return nil }
        }
        guard let preset = catalog.preset(wanted ?? known?.provider ?? name.name) else {
            return try wanted.map { (wanted) throws(VaultError) in try catalog.preset(wanted, with: [:]) }
        }
        if preset.name == known?.provider, settings?.parameters.isEmpty ?? true {
            options.recallParameters(known?.loginOptions ?? [])
        }
        var parameters = settings?.parameters ?? [:]
        if let host = options.host { parameters["host"] = host }
        if let tenant = options.tenant { parameters["tenant"] = tenant }
        if wanted != nil, let issuer = options.issuer ?? settings?.issuer { parameters["issuer"] = issuer }
        let lacks = preset.parameters.contains { parameters[$0.name] == nil && $0.preset == nil }
        if lacks, let known, known.tokenEndpoint != nil {
            // Where stands in the entry; all else is the preset's.
            if known.provider == preset.name { return preset.at(known) }
            if wanted == nil { return nil }
        }
        return try catalog.preset(preset.name, with: parameters)
    }

    private func find(
        _ settings: LoginSettings?,
        _ preset: ProviderPreset?,
        _ known: EntrySummary?
    ) async throws(VaultError) -> Found {
        let issuer = options.issuer ?? settings?.issuer ?? preset?.issuer
        // What an entry was granted by counts only where nothing else says anything.
        let isSaid = issuer != nil || settings?.tokenURL != nil || preset?.metadataURL != nil
        var old = isSaid || preset?.tokenEndpoint != nil ? nil : known
        var server = AuthorizationServer(issuer: issuer ?? old?.issuer)
        var hasMetadata = false
        let named = (
            authorization: settings?.authorizationURL ?? preset?.authorizationEndpoint,
            token: settings?.tokenURL ?? preset?.tokenEndpoint
        )
        if let url = preset?.metadataURL {
            server = try await ServerMetadata(http: http).fetch(at: try EndpointURL(url, as: "the metadata's URL"))
            hasMetadata = true
        } else if let issuer = server.issuer, named.token == nil || named.authorization == nil {
            if let found = try await ServerMetadata(http: http).fetch(issuer: issuer) {
                // Discovered anew: what the entry says of its server is older than what the server says.
                (server, hasMetadata, old) = (found, true, nil)
            } else if old?.tokenEndpoint == nil {
                throw VaultError(
                    .configuration,
                    "\(shownURL(issuer)) publishes no metadata",
                    hint: "name auth_url and token_url in \(context.location.configuration)/oauth/\(name.name).yaml"
                )
            }
        }
        let publishesTokenEndpoint = named.token == nil && server.tokenEndpoint != nil
        func endpoint(_ text: String?, _ what: String) throws(VaultError) -> EndpointURL? {
            try text.map { (text) throws(VaultError) in try EndpointURL(text, as: what) }
        }
        server.authorizationEndpoint =
            try endpoint(named.authorization ?? old?.authorizationEndpoint, "the authorization endpoint")
            ?? server.authorizationEndpoint
        server.tokenEndpoint =
            try endpoint(named.token ?? old?.tokenEndpoint, "the token endpoint") ?? server.tokenEndpoint
        server.revocationEndpoint =
            try endpoint(
                settings?.revocationURL ?? preset?.revocationEndpoint ?? old?.revocationEndpoint,
                "the revocation endpoint"
            ) ?? server.revocationEndpoint
        server.deviceAuthorizationEndpoint =
            try endpoint(
                settings?.deviceURL ?? preset?.deviceAuthorizationEndpoint,
                "the device authorization endpoint"
            ) ?? server.deviceAuthorizationEndpoint
        server.pushedAuthorizationRequestEndpoint =
            try endpoint(preset?.pushedAuthorizationRequestEndpoint, "the pushed authorization request endpoint")
            ?? server.pushedAuthorizationRequestEndpoint
        if !hasMetadata, preset?.pkce == "required", preset?.authorizationEndpoint != nil {
            // A preset with endpoints stands for the metadata that is not read, and says by that word what it lists.
            server.codeChallengeMethods = ["S256"]
        }
        return Found(server: server, hasMetadata: hasMetadata, publishesTokenEndpoint: publishesTokenEndpoint)
    }

    // MARK: - Who

    private func client(
        _ settings: LoginSettings?,
        _ preset: ProviderPreset?,
        _ old: KnownEntry?,
        _ server: AuthorizationServer
    ) throws(VaultError) -> OAuthClient {
        guard let id = options.clientID ?? settings?.clientID ?? preset?.clientID ?? old?.summary.clientID else {
            let page = preset?.registrationPage.map { "register a client at \($0), then " } ?? ""
            throw VaultError(
                .configuration,
                "\(preset?.title ?? "the server") needs a client of your own, and no client id is given",
                hint: page + TypedCommand.with("--client-id", "ID")
            )
        }
        let isOld = id == old?.summary.clientID
        // A secret is for the client it stands beside, and for no other.
        var secret = id == settings?.clientID ? settings?.clientSecret : nil
        if let file = options.clientSecretFile {
            secret = try SecretInput.clientSecret(file: file)
        } else if secret == nil, id == preset?.clientID, let text = preset?.publicClientSecret {
            secret = try SecretInput.secret(of: text)
        }
        // What is given now takes the place of whatever the entry proves itself with, secret or key.
        var key = isOld && secret == nil ? old?.clientKey : nil
        secret = secret ?? (isOld ? old?.clientSecret : nil)
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
        if let usual = usual.flatMap({ ClientAuthenticationMethod(rawValue: $0) }), usual != .privateKeyJWT,
            (usual == .none) != hasSecret
        {
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
        _ old: EntrySummary?
    ) -> [String] {
        guard options.scopes.isEmpty else {
            return options.scopes.flatMap { $0.split(separator: " ").map(String.init) }
        }
        if let scopes = settings?.scopes { return scopes }
        if let preset, !preset.scopes.isEmpty { return preset.scopes }
        return old?.scopes ?? []
    }

    // MARK: - How

    private enum Choice { case browser, device, openAIDevice, codexDevice, clientCredentials }

    private func choice(
        _ preset: ProviderPreset?,
        _ server: AuthorizationServer,
        _ old: EntrySummary?
    ) -> Choice {
        if options.clientCredentials { return .clientCredentials }
        let offered = preset?.flows ?? []
        if options.device {
            if offered.contains("codex-device") { return .codexDevice }
            return offered.contains("openai-device") ? .openAIDevice : .device
        }
        if options.browser { return .browser }
        // A client that was granted its own tokens is no person, whose browser could be opened.
        if old?.grantType == "client_credentials" { return .clientCredentials }
        switch offered.first {
        case "device" where server.deviceAuthorizationEndpoint != nil: return .device
        case "client-credentials": return .clientCredentials
        default:
            // A server without an authorization endpoint has no other way for a person.
            let hasOnlyDevice = server.authorizationEndpoint == nil && server.deviceAuthorizationEndpoint != nil
            return hasOnlyDevice ? .device : .browser
        }
    }

    /// Whether a server that does not say that it supports PKCE is trusted to, as whoever names a server vouches for it
    /// and a preset may.
    private func pkce(_ preset: ProviderPreset?, _ found: Found) -> BrowserFlow.PKCERule {
        guard let preset, found.hasMetadata, !options.pkceUnadvertised else { return .unadvertised }
        return preset.pkce == "unadvertised" ? .unadvertised : .required
    }

    private func flow(
        _ choice: Choice,
        _ server: AuthorizationServer,
        _ requests: ClientRequests,
        _ preset: ProviderPreset?,
        _ scopes: [String],
        _ separator: String,
        _ pkce: BrowserFlow.PKCERule
    ) -> any AuthorizationFlow {
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
            browser.pkce = pkce
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
    /// The preset for an entry that was granted by it and says where: without what parameters would have to fill in.
    fileprivate func at(_ entry: EntrySummary) -> ProviderPreset {
        var preset = self
        preset.parameters = []
        preset.metadataURL = nil
        preset.issuer = nil
        preset.authorizationEndpoint = nil
        preset.tokenEndpoint = nil
        preset.revocationEndpoint = nil
        preset.deviceAuthorizationEndpoint = nil
        preset.pushedAuthorizationRequestEndpoint = nil
        preset.resourceHosts = entry.hosts
        return preset
    }
}
