internal import OAuthFlows
internal import Providers
internal import StrictJSON
internal import TokenBroker
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// Who logs in: the client.
extension LoginResolution {
    /// The client, in this order: one that is given or configured; a metadata document, where the server takes one and
    /// one is configured; the one that was registered before; one to be registered now; one that a person is asked for.
    func client(
        _ settings: LoginSettings?,
        _ preset: ProviderPreset?,
        _ old: KnownEntry?,
        _ server: AuthorizationServer,
        _ needs: ClientNeeds
    ) async throws(VaultError) -> ChosenClient {
        if let id = options.clientID ?? settings?.clientID ?? preset?.clientID {
            guard !needs.registersAnew else {
                throw VaultError(
                    .configuration,
                    "--register-auth registers a client, and \(settings?.clientID == id ? "the settings file" : "the preset") "
                        + "names one: \(printable(id))",
                    hint: "leave out --register-auth, or take client_id out of the file"
                )
            }
            let client = try givenClient(id, settings, preset, old, server)
            // What a file was saved with may be the very client that this entry's login registered.
            let registered = id == old?.summary.clientID ? try old?.registered(client) : nil
            return ChosenClient(client: client, registered: registered, redirect: registered?.redirectToUse)
        }
        if let chosen = try await metadataDocument(settings, server, needs) { return chosen }
        let registration = registration(settings, server, needs)
        guard registration != nil || !needs.registersAnew else {
            throw VaultError(
                .configuration,
                "--register-auth was given, and the server registers no clients",
                hint: TypedCommand.with("--client-id", "ID")
            )
        }
        if let old, let id = old.summary.clientID {
            let client = try givenClient(id, settings, preset, old, server)
            guard let registered = try old.registered(client) else {
                guard needs.registersAnew else { return ChosenClient(client: client) }
                return ChosenClient(client: .unregistered, registration: registration)
            }
            if canUse(registered, old.summary, needs) || registration == nil {
                return ChosenClient(
                    client: client,
                    registered: registered,
                    redirect: registered.redirectToUse,
                    registration: registration
                )
            }
        }
        if let registration {
            guard options.clientSecretFile == nil, options.clientKeyFile == nil else {
                throw VaultError(
                    .usage,
                    "a client secret or key was given, and no client that it belongs to",
                    hint: TypedCommand.with("--client-id", "ID")
                )
            }
            // Without a device endpoint the flow says so, and nothing is registered for it.
            guard needs.use == .device, server.deviceAuthorizationEndpoint != nil else {
                return ChosenClient(client: .unregistered, registration: registration)
            }
            // A device has no redirect whose port must be open before.
            let registered = try await registration.register(redirect: nil)
            registered.remarks.forEach(context.note)
            return ChosenClient(client: registered.client, registered: registered)
        }
        return ChosenClient(client: try givenClient(try askedFor(preset, server), settings, preset, old, server))
    }

    /// A client id that a person types, where somebody is there.
    private func askedFor(_ preset: ProviderPreset?, _ server: AuthorizationServer) throws(VaultError) -> String {
        let title = preset?.title ?? server.issuer.map { shownURL($0) } ?? "the server"
        let page = preset?.registrationPage.map { "register a client at \($0), then " } ?? ""
        if context.isInteractive, let terminal = Terminal() {
            defer { terminal.close() }
            if !page.isEmpty { context.note(page + "give its id here") }
            if let id = terminal.ask("\(title) registers no clients by itself. Client id: ") { return id }
        }
        throw VaultError(
            .configuration,
            "\(title) needs a client of your own, and no client id is given",
            hint: page + TypedCommand.with("--client-id", "ID")
        )
    }

    /// The client whose id is the URL of its metadata, where the server says that it takes such (its metadata's
    /// `client_id_metadata_document_supported`).
    private func metadataDocument(
        _ settings: LoginSettings?,
        _ server: AuthorizationServer,
        _ needs: ClientNeeds
    ) async throws(VaultError) -> ChosenClient? {
        guard let url = options.clientMetadataURL ?? settings?.clientMetadataURL, needs.use != nil else { return nil }
        guard server.clientIDMetadataDocumentSupported else {
            context.note("the server does not say that it takes client metadata documents, so none is used")
            return nil
        }
        let document = try await ClientMetadataDocument.fetch(url, http: http)
        var client = OAuthClient(id: document.url.text, authentication: .none)
        if let file = options.clientKeyFile {
            client.authentication = .privateKeyJWT
            client.secret = try SecretInput.privateKey(file: file)
        }
        client.issuer = server.issuer
        return ChosenClient(client: client, redirect: document.redirect)
    }

    private func registration(
        _ settings: LoginSettings?,
        _ server: AuthorizationServer,
        _ needs: ClientNeeds
    ) -> ClientRegistration? {
        guard let endpoint = server.registrationEndpoint, let use = needs.use else { return nil }
        let method = options.registerAuth ?? settings?.registrationAuthentication
        return ClientRegistration(
            at: endpoint,
            of: server,
            for: use,
            authentication: method.flatMap { ClientAuthenticationMethod(rawValue: $0) } ?? .none,
            scopes: needs.scopes,
            listedScopes: needs.listedScopes,
            http: http,
            clock: broker.clock
        )
    }

    /// Whether the client that an earlier login registered will do.
    private func canUse(_ registered: RegisteredClient, _ entry: EntrySummary, _ needs: ClientNeeds) -> Bool {
        if needs.registersAnew { return false }
        // RFC 7591 §3.2.1, `client_secret_expires_at`; a login takes minutes.
        if let end = registered.secretExpiresAt, end.seconds - 300 < broker.clock.now.seconds { return false }
        // A server that compares the redirect as a whole takes no other port.
        if let port = options.port, port != registered.redirectToUse?.port { return false }
        if (needs.use == .browser) != (registered.redirect != nil) { return false }
        // Some servers grant a client no scope but those that it was registered for.
        if !Set(needs.scopes).isSubset(of: registered.scopes) { return false }
        // The server has said that it does not know this client any more.
        return entry.refreshFailure?.kind != .misconfigured
    }

    /// A client by its id, with the secret or key that goes with it.
    private func givenClient(
        _ id: String,
        _ settings: LoginSettings?,
        _ preset: ProviderPreset?,
        _ old: KnownEntry?,
        _ server: AuthorizationServer
    ) throws(VaultError) -> OAuthClient {
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
        guard method == .none || client.secret != nil else {
            throw VaultError(
                .configuration,
                "the client \(printable(id)) authenticates by \(method.rawValue), and there is no secret of it here",
                hint: TypedCommand.with("--client-secret-file", "FILE")
            )
        }
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
}

/// What a login wants of a client.
struct ClientNeeds {
    /// `nil` for flows that no client is registered for.
    let use: ClientRegistration.Use?
    let scopes: [String]
    /// What server and resource list.
    let listedScopes: [String]
    /// Whether an option asks for a new registration.
    let registersAnew: Bool
}

/// The client that a login uses, or how it comes by one.
struct ChosenClient {
    var client: OAuthClient
    /// The registration it is from, where an earlier login made it.
    var registered: RegisteredClient?
    /// Where the browser must come back to for this client; `nil` where it is free.
    var redirect: LoopbackRedirect?
    /// Registers a client where `client` is none yet, or its port is taken.
    var registration: ClientRegistration?
}

extension LoginResolution.KnownEntry {
    /// The registration that a login of this entry made; `nil` for a client that is registered otherwise.
    fileprivate func registered(_ client: OAuthClient) throws(VaultError) -> RegisteredClient? {
        guard summary.registeredRedirect != nil || !summary.registeredScopes.isEmpty else { return nil }
        var registered = RegisteredClient(client: client, redirect: summary.registeredRedirect)
        registered.secretExpiresAt = summary.clientSecretExpiresAt
        registered.scopes = summary.registeredScopes
        return registered
    }
}

extension RegisteredClient {
    fileprivate var redirectToUse: LoopbackRedirect? { redirect.flatMap { LoopbackRedirect(uri: $0) } }
}
