import Testing
import VaultAPI

@testable import OAuthFlows

/// From the URL of a resource to its server: what is asked, in which order, and where it ends.
struct DiscoveryTests {
    private func report(
        _ changes: [String: Page?] = [:],
        on resource: String = Sample.resource,
        reaches: [String: Reach] = [:],
        issuer: String? = nil,
        preferring: String? = nil
    ) async throws -> (report: DiscoveryReport, asked: [String]) {
        let http = Places(Sample.pages(changes), reaches: reaches)
        let discovery = ResourceDiscovery(http: http, namedIssuer: issuer, preferredIssuer: preferring)
        return (try await discovery.report(on: resource), http.asked)
    }

    private static let gone = [Sample.resourcePlace: Page?.none]
    private static let other = "https://as.example/.well-known/openid-configuration/t"
    private static let last = "https://as.example/t/.well-known/openid-configuration"
    private static let atOrigin = [
        "https://mcp.example/.well-known/oauth-authorization-server",
        "https://mcp.example/.well-known/openid-configuration",
    ]

    // MARK: - What is asked

    @Test func asksTheResourceItsMetadataAndTheServer() async throws {
        let (report, asked) = try await report()
        #expect(asked == [Sample.resource, Sample.resourcePlace, Sample.serverPlace])
        #expect(report.failure == nil)
        #expect(report.source == .resourceMetadata)
        #expect(report.resource?.resource == Sample.resource)
        #expect(report.server?.issuer == Sample.issuer)
        #expect(
            report.steps == [
                DiscoveryStep(.resource, Sample.resource, .found(status: 401)),
                DiscoveryStep(.resourceMetadata, Sample.resourcePlace, .found(status: 200)),
                DiscoveryStep(.serverMetadata, Sample.serverPlace, .found(status: 200)),
            ]
        )
    }

    /// Each change, and everything that is then asked.
    private static let orders: [([String: Page?], [String])] = [
        // Nothing anywhere.
        (gone, [Sample.resource, Sample.resourcePlace, Sample.rootPlace] + atOrigin),
        // 4xx goes on.
        (
            [Sample.resourcePlace: .status(403), Sample.rootPlace: .json(Sample.resourceMetadata())],
            [Sample.resource, Sample.resourcePlace, Sample.rootPlace, Sample.serverPlace]
        ),
        ([Sample.serverPlace: .status(410)], [Sample.resource, Sample.resourcePlace, Sample.serverPlace, other, last]),
        (
            [Sample.serverPlace: .status(400), other: .json(Sample.serverMetadata())],
            [Sample.resource, Sample.resourcePlace, Sample.serverPlace, other]
        ),
        (
            [Sample.serverPlace: .status(404), last: .json(Sample.serverMetadata())],
            [Sample.resource, Sample.resourcePlace, Sample.serverPlace, other, last]
        ),
        // Everything else ends it.
        ([Sample.resource: .broken], [Sample.resource]),
        ([Sample.resourcePlace: .status(500)], [Sample.resource, Sample.resourcePlace]),
        ([Sample.resourcePlace: .broken], [Sample.resource, Sample.resourcePlace]),
        ([Sample.resourcePlace: .json("<html>")], [Sample.resource, Sample.resourcePlace]),
        ([Sample.resourcePlace: .json(#"{"resource":1}"#)], [Sample.resource, Sample.resourcePlace]),
        ([Sample.resourcePlace: .json("{}")], [Sample.resource, Sample.resourcePlace]),
        ([Sample.serverPlace: .status(503)], [Sample.resource, Sample.resourcePlace, Sample.serverPlace]),
        ([Sample.serverPlace: .broken], [Sample.resource, Sample.resourcePlace, Sample.serverPlace]),
        ([Sample.serverPlace: .json("{")], [Sample.resource, Sample.resourcePlace, Sample.serverPlace]),
        // A challenge that cannot be read is no missing one.
        ([Sample.resource: .unauthorized(#"Bearer scope="a", scope="b""#)], [Sample.resource]),
        // A server in trouble may still say where its tokens come from.
        ([Sample.resource: .status(500)], [Sample.resource, Sample.resourcePlace, Sample.serverPlace]),
        ([Sample.resource: .status(405)], [Sample.resource, Sample.resourcePlace, Sample.serverPlace]),
        ([Sample.resource: .status(200)], [Sample.resource, Sample.resourcePlace, Sample.serverPlace]),
    ]

    @Test(arguments: orders)
    func asksInThisOrderAndNothingElse(_ changes: [String: Page?], _ expected: [String]) async throws {
        let (report, asked) = try await report(changes)
        #expect(asked == expected)
        // Every request is told of, and nothing else is.
        #expect(report.steps.map(\.url) == expected)
        #expect(report.failure?.isPrintable ?? true)
    }

    @Test(arguments: [
        ("https://mcp.example", ["", ""]), ("https://mcp.example/", ["", ""]),
        ("https://mcp.example/mcp", ["/mcp", ""]), ("https://mcp.example/mcp/", ["/mcp/", ""]),
        ("https://mcp.example/a/b", ["/a/b", ""]), ("https://mcp.example/?q=1", ["?q=1", ""]),
        ("https://mcp.example/mcp?q=1", ["/mcp?q=1", ""]), ("https://mcp.example//", ["//", ""]),
    ])
    func insertsTheWellKnownPathBeforeThePath(_ resource: String, _ ends: [String]) throws {
        let places = try ResourceDiscovery.places(of: url(resource)).map(\.text)
        let expected = ends.map { Sample.rootPlace + $0 }
        #expect(places == (expected[0] == expected[1] ? [expected[0]] : expected))
    }

    @Test(arguments: [
        "https://mcp.example/a/../b", "https://mcp.example/%2E%2e/b", "https://mcp.example/./b",
        "https://mcp.example/..",
        "http://mcp.example/b", "https://u@mcp.example/b", "https://mcp.example/b#c", "mcp.example", "",
    ])
    func asksNothingOfWhatIsNoResource(_ resource: String) async throws {
        let http = Places([:])
        let error = await #expect(throws: VaultError.self) {
            try await ResourceDiscovery(http: http).report(on: resource)
        }
        #expect(error?.code == .unsafe)
        #expect(http.asked.isEmpty)
    }

    // MARK: - The challenge

    @Test func takesScopeAndMetadataFromTheChallenge() async throws {
        let place = "https://meta.example/x"
        let (report, asked) = try await report([
            Sample.resource: .unauthorized("Basic", #"Bearer scope="a b", resource_metadata="\#(place)""#),
            place: .json(Sample.resourceMetadata(Sample.resource, #","scopes_supported":["c"]"#)),
        ])
        #expect(asked == [Sample.resource, place, Sample.serverPlace])
        #expect(report.challenge?.scopes == ["a", "b"])
        #expect(report.resource?.scopesSupported == ["c"])
    }

    @Test(arguments: [Page.status(404), .status(401), .status(500), .broken, .json("x")])
    func endsWhereTheMetadataThatTheChallengeNamesIsNot(_ page: Page) async throws {
        let place = "https://mcp.example/meta"
        let (report, asked) = try await report([
            Sample.resource: .unauthorized("Bearer resource_metadata=\"\(place)\""), place: page,
        ])
        #expect(asked == [Sample.resource, place])
        #expect(report.failure?.code == (400..<500 ~= page.status ? .configuration : .temporary))
        #expect(report.server == nil)
    }

    @Test(arguments: [
        "http://mcp.example/x", "https://u@mcp.example/x", "/x", "javascript:x", "https://127.0.0.1/x", "",
    ])
    func refusesAChallengeThatNamesNoPlace(_ place: String) async throws {
        let (report, asked) = try await report([
            Sample.resource: .unauthorized("Bearer resource_metadata=\"\(place)\"")
        ])
        #expect(asked == [Sample.resource])
        #expect(report.failure?.code == .unsafe)
    }

    /// One tenant of an origin answers with any challenge, and speaks for itself alone.
    @Test(arguments: [
        ("https://mcp.example/a/mcp/meta", "https://mcp.example/a/mcp", true),
        ("https://mcp.example/a/mcp/meta", "https://mcp.example/a/mcp/", true),
        ("https://mcp.example/a/mcp/meta", "https://mcp.example/a", false),
        ("https://mcp.example/a/mcp/meta", "https://mcp.example", false),
        ("https://meta.example/.well-known/oauth-protected-resource", "https://mcp.example/", false),
        ("https://mcp.example/a/.well-known/oauth-protected-resource", "https://mcp.example/a", false),
        ("https://mcp.example/.well-known/oauth-protected-resource/a", "https://mcp.example/a", true),
        ("https://mcp.example/.well-known/oauth-protected-resource", "https://mcp.example", true),
    ])
    func metadataElsewhereIsForThisResourceAlone(_ place: String, _ resource: String, _ isTaken: Bool) async throws {
        let (report, asked) = try await report([
            Sample.resource: .unauthorized("Bearer resource_metadata=\"\(place)\""),
            place: .json(Sample.resourceMetadata(resource)),
        ])
        #expect(report.failure?.code == (isTaken ? nil : .unsafe), "\(report.failure?.message ?? "was taken")")
        #expect(asked.contains(Sample.serverPlace) == isTaken)
    }

    /// Plain http is for this machine, whatever the addresses of a name are at the moment.
    @Test(arguments: ["http://127.0.0.1:1", "http://localhost:1", "https://localhost", "http://[::1]:1"])
    func aResourceElsewhereNamesNothingOnThisMachine(_ near: String) async throws {
        let changes: [[String: Page?]] = [
            [Sample.resource: .unauthorized("Bearer resource_metadata=\"\(near)/x\"")],
            [Sample.resourcePlace: .json(Sample.resourceMetadata(servers: [near]))],
            [Sample.serverPlace: .json(Sample.serverMetadata(Sample.issuer, #","revocation_endpoint":"\#(near)/x""#))],
        ]
        for change in changes {
            let (report, asked) = try await report(change, reaches: ["mcp.example": .machine, "as.example": .machine])
            #expect(report.failure?.code == .unsafe)
            #expect(!asked.contains { $0.hasPrefix(near) })
        }
    }

    /// Only a 401 is a challenge; what another status carries is about something else.
    @Test(arguments: [200, 400, 403, 404, 500])
    func readsNoChallengeOfAnotherStatus(_ status: Int) async throws {
        var page = Page.unauthorized(#"Bearer scope="x", resource_metadata="https://evil.example/""#)
        page.status = status
        let (report, asked) = try await report([Sample.resource: page])
        #expect(report.challenge == nil)
        #expect(asked == [Sample.resource, Sample.resourcePlace, Sample.serverPlace])
    }

    // MARK: - The resource's metadata

    @Test func judgesTheResourceBeforeTheServerIsSpokenTo() async throws {
        for named in ["https://evil.example/a/mcp", "https://mcp.example/a/mcp/deeper"] {
            let (report, asked) = try await report([Sample.resourcePlace: .json(Sample.resourceMetadata(named))])
            #expect(asked == [Sample.resource, Sample.resourcePlace])
            #expect(report.failure?.code == .unsafe)
            // What was found is refused, and the report says so.
            guard case .refused = report.steps.last?.outcome else {
                Issue.record("\(String(describing: report.steps.last))")
                continue
            }
        }
    }

    @Test(
        arguments: [
            (#","bearer_methods_supported":["header","body"]"#, nil),
            (#","bearer_methods_supported":["body"]"#, .configuration),
            (#","bearer_methods_supported":[]"#, .configuration), (#","scopes_supported":"all""#, .unsafe),
            (#","scopes_supported":null"#, nil), (#","authorization_servers":["https://as.example/t"]"#, .temporary),
        ] as [(String, VaultError.Code?)]
    )
    func refusesMetadataThatItCannotUse(_ more: String, _ code: VaultError.Code?) async throws {
        let page = Page.json(Sample.resourceMetadata(Sample.resource, more))
        let (report, asked) = try await report([Sample.resourcePlace: page])
        #expect(report.failure?.code == code, "\(report.failure?.message ?? "")")
        #expect(asked.contains(Sample.serverPlace) == (code == nil))
    }

    // MARK: - Several servers, or a named one

    @Test(
        arguments: [
            (nil, 0), ("https://b.example", 1), ("https://c.example", 0), ("https://b.example/", 0),
            ("https://B.example", 0),
        ] as [(String?, Int)]
    )
    func takesTheFirstServerOrTheOneBefore(_ preferred: String?, _ index: Int) async throws {
        let issuers = ["https://a.example", "https://b.example"]
        var changes: [String: Page?] = [Sample.resourcePlace: .json(Sample.resourceMetadata(servers: issuers))]
        for issuer in issuers {
            changes["\(issuer)/.well-known/oauth-authorization-server"] = .json(Sample.serverMetadata(issuer))
        }
        let (report, asked) = try await report(changes, preferring: preferred)
        #expect(report.server?.issuer == issuers[index])
        #expect(asked.count == 3)
    }

    /// The others are no second choice: they may be another tenant's.
    @Test func asksNoOtherServerWhereTheFirstFails() async throws {
        let (report, asked) = try await report([
            Sample.resourcePlace: .json(Sample.resourceMetadata(servers: ["https://a.example", Sample.issuer]))
        ])
        #expect(report.failure?.code == .configuration)
        #expect(!asked.contains { $0.hasPrefix("https://as.example") })
    }

    @Test func aNamedIssuerWinsOverTheResource() async throws {
        let named = "https://named.example"
        let place = "\(named)/.well-known/oauth-authorization-server"
        for changes in [
            [place: Page.json(Sample.serverMetadata(named)), Sample.resourcePlace: nil],
            [
                place: .json(Sample.serverMetadata(named))
            ],
        ] as [[String: Page?]] {
            let (report, asked) = try await report(changes, issuer: named)
            #expect(report.server?.issuer == named)
            #expect(report.source == .user)
            #expect(asked.last == place)
            #expect(!asked.contains(Sample.serverPlace))
        }
        // Nobody steps in for it.
        let (missing, asked) = try await report(issuer: named)
        #expect(missing.failure?.code == .configuration)
        #expect(missing.server == nil)
        #expect(!asked.contains(Sample.serverPlace))
    }

    // MARK: - Without any metadata

    /// Only a resource that asks for a token gets a client registered at guessed places.
    @Test(arguments: [
        (401, true), (403, true), (405, true), (200, false), (204, false), (404, false), (410, false), (500, false),
        (503, false), (304, false),
    ])
    func assumesEndpointsOnlyWhereATokenIsAskedFor(_ status: Int, _ isAssumed: Bool) async throws {
        let (report, asked) = try await report(Self.gone.merging([Sample.resource: .status(status)]) { $1 })
        #expect((report.source == .assumed) == isAssumed)
        #expect(report.failure?.code == (isAssumed ? nil : .configuration), "\(report.failure?.message ?? "")")
        #expect(asked == [Sample.resource, Sample.resourcePlace, Sample.rootPlace] + Self.atOrigin)
    }

    @Test(arguments: [
        ("https://mcp.example", DiscoveryReport.Source.resourceOrigin), ("https://mcp.example/", .resourceOrigin),
        ("https://mcp.example/a", nil), ("https://evil.example", nil), ("https://MCP.example", nil),
    ])
    func takesTheServerAtTheOriginOnlyAsItself(_ named: String, _ source: DiscoveryReport.Source?) async throws {
        let (report, _) = try await report(
            Self.gone.merging([Self.atOrigin[0]: .json(Sample.serverMetadata(named))]) { $1 }
        )
        #expect(report.source == source)
        #expect(report.failure?.code == (source == nil ? .unsafe : nil))
        #expect(report.server?.issuer == (source == nil ? nil : named))
    }

    @Test(arguments: [Page.status(500), .broken, .json("{")])
    func assumesNothingWhereTheOriginIsInTrouble(_ page: Page) async throws {
        for place in Self.atOrigin {
            let (report, _) = try await report(Self.gone.merging([place: page]) { $1 })
            #expect(report.failure?.code == .temporary)
            #expect(report.source == nil)
        }
    }

    // MARK: - Redirects

    @Test(arguments: [0, 1, 2, 3, 4, 5])
    func followsThreeRedirectsAndNoMore(_ count: Int) async throws {
        for start in [Sample.resource, Sample.resourcePlace, Sample.serverPlace] {
            let origin = url(start).origin
            var changes: [String: Page?] = [:]
            var place = start
            let page = try #require(Sample.pages[start])
            for index in 0..<count {
                changes[place] = .redirect("/hop/\(index)")
                place = "\(origin)/hop/\(index)"
            }
            changes[place] = page
            let (report, asked) = try await report(changes)
            #expect((report.failure == nil) == (count <= 3), "\(start)")
            #expect(asked.filter { $0.contains("/hop/") }.count == min(count, 3))
            #expect(report.steps.map(\.url).prefix(asked.count) == asked[...])
            if count > 3 { #expect(report.failure?.code == .unsafe) }
        }
    }

    /// The identifier stays the one that was given, wherever a redirect led.
    @Test func aRedirectChangesNoIdentifier() async throws {
        let (report, asked) = try await report([
            Sample.resource: .redirect("/moved"), "https://mcp.example/moved": .unauthorized(#"Bearer scope="s""#),
            Sample.serverPlace: .redirect("/elsewhere"), "https://as.example/elsewhere": .json(Sample.serverMetadata()),
        ])
        #expect(report.failure == nil)
        #expect(report.asked.text == Sample.resource)
        #expect(report.challenge?.scopes == ["s"])
        #expect(report.server?.issuer == Sample.issuer)
        #expect(asked[2] == Sample.resourcePlace)
    }

    @Test(arguments: [[], ["/a", "/b"], [""], ["elsewhere"], ["https://mcp.example/a b"], ["\\\\evil.example"]])
    func endsAtARedirectToNowhere(_ locations: [String]) async throws {
        let page = Page(status: 302, fields: locations.map { ("Location", $0) })
        let (report, asked) = try await report([Sample.resourcePlace: page])
        #expect(report.failure != nil)
        #expect(asked == [Sample.resource, Sample.resourcePlace])
    }

    // MARK: - Addresses

    @Test(arguments: [Reach.machine, .network, .world])
    func everyURLAsksForTheReachOfTheResource(_ reach: Reach) async throws {
        let (report, _) = try await report(reaches: ["mcp.example": reach])
        #expect(report.failure == nil)
        #expect(report.reach == FoundReach(reach: reach, isByAddress: true))
        #expect(report.server?.tokenEndpoint?.leastReach == reach)
        #expect(report.server?.authorizationEndpoint?.leastReach == reach)
    }

    @Test(arguments: [
        ("authorization_endpoint", true), ("token_endpoint", true), ("registration_endpoint", true),
        ("revocation_endpoint", true), ("device_authorization_endpoint", true),
        ("pushed_authorization_request_endpoint", true),
    ])
    func refusesAnEndpointWhoseNameLeadsNearer(_ name: String, _ isRefused: Bool) async throws {
        let metadata = Sample.serverMetadata()
            .replacing(#""\#(name)":"https://as.example"#, with: #""\#(name)":"https://near.example"#)
        let more = metadata.contains("near.example") ? "" : #","\#(name)":"https://near.example/x""#
        let text = metadata.dropLast() + more + "}"
        let (report, asked) = try await report(
            [Sample.serverPlace: .json(String(text))],
            reaches: ["near.example": .network]
        )
        #expect((report.failure?.code == .unsafe) == isRefused, "\(text)")
        #expect(report.failure?.message.contains(name) == true)
        #expect(asked == [Sample.resource, Sample.resourcePlace, Sample.serverPlace])
        // A resource that is itself no further away may be led there.
        let (near, _) = try await self.report(
            [Sample.serverPlace: .json(String(text))],
            reaches: ["near.example": .network, "mcp.example": .network]
        )
        #expect(near.failure == nil)
    }

    // MARK: - What a server holds back

    /// A resource that opens a stream without end is not waited for: its head is all that is wanted.
    @Test(
        arguments: [
            ("200 OK", nil), ("401 Unauthorized", ["s"]),
        ] as [(String, [String]?)]
    )
    func doesNotWaitForAStreamOfEvents(_ status: String, _ scopes: [String]?) async throws {
        let head =
            "HTTP/1.1 \(status)\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
            + "WWW-Authenticate: Bearer scope=\"s\"\r\n\r\n"
        try await LyingServer.running(.endless(head, "b\r\ndata: ping\n\r\n")) { server in
            let resource = "http://127.0.0.1:\(server.port)/mcp"
            let place = "http://127.0.0.1:\(server.port)/.well-known/oauth-protected-resource/mcp"
            let pages = Places([
                place: .json(Sample.resourceMetadata(resource)), Sample.serverPlace: .json(Sample.serverMetadata()),
            ])
            let http = HalfReal(real: try AsyncHTTPExchange(environment: [:]), realURL: resource, others: pages)
            let began = ContinuousClock.now
            let report = try await ResourceDiscovery(http: http).report(on: resource)
            #expect(report.failure == nil, "\(report.failure?.message ?? "")")
            #expect(report.challenge?.scopes == scopes)
            #expect(report.server?.issuer == Sample.issuer)
            // By far less than the limit of a request.
            #expect(ContinuousClock.now - began < .seconds(25))
            let sent = try #require(server.requests.first).lowercased()
            #expect(sent.hasPrefix("get /mcp http/1.1\r\n"))
            #expect(sent.contains("\r\naccept: application/json, text/event-stream\r\n"))
            #expect(!sent.contains("authorization:"))
        }
    }

    /// One URL over the network, all else from a script.
    private struct HalfReal: HTTPExchange {
        let real: AsyncHTTPExchange
        let realURL: String
        let others: Places

        func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
            try await request.url.text == realURL ? real.send(request) : others.send(request)
        }
    }
}
