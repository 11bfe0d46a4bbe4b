import OAuthFlows
import Testing
import VaultAPI

/// oauth-client.md 4, 5, 7, 9 and 10.
struct ServerMetadataTests {
    private static func metadata(_ issuer: String, _ more: String = "") -> String {
        #"{"issuer":"\#(issuer)","token_endpoint":"https://as.example/token"\#(more)}"#
    }

    private static func step(_ status: Int, _ body: String = "", _ location: String? = nil) -> ScriptedExchange.Step {
        .answer(status, location.map { [("Location", $0)] } ?? [], Array(body.utf8))
    }

    private func refused(_ http: ScriptedExchange, issuer: String = "https://as.example") async throws -> VaultError {
        try #require(
            await #expect(throws: VaultError.self) { try await ServerMetadata(http: http).fetch(issuer: issuer) }
        )
    }

    @Test(arguments: [
        ("https://as.example", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]),
        ("https://as.example/", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]),
        (
            "https://as.example/p/q",
            [
                "/.well-known/oauth-authorization-server/p/q", "/.well-known/openid-configuration/p/q",
                "/p/q/.well-known/openid-configuration",
            ]
        ),
        (
            "https://as.example/p/",
            [
                "/.well-known/oauth-authorization-server/p", "/.well-known/openid-configuration/p",
                "/p/.well-known/openid-configuration",
            ]
        ),
    ])
    func asksTheseOnesInOrder(_ issuer: String, _ paths: [String]) async throws {
        let http = ScriptedExchange(Array(repeating: Self.step(404), count: 5))
        #expect(try await ServerMetadata(http: http).fetch(issuer: issuer) == nil)
        #expect(http.asked.map(\.url) == paths.map { "https://as.example" + $0 })
        #expect(http.asked.allSatisfy { $0.method == "GET" && $0.values(of: "Accept") == ["application/json"] })
    }

    @Test(arguments: [400, 401, 403, 404, 410])
    func goesOnAfter4xx(_ status: Int) async throws {
        let http = ScriptedExchange([Self.step(status), Self.step(200, Self.metadata("https://as.example"))])
        let server = try await ServerMetadata(http: http).fetch(issuer: "https://as.example")
        #expect(server?.tokenEndpoint?.text == "https://as.example/token")
    }

    @Test(arguments: [
        step(500), step(503), step(204), .fail(wasSent: false), .fail(wasSent: true), step(200, "<html>"),
        step(200, "[]"),
        step(200, ""), step(200, #"{"issuer":"a","issuer":"b"}"#), step(200, String(repeating: "[", count: 100_000)),
    ])
    func endsAtAnythingElse(_ step: ScriptedExchange.Step) async throws {
        let http = ScriptedExchange([step, Self.step(200, Self.metadata("https://as.example"))])
        #expect(try await refused(http).code == .temporary)
        #expect(http.asked.count == 1)
    }

    @Test(arguments: [
        "https://as.example/", "https://AS.example", "https://as.example:443", "https://as.example/p",
        "http://as.example",
        "https://evil.example", "https://as.example ",
    ])
    func theIssuerIsTheSameByteForByte(_ named: String) async throws {
        #expect(try await refused(ScriptedExchange(200, Self.metadata(named))).code == .unsafe)
    }

    @Test(arguments: [
        #","authorization_endpoint":"http://as.example/a""#, #","registration_endpoint":"https://u@as.example/a""#,
        #","revocation_endpoint":"javascript:alert(1)""#, #","device_authorization_endpoint":"https://as.example/#x""#,
        #","authorization_endpoint":"https://as.example/`calc`""#, #","authorization_endpoint":7"#,
        #","authorization_endpoint":"https://as.example/\u001b[31m""#, #","scopes_supported":"all""#,
        #","scopes_supported":[1]"#,
    ])
    func refusesMetadataWithWhatNoCredentialMayGoTo(_ member: String) async throws {
        let error = try await refused(ScriptedExchange(200, Self.metadata("https://as.example", member)))
        #expect(error.code == .unsafe)
        #expect(error.message.unicodeScalars.allSatisfy { $0.value >= 0x20 })
    }

    private static let endpoints = [
        "authorization_endpoint", "revocation_endpoint", "device_authorization_endpoint",
        "pushed_authorization_request_endpoint", "registration_endpoint",
    ]

    @Test(
        arguments: [
            "http://127.0.0.1:8080/", "http://localhost/", "https://localhost/", "https://127.8.9.1/",
            "http://[::1]:1/",
            "https://x.localhost/", "https://0.0.0.0/", "https://[::]/", "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://10.0.0.1/",
            "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.1.1/", "https://169.254.169.254/",
            "https://100.64.0.1/", "https://198.18.0.1/", "https://224.0.0.1/", "https://[fe80::1]/",
            "https://[fd00::1]/",
            "https://[ff02::1]/", "https://[::ffff:10.0.0.1]/",
        ],
        endpoints
    )
    func refusesAnEndpointThatOnlyThisMachineReaches(_ target: String, _ name: String) async throws {
        let member = #","\#(name)":"\#(target)""#
        let error = try await refused(ScriptedExchange(200, Self.metadata("https://as.example", member)))
        #expect(error.code == .unsafe)
        #expect(error.message.contains(name))
    }

    @Test(arguments: [
        ("https://as.example", "https://8.8.8.8/"), ("https://as.example", "https://[2606:4700::1111]/"),
        ("https://as.example", "https://172.32.0.1/"), ("https://as.example", "https://other.example/"),
        ("http://127.0.0.1:9000", "http://localhost:9001/"), ("http://localhost:9000", "https://10.0.0.1/"),
        ("https://10.0.0.1", "https://192.168.1.1/"), ("https://[fd00::1]", "https://as.example/"),
    ])
    func takesAnEndpointThatIsNoNearerThanItsIssuer(_ issuer: String, _ target: String) async throws {
        let member = #","revocation_endpoint":"\#(target)""#
        let http = ScriptedExchange(200, Self.metadata(issuer, member))
        let server = try await ServerMetadata(http: http).fetch(issuer: issuer)
        #expect(server?.revocationEndpoint?.text == target)
    }

    @Test func aPrivateIssuerNamesNoEndpointOnThisMachine() async throws {
        let member = #","revocation_endpoint":"https://127.0.0.1/""#
        let http = ScriptedExchange(200, Self.metadata("https://10.0.0.1", member))
        #expect(try await refused(http, issuer: "https://10.0.0.1").code == .unsafe)
    }

    @Test(arguments: [
        (#","x":"\ud800""#, true), (#","x":"\udc00\ud800""#, true), (#","x":1e400"#, false),
        (#","x":-1\#(String(repeating: "0", count: 400))"#, false),
        (#","x":\#(String(repeating: "[", count: 31))\#(String(repeating: "]", count: 31))"#, false),
        (#","x":\#(String(repeating: "[", count: 32))\#(String(repeating: "]", count: 32))"#, true),
    ])
    func takesNoJSONThatIsNone(_ member: String, _ isRefused: Bool) async throws {
        // A byte order mark is passed over (RFC 8259 §8.1).
        let http = ScriptedExchange(200, "\u{FEFF}" + Self.metadata("https://as.example", member))
        if isRefused {
            #expect(try await refused(http).code == .temporary)
        } else {
            #expect(try await ServerMetadata(http: http).fetch(issuer: "https://as.example") != nil)
        }
    }

    @Test func readsWhatTheServerOffers() async throws {
        let more = #"""
            ,"authorization_endpoint":"https://as.example/a?p=1","code_challenge_methods_supported":["S256"],
            "scopes_supported":[],"authorization_response_iss_parameter_supported":true,
            "require_pushed_authorization_requests":"true","unknown":{"a":[1]}
            """#
        let http = ScriptedExchange(200, Self.metadata("https://as.example", more))
        let server = try #require(try await ServerMetadata(http: http).fetch(issuer: "https://as.example"))
        #expect(server.issuer == "https://as.example")
        #expect(server.authorizationEndpoint?.text == "https://as.example/a?p=1")
        #expect(server.codeChallengeMethods == ["S256"])
        #expect(server.scopesSupported == [])
        #expect(server.sendsIssuer)
        #expect(!server.requiresPushedAuthorizationRequests)
    }

    @Test func followsThreeRedirectsOfTheSameOrigin() async throws {
        let good = Self.step(200, Self.metadata("https://as.example"))
        let hops = [Self.step(302, "", "/b"), Self.step(301, "", "https://as.example/c"), Self.step(308, "", "/d?e=f")]
        let http = ScriptedExchange(hops + [good])
        #expect(try await ServerMetadata(http: http).fetch(issuer: "https://as.example") != nil)
        #expect(
            http.asked.map(\.url).suffix(3) == [
                "https://as.example/b", "https://as.example/c", "https://as.example/d?e=f",
            ]
        )
        let more = ScriptedExchange(hops + [Self.step(302, "", "/g"), good])
        #expect(try await refused(more).code == .unsafe)
        #expect(more.asked.count == 4)
    }

    @Test(arguments: [
        "https://evil.example/", "//evil.example/", "http://as.example/", "https://as.example:8443/",
        "file:///etc/passwd",
        "https://as.example@evil.example/",
    ])
    func followsNoRedirectToAnotherOrigin(_ location: String) async throws {
        let http = ScriptedExchange([Self.step(307, "", location), Self.step(200, Self.metadata("https://as.example"))])
        #expect(try await refused(http).code == .unsafe)
        #expect(http.asked.count == 1)
    }

    @Test(arguments: ["https://as.example/?x=1", "http://as.example", "https://as.example#f", "as.example", ""])
    func refusesAnIssuerThatIsNone(_ issuer: String) async throws {
        let http = ScriptedExchange(200, Self.metadata(issuer))
        #expect(try await refused(http, issuer: issuer).code == .unsafe)
        #expect(http.asked.isEmpty)
    }

    @Test func readsMetadataAtANamedPlace() async throws {
        let place = url("https://x.cloud.databricks.com/oidc/.well-known/oauth-authorization-server")
        let http = ScriptedExchange(200, Self.metadata("https://x.cloud.databricks.com/oidc"))
        let server = try await ServerMetadata(http: http).fetch(at: place)
        #expect(server.issuer == "https://x.cloud.databricks.com/oidc")
        #expect(http.asked.map(\.url) == [place.text])
    }

    @Test(arguments: [
        (200, "https://evil.example", VaultError.Code.unsafe), (200, "", .unsafe), (404, "", .configuration),
    ])
    func refusesAtANamedPlaceWhatIsAnothers(_ status: Int, _ issuer: String, _ code: VaultError.Code) async throws {
        let http = ScriptedExchange(status, Self.metadata(issuer))
        let error = await #expect(throws: VaultError.self) {
            try await ServerMetadata(http: http).fetch(at: url("https://as.example/oidc/metadata"))
        }
        #expect(error?.code == code)
    }
}
