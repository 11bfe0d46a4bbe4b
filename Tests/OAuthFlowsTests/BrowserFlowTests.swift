import Synchronization
import TestSupport
import Testing
import VaultAPI
import VaultCrypto

@testable import OAuthFlows

/// oauth-client.md 15 to 22, 35 and 37: whole logins, with a real listener and a scripted server.
struct BrowserFlowTests {
    private static let issuer = "https://as.example"

    /// What a browser would see of the authorization request.
    struct Seen: Sendable {
        let url: String
        let parameters: [String: String]
        var redirect: String { parameters["redirect_uri"] ?? "" }
        var state: String { parameters["state"] ?? "" }
        var port: Int { Int(redirect.split(separator: ":").last?.prefix { $0 != "/" } ?? "") ?? 0 }
        var path: String { "/" + redirect.split(separator: "/").dropFirst(2).joined(separator: "/") }

        init(_ prompt: AuthorizationPrompt) {
            guard case .browser(let url) = prompt else { preconditionFailure("no browser prompt") }
            self.url = url
            var parameters: [String: String] = [:]
            for pair in (url.split(separator: "?").dropFirst().first ?? "").split(separator: "&") {
                let parts = pair.split(separator: "=", maxSplits: 1)
                let value = parts.count > 1 ? String(decoding: formDecoded(parts[1]), as: UTF8.self) : ""
                let isNew = parameters.updateValue(value, forKey: String(parts[0])) == nil
                precondition(isNew, "\(parts[0]) stands twice")
            }
            self.parameters = parameters
        }

        /// Sends the browser back with that query.
        @discardableResult
        func callBack(_ query: String, host: String? = nil, method: String = "GET") async -> String {
            let request = CallbackClient.get("\(path)?\(query)", port: port, host: host, method: method)
            return (try? await CallbackClient.ask(request, port: port)) ?? "no answer"
        }
    }

    private struct Run {
        let result: Result<TokenGrant, VaultError>
        let script: FlowScript
        let screen: Screen
        let seen: Seen?

        var error: VaultError? {
            guard case .failure(let error) = result else { return nil }
            return error
        }
    }

    private static func server() throws -> AuthorizationServer {
        var server = AuthorizationServer(issuer: issuer)
        server.authorizationEndpoint = try EndpointURL("https://as.example/authorize", as: "it")
        server.codeChallengeMethods = ["S256"]
        return server
    }

    /// One login; `person` acts once the URL is shown, and the login goes on beside it.
    private func login(
        _ steps: [FlowScript.Step] = [.answer(200, grantJSON)],
        server: AuthorizationServer? = nil,
        options: BrowserFlow.Options = .init(),
        clock: any Clock<Duration> = StandingClock(),
        resource: String? = nil,
        onRequest: @escaping @Sendable (FlowScript.Request) async -> Void = { _ in },
        person: @escaping @Sendable (Seen, Screen) async -> Void
    ) async throws -> Run {
        let acting = Mutex<Task<Void, Never>?>(nil)
        let screen = Screen { prompt, screen in
            let seen = Seen(prompt)
            acting.withLock { $0 = Task { await person(seen, screen) } }
        }
        let script = FlowScript(steps, onRequest: onRequest)
        var requests = try clientRequests(script, on: clock)
        requests.request.resource = resource
        let flow = BrowserFlow(server: try server ?? Self.server(), requests: requests, options: options)
        let result: Result<TokenGrant, VaultError>
        do { result = .success(try await flow.grant(asking: screen.interaction)) } catch { result = .failure(error) }
        let seen = screen.prompts.first.map { Seen($0) }
        if let seen {
            #expect(await CallbackClient.isDeaf(seen.port), "the port is still open")
            #expect(await CallbackClient.isDeaf(seen.port, host: "::1"), "the port is still open")
        }
        await acting.withLock { $0 }?.value
        return Run(result: result, script: script, screen: screen, seen: seen)
    }

    // MARK: - The way it should go

    @Test func logsIn() async throws {
        var options = BrowserFlow.Options()
        options.scopes = ["read", "write"]
        options.parameters = [("audience", "x y")]
        let page = Mutex("")
        let run = try await login(options: options, resource: "https://api.example/a") { seen, _ in
            let answer = await seen.callBack("code=c%2B1&state=\(seen.state)&iss=https%3A%2F%2Fas.example")
            page.withLock { $0 = answer }
        }
        #expect(try run.result.get().accessToken.shown == "at-1")
        #expect(page.withLock { $0 }.hasSuffix(CallbackPage.success.html))
        let seen = try #require(run.seen)
        #expect(seen.url.hasPrefix("https://as.example/authorize?"))
        #expect(seen.parameters["response_type"] == "code")
        #expect(seen.parameters["client_id"] == "client-1")
        #expect(seen.parameters["scope"] == "read write")
        #expect(seen.parameters["audience"] == "x y")
        #expect(seen.parameters["resource"] == "https://api.example/a")
        #expect(seen.parameters["code_challenge_method"] == "S256")
        #expect(seen.redirect == "http://127.0.0.1:\(seen.port)/callback")
        #expect(seen.state.utf8.count == 43)
        let request = try #require(run.script.requests.first)
        #expect(request.form("grant_type") == "authorization_code")
        #expect(request.form("code") == "c+1")
        #expect(request.form("redirect_uri") == seen.redirect)
        #expect(request.form("resource") == "https://api.example/a")
        #expect(request.form("scope") == nil)
        let verifier = try #require(request.form("code_verifier"))
        #expect(verifier.utf8.count == 43)
        let challenge = CodeVerifier(taking: SharedSecret(try SecretBytes(Array(verifier.utf8)))).challenge
        #expect(seen.parameters["code_challenge"] == challenge)
        #expect(run.screen.prompts.count == 1)
        #expect(!seen.url.contains(verifier))
    }

    @Test func aTokenThatIsNotBoundIsRefusedWhereAKeyWasSent() async throws {
        for type in ["Bearer", "mac", "DPoP"] {
            let body = #"{"access_token":"at-1","token_type":"\#(type)","refresh_token":"rt-1"}"#
            let script = FlowScript([.answer(200, body)])
            var requests = try clientRequests(script)
            requests.request.dpopKey = DPoPKey()
            let outcome: Result<TokenGrant, VaultError>
            do {
                outcome = .success(
                    try await ClientCredentialsFlow(requests: requests).grant(asking: Screen().interaction)
                )
            } catch { outcome = .failure(error) }
            if type == "DPoP" {
                #expect(try outcome.get().tokenType == "DPoP")
            } else if case .failure(let error) = outcome {
                #expect(error.code == .unsafe)
                #expect(error.message.contains(type) && error.hint?.contains("--no-dpop") == true)
            } else {
                Issue.record("\(type) was taken")
            }
        }
    }

    @Test func theVerifierIsThatOfRFC7636() throws {
        let secret = SharedSecret(try SecretBytes(Array("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".utf8)))
        #expect(CodeVerifier(taking: secret).challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
        var seen = Set<String>()
        for _ in 0..<100 {
            let verifier = try CodeVerifier().secret.shown
            #expect(verifier.utf8.count == 43)
            #expect(verifier.utf8.allSatisfy { formEncoded(String(UnicodeScalar($0))).utf8.count == 1 })
            #expect(seen.insert(verifier).inserted)
        }
    }

    @Test func everyAttemptHasFreshSecrets() async throws {
        let first = try await login { seen, _ in await seen.callBack("code=c&state=\(seen.state)") }
        let second = try await login { seen, _ in await seen.callBack("code=c&state=\(seen.state)") }
        for name in ["state", "code_challenge"] {
            #expect(first.seen?.parameters[name] != second.seen?.parameters[name])
        }
    }

    @Test func showsSuccessOnlyOnceTheTokensAreThere() async throws {
        let page = Mutex("")
        let run = try await login([.answer(400, #"{"error":"invalid_grant"}"#)]) { seen, _ in
            let answer = await seen.callBack("code=c&state=\(seen.state)")
            page.withLock { $0 = answer }
        }
        #expect(run.error?.code == .loginRequired)
        #expect(page.withLock { $0 }.hasSuffix(CallbackPage.failure.html))
    }

    // MARK: - What does not end it

    @Test func straysForgeriesAndLateComersEndNothing() async throws {
        let run = try await login { seen, _ in
            for target in ["/favicon.ico", "/", seen.path, "\(seen.path)?"] {
                _ = try? await CallbackClient.ask(CallbackClient.get(target, port: seen.port), port: seen.port)
            }
            let mebibyte = String(repeating: "a", count: 1 << 20)
            for query in [
                "code=evil", "code=evil&state=", "code=evil&state=AAAA", "error=access_denied&state=AAAA",
                "error=server_error&error_description=%3Cscript%3E", "code=a&code=b&state=\(seen.state)",
                "code=evil&state=\(seen.state)&state=\(seen.state)", "state=\(seen.state)",
                "code=a&error=b&state=\(seen.state)", "code=%zz&state=\(seen.state)", "code=%00&state=\(seen.state)",
                "code=a%0d%0aX&state=\(seen.state)", "code=%ff&state=\(seen.state)",
                "code=evil&state=\(seen.state)&iss=https%3A%2F%2Fevil.example",
                "code=evil&state=\(seen.state)&iss=https%3A%2F%2Fas.example%2F",
                "code=evil&state=\(seen.state)&x=\(mebibyte)", "code=evil&state=\(seen.state.dropLast())",
                "code=evil&state=\(seen.state)x",
            ] {
                let answer = await seen.callBack(query)
                #expect(answer.hasPrefix("HTTP/1.1 4"), "\(query.prefix(80)): \(answer.prefix(40))")
            }
            let right = "code=evil&state=\(seen.state)"
            #expect(await seen.callBack(right, host: "evil.example").hasPrefix("HTTP/1.1 421"))
            #expect(await seen.callBack(right, method: "POST").hasPrefix("HTTP/1.1 405"))
            #expect(await seen.callBack("code=good&state=\(seen.state)").hasPrefix("HTTP/1.1 200"))
        }
        #expect(try run.result.get().accessToken.shown == "at-1")
        #expect(run.script.requests.map { $0.form("code") } == ["good"])
        #expect(!run.screen.notes.contains { $0.contains("script") || $0.contains("evil") })
    }

    @Test func takesTheResponseOnce() async throws {
        let second = Mutex("")
        let seen = Mutex<Seen?>(nil)
        let run = try await login(
            onRequest: { _ in
                // While the first is being exchanged, the same response comes again.
                guard let shown = seen.withLock({ $0 }) else { return }
                let answer = await shown.callBack("code=other&state=\(shown.state)")
                second.withLock { $0 = answer }
            },
            person: { shown, _ in
                seen.withLock { $0 = shown }
                await shown.callBack("code=good&state=\(shown.state)")
            }
        )
        #expect(try run.result.get().accessToken.shown == "at-1")
        #expect(second.withLock { $0 }.hasPrefix("HTTP/1.1 400"))
        #expect(run.script.requests.map { $0.form("code") } == ["good"])
    }

    @Test func aDenialWithoutStateIsToldAndTheWaitGoesOn() async throws {
        let run = try await login { seen, _ in
            for _ in 0..<20 {
                await seen.callBack("error=access_denied&error_description=gotcha")
                await seen.callBack("error=zqx%1B%5B2J")
                await seen.callBack("error=zqxmark")
            }
            await seen.callBack("code=good&state=\(seen.state)")
        }
        #expect(try run.result.get().accessToken.shown == "at-1")
        #expect(run.screen.notes.count == 1, "\(run.screen.notes)")
        #expect(run.screen.notes.first?.contains("access_denied") == true)
        #expect(!run.screen.notes.joined().contains("gotcha") && !run.screen.notes.joined().contains("zqx"))
    }

    @Test func anAdvertisedIssuerMustBeThere() async throws {
        var server = try Self.server()
        server.sendsIssuer = true
        let run = try await login(server: server) { seen, _ in
            #expect(await seen.callBack("code=evil&state=\(seen.state)").hasPrefix("HTTP/1.1 400"))
            await seen.callBack("code=good&state=\(seen.state)&iss=https%3A%2F%2Fas.example")
        }
        #expect(run.script.requests.map { $0.form("code") } == ["good"])
        #expect(run.screen.notes.count == 1)
    }

    @Test func anErrorWithoutAnIssuerCountsWhereItsStateIsRight() async throws {
        var server = try Self.server()
        server.sendsIssuer = true
        let run = try await login(server: server) { seen, _ in
            await seen.callBack("error=access_denied&error_description=not+today%1B%5B2J&state=\(seen.state)")
        }
        #expect(run.error?.code == .loginRequired)
        #expect(run.script.requests.isEmpty)
        #expect(run.error?.description.contains("\u{1B}") == false)
    }

    @Test func anErrorOfAnotherIssuerIsNotRepeated() async throws {
        let run = try await login { seen, _ in
            await seen.callBack("error=gotcha&state=\(seen.state)&iss=https%3A%2F%2Fevil.example")
            await seen.callBack("code=good&state=\(seen.state)")
        }
        #expect(try run.result.get().accessToken.shown == "at-1")
        #expect(!run.screen.notes.joined().contains("gotcha") && !run.screen.notes.joined().contains("evil"))
    }

    // MARK: - What ends it

    @Test(arguments: [
        ("access_denied", VaultError.Code.loginRequired), ("server_error", .temporary),
        ("invalid_scope", .configuration),
        ("temporarily_unavailable", .temporary), ("unauthorized_client", .configuration),
        ("consent_required", .loginRequired),
    ])
    func aRefusalEndsIt(_ code: String, _ expected: VaultError.Code) async throws {
        let run = try await login { seen, _ in
            let page = await seen.callBack("error=\(code)&error_description=why&state=\(seen.state)")
            #expect(page.hasSuffix(CallbackPage.failure.html))
        }
        #expect(run.error?.code == expected)
        #expect(run.error?.message.contains("\(code): why") == true)
    }

    @Test(arguments: [
        (FlowScript.Step.answer(401, #"{"error":"invalid_client"}"#), VaultError.Code.configuration),
        (.answer(400, #"{"error":"access_denied"}"#), .loginRequired), (.answer(503, ""), .temporary),
        (.failure(wasSent: false), .temporary), (.failure(wasSent: true), .temporary),
    ])
    func aFailedExchangeSaysWhatItMeans(_ step: FlowScript.Step, _ expected: VaultError.Code) async throws {
        let run = try await login([step]) { seen, _ in await seen.callBack("code=secretcode&state=\(seen.state)") }
        #expect(run.error?.code == expected)
        #expect(run.script.requests.count == 1)
        #expect(run.error?.description.contains("secretcode") == false)
    }

    @Test func endsWhenTheTimeIsUp() async throws {
        let clock = StandingClock()
        let run = try await login(clock: clock) { _, _ in try? await clock.advance(by: .seconds(300)) }
        #expect(run.error?.code == .loginRequired)
        #expect(run.error?.message.contains("300 s") == true)
    }

    @Test(arguments: [false, true])
    func leavesNothingOpenWhenItIsCancelled(_ duringExchange: Bool) async throws {
        let script = FlowScript([.hang])
        let prompt = AsyncStream<Seen>.makeStream()
        let flow = BrowserFlow(server: try Self.server(), requests: try clientRequests(script), options: .init())
        let screen = Screen { shown, _ in prompt.continuation.yield(Seen(shown)) }
        let task = Task { () -> VaultError? in
            do {
                _ = try await flow.grant(asking: screen.interaction)
                return nil
            } catch { return error as? VaultError }
        }
        var prompts = prompt.stream.makeAsyncIterator()
        let seen = try #require(await prompts.next())
        if duringExchange {
            async let page = seen.callBack("code=c&state=\(seen.state)")
            try await eventually("a request is made") { !script.requests.isEmpty }
            task.cancel()
            #expect(await page.hasSuffix(CallbackPage.failure.html))
        } else {
            task.cancel()
        }
        #expect(await task.value?.code == .interrupted)
        #expect(await CallbackClient.isDeaf(seen.port))
        #expect(await CallbackClient.isDeaf(seen.port, host: "::1"))
    }

    // MARK: - Before the browser

    private func refusal(
        _ server: AuthorizationServer,
        _ options: BrowserFlow.Options = .init()
    ) async throws -> VaultError? {
        let run = try await login(server: server, options: options) { _, _ in Issue.record("the browser was opened") }
        #expect(run.screen.prompts.isEmpty)
        return run.error
    }

    @Test(arguments: [["plain"], [], ["s256"]])
    func refusesAServerWhoseListLacksS256(_ methods: [String]) async throws {
        var server = try Self.server()
        server.codeChallengeMethods = methods
        var options = BrowserFlow.Options()
        options.pkce = .unadvertised
        #expect(try await refusal(server, options)?.code == .unsafe)
    }

    @Test func refusesAServerWithoutAListUnlessAskedNotTo() async throws {
        var server = try Self.server()
        server.codeChallengeMethods = nil
        let error = try await refusal(server)
        #expect(error?.code == .unsafe)
        #expect(error?.hint?.contains("--pkce-unadvertised") == true)
        var options = BrowserFlow.Options()
        options.pkce = .unadvertised
        let run = try await login(server: server, options: options) { seen, _ in
            await seen.callBack("code=c&state=\(seen.state)")
        }
        #expect(run.seen?.parameters["code_challenge_method"] == "S256")
        #expect(run.screen.notes.count == 1)
    }

    @Test(arguments: ["state", "redirect_uri", "client_id", "code_challenge", "nonce", "response_mode", "request_uri"])
    func takesNoFurtherParameterThatItSetsItself(_ name: String) async throws {
        var options = BrowserFlow.Options()
        options.parameters = [(name, "x")]
        #expect(try await refusal(try Self.server(), options)?.code == .configuration)
    }

    @Test(arguments: ["client_id=x", "redirect_uri=x", "st%61te=x", "code_challenge=x"])
    func refusesAnEndpointThatSetsWhatTheClientSets(_ query: String) async throws {
        var server = try Self.server()
        server.authorizationEndpoint = try EndpointURL("https://as.example/authorize?\(query)", as: "it")
        #expect(try await refusal(server)?.code == .unsafe)
    }

    @Test func keepsTheQueryOfTheEndpoint() async throws {
        var server = try Self.server()
        server.authorizationEndpoint = try EndpointURL("https://as.example/authorize?tenant=a", as: "it")
        let run = try await login(server: server) { seen, _ in await seen.callBack("code=c&state=\(seen.state)") }
        #expect(run.seen?.parameters["tenant"] == "a")
        #expect(run.seen?.parameters["client_id"] == "client-1")
    }

    @Test func saysWhichPortIsTaken() async throws {
        let other = try await LoopbackListener.open(LoopbackRedirect()) { _ in false }
        var options = BrowserFlow.Options()
        options.redirect.port = other.port
        let error = try await refusal(try Self.server(), options)
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("\(other.port)") == true)
        await other.close()
    }

    @Test func usesTheRedirectThatAPresetWants() async throws {
        #expect(LoopbackRedirect.openAI.uri(port: 1455) == "http://localhost:1455/auth/callback")
        var options = BrowserFlow.Options()
        options.redirect = LoopbackRedirect(host: .name, path: "/auth/callback")
        let run = try await login(options: options) { seen, _ in await seen.callBack("code=c&state=\(seen.state)") }
        let seen = try #require(run.seen)
        #expect(seen.redirect == "http://localhost:\(seen.port)/auth/callback")
        #expect(run.script.requests.first?.form("redirect_uri") == seen.redirect)
    }

    // MARK: - openid and offline_access

    @Test(arguments: [nil, ["a", "offline_access"], ["a"], []])
    func asksForOfflineAccessOnlyWhereItIsNotKnownToBeUnknown(_ listed: [String]?) async throws {
        var server = try Self.server()
        server.scopesSupported = listed
        var options = BrowserFlow.Options()
        options.scopes = ["a", "offline_access"]
        let run = try await login(server: server, options: options) { seen, _ in
            await seen.callBack("code=c&state=\(seen.state)")
        }
        let isAsked = listed?.contains("offline_access") ?? true
        #expect(run.seen?.parameters["scope"] == (isAsked ? "a offline_access" : "a"))
        #expect(run.seen?.parameters["prompt"] == (isAsked ? "consent" : nil))
    }

    @Test(arguments: [true, false])
    func checksTheNonceInTheIDToken(_ isRight: Bool) async throws {
        var options = BrowserFlow.Options()
        options.scopes = ["openid", "offline_access"]
        let seenNonce = Mutex("")
        let script = NonceScript { isRight ? seenNonce.withLock { $0 } : "another" }
        let screen = Screen { prompt, _ in
            let seen = Seen(prompt)
            seenNonce.withLock { $0 = seen.parameters["nonce"] ?? "" }
            #expect(seen.parameters["prompt"] == "consent")
            Task { await seen.callBack("code=c&state=\(seen.state)") }
        }
        let flow = BrowserFlow(server: try Self.server(), requests: try clientRequests(script), options: options)
        do {
            _ = try await flow.grant(asking: screen.interaction)
            #expect(isRight)
        } catch {
            #expect(!isRight)
            #expect(error.code == .unsafe)
        }
        #expect(seenNonce.withLock { $0.utf8.count } == 43)
    }

    private final class NonceScript: HTTPExchange {
        private let nonce: @Sendable () -> String
        init(_ nonce: @escaping @Sendable () -> String) { self.nonce = nonce }

        func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
            let claims = base64URL(Array(#"{"sub":"me","nonce":"\#(nonce())"}"#.utf8))
            let token = #"{"access_token":"at","token_type":"Bearer","id_token":"e30.\#(claims).c2ln"}"#
            guard let secret = try? SecretBytes(Array(token.utf8)) else { throw HTTPFailure(wasSent: false, "memory") }
            return HTTPResponse(
                status: 200,
                fields: [("Content-Type", "application/json")],
                body: SharedSecret(secret)
            )
        }
    }

    @Test func asksForConsentOnlyOnce() async throws {
        var options = BrowserFlow.Options()
        options.scopes = ["offline_access"]
        options.parameters = [("prompt", "login consent")]
        let run = try await login(options: options) { seen, _ in await seen.callBack("code=c&state=\(seen.state)") }
        #expect(run.seen?.parameters["prompt"] == "login consent")
        #expect(run.seen?.parameters["nonce"] == nil)
    }

    // MARK: - Pushed requests

    @Test(arguments: [true, false])
    func pushesTheRequestWhereItMustOrIsAskedTo(_ isRequired: Bool) async throws {
        var server = try Self.server()
        server.pushedAuthorizationRequestEndpoint = try EndpointURL("https://as.example/par", as: "it")
        server.requiresPushedAuthorizationRequests = isRequired
        var options = BrowserFlow.Options()
        options.pushesRequest = !isRequired
        let script = FlowScript([
            .answer(201, #"{"request_uri":"urn:ietf:params:oauth:request_uri:abc","expires_in":60}"#),
            .answer(200, grantJSON),
        ])
        let screen = Screen { prompt, _ in
            let seen = Seen(prompt)
            #expect(Set(seen.parameters.keys) == ["client_id", "request_uri"])
            #expect(seen.parameters["request_uri"] == "urn:ietf:params:oauth:request_uri:abc")
            let pushed = script.requests[0]
            let redirect = pushed.form("redirect_uri") ?? ""
            let port = Int(redirect.split(separator: ":").last?.prefix { $0 != "/" } ?? "") ?? 0
            let request = CallbackClient.get("/callback?code=c&state=\(pushed.form("state") ?? "")", port: port)
            Task { try await CallbackClient.ask(request, port: port) }
        }
        let flow = BrowserFlow(server: server, requests: try clientRequests(script), options: options)
        #expect(try await flow.grant(asking: screen.interaction).accessToken.shown == "at-1")
        #expect(script.requests[0].url == "https://as.example/par")
        #expect(script.requests[0].form("client_id") == "client-1")
        #expect(script.requests[0].form("code_challenge_method") == "S256")
    }

    @Test(arguments: [
        (FlowScript.Step.answer(307, ""), VaultError.Code.unsafe),
        (.answer(400, #"{"error":"invalid_request"}"#), .configuration), (.answer(500, ""), .temporary),
        (.failure(wasSent: true), .temporary), (.answer(201, "{}"), .temporary),
    ])
    func opensNoBrowserWhereThePushFails(_ step: FlowScript.Step, _ expected: VaultError.Code) async throws {
        var server = try Self.server()
        server.pushedAuthorizationRequestEndpoint = try EndpointURL("https://as.example/par", as: "it")
        server.requiresPushedAuthorizationRequests = true
        let run = try await login([step], server: server) { _, _ in Issue.record("the browser was opened") }
        #expect(run.error?.code == expected)
        #expect(run.script.requests.count == 1)
        #expect(run.screen.prompts.isEmpty)
    }

    // MARK: - Pasting

    @Test(arguments: [0, 1, 2, 3, 4])
    func takesAPastedAnswer(_ form: Int) async throws {
        let run = try await login { seen, screen in
            let query = "code=good&state=\(seen.state)"
            for wrong in [
                "", "hello", "https://evil.example/callback?code=evil&state=\(seen.state)",
                "\(seen.redirect)?code=evil&state=AAAA", "\(seen.redirect)/x?code=evil&state=\(seen.state)",
                "code=evil&code=evil&state=\(seen.state)",
            ] { screen.type(wrong) }
            screen.type(
                [
                    "\(seen.redirect)?\(query)", "  \(seen.redirect)?\(query)#_=_ \r", "?\(query)", query,
                    "\(seen.redirect.dropFirst(7))?\(query)",
                ][form]
            )
        }
        #expect(try run.result.get().accessToken.shown == "at-1")
        #expect(run.script.requests.map { $0.form("code") } == ["good"])
        #expect(run.screen.notes.count == 5, "\(run.screen.notes)")
    }
}
