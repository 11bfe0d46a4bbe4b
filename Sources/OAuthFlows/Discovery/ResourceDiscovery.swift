internal import StrictJSON
package import VaultAPI

/// Finds out who gives out tokens for a resource, from its URL alone (RFC 9728 §5, MCP 2025-11-25 "Authorization").
package struct ResourceDiscovery: Sendable {
    private let http: any HTTPExchange
    private let log = DiscoveryLog()
    /// The authorization server as the user names it, whatever the resource says.
    private let namedIssuer: String?
    /// Which of several authorization servers is taken, if the resource names it; otherwise the first.
    private let preferredIssuer: String?

    package init(http: any HTTPExchange, namedIssuer: String? = nil, preferredIssuer: String? = nil) {
        (self.http, self.namedIssuer, self.preferredIssuer) = (http, namedIssuer, preferredIssuer)
    }

    /// Asks, in this order and nothing else: the resource; its metadata; the metadata of the server that it names.
    ///
    /// - Returns: What was found, and the failure that ended it if one did; what was found before that stands.
    package func report(on text: String) async throws(VaultError) -> DiscoveryReport {
        let given = try EndpointURL(text, as: "the resource")
        guard !given.hasDotSegments else {
            throw VaultError(.unsafe, "the resource \(shownURL(text)) is refused: its path has a . or .. segment")
        }
        var report = DiscoveryReport(asked: given)
        do throws(VaultError) {
            try await discover(given, &report)
        } catch {
            report.failure = error
        }
        report.steps = log.steps
        return report
    }

    private func discover(_ given: EndpointURL, _ report: inout DiscoveryReport) async throws(VaultError) {
        do {
            report.reach = try await http.reach(of: given)
        } catch {
            throw VaultError(.temporary, error.message, hint: "is the name right, and the network there?")
        }
        // If this URL leads to global addresses only, nothing it leads to may lead to any other.
        let asked = try EndpointURL(given.text, as: "the resource", leastReach: report.reach.reach)
        let status: Int
        (report.challenge, status) = try await challenge(of: asked)
        report.resource = try await resourceMetadata(of: asked, report.challenge)
        if let namedIssuer {
            report.server = try await server(
                namedIssuer,
                named: "you name",
                leastReach: try await reach(of: namedIssuer)
            )
            report.source = .user
        } else if let resource = report.resource {
            guard
                let issuer = resource.authorizationServers.first(where: { isPreferred($0) })
                    ?? resource.authorizationServers.first
            else {
                throw VaultError(
                    .configuration,
                    "\(shownURL(asked.text)) publishes metadata, and names no authorization server in it",
                    hint: "name it with --issuer URL, if you know it"
                )
            }
            try refuseLoopback(try EndpointURL(issuer, as: "the authorization server"), namedBy: asked)
            report.server = try await server(
                issuer,
                named: "\(shownURL(asked.text)) names",
                leastReach: asked.leastReach
            )
            report.source = .resourceMetadata
        } else {
            try await discoverAtOrigin(asked, status, &report)
        }
        try await checkAddresses(of: report.server)
    }

    private func server(
        _ issuer: String,
        named: String,
        leastReach: Reach
    ) async throws(VaultError) -> AuthorizationServer {
        let metadata = ServerMetadata(http: http, log: log)
        guard let server = try await metadata.fetch(issuer: issuer, leastReach: leastReach) else {
            throw VaultError(
                .configuration,
                "\(shownURL(issuer)), the authorization server that \(named), publishes no metadata"
            )
        }
        return server
    }

    /// What the user names leads where the user wants, and from there no nearer.
    private func reach(of issuer: String) async throws(VaultError) -> Reach {
        let url = try EndpointURL(issuer, as: "the issuer")
        do { return try await http.reach(of: url).reach } catch { throw VaultError(.temporary, error.message) }
    }

    private func isPreferred(_ issuer: String) -> Bool {
        preferredIssuer.map { Array($0.utf8) == Array(issuer.utf8) } ?? false
    }

    // MARK: - The resource

    /// What the resource says to a request without a token, and its status.
    ///
    /// A GET, which changes nothing; where it opens a stream of events instead, its body is not waited for.
    private func challenge(of asked: EndpointURL) async throws(VaultError) -> (ResourceChallenge?, Int) {
        let request = MetadataRequest(http: http, log: log, subject: .resource)
        let (response, url) = try await request.answer(
            at: asked,
            accept: "application/json, text/event-stream",
            isHeadEnough: true
        )
        guard response.status == 401 else {
            log.add(
                .resource,
                url,
                response.status < 400
                    ? .found(status: response.status) : .absent(status: response.status)
            )
            return (nil, response.status)
        }
        do throws(VaultError) {
            let challenge = try ResourceChallenge(fields: response.values(of: "WWW-Authenticate"))
            log.add(.resource, url, .found(status: response.status))
            return (challenge, response.status)
        } catch {
            log.add(.resource, url, .refused(error.message))
            throw VaultError(error.code, "\(url.withoutQuery): \(error.message)", underlying: error)
        }
    }

    /// RFC 9728 §5.1: the challenge's `resource_metadata` if there is one, and nothing else; otherwise the well-known
    /// places, that of the whole path first.
    private func resourceMetadata(
        of asked: EndpointURL,
        _ challenge: ResourceChallenge?
    ) async throws(VaultError) -> ProtectedResourceMetadata? {
        let request = MetadataRequest(http: http, log: log, subject: .resourceMetadata)
        if let text = challenge?.resourceMetadata {
            let url = try EndpointURL(
                text,
                as: "the metadata that \(shownURL(asked.text)) names,",
                leastReach: asked.leastReach
            )
            try refuseLoopback(url, namedBy: asked)
            guard let document = try await request.document(at: url) else {
                throw VaultError(
                    .configuration,
                    "\(shownURL(asked.text)) says that its metadata is at \(url.withoutQuery), and it is not there"
                )
            }
            return try judged(document, at: url, asked)
        }
        for place in try Self.places(of: asked) {
            guard let document = try await request.document(at: place) else { continue }
            return try judged(document, at: place, asked)
        }
        return nil
    }

    /// Plain http is for this machine: a resource elsewhere, whatever its name leads to at this moment, could have requests
    /// of any content sent to the services here.
    private func refuseLoopback(_ url: EndpointURL, namedBy asked: EndpointURL) throws(VaultError) {
        guard url.isLoopback, !asked.isLoopback else { return }
        throw VaultError(.unsafe, "\(shownURL(asked.text)) names \(shownURL(url.text)), which is on this machine")
    }

    private func judged(
        _ document: JSONDocument,
        at place: EndpointURL,
        _ asked: EndpointURL
    ) throws(VaultError) -> ProtectedResourceMetadata {
        do { return try ProtectedResourceMetadata(document, at: place, of: asked) } catch {
            log.refuseLast(error.message)
            throw error
        }
    }

    /// RFC 9728 §3.1: the well-known string is inserted "between the host component and the path and/or query
    /// components"; any "terminating slash (/) following the host component MUST be removed" before.
    package static func places(of asked: EndpointURL) throws(VaultError) -> [EndpointURL] {
        let root = "\(asked.origin)/.well-known/oauth-protected-resource"
        let rest = (asked.path == "/" ? "" : asked.path) + (asked.query.map { "?\($0)" } ?? "")
        var places: [EndpointURL] = []
        for text in rest.isEmpty ? [root] : [root + rest, root] {
            places.append(try EndpointURL(text, as: "the resource's metadata", leastReach: asked.leastReach))
        }
        return places
    }

    // MARK: - Servers from before there was metadata of resources

    /// MCP 2025-03-26: the resource's origin is the authorization server; one that publishes nothing has its endpoints at
    /// places that everybody knows.
    private func discoverAtOrigin(
        _ asked: EndpointURL,
        _ status: Int,
        _ report: inout DiscoveryReport
    ) async throws(VaultError) {
        if let server = try await ServerMetadata(http: http, log: log).fetch(origin: asked) {
            (report.server, report.source) = (server, .resourceOrigin)
            return
        }
        // A page that answers anybody, or that is not there, asks for no token: nothing is posted to it on a guess.
        // Nor on the word of a server that says "come back later": that is no "not here", and whoever uses up its patience
        // must not choose what is believed of it.
        let isLater = log.steps.contains { step in
            if case .absent(let status) = step.outcome { [408, 425, 429].contains(status) } else { false }
        }
        guard !isLater else {
            throw VaultError(
                .temporary,
                "\(shownURL(asked.text)) asks to come back later, so it is not known whether it publishes metadata",
                hint: "try again later"
            )
        }
        guard (400..<500).contains(status), ![404, 410].contains(status) else {
            throw VaultError(
                .configuration,
                "\(shownURL(asked.text)) answers \(status) to a request without a token and publishes no metadata: "
                    + "nothing says that it takes OAuth tokens",
                hint: "is the URL right? Name the authorization server with --issuer URL if you know it"
            )
        }
        func endpoint(_ path: String) throws(VaultError) -> EndpointURL {
            try EndpointURL(asked.origin + path, as: "the endpoint \(path)", leastReach: asked.leastReach)
        }
        var server = AuthorizationServer()
        server.authorizationEndpoint = try endpoint("/authorize")
        server.tokenEndpoint = try endpoint("/token")
        server.registrationEndpoint = try endpoint("/register")
        (report.server, report.source) = (server, .assumed)
    }

    // MARK: - Addresses

    /// Refuses, before any secret is made and any browser opened, endpoints whose names lead nearer than the resource's.
    ///
    /// Every request looks again; this is so that a person is not sent to log in where it then ends.
    private func checkAddresses(of server: AuthorizationServer?) async throws(VaultError) {
        guard let server else { return }
        var hosts = Set<String>()
        for (name, endpoint, isNeeded) in server.endpoints {
            guard let endpoint, endpoint.leastReach > .machine, hosts.insert(endpoint.host).inserted else { continue }
            do throws(HTTPFailure) {
                let found = try await http.reach(of: endpoint)
                guard found.reach < endpoint.leastReach else { continue }
                throw HTTPFailure(
                    wasSent: false,
                    "\(name), \(endpoint.withoutQuery), is \(found.reach.place), and what leads there is not",
                    isRefusal: true
                )
            } catch {
                if error.isRefusal { throw VaultError(.unsafe, error.message) }
                if isNeeded { throw VaultError(.temporary, error.message) }
            }
        }
    }
}

extension AuthorizationServer {
    /// Every endpoint by its name in RFC 8414, and whether a login cannot do without it.
    package var endpoints: [(name: String, url: EndpointURL?, isNeeded: Bool)] {
        [
            ("authorization_endpoint", authorizationEndpoint, true), ("token_endpoint", tokenEndpoint, true),
            ("registration_endpoint", registrationEndpoint, false), ("revocation_endpoint", revocationEndpoint, false),
            ("device_authorization_endpoint", deviceAuthorizationEndpoint, false),
            ("pushed_authorization_request_endpoint", pushedAuthorizationRequestEndpoint, false),
        ]
    }
}

/// What a discovery has found out about a resource.
package struct DiscoveryReport: Sendable {
    /// How the authorization server was found.
    package enum Source: String, Sendable {
        /// The user names it.
        case user
        /// The resource's metadata names it (RFC 9728).
        case resourceMetadata = "protected_resource_metadata"
        /// Its own metadata stands at the resource's origin (MCP 2025-03-26).
        case resourceOrigin = "resource_origin"
        /// Nothing says that it is there: the endpoints of MCP 2025-03-26 at the resource's origin.
        case assumed = "assumed"
    }

    package let asked: EndpointURL
    /// How far away the resource is, which nothing that it leads to may be nearer than.
    package var reach: FoundReach
    package var steps: [DiscoveryStep] = []
    package var challenge: ResourceChallenge?
    package var resource: ProtectedResourceMetadata?
    package var server: AuthorizationServer?
    package var source: Source?
    /// What ended it before it was complete.
    package var failure: VaultError?

    init(asked: EndpointURL) {
        self.asked = asked
        reach = FoundReach(reach: asked.reach, isByAddress: true)
    }
}
