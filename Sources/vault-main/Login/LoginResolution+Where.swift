internal import OAuthFlows
internal import PrivateFiles
internal import Providers
internal import StrictJSON
internal import TokenBroker
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// Where to log in.
extension LoginResolution {
    /// The user's file, as far as it is about the server that options name.
    func settings() throws(VaultError) -> LoginSettings? {
        let path = "\(context.location.configuration)/oauth/\(name.name).yaml"
        guard var settings = try LoginSettings.read(path) else { return nil }
        let parameters = ["host": options.host, "tenant": options.tenant].compactMapValues { $0 }
        let isOther = settings.leaveOutOtherServer(
            issuer: options.issuer,
            provider: options.provider,
            parameters: parameters,
            resourceURL: options.url
        )
        if isOther {
            context.note("\(printable(path)) is about another server: its endpoints and its client are left out")
        }
        return settings
    }

    /// A server, and where what is known of it is from.
    struct Found {
        var server: AuthorizationServer
        /// Whether the server's own metadata was read.
        var hasMetadata = false
        /// Whether that metadata says where tokens are given out.
        var publishesTokenEndpoint = false
        /// What the resource said, where the server was found through it.
        var report: DiscoveryReport?
        /// Whether nothing of it is a server's word: both endpoints are the user's or a preset's.
        var isWrittenDown = false
        /// Whether the addresses of what the user named were looked at.
        var isByAddress = false
    }

    /// Whether this is the server that an entry was granted by.
    ///
    /// Metadata may name anybody's token endpoint beside endpoints of its own, which are sent the client's secret too:
    /// so the issuer decides, as bytes, and the endpoint only where the issuer's metadata does not say it.
    func isGranted(_ entry: EntrySummary, by found: Found) -> Bool {
        guard entry.issuer.map({ Array($0.utf8) }) == found.server.issuer.map({ Array($0.utf8) }) else { return false }
        let isPublished = entry.issuer != nil && found.publishesTokenEndpoint
        return isPublished || entry.tokenEndpoint == found.server.tokenEndpoint?.text
    }

    /// Says that nothing of an old login is shown to the server that the resource names now.
    func noteMove(of known: EntrySummary, to server: AuthorizationServer) {
        guard let before = known.issuer ?? known.tokenEndpoint else { return }
        let now = server.issuer ?? server.tokenEndpoint?.text ?? "another"
        context.note(
            "\(name) was granted by \(shownURL(before)), and its resource names \(shownURL(now)) now: "
                + "that server is shown nothing of the old login, neither its grant nor its client"
        )
    }

    struct KnownEntry {
        let summary: EntrySummary
        let clientSecret: SharedSecret?
        let clientKey: SharedSecret?
    }

    /// The entry of that name, if there is one: `vault login NAME` again needs no options.
    func knownEntry() async throws(VaultError) -> KnownEntry? {
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

    /// The resource to begin at: as an option or the settings name it, or the entry remembers it, or by a known name.
    mutating func resourceURL(_ settings: LoginSettings?, _ known: EntrySummary?) throws(VaultError) -> String? {
        if let url = options.url ?? settings?.resourceURL { return url }
        // Whoever names a server or a provider means that one.
        guard options.issuer == nil, options.provider == nil, settings?.issuer == nil, settings?.provider == nil,
            settings?.tokenURL == nil
        else { return nil }
        let servers = try ServerCatalog(userDirectory: "\(context.location.configuration)/servers")
        let server = servers.server(name.name)
        if let known, known.tokenEndpoint != nil {
            let url = LoginOptions.resource(known.loginOptions)
            if let server, server.url == url, !server.scopes.isEmpty { knownServerScopes = server.scopes }
            return url
        }
        guard let server else { return nil }
        // A preset of the same name is for the product's API, and wants a client that is registered for that.
        let preset = try ProviderCatalog(userDirectory: "\(context.location.configuration)/providers").preset(name.name)
        if let preset, preset.clientID ?? options.clientID ?? settings?.clientID != nil { return nil }
        guard server.kind == .oauth else {
            let page = server.keyPage.map { "make one at \($0), then " } ?? ""
            let notes = server.notes.isEmpty ? "" : " (\(server.notes.joined(separator: " ")))"
            throw VaultError(
                .configuration,
                "\(server.title) takes an API key, which nobody logs in by\(notes)",
                hint: "\(page)vault set static:\(server.name)"
                    + (server.header == nil
                        ? "; vault proxy static:\(server.name) --to \(shellQuoted(server.url)) puts it into requests"
                        : "")
            )
        }
        knownServerScopes = server.scopes.isEmpty ? nil : server.scopes
        context.note("\(server.name) is known: \(shownURL(server.url))")
        return server.url
    }

    mutating func preset(
        _ settings: LoginSettings?,
        _ known: EntrySummary?
    ) throws(VaultError) -> ProviderPreset? {
        let catalog = try ProviderCatalog(userDirectory: "\(context.location.configuration)/providers")
        let wanted = options.provider ?? settings?.provider
        if wanted == nil {
            // An issuer or endpoints of its own mean that no preset is meant, whatever the name happens to be; and so
            // does an entry that was granted without one.
            guard options.url == nil, options.issuer == nil, settings?.issuer == nil, settings?.tokenURL == nil else {
                return nil
            }
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

    func find(
        _ settings: LoginSettings?,
        _ preset: ProviderPreset?,
        _ known: EntrySummary?
    ) async throws(VaultError) -> Found {
        let issuer = options.issuer ?? settings?.issuer ?? preset?.issuer
        let named = (
            authorization: settings?.authorizationURL ?? preset?.authorizationEndpoint,
            token: settings?.tokenURL ?? preset?.tokenEndpoint
        )
        let isWhollyNamed = named.token != nil && named.authorization != nil
        // What an entry was granted by counts only where nothing else says anything.
        let isSaid = options.url != nil || issuer != nil || settings?.tokenURL != nil || preset?.metadataURL != nil
        var old = isSaid || preset?.tokenEndpoint != nil ? nil : known
        var found = Found(server: AuthorizationServer(issuer: issuer ?? old?.issuer))
        if let url = preset?.metadataURL {
            let url = try EndpointURL(url, as: "the metadata's URL")
            let reach = try await reach(of: url)
            found.server = try await ServerMetadata(http: http).fetch(at: url, leastReach: reach.reach)
            (found.hasMetadata, found.isByAddress) = (true, reach.isByAddress)
        } else if let url = options.url, preset == nil {
            do {
                found = try await discover(url, issuer: issuer, known)
            } catch {
                // Endpoints that are written down need nobody to confirm them, and nobody to lie about them either.
                guard isWhollyNamed, error.code != .unsafe else { throw error }
                context.note("\(error.message); what is written down is used")
            }
        } else if let issuer = found.server.issuer, !isWhollyNamed {
            let reach = try await reach(of: try EndpointURL(issuer, as: "the issuer"))
            if let server = try await ServerMetadata(http: http).fetch(issuer: issuer, leastReach: reach.reach) {
                // Discovered anew: what the entry says of its server is older than what the server says.
                (found.server, found.hasMetadata, old) = (server, true, nil)
                found.isByAddress = reach.isByAddress
            } else if old?.tokenEndpoint == nil {
                throw VaultError(
                    .configuration,
                    "\(shownURL(issuer)) publishes no metadata",
                    hint: "name auth_url and token_url in \(context.location.configuration)/oauth/\(name.name).yaml"
                )
            }
        }
        if found.report != nil, issuer == nil, let token = named.token, token != found.server.tokenEndpoint?.text {
            // The token endpoint that is written down is not that of the server that the resource names: the rest of that
            // server's metadata, whose endpoints are shown the client's secret too, is about somebody else.
            var written = AuthorizationServer()
            written.authorizationEndpoint = found.server.authorizationEndpoint
            (found.server, found.hasMetadata) = (written, false)
        }
        found.isWrittenDown = isWhollyNamed && !found.hasMetadata
        var server = found.server
        found.publishesTokenEndpoint =
            server.tokenEndpoint != nil && (named.token == nil || named.token == server.tokenEndpoint?.text)
        func take(_ text: String?, _ endpoint: inout EndpointURL?, _ what: String) throws(VaultError) {
            // What is published just so keeps what is known of where it must lead.
            guard let text, text != endpoint?.text else { return }
            endpoint = try EndpointURL(text, as: what)
        }
        try take(
            named.authorization ?? old?.authorizationEndpoint,
            &server.authorizationEndpoint,
            "the authorization endpoint"
        )
        try take(named.token ?? old?.tokenEndpoint, &server.tokenEndpoint, "the token endpoint")
        try take(
            settings?.revocationURL ?? preset?.revocationEndpoint ?? old?.revocationEndpoint,
            &server.revocationEndpoint,
            "the revocation endpoint"
        )
        try take(
            settings?.deviceURL ?? preset?.deviceAuthorizationEndpoint,
            &server.deviceAuthorizationEndpoint,
            "the device authorization endpoint"
        )
        try take(
            preset?.pushedAuthorizationRequestEndpoint,
            &server.pushedAuthorizationRequestEndpoint,
            "the pushed authorization request endpoint"
        )
        if !found.hasMetadata, preset?.pkce == "required", preset?.authorizationEndpoint != nil {
            // A preset with endpoints stands for the metadata that is not read, and says by that word what it lists.
            server.codeChallengeMethods = ["S256"]
        }
        found.server = server
        return found
    }

    /// The server that a resource names.
    private func discover(
        _ url: String,
        issuer: String?,
        _ known: EntrySummary?
    ) async throws(VaultError) -> Found {
        let discovery = ResourceDiscovery(http: http, namedIssuer: issuer, preferredIssuer: known?.issuer)
        let report = try await discovery.report(on: url)
        if let failure = report.failure {
            throw VaultError(
                failure.code,
                failure.message,
                hint: failure.hint
                    // A query may hold a key, and hints are kept in logs.
                    ?? "vault discover \(shellQuoted(String(url.prefix { $0 != "?" }))) shows what was asked and answered",
                underlying: failure
            )
        }
        guard let server = report.server else {
            preconditionFailure("vault: a discovery without a server or a failure")
        }
        if report.source == .assumed {
            context.note(
                "\(shownURL(url)) publishes no metadata of any kind; its endpoints are assumed to be where "
                    + "MCP 2025-03-26 has them: /authorize, /token and /register"
            )
        }
        if let issuer, let named = report.resource?.authorizationServers, !named.isEmpty, !named.contains(issuer) {
            context.note("the resource names \(shownURL(named[0])), and you name \(shownURL(issuer)), which is asked")
        }
        if let issuer = server.issuer, let origin = try? EndpointURL(issuer, as: "the issuer").origin,
            let page = server.authorizationEndpoint, page.origin != origin
        {
            context.note("the authorization server \(shownURL(issuer)) sends you to \(shownURL(page.origin)) to log in")
        }
        return Found(
            server: server,
            hasMetadata: report.source != .assumed,
            report: report,
            isByAddress: report.reach.isByAddress
        )
    }

    private func reach(of url: EndpointURL) async throws(VaultError) -> FoundReach {
        do { return try await http.reach(of: url) } catch { throw VaultError(.temporary, error.message) }
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
