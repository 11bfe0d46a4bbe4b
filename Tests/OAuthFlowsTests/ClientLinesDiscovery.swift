import Testing
import VaultAPI

@testable import OAuthFlows

/// oauth-client.md, a test for each of its lines; here 1 to 10, "Discovery".
struct ClientLineTests {
    // MARK: - 1

    private static let grammar: [([String], [String]?)] = [
        ([#"Basic realm="x", Bearer error_description="need scope=admin", scope="ok""#], ["ok"]),
        // Several fields, several challenges.
        ([#"Basic realm="x""#, #"Bearer scope="ok""#], ["ok"]), (["Negotiate", "Bearer scope=ok"], ["ok"]),
        ([#"Negotiate YWJj==, Digest qop="auth", Bearer scope="ok", Basic realm="y""#], ["ok"]),
        // Quoted pairs.
        ([#"Basic realm="a\", Bearer scope=\"no", Bearer scope="o\k""#], ["ok"]),
        ([#"Basic realm="Bearer scope=no""#, #"Bearer realm="\\", scope="ok""#], ["ok"]),
        // Names in any case.
        ([#"bEARER sCOPE="ok""#], ["ok"]), ([#"BEARER ScOpE = ok"#], ["ok"]),
        // Duplicates.
        ([#"Bearer scope="a", scope="a""#], nil), ([#"Bearer scope=a, SCOPE=b"#], nil),
        ([#"Bearer error="a", error="b""#], nil), ([#"Bearer scope="a""#, #"Bearer scope="b""#], nil),
        // What is no list of challenges.
        ([#"Basic Bearer scope="no""#], nil), ([#"Basic realm="x" Bearer scope="no""#], nil),
        ([#"Bearer scope="no"#], nil), ([#"Bearer scope="a" scope="b""#], nil), ([#"Bearer, scope="no""#], nil),
        ([#"Bearer foo bar scope="no""#], nil),
    ]

    @Test(arguments: grammar)
    func line01_aChallengeIsReadByItsGrammar(_ fields: [String], _ scopes: [String]?) {
        do {
            let found = try ResourceChallenge(fields: fields)
            #expect(scopes != nil, "was not refused, and read as \(found?.scopes ?? [])")
            #expect(found?.scopes == scopes)
        } catch {
            #expect(scopes == nil, "\(error.message)")
            #expect(error.code == .unsafe)
        }
    }

    // MARK: - 2

    private static let named = "https://mcp.example/named"
    private static let order: [(String?, [String], [String], Bool)] = [
        (nil, [Sample.resourcePlace, Sample.rootPlace], [Sample.resourcePlace], true),
        (nil, [Sample.rootPlace], [Sample.resourcePlace, Sample.rootPlace], true),
        (nil, [], [Sample.resourcePlace, Sample.rootPlace], false),
        (named, [named, Sample.resourcePlace, Sample.rootPlace], [named], true),
        (named, [Sample.resourcePlace, Sample.rootPlace], [named], false),
    ]

    @Test(arguments: order)
    func line02_metadataIsAskedForInOrder(
        _ challenge: String?,
        _ there: [String],
        _ asked: [String],
        _ isFound: Bool
    ) async throws {
        var pages = Sample.pages([Sample.resourcePlace: Page?.none])
        pages[Sample.resource] = .unauthorized(challenge.map { "Bearer resource_metadata=\"\($0)\"" } ?? "Bearer")
        for place in there { pages[place] = .json(Sample.resourceMetadata()) }
        let http = Places(pages)
        let report = try await ResourceDiscovery(http: http).report(on: Sample.resource)
        let places = http.asked.filter { $0.contains("oauth-protected-resource") || $0 == Self.named }
        #expect(places == asked)
        #expect((report.resource != nil) == isFound)
        // "and nothing else": what the challenge names and is not there ends it.
        if challenge != nil, !isFound { #expect(http.asked == [Sample.resource, Self.named]) }
    }

    // MARK: - 3

    private static let resources: [(String, Bool)] = [
        ("https://mcp.example/a/mcp", true), ("https://mcp.example/a/mcp/", true), ("https://mcp.example/a", true),
        ("https://mcp.example/a/", true), ("https://mcp.example/", true), ("https://mcp.example", true),
        ("https://mcp.example:443/a/mcp", true),
        ("https://mcp.example/a/mc", false), ("https://mcp.example/a/mcp2", false),
        ("https://mcp.example/a/mcp/sub", false), ("https://mcp.example/A/mcp", false),
        ("https://mcp.example/a/mcp?x=1", false), ("https://mcp.example//", false), ("https://mcp.example//a", false),
        ("https://mcp.example/a/..", false), ("https://mcp.example/%61/mcp", false),
        ("https://mcp.example:8443/a/mcp", false), ("http://mcp.example/a/mcp", false),
        ("https://evil.example/a/mcp", false), ("https://mcp.example.evil.example/a/mcp", false),
        ("https://sub.mcp.example/a/mcp", false), ("https://example/a/mcp", false),
        ("https://u@mcp.example/a/mcp", false), ("https://mcp.example/a/mcp#x", false), ("", false),
    ]

    @Test(arguments: resources)
    func line03_theResourceIsTheOneAskedForOrAbove(_ resource: String, _ isTaken: Bool) async throws {
        let http = Places(Sample.pages([Sample.resourcePlace: .json(Sample.resourceMetadata(resource))]))
        let report = try await ResourceDiscovery(http: http).report(on: Sample.resource)
        if isTaken {
            #expect(report.failure == nil)
            #expect(report.resource?.resource == resource)
            #expect(report.server?.issuer == Sample.issuer)
        } else {
            #expect(report.failure?.code == .unsafe)
            #expect(report.server == nil)
            // Before the server it names is spoken to.
            #expect(http.asked == [Sample.resource, Sample.resourcePlace])
        }
    }

    // MARK: - 4

    private static let issuers: [(String, [String])] = [
        ("https://as.example", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]),
        ("https://as.example/", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]),
        (
            "https://as.example/p",
            [
                "/.well-known/oauth-authorization-server/p", "/.well-known/openid-configuration/p",
                "/p/.well-known/openid-configuration",
            ]
        ),
    ]

    @Test(arguments: issuers)
    func line04_metadataOfTheServerIsAskedForInOrder(_ issuer: String, _ paths: [String]) async throws {
        let http = Places(Sample.pages([Sample.resourcePlace: .json(Sample.resourceMetadata(servers: [issuer]))]))
        let report = try await ResourceDiscovery(http: http).report(on: Sample.resource)
        #expect(http.asked.dropFirst(2) == paths.map { "https://as.example" + $0 }[...])
        #expect(report.failure?.code == .configuration)
    }

    private static let answers: [(Page, Bool)] =
        [400, 401, 403, 404, 405, 408, 410, 425, 429].map { (Page.status($0), true) }
        + [500, 502, 503, 204, 304].map { (Page.status($0), false) }
        + [.broken, .json(""), .json("<html>"), .json("[]"), .json(#"{"issuer":"#)].map { ($0, false) }

    @Test(arguments: answers)
    func line04_onlyA4xxLeadsOn(_ page: Page, _ goesOn: Bool) async throws {
        let next = "https://as.example/.well-known/openid-configuration/t"
        let http = Places(Sample.pages([Sample.serverPlace: page, next: .json(Sample.serverMetadata())]))
        let report = try await ResourceDiscovery(http: http).report(on: Sample.resource)
        #expect(http.asked.contains(next) == goesOn)
        #expect((report.server != nil) == goesOn)
        if !goesOn { #expect(report.failure?.code == .temporary) }
    }

    // MARK: - 5

    private static let spellings = [
        "https://as.example", "https://as.example/", "https://AS.example", "https://as.example:443",
        "https://as.example/t", "https://as.example/T", "https://as.example/t/", "https://as.example/%74",
        "https://as.example/~t", "https://as.example/%7Et", "https://as.example/%7et",
    ]

    @Test(arguments: spellings, spellings)
    func line05_theIssuerIsTheSameByteForByte(_ asked: String, _ named: String) async throws {
        var pages = Sample.pages([Sample.resourcePlace: .json(Sample.resourceMetadata(servers: [asked]))])
        for place in try ServerMetadata.places(of: asked) { pages[place.text] = .json(Sample.serverMetadata(named)) }
        let report = try await ResourceDiscovery(http: Places(pages)).report(on: Sample.resource)
        #expect((report.server != nil) == (asked == named))
        #expect(report.failure?.code == (asked == named ? nil : .unsafe))
        if asked == named { #expect(report.server?.issuer.map { Array($0.utf8) } == Array(asked.utf8)) }
    }

    // MARK: - 6

    private static let methods: [([String]?, BrowserFlow.PKCERule, Bool)] = [
        (["S256"], .required, true), (["plain", "S256"], .required, true), (["S256"], .unadvertised, true),
        (["plain"], .required, false), (["plain"], .unadvertised, false), ([], .unadvertised, false),
        (["s256"], .required, false), (["S256 "], .unadvertised, false), (nil, .required, false),
        (nil, .unadvertised, true),
    ]

    @Test(arguments: methods)
    func line06_S256IsListedOrNobodyLogsIn(
        _ listed: [String]?,
        _ rule: BrowserFlow.PKCERule,
        _ isTaken: Bool
    ) async throws {
        var visit = Visit()
        visit.server.codeChallengeMethods = listed
        visit.options.pkce = rule
        let outcome = try await visit.go()
        #expect((outcome.seen != nil) == isTaken)
        if isTaken {
            #expect(outcome.seen?.parameters["code_challenge_method"] == "S256")
            // "and say so"
            #expect(outcome.screen.notes.isEmpty == (listed != nil))
        } else {
            #expect(outcome.error?.code == .unsafe)
            #expect(outcome.script.requests.isEmpty)
        }
    }

    private static let old: [([String: Page?], DiscoveryReport.Source?)] = [
        ([:], .resourceMetadata), ([Sample.resourcePlace: Page?.none], .assumed),
        (
            [
                Sample.resourcePlace: Page?.none,
                "https://mcp.example/.well-known/oauth-authorization-server":
                    .json(Sample.serverMetadata("https://mcp.example")),
            ], .resourceOrigin
        ),
        // Metadata of any kind, also such as is of no use, and the endpoints are not guessed.
        ([Sample.resourcePlace: .json(Sample.resourceMetadata(servers: []))], nil),
        ([Sample.serverPlace: Page?.none], nil), ([Sample.resourcePlace: .status(500)], nil),
        (
            [
                Sample.resourcePlace: Page?.none,
                "https://mcp.example/.well-known/openid-configuration": .json(
                    Sample.serverMetadata("https://x.example")
                ),
            ], nil
        ),
        ([Sample.resource: .status(200), Sample.resourcePlace: Page?.none], nil),
    ]

    @Test(arguments: old)
    func line06_endpointsAreAssumedOnlyWhereThereIsNoMetadata(
        _ changes: [String: Page?],
        _ source: DiscoveryReport.Source?
    ) async throws {
        let report = try await ResourceDiscovery(http: Places(Sample.pages(changes))).report(on: Sample.resource)
        #expect(report.source == source)
        #expect((report.failure == nil) == (source != nil))
        guard source == .assumed else { return }
        #expect(report.server?.authorizationEndpoint?.text == "https://mcp.example/authorize")
        #expect(report.server?.tokenEndpoint?.text == "https://mcp.example/token")
        #expect(report.server?.registrationEndpoint?.text == "https://mcp.example/register")
        #expect(report.server?.codeChallengeMethods == nil)
    }

    // MARK: - 7

    private static let endpointNames = [
        "authorization_endpoint", "token_endpoint", "revocation_endpoint", "device_authorization_endpoint",
        "pushed_authorization_request_endpoint", "registration_endpoint",
    ]
    private static let endpoints: [(String, Bool)] = [
        ("https://as.example/x", true), ("https://as.example:8443/x?y=z", true), ("http://localhost:1/x", true),
        ("http://127.0.0.1/x", true), ("http://127.255.3.4:9/x", true), ("http://[::1]:9/x", true),
        ("http://as.example/x", false), ("http://localhost.evil.example/x", false), ("http://128.0.0.1/x", false),
        ("http://[::2]/x", false), ("http://[::ffff:127.0.0.1]/x", false), ("http://sub.localhost/x", false),
        ("http://10.0.0.1/x", false), ("http://0.0.0.0/x", false), ("http://127.0.0.1.evil.example/x", false),
        ("https://u@as.example/x", false), ("https://u:p@as.example/x", false), ("https://as.example/x#f", false),
        ("https://as.example/x#", false), ("ftp://as.example/x", false), ("/x", false), ("//as.example/x", false),
    ]

    @Test(arguments: endpointNames, endpoints)
    func line07_everyEndpointIsHTTPSOrOnThisMachine(_ name: String, _ endpoint: (String, Bool)) async throws {
        // An issuer on this machine, which may name anything that is sound.
        let issuer = "http://127.0.0.1:9"
        let http = ScriptedExchange(200, #"{"issuer":"\#(issuer)","\#(name)":"\#(endpoint.0)"}"#)
        do {
            let server = try await ServerMetadata(http: http).fetch(issuer: issuer)
            #expect(endpoint.1, "was not refused")
            #expect(server?.endpoints.compactMap(\.url).map(\.text) == [endpoint.0])
        } catch {
            #expect(!endpoint.1, "\(error.message)")
            #expect(error.code == .unsafe)
            #expect(error.message.contains(name))
        }
    }

    // MARK: - 8

    /// Where a resource of the world leads, by what of it.
    private static func leading(to url: String) -> [(String, [String: Page?])] {
        [
            ("the challenge", [Sample.resource: .unauthorized("Bearer resource_metadata=\"\(url)\"")]),
            ("a redirect", [Sample.resource: .redirect(url)]),
            ("a redirect of metadata", [Sample.resourcePlace: .redirect(url)]),
            ("the resource", [Sample.resourcePlace: .json(Sample.resourceMetadata(url))]),
            ("the issuer", [Sample.resourcePlace: .json(Sample.resourceMetadata(servers: [url]))]),
            (
                "an endpoint",
                [Sample.serverPlace: .json(Sample.serverMetadata(Sample.issuer, #","revocation_endpoint":"\#(url)""#))]
            ),
        ]
    }

    @Test(arguments: [
        "https://127.0.0.1/x", "http://localhost:8080/x", "https://localhost/x", "https://[::1]/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/x", "https://100.64.0.1/x", "https://198.18.0.1/x", "https://0.0.0.0/x",
        "https://[::]/x", "https://[fd00::1]/x", "https://[fe80::1]/x", "https://[::ffff:10.0.0.1]/x",
        "https://[64:ff9b::a00:1]/x", "https://[2002:a00:1::]/x", "https://[2001:0:1::1]/x", "https://224.0.0.1/x",
        // Names whose addresses are near.
        "https://near.example/x", "https://machine.example/x",
    ])
    func line08_aResourceOfTheWorldLeadsNowhereNearer(_ target: String) async throws {
        for (what, changes) in Self.leading(to: target) {
            let http = Places(
                Sample.pages(changes),
                reaches: ["near.example": .network, "machine.example": .machine, "mcp.example": .world]
            )
            let report = try await ResourceDiscovery(http: http).report(on: Sample.resource)
            #expect(report.failure?.code == .unsafe, "\(what): \(report.failure?.message ?? "was not refused")")
            #expect(!http.asked.contains { $0.hasPrefix(target.dropLast(2)) }, "\(what): it was asked")
        }
    }

    /// From a private address, other private ones may be named, and this machine may not.
    ///
    /// Nor may a name that leads to this machine at the moment name it outright: plain http, which a server could have
    /// requests of any content sent by, is for resources that are here by their own text.
    @Test(arguments: [
        (Reach.network, "https://10.0.0.1/x", true), (.network, "https://near.example/x", true),
        (.network, "https://as.example/x", true), (.network, "https://127.0.0.1/x", false),
        (.network, "https://machine.example/x", false), (.machine, "http://127.0.0.1:1/x", false),
        (.machine, "https://machine.example/x", true), (.world, "https://8.8.8.8/x", true),
        (.world, "https://near.example/x", false),
    ])
    func line08_nothingIsNearerThanWhatLedThere(_ reach: Reach, _ target: String, _ isTaken: Bool) async throws {
        let more = #","revocation_endpoint":"\#(target)""#
        let http = Places(
            Sample.pages([Sample.serverPlace: .json(Sample.serverMetadata(Sample.issuer, more))]),
            reaches: ["mcp.example": reach, "near.example": .network, "machine.example": .machine]
        )
        let report = try await ResourceDiscovery(http: http).report(on: Sample.resource)
        #expect((report.failure == nil) == isTaken, "\(report.failure?.message ?? "")")
    }

    // MARK: - 9

    @Test(arguments: [
        (["/1"], true), (["/1", "https://mcp.example/2", "/3"], true), (["/1", "/2", "/3", "/4"], false),
        (["https://evil.example/1"], false), (["/1", "//evil.example/2"], false),
        (["/1", "http://mcp.example/2"], false), (["/1", "/2", "https://mcp.example:8443/3"], false),
        (["https://u@mcp.example/1"], false), (["javascript:alert(1)"], false),
    ])
    func line09_discoveryFollowsThreeRedirectsOfItsOrigin(_ hops: [String], _ isTaken: Bool) async throws {
        var pages = Sample.pages
        var place = Sample.resourcePlace
        for hop in hops {
            pages[place] = .redirect(hop)
            place = hop.hasPrefix("/") && !hop.hasPrefix("//") ? "https://mcp.example\(hop)" : hop
        }
        pages[place] = .json(Sample.resourceMetadata())
        let http = Places(pages)
        let report = try await ResourceDiscovery(http: http).report(on: Sample.resource)
        #expect((report.failure == nil) == isTaken, "\(report.failure?.message ?? "was followed")")
        if !isTaken {
            #expect(report.failure?.code == .unsafe)
            #expect(!http.asked.contains(place))
        }
    }

    /// Whatever carries a secret, or makes one, ends at a redirect.
    @Test(
        arguments: ["token", "refresh", "register", "revoke", "push", "device"],
        [301, 302, 303, 307, 308]
    )
    func line09_nothingElseFollowsARedirect(_ what: String, _ status: Int) async throws {
        let http = ScriptedExchange([
            .answer(status, [("Location", "https://as.example/elsewhere")], []),
            .answer(200, [], Array(grantJSON.utf8)),
        ])
        var requests = try clientRequests(http, on: StandingClock())
        requests.request.client = OAuthClient(id: "c", authentication: .post, secret: secret("hush"))
        var server = Sample.server()
        server.deviceAuthorizationEndpoint = url("https://as.example/device")
        server.pushedAuthorizationRequestEndpoint = url("https://as.example/par")
        server.requiresPushedAuthorizationRequests = true
        var isRefused = false
        let token = TokenEndpoint(http: http, clock: stoppedClock)
        switch what {
        case "token":
            if case .lost = await token.clientCredentials(requests.request) { isRefused = true }
        case "refresh":
            let refresh = RefreshRequest(refreshToken: secret("rt"), request: requests.request)
            if case .lost = await token.refresh(refresh) { isRefused = true }
        case "revoke":
            let result = await Revocation(http: http, clock: stoppedClock)
                .revoke(
                    token: secret("rt"),
                    hint: .refreshToken,
                    at: url("https://as.example/revoke"),
                    client: requests.request.client
                )
            if case .failed = result { isRefused = true }
        case "register":
            let registration = Self.registration(http)
            do { _ = try await registration.register(redirect: "http://127.0.0.1:1/callback") } catch {
                isRefused = error.code == .unsafe
            }
        case "push":
            let flow = BrowserFlow(server: server, requests: requests, options: .init())
            do { _ = try await flow.grant(asking: Screen().interaction) } catch { isRefused = error.code == .unsafe }
        default:
            let flow = DeviceFlow(server: server, requests: requests)
            do { _ = try await flow.grant(asking: Screen().interaction) } catch { isRefused = error.code == .unsafe }
        }
        #expect(isRefused)
        #expect(http.asked.count == 1)
    }

    static func registration(
        _ http: any HTTPExchange,
        for use: ClientRegistration.Use = .browser,
        authentication: ClientAuthenticationMethod = .none,
        scopes: [String] = []
    ) -> ClientRegistration {
        ClientRegistration(
            at: url("https://as.example/register"),
            of: Sample.server(),
            for: use,
            authentication: authentication,
            scopes: scopes,
            http: http,
            clock: stoppedClock
        )
    }

    // MARK: - 10

    @Test(arguments: [31, 32, 33, 1000])
    func line10_JSONIsAtMost32Deep(_ depth: Int) async throws {
        // The object itself is one level.
        let nested = String(repeating: "[", count: depth - 1) + String(repeating: "]", count: depth - 1)
        let more = #","x":\#(nested)"#
        let pages = [
            [Sample.resourcePlace: Page.json(Sample.resourceMetadata(Sample.resource, more))],
            [Sample.serverPlace: Page.json(Sample.serverMetadata(Sample.issuer, more))],
        ]
        for changes in pages {
            let report = try await ResourceDiscovery(http: Places(Sample.pages(changes))).report(on: Sample.resource)
            #expect((report.failure == nil) == (depth <= 32), "\(report.failure?.message ?? "was taken")")
        }
    }

    @Test func line10_everyRequestHasItsLimits() async throws {
        let http = Places(Sample.pages)
        let report = try await ResourceDiscovery(http: http).report(on: Sample.resource)
        #expect(report.failure == nil)
        #expect(http.requests.count == 3)
        for request in http.requests {
            #expect(request.method == .get)
            #expect(request.body == nil)
            #expect(request.connectTimeout == .seconds(10))
            #expect(request.timeout == .seconds(30))
            #expect(request.maximumBodyBytes == 1 << 20)
            let accepted = request.fields.filter { $0.name == "Accept" }.map(\.value)
            #expect(accepted.count == 1 && accepted[0].hasPrefix("application/json"))
        }
    }

    /// Of a real server: what is longer than 1 MiB, or says that it is, is not read.
    @Test(arguments: [1 << 20, 1 << 20 + 1])
    func line10_aBodyIsAtMost1MiB(_ size: Int) async throws {
        let start = #"{"issuer":""#
        let body = start + String(repeating: "x", count: size - start.utf8.count - 2) + #""}"#
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n\(body)"
        try await LyingServer.running(.answer(answer)) { server in
            let http = try AsyncHTTPExchange(environment: [:])
            let error = await #expect(throws: VaultError.self) {
                try await ServerMetadata(http: http).fetch(issuer: "http://127.0.0.1:\(server.port)")
            }
            // A body that is read is another issuer's.
            #expect(error?.message.contains("longer than 1048576 bytes") == (size > 1 << 20), "\(error?.message ?? "")")
            let sent = try #require(server.requests.first).lowercased()
            #expect(sent.contains("\r\naccept: application/json\r\n"))
            #expect(sent.contains("\r\naccept-encoding: identity\r\n"))
        }
    }
}
