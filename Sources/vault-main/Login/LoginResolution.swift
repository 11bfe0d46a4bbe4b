internal import OAuthFlows
internal import Providers
internal import StrictJSON
internal import TokenBroker
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// Finds out how to log in by a name: options, then the user's settings file, then what the entry was granted by, the
/// preset or the known server of its name, and last what resource and server say about themselves.
struct LoginResolution {
    /// What a login needs.
    struct Resolved {
        var plan: LoginPlan
        var flow: any AuthorizationFlow
        /// The preset it is by, if it is by one.
        var preset: ProviderPreset?
    }

    let context: Context
    var options: LoginOptions
    let name: EntryName
    let broker: LocalBroker
    let http: any HTTPExchange
    /// The scope that a known server's description has for the resource.
    var knownServerScopes: [String]?
    /// Whether everything that the resource lists is asked for beside what options say: for a step-up that does not say
    /// what it wants.
    var addsScopesOfResource = false

    init(_ context: Context, _ options: LoginOptions, _ name: EntryName, _ broker: LocalBroker) throws(VaultError) {
        (self.context, self.options, self.name, self.broker) = (context, options, name, broker)
        http = try context.http(options.connection)
    }

    mutating func resolve() async throws(VaultError) -> Resolved {
        var settings = try settings()
        let known = try await knownEntry()
        options.url = try resourceURL(settings, known?.summary)
        let preset = try preset(settings, known?.summary)
        let found = try await find(settings, preset, known?.summary)
        var server = found.server
        // "Client credentials and tokens belong to an issuer": what the entry has is for the server that gave it.
        let old = known.flatMap { isGranted($0.summary, by: found) ? $0 : nil }
        if old == nil, let known, found.report != nil {
            noteMove(of: known.summary, to: server)
            // What was written for the server that the resource named then is not for the one that it names now.
            if known.summary.tokenEndpoint != nil { settings?.leaveOutUnnamedServersClient() }
        }
        let registersAnew = options.registerAuth != nil
        let words = old?.summary.loginOptions ?? []
        options.recall(words, after: settings, isSameResource: LoginOptions.resource(words) == options.url)
        if let url = options.deviceURL {
            server.deviceAuthorizationEndpoint = try EndpointURL(url, as: "the device authorization endpoint")
        }
        guard let tokenEndpoint = server.tokenEndpoint else {
            throw VaultError(
                .configuration,
                "nothing says where \(name) is to log in: there is no token endpoint",
                hint: "vault login \(name.name) --url RESOURCE, --provider NAME or --issuer URL, or write "
                    + "\(context.location.configuration)/oauth/\(name.name).yaml"
            )
        }
        let scopes = scopes(settings, preset, found, old?.summary)
        let choice = choice(preset, server, found, old?.summary)
        var chosen = try await client(
            settings,
            preset,
            old,
            server,
            ClientNeeds(
                use: choice.registrableUse,
                scopes: scopes,
                listedScopes: (server.scopesSupported ?? []) + (found.report?.resource?.scopesSupported ?? []),
                registersAnew: registersAnew
            )
        )
        let separator =
            settings?.scopeSeparator ?? preset?.scopeSeparator
            ?? (chosen.client.quirks.contains(.commaSeparatedScope) ? "," : " ")
        // The entry keeps it with the client: a grant that is asked for anew sends the scope once more.
        if separator == "," {
            chosen.client.quirks.insert(.commaSeparatedScope)
        } else {
            chosen.client.quirks.remove(.commaSeparatedScope)
        }
        let resource = resource(settings, found, old?.summary)
        let wasBound = old?.summary.holds.contains(.dpopKey) ?? false
        let isBound = options.dpop ?? (wasBound || found.report?.resource?.requiresDPoP ?? false)
        let dpopKey = isBound ? DPoPKey() : nil

        var request = TokenRequest(endpoint: tokenEndpoint, client: chosen.client)
        request.scope = scopes.isEmpty ? nil : scopes.joined(separator: separator)
        request.resource = resource
        request.dpopKey = dpopKey
        let requests = ClientRequests(request, http: http, clock: broker.clock)

        let asking = Asking(scopes: scopes, separator: separator, pkce: pkce(preset, found), client: chosen)
        var flow = flow(choice, server, requests, preset, asking)
        if options.exchange { flow = try exchanging(flow, preset, requests) }

        var plan = LoginPlan(name: name, server: server, client: chosen.client)
        plan.registered = chosen.registered
        plan.scopes = scopes
        plan.resource = resource
        plan.provider = preset?.name ?? (found.report == nil ? old?.summary.provider : nil)
        plan.grantType = choice == .clientCredentials ? "client_credentials" : nil
        plan.hosts = try hosts(preset, old?.summary)
        plan.rotation = preset.flatMap { Rotation(rawValue: $0.rotation) } ?? .unknown
        plan.dpopKey = try dpopKey?.exported()
        plan.endpointReach = found.isByAddress ? tokenEndpoint.leastReach : .machine
        plan.revokesOld = options.revokeOld
        plan.options = options.remembered
        return Resolved(plan: plan, flow: flow, preset: preset)
    }

    /// Hosts that the token is for: those of the preset, or the resource's own.
    private func hosts(_ preset: ProviderPreset?, _ old: EntrySummary?) throws(VaultError) -> [String] {
        if let url = options.url { return [try EndpointURL(url, as: "the resource").authority] }
        return preset?.resourceHosts.map(Self.bareHost) ?? old?.hosts ?? []
    }

    /// A preset's `{host}` may stand for `https://host`.
    private static func bareHost(_ text: String) -> String {
        let rest = text.split(separator: "://", maxSplits: 1).last ?? Substring(text)
        return String(rest.prefix { $0 != "/" })
    }

    // MARK: - What

    /// RFC 8707: the same text in the authorization request, the token request and every refresh.
    private func resource(_ settings: LoginSettings?, _ found: Found, _ old: EntrySummary?) -> String? {
        guard !options.noResource else { return nil }
        if let named = options.resource ?? settings?.resource ?? found.report?.resource?.resource { return named }
        // Whoever publishes no metadata has not heard of resource indicators; and what a resource is called that the user
        // names beside everything else, only the user knows.
        if options.url != nil { return found.report == nil ? options.url : nil }
        return old?.resource
    }

    /// The scope to ask for: what options say; else the settings file, the preset or the known server; else the challenge,
    /// or what the resource lists; else, where no resource was asked, what the entry has; else none.
    private func scopes(
        _ settings: LoginSettings?,
        _ preset: ProviderPreset?,
        _ found: Found,
        _ old: EntrySummary?
    ) -> [String] {
        guard options.scopes.isEmpty else {
            let asked = options.scopes.flatMap { $0.split(separator: " ").map(String.init) }
            let listed = addsScopesOfResource ? found.report?.resource?.scopesSupported ?? [] : []
            return asked + listed.filter { !asked.contains($0) }
        }
        if let scopes = settings?.scopes { return scopes }
        if let preset, !preset.scopes.isEmpty { return preset.scopes }
        guard let report = found.report else { return old?.scopes ?? [] }
        var scopes = knownServerScopes ?? report.challenge?.scopes ?? report.resource?.scopesSupported ?? []
        // What a resource lists it needs for itself; that the client wants to come back is the client's to add, and only
        // where the server knows the word (OpenID Connect Core §11).
        scopes.removeAll { $0 == "offline_access" }
        if report.server?.scopesSupported?.contains("offline_access") ?? false { scopes.append("offline_access") }
        return scopes
    }

    // MARK: - How

    private enum Choice {
        case browser, device, openAIDevice, codexDevice, clientCredentials

        /// What a client could be registered for.
        var registrableUse: ClientRegistration.Use? {
            switch self {
            case .browser: .browser
            case .device: .device
            case .openAIDevice, .codexDevice, .clientCredentials: nil
            }
        }
    }

    /// What a flow asks for, and as whom.
    private struct Asking {
        let scopes: [String]
        let separator: String
        let pkce: BrowserFlow.PKCERule
        let client: ChosenClient
    }

    private func choice(
        _ preset: ProviderPreset?,
        _ server: AuthorizationServer,
        _ found: Found,
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
            // A server without an authorization endpoint has no other way for a person. One that a resource has named
            // must not choose it: a code to be entered at a page of somebody else's is how grants are phished.
            let hasOnlyDevice =
                server.authorizationEndpoint == nil && server.deviceAuthorizationEndpoint != nil
                && found.report == nil
            return hasOnlyDevice ? .device : .browser
        }
    }

    /// Whether a server that does not say that it supports PKCE is trusted to, as whoever names a server vouches for it
    /// and a preset may.
    private func pkce(_ preset: ProviderPreset?, _ found: Found) -> BrowserFlow.PKCERule {
        // Nobody vouches for a server that the resource has named.
        if let report = found.report, options.issuer == nil, !found.isWrittenDown, !options.pkceUnadvertised {
            return report.source == .assumed ? .unadvertised : .required
        }
        guard let preset, found.hasMetadata, !options.pkceUnadvertised else { return .unadvertised }
        return preset.pkce == "unadvertised" ? .unadvertised : .required
    }

    private func flow(
        _ choice: Choice,
        _ server: AuthorizationServer,
        _ requests: ClientRequests,
        _ preset: ProviderPreset?,
        _ asking: Asking
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
            device.scopes = asking.scopes
            device.scopeSeparator = asking.separator
            device.timeout = options.timeout.map { .seconds($0.seconds) }
            return DeviceFlow(server: server, requests: requests, options: device)
        case .browser:
            var browser = BrowserFlow.Options()
            browser.scopes = asking.scopes
            browser.scopeSeparator = asking.separator
            if let redirect = asking.client.redirect {
                (browser.redirect, browser.isPortFree) = (redirect, asking.client.registration != nil)
            } else if let redirect = preset?.redirect {
                browser.redirect = LoopbackRedirect(
                    host: LoopbackRedirect.Host(rawValue: redirect.host) ?? .address,
                    port: redirect.port,
                    path: redirect.path
                )
            }
            if let port = options.port {
                browser.redirect.port = port == 0 ? nil : port
                browser.isPortFree = false
            }
            browser.parameters = preset?.authorizationParameters.map { (name: $0.name, value: $0.value) } ?? []
            browser.pkce = asking.pkce
            browser.timeout = options.timeout.map { .seconds($0.seconds) } ?? LoginOptions.standardTimeout
            return BrowserFlow(
                server: server,
                requests: requests,
                options: browser,
                registration: asking.client.registration
            )
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
