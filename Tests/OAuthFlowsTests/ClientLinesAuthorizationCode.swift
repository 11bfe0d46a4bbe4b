import Synchronization
import TestSupport
import Testing
import VaultAPI
import VaultCrypto

@testable import OAuthFlows

/// Lines 15 to 23, "Authorization code".
extension ClientLineTests {
    static func attempt(sendsIssuer: Bool = false, issuer: String? = "https://as.example") throws -> LoginAttempt {
        LoginAttempt(
            state: "S3cret-state",
            verifier: try CodeVerifier(),
            nonce: nil,
            issuer: issuer,
            origins: ["https://as.example", "https://token.example:8443"],
            sendsIssuer: sendsIssuer,
            redirect: "http://127.0.0.1:1/callback",
            client: "client-1",
            resource: nil,
            scope: nil
        )
    }

    // MARK: - 15

    private static let states: [(String?, Bool)] = [
        ("S3cret-state", true), (nil, false), ("", false), ("S3cret-stat", false), ("S3cret-state%00", false),
        ("s3cret-state", false), ("S3cret-statf", false), ("T3cret-state", false), ("S3cret-stateS3cret-state", false),
        ("S3cret%2Dstate", true), ("%53%33cret-state", true), ("S3cret-state+", false),
    ]

    @Test(arguments: states)
    func line15_theStateIsTheWholeOne(_ state: String?, _ isTaken: Bool) throws {
        let gate = LoginGate { _ in }
        let right = "code=c&state=S3cret-state"
        // Before there is an attempt, nothing fits.
        #expect(!gate.offer(right))
        gate.arm(with: try Self.attempt())
        #expect(gate.offer("code=c" + (state.map { "&state=\($0)" } ?? "")) == isTaken)
        // Used once: by the answer that was right, and by no other.
        #expect(gate.offer(right) == !isTaken)
        #expect(!gate.offer(right))
    }

    @Test(arguments: [false, true])
    func line15_everyLoginHasARecordOfItsOwn(_ isSameServer: Bool) async throws {
        var visit = Visit()
        visit.resource = "https://mcp.example/a"
        visit.options.scopes = ["read"]
        let first = try await visit.go()
        if !isSameServer { visit.server.issuer = "https://other.example" }
        let other = try #require(first.seen)
        // The answer of the first login is nothing to the second.
        let second = try await visit.go { seen, _ in
            #expect(await seen.callBack("code=evil&state=\(other.state)").hasPrefix("HTTP/1.1 400"))
            await seen.callBack("code=good&state=\(seen.state)")
        }
        let seen = try #require(second.seen)
        #expect(second.requests("token").map { $0.form("code") } == ["good"])
        #expect(seen.state != other.state)
        #expect(seen.parameters["code_challenge"] != other.parameters["code_challenge"])
        for outcome in [first, second] {
            let seen = try #require(outcome.seen)
            // 22 characters of base64url are 132 bits.
            #expect(seen.state.utf8.count >= 22)
            #expect(Set(seen.state.utf8).count > 8)
            let token = try #require(outcome.requests("token").first)
            #expect(token.form("redirect_uri") == seen.redirect)
            #expect(token.form("client_id") == seen.parameters["client_id"])
            #expect(token.form("resource") == seen.parameters["resource"])
            #expect(seen.parameters["scope"] == "read")
            let verifier = try #require(token.form("code_verifier"))
            #expect(CodeVerifier(taking: secret(verifier)).challenge == seen.parameters["code_challenge"])
        }
    }

    // MARK: - 16

    @Test(arguments: [false, true])
    func line16_PKCEIsS256AndFresh(_ isPushed: Bool) async throws {
        var seen = Set<String>()
        for _ in 0..<3 {
            var visit = Visit()
            var steps = [FlowScript.Step.answer(200, grantJSON)]
            if isPushed {
                visit.server.pushedAuthorizationRequestEndpoint = url("https://as.example/par")
                visit.server.requiresPushedAuthorizationRequests = true
                steps.insert(.answer(201, #"{"request_uri":"urn:x"}"#), at: 0)
            }
            let pushed = Mutex<FlowScript.Request?>(nil)
            let outcome = try await visit.go(
                steps,
                onRequest: { request in
                    if request.url.hasSuffix("/par") { pushed.withLock { $0 = request } }
                },
                person: { seen, _ in
                    let request = pushed.withLock { $0 }
                    let state = request?.form("state") ?? seen.state
                    let redirect = request?.form("redirect_uri") ?? seen.redirect
                    let port = Int(redirect.split(separator: ":").last?.prefix { $0 != "/" } ?? "") ?? 0
                    let target = CallbackClient.get("/callback?code=c&state=\(state)", port: port)
                    _ = try? await CallbackClient.ask(target, port: port)
                }
            )
            func parameter(_ name: String) -> String? {
                isPushed ? pushed.withLock { $0 }?.form(name) : outcome.seen?.parameters[name]
            }
            #expect(parameter("code_challenge_method") == "S256")
            let verifier = try #require(outcome.requests("token").first?.form("code_verifier"))
            // 43 characters of base64url are 32 bytes.
            #expect(verifier.utf8.count == 43)
            #expect(parameter("code_challenge") == CodeVerifier(taking: secret(verifier)).challenge)
            #expect(seen.insert(verifier).inserted)
            #expect(outcome.seen?.url.contains(verifier) == false)
        }
    }

    // MARK: - 17

    /// Whether `iss` is advertised, what it is, whether the response is an error, and whether that is taken.
    private static let issuerCases: [(Bool, String?, Bool, Bool)] = [
        (false, nil, false, true), (true, nil, false, false), (true, "", false, false),
        (true, "https://as.example", false, true), (false, "https://as.example", false, true),
        (true, "https://as.example/", false, false), (false, "https://as.example/", false, false),
        (false, "https://AS.example", false, false), (false, "https://as.example:443", false, false),
        (false, "https://evil.example", false, false), (true, "https://evil.example", true, false),
        (false, "https://evil.example", true, false), (false, "https://as.example", true, true),
        // Line 35: an error whose state is right may lack it.
        (true, nil, true, true),
    ]

    @Test(arguments: issuerCases)
    func line17_theIssuerOfAResponseIsTheOneAsked(
        _ isAdvertised: Bool,
        _ issuer: String?,
        _ isError: Bool,
        _ isTaken: Bool
    ) throws {
        let notes = Mutex<[String]>([])
        let gate = LoginGate { note in notes.withLock { $0.append(note) } }
        gate.arm(with: try Self.attempt(sendsIssuer: isAdvertised))
        let response = isError ? "error=gotcha&error_description=gotcha" : "code=c"
        let iss = issuer.map { "&iss=\(formEncoded($0))" } ?? ""
        #expect(gate.offer("\(response)&state=S3cret-state\(iss)") == isTaken)
        // Nothing of the response is shown.
        let shown = notes.withLock { $0.joined() }
        #expect(!shown.contains("gotcha") && !shown.contains("evil"))
        #expect(shown.isEmpty == isTaken)
    }

    /// Where nobody has named an issuer, it is of an origin that the login is at.
    @Test(arguments: [
        ("https://as.example", true), ("https://as.example/t", true), ("https://AS.example:443/", true),
        ("https://token.example:8443", true), ("https://token.example", false), ("https://evil.example", false),
        ("https://as.example.evil.example", false), ("http://as.example", false), ("https://u@as.example", false),
        ("as.example", false),
    ])
    func line17_anIssuerWithoutANameIsOfTheSameOrigin(_ issuer: String, _ isTaken: Bool) throws {
        let gate = LoginGate { _ in }
        gate.arm(with: try Self.attempt(issuer: nil))
        #expect(gate.offer("code=c&state=S3cret-state&iss=\(formEncoded(issuer))") == isTaken)
    }

    // MARK: - 18

    @Test(arguments: [
        "", "code=evil", "code=evil&state=", "code=evil&state=AAAA", "error=access_denied", "error=gotcha&state=AAAA",
        "error=server_error&error_description=gotcha", "code=evil&state=STATE&iss=https%3A%2F%2Fevil.example",
        "error=gotcha&state=STATE&iss=https%3A%2F%2Fevil.example", "code=evil&error=gotcha&state=STATE", "state=STATE",
        "code=evil&state=STATE&state=STATE", "code=evil&code=good&state=STATE", "code=%00&state=STATE",
    ])
    func line18_whatDoesNotProveItselfIsAnsweredAndIgnored(_ query: String) async throws {
        let outcome = try await Visit().go { seen, _ in
            let stray = await seen.callBack(query.replacing("STATE", with: seen.state))
            #expect(stray.hasPrefix("HTTP/1.1 400 "), "\(stray.prefix(60))")
            await seen.callBack("code=good&state=\(seen.state)")
        }
        #expect(outcome.error == nil)
        #expect(outcome.requests("token").map { $0.form("code") } == ["good"])
        #expect(!outcome.screen.notes.joined().contains("gotcha"))
    }

    // MARK: - 19

    private static let visits: [(String, String, String?, String)] = [
        ("GET", "/callback?code=good", nil, "held"), ("GET", "/callback?code=bad", nil, "400"),
        ("GET", "/callback", nil, "400"), ("GET", "/", nil, "404"), ("GET", "/callback/x?code=good", nil, "404"),
        ("GET", "/%63allback?code=good", nil, "404"), ("POST", "/callback?code=good", nil, "405"),
        ("HEAD", "/callback?code=good", nil, "405"), ("GET", "/callback?code=good", "evil.example", "421"),
        ("GET", "/callback?code=good", "127.0.0.1", "421"), ("GET", "/callback?code=good", "localhost:1", "421"),
        ("GET", "/callback?code=good", "localhost:PORT", "held"), ("GET", "/callback?code=good", "[::1]:PORT", "held"),
        ("GET", "/callback?code=good&x=\(String(repeating: "x", count: 20_000))", nil, "431"),
    ]

    @Test(arguments: visits)
    func line19_theListenerTakesOneRequestAndNoOther(
        _ method: String,
        _ target: String,
        _ host: String?,
        _ expected: String
    ) async throws {
        let judged = Mutex<[String]>([])
        let listener = try await LoopbackListener.open(
            LoopbackRedirect(),
            // For a machine that is busy with other tests.
            limits: .init(headTime: .seconds(60))
        ) { query in
            judged.withLock { $0.append(query) }
            return query == "code=good"
        }
        #expect(listener.port > 1023)
        for address in ["127.0.0.1", "::1"] {
            let browser = try await CallbackClient(port: listener.port, host: address)
            let name = host?.replacing("PORT", with: "\(listener.port)")
            await browser.write(CallbackClient.get(target, port: listener.port, host: name, method: method))
            let isHeld = { judged.withLock { $0.contains("code=good") } }
            try await eventually("it is answered, or held") { isHeld() || !browser.isOpen }
            #expect(isHeld() == (expected == "held"))
            if isHeld() {
                #expect(browser.isOpen)
                await listener.finish(.success)
            }
            let answer = try await browser.answer()
            #expect(answer.hasPrefix("HTTP/1.1 \(expected == "held" ? "200" : expected) "), "\(answer.prefix(60))")
            #expect(answer.contains("\r\nContent-Security-Policy: default-src 'none'; style-src 'sha256-"))
            #expect(!answer.contains("code="))
            judged.withLock { $0.removeAll() }
        }
        // Literal addresses: nothing else of 127/8, and nothing after the end.
        #expect(await !CallbackClient.isListening(listener.port, host: "127.0.0.2"))
        await listener.close()
        #expect(await CallbackClient.isDeaf(listener.port))
        #expect(await CallbackClient.isDeaf(listener.port, host: "::1"))
    }

    @Test(arguments: [
        "code=a&code=a", "state=a&state=b", "a=1&%61=2", "code=a&state=s&iss=x&iss=x", "error=a&error=", "a&a",
    ])
    func line19_aParameterStandsOnce(_ query: String) {
        #expect(CallbackQuery(query) == nil)
        #expect(CallbackQuery(query.split(separator: "&")[0]) != nil)
    }

    // MARK: - 20

    private static let endpoints: [(String, String?)] = [
        ("https://as.example/a", "https://as.example/a?"),
        ("HTTPS://AS.example:8443/a?b=c", "https://as.example:8443/a?b=c&"),
        ("https://as.example/a?x='y'*!", nil), ("https://as.example/$(calc)", nil), ("https://as.example/`x`", nil),
        ("https://as.example/?x=\"&calc", nil), ("https://as.example/;x", nil), ("https://as.example/|x", nil),
        ("https://as.example/\n-x", nil), ("https://as.example/\u{202E}x", nil), ("-https://as.example/", nil),
        ("javascript:alert(1)", nil), ("file:///etc/passwd", nil), ("https://as.example\\@evil.example/", nil),
    ]

    /// What a browser gets is one argument, checked and written out again, and the same is shown.
    @Test(arguments: endpoints)
    func line20_aBrowserGetsOneCheckedArgument(_ endpoint: String, _ start: String?) async throws {
        var visit = Visit()
        do {
            visit.server.authorizationEndpoint = try EndpointURL(endpoint, as: "it")
        } catch {
            #expect(start == nil, "\(error.message)")
            // And if it came there all the same, nothing that a shell acts upon would be left of it.
            let written = (try? BrowserURL(endpoint).text) ?? ""
            #expect(!written.utf8.contains { "$()`;'\"\\|<>*! \n".utf8.contains($0) })
            return
        }
        let outcome = try await visit.go()
        let shown = try #require(outcome.seen?.url)
        if let start { #expect(shown.hasPrefix(start), "\(shown)") }
        #expect(shown.utf8.allSatisfy { (0x21...0x7E).contains($0) && !"$()`;'\"\\|<>*!{}^".utf8.contains($0) })
        #expect(try BrowserURL(shown).text == shown)
        let launcher = BrowserLauncher(environment: ["BROWSER": "firefox --new-tab:sh -c %s"])
        #expect(
            launcher.commands(for: shown) == [
                ["firefox", "--new-tab", shown], ["sh", "-c", shown], ["xdg-open", shown],
            ]
        )
    }

    @Test(arguments: ["REDIRECT?QUERY", "?QUERY", "QUERY", "  REDIRECT?QUERY#_=_\r"])
    func line20_aRedirectedURLCanBePasted(_ form: String) async throws {
        let outcome = try await Visit().go { seen, screen in
            screen.type("https://evil.example/?code=evil&state=\(seen.state)")
            screen.type(
                form.replacing("REDIRECT", with: seen.redirect)
                    .replacing("QUERY", with: "code=good&state=\(seen.state)")
            )
        }
        #expect(outcome.error == nil)
        #expect(outcome.requests("token").map { $0.form("code") } == ["good"])
    }

    // MARK: - 21

    @Test(arguments: [
        nil, "https://mcp.example/a/mcp", "https://mcp.example", "https://mcp.example/",
        "https://MCP.example:443/a?b=c",
        "https://mcp.example/%7Ea",
    ])
    func line21_theResourceIsTheSameEverywhere(_ resource: String?) async throws {
        var visit = Visit()
        visit.resource = resource
        let outcome = try await visit.go()
        #expect(outcome.seen?.parameters["resource"] == resource)
        #expect(outcome.requests("token").map { $0.form("resource") } == [resource])
        var request = try clientRequests(outcome.script).request
        request.resource = resource
        let http = ScriptedExchange(200, grantJSON)
        _ = await TokenEndpoint(http: http, clock: stoppedClock)
            .refresh(RefreshRequest(refreshToken: secret("rt-1"), request: request))
        let sent = try #require(http.asked.first).body.split(separator: "&").filter { $0.hasPrefix("resource=") }
        #expect(sent == (resource.map { ["resource=\(formEncoded($0))"] } ?? []))
        // The way to leave it out of what goes to the token endpoint.
        request.client.quirks = [.noResourceInTokenRequest]
        let other = ScriptedExchange(200, grantJSON)
        _ = await TokenEndpoint(http: other, clock: stoppedClock)
            .refresh(RefreshRequest(refreshToken: secret("rt-1"), request: request))
        #expect(other.asked.first?.body.contains("resource=") == false)
    }

    // MARK: - 22

    /// What is asked for, what the server lists, what goes out, and whether for consent.
    private static let scopes: [([String], [String]?, String?, String?)] = [
        ([], nil, nil, nil), (["a", "b"], nil, "a b", nil), (["a", "b"], ["c"], "a b", nil),
        (["a", "offline_access"], ["a", "offline_access"], "a offline_access", "consent"),
        (["a", "offline_access"], ["a"], "a", nil), (["offline_access"], [], nil, nil),
    ]

    @Test(arguments: scopes)
    func line22_offlineAccessIsAskedForWhereItIsListed(
        _ asked: [String],
        _ listed: [String]?,
        _ sent: String?,
        _ prompt: String?
    ) async throws {
        var visit = Visit()
        visit.server.scopesSupported = listed
        visit.options.scopes = asked
        let outcome = try await visit.go()
        #expect(outcome.seen?.parameters["scope"] == sent)
        #expect(outcome.seen?.parameters["prompt"] == prompt)
        // Fixed by the consent: it is no part of the token request.
        #expect(outcome.requests("token").map { $0.form("scope") } == [nil])
    }

    @Test(
        arguments: [
            (#""scope":"a b""#, ["a", "b"]), (#""scope":"a""#, ["a"]), (#""x":1"#, nil),
        ] as [(String, [String]?)]
    )
    func line22_theScopeGrantedIsRecorded(_ member: String, _ scopes: [String]?) async throws {
        var visit = Visit()
        visit.options.scopes = ["a", "b", "c"]
        let outcome = try await visit.go([
            .answer(200, #"{"access_token":"at","token_type":"Bearer",\#(member)}"#)
        ])
        #expect(try outcome.result.get().scopes == scopes)
    }

    @Test(arguments: ["a", "a b offline_access"])
    func line22_aRefreshSendsNoScope(_ scope: String) async throws {
        let http = ScriptedExchange(200, grantJSON)
        var request = try clientRequests(http).request
        request.scope = scope
        _ = await TokenEndpoint(http: http, clock: stoppedClock)
            .refresh(RefreshRequest(refreshToken: secret("rt-1"), request: request))
        #expect(http.asked.map(\.body) == ["grant_type=refresh_token&refresh_token=rt-1&client_id=client-1"])
    }

    // MARK: - 23

    /// What a step-up goes by.
    @Test(
        arguments: [
            ([#"Bearer error="insufficient_scope", scope="read write""#], "insufficient_scope", ["read", "write"]),
            ([#"DPoP algs="ES256", error="insufficient_scope""#], "insufficient_scope", nil),
            ([#"Bearer error="invalid_token", scope="a""#], "invalid_token", ["a"]),
            ([#"Basic error="insufficient_scope", scope="a", Bearer realm="x""#], nil, nil),
            ([#"Bearer error_description="insufficient_scope", scope="a""#], nil, ["a"]),
        ] as [([String], String?, [String]?)]
    )
    func line23_aChallengeSaysWhatIsMissing(_ fields: [String], _ error: String?, _ scopes: [String]?) throws {
        let challenge = try #require(try ResourceChallenge(fields: fields))
        #expect(challenge.error == error)
        #expect(challenge.scopes == scopes)
    }
}
