import Testing
import VaultAPI

@testable import OAuthFlows

/// oauth-client.md 31 and 36.
struct DeviceFlowTests {
    private static let pending = FlowScript.Step.answer(400, #"{"error":"authorization_pending"}"#)
    private static let slowDown = FlowScript.Step.answer(400, #"{"error":"slow_down"}"#)
    private static let granted = FlowScript.Step.answer(200, grantJSON)

    private func device(_ more: String = #","interval":5"#, expires: Int = 1800) -> FlowScript.Step {
        .answer(
            200,
            #"{"device_code":"dc-1","user_code":"WDJB-MJHT","verification_uri":"https://as.example/device","expires_in":"#
                + "\(expires)\(more)}"
        )
    }

    private func run(
        _ steps: [FlowScript.Step],
        clock: LeapingClock = LeapingClock(),
        screen: Screen = Screen()
    ) async throws -> (result: Result<TokenGrant, VaultError>, script: FlowScript, clock: LeapingClock) {
        let script = FlowScript(steps)
        var server = AuthorizationServer(issuer: "https://as.example")
        server.deviceAuthorizationEndpoint = try EndpointURL("https://as.example/device_authorization", as: "it")
        var options = DeviceFlow.Options()
        options.scopes = ["a", "b"]
        let flow = DeviceFlow(server: server, requests: try clientRequests(script, on: clock), options: options)
        do {
            return (.success(try await flow.grant(asking: screen.interaction)), script, clock)
        } catch { return (.failure(error), script, clock) }
    }

    private func failure(_ steps: [FlowScript.Step]) async throws -> VaultError? {
        guard case .failure(let error) = try await run(steps).result else { return nil }
        return error
    }

    @Test func waitsBeforeEachPollAndStopsAtTheFirstSuccess() async throws {
        let (result, script, clock) = try await run([
            device(), Self.pending, Self.pending, Self.granted, Self.granted,
        ])
        #expect(try result.get().accessToken.shown == "at-1")
        #expect(clock.sleeps == [.seconds(5), .seconds(5), .seconds(5)])
        #expect(script.requests.count == 4)
        #expect(script.requests[0].form("client_id") == "client-1")
        #expect(script.requests[0].form("scope") == "a b")
        for poll in script.requests.dropFirst() {
            #expect(poll.form("grant_type") == "urn:ietf:params:oauth:grant-type:device_code")
            #expect(poll.form("device_code") == "dc-1")
            #expect(poll.form("client_id") == "client-1")
        }
    }

    @Test(arguments: [(#""#, 5), (#","interval":2"#, 2), (#","interval":"7""#, 7), (#","interval":0"#, 5)])
    func takesTheIntervalOrFiveSeconds(_ member: String, _ seconds: Int) async throws {
        let (_, _, clock) = try await run([device(member), Self.granted])
        #expect(clock.sleeps == [.seconds(seconds)])
    }

    @Test func slowsDownForGood() async throws {
        let (result, _, clock) = try await run([
            device(), Self.slowDown, Self.pending, Self.slowDown, Self.granted,
        ])
        #expect(try result.get().accessToken.shown == "at-1")
        #expect(clock.sleeps == [.seconds(5), .seconds(10), .seconds(10), .seconds(15)])
    }

    @Test(arguments: [400, 401, 403, 404, 200])
    func goesByTheCodeAndNotTheStatus(_ status: Int) async throws {
        let pending = FlowScript.Step.answer(status, #"{"error":"authorization_pending"}"#)
        let (result, script, _) = try await run([device(), pending, Self.granted])
        #expect(try result.get().accessToken.shown == "at-1")
        #expect(script.requests.count == 3)
    }

    @Test func backsOffWhereNoAnswerComes() async throws {
        let (result, _, clock) = try await run([
            device(), .failure(wasSent: false), .failure(wasSent: true), Self.pending, Self.granted,
        ])
        #expect(try result.get().accessToken.shown == "at-1")
        #expect(clock.sleeps == [.seconds(5), .seconds(10), .seconds(20), .seconds(20)])
    }

    @Test(arguments: [
        (400, "access_denied", VaultError.Code.loginRequired), (400, "expired_token", .loginRequired),
        (400, "invalid_grant", .loginRequired), (401, "invalid_client", .configuration),
        (400, "unsupported_grant_type", .configuration), (400, "made_up_by_the_server", .loginRequired),
        (503, "temporarily_unavailable", .temporary), (500, "server_error", .temporary),
    ])
    func everyOtherErrorEndsIt(_ status: Int, _ code: String, _ expected: VaultError.Code) async throws {
        let (result, script, _) = try await run([
            device(), .answer(status, #"{"error":"\#(code)"}"#), Self.granted,
        ])
        #expect(throws: VaultError.self) { try result.get() }
        if case .failure(let error) = result { #expect(error.code == expected, "\(error)") }
        #expect(script.requests.count == 2)
    }

    @Test func endsWhenTheCodeExpires() async throws {
        let steps = [device(expires: 12)] + [FlowScript.Step](repeating: Self.pending, count: 9)
        let (result, script, clock) = try await run(steps)
        #expect(throws: VaultError.self) { try result.get() }
        if case .failure(let error) = result { #expect(error.code == .loginRequired) }
        // At 5 and 10 seconds; at 12 it is over, and nothing is asked any more.
        #expect(clock.sleeps == [.seconds(5), .seconds(5), .seconds(2)])
        #expect(script.requests.count == 3)
    }

    @Test func showsTheCodeAndTheCheckedPages() async throws {
        let screen = Screen()
        let more = #","verification_uri_complete":"https://as.example/device?user_code=WDJB-MJHT","interval":1"#
        _ = try await run([device(more), Self.granted], screen: screen)
        guard case .device(let code, let page, let complete, let lifetime)? = screen.prompts.first else {
            Issue.record("nothing was shown")
            return
        }
        #expect((code, page) == ("WDJB-MJHT", "https://as.example/device"))
        #expect(complete == "https://as.example/device?user_code=WDJB-MJHT")
        #expect(lifetime == .seconds(1800))
        #expect(screen.prompts.count == 1)
    }

    @Test(arguments: [
        #""user_code":"A\u001b[2JB","verification_uri":"https://as.example/d""#,
        #""user_code":"A\nB","verification_uri":"https://as.example/d""#,
        #""user_code":"A\u202eB","verification_uri":"https://as.example/d""#,
        #""user_code":"AB","verification_uri":"https://as.example/\u001b]0;x""#,
        #""user_code":"AB","verification_uri":"javascript:alert(1)""#,
        #""user_code":"AB","verification_uri":"file:///etc/passwd""#,
        #""user_code":"AB","verification_uri":"http://as.example/d""#,
        #""user_code":"AB","verification_uri":"https://good@evil.example/d""#,
        #""user_code":"AB","verification_uri":"-rf""#,
        #""user_code":"AB","verification_uri":"https://as.example/d","verification_uri_complete":"data:,x""#,
    ])
    func showsNothingThatATerminalOrABrowserActsOn(_ members: String) async throws {
        let screen = Screen()
        let response = FlowScript.Step.answer(200, #"{"device_code":"dc","expires_in":60,\#(members)}"#)
        let (result, script, _) = try await run([response, Self.granted], screen: screen)
        #expect(throws: VaultError.self) { try result.get() }
        if case .failure(let error) = result {
            #expect(error.code == .unsafe, "\(error)")
            #expect(error.description.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x202E })
        }
        #expect(screen.prompts.isEmpty)
        #expect(script.requests.count == 1)
    }

    @Test(arguments: [
        #","x":"\ud800""#, #","x":"\udc00""#, #","device_code":"second""#,
        #","x":\#(String(repeating: "[", count: 32))\#(String(repeating: "]", count: 32))"#,
    ])
    func takesNoJSONThatIsNone(_ member: String) async throws {
        #expect(try await failure([device(member), Self.granted]) != nil)
    }

    @Test func aNumberThatNoTypeHoldsIsNoFault() async throws {
        let (result, _, clock) = try await run([device(#","interval":5,"x":1e400,"y":-1e400"#), Self.granted])
        #expect(try result.get().accessToken.shown == "at-1")
        #expect(clock.sleeps == [.seconds(5)])
    }

    @Test func saysWhyNoCodeWasGiven() async throws {
        #expect(try await failure([.answer(401, #"{"error":"invalid_client"}"#)])?.code == .configuration)
        #expect(try await failure([.answer(503, "busy")])?.code == .temporary)
        #expect(try await failure([.answer(307, "")])?.code == .unsafe)
        #expect(try await failure([.failure(wasSent: false)])?.code == .temporary)
        #expect(try await failure([.answer(200, "<html>")]) != nil)
    }

    @Test func needsAnEndpoint() async throws {
        let script = FlowScript([])
        let flow = DeviceFlow(server: AuthorizationServer(), requests: try clientRequests(script))
        do {
            _ = try await flow.grant(asking: Screen().interaction)
            Issue.record("was not refused")
        } catch {
            #expect(error.code == .configuration)
            #expect(error.hint?.contains("--device-url") == true)
        }
    }

    @Test func aCancellationEndsTheWait() async throws {
        let clock = LeapingClock { count in if count == 2 { throw CancellationError() } }
        let (result, script, _) = try await run([device(), Self.pending, Self.granted], clock: clock)
        #expect(throws: VaultError.self) { try result.get() }
        if case .failure(let error) = result { #expect(error.code == .interrupted) }
        #expect(script.requests.count == 2)
    }
}

/// oauth-client.md 32, seeds.md.
struct DeviceOpenAITests {
    private static let usercode = FlowScript.Step.answer(
        200,
        #"{"device_auth_id":"da-1","user_code":"ABCD-1234","interval":"3"}"#
    )
    private static let confirmed = FlowScript.Step.answer(
        200,
        #"{"authorization_code":"ac-1","code_verifier":"cv-1"}"#
    )

    private func run(
        _ variant: OpenAIDeviceFlow.Variant,
        _ steps: [FlowScript.Step],
        screen: Screen = Screen()
    ) async throws -> (result: Result<TokenGrant, VaultError>, script: FlowScript, clock: LeapingClock) {
        let (script, clock) = (FlowScript(steps), LeapingClock())
        let endpoint = try EndpointURL("https://auth.openai.com/oauth/token", as: "it")
        let client = OAuthClient(id: "app_EMoamEEZ73f0CkXaXp7hrann", authentication: .none)
        let requests = ClientRequests(
            TokenRequest(endpoint: endpoint, client: client),
            http: script,
            clock: VaultClock(pauses: clock)
        )
        do {
            let flow = OpenAIDeviceFlow(variant, requests: requests)
            return (.success(try await flow.grant(asking: screen.interaction)), script, clock)
        } catch { return (.failure(error), script, clock) }
    }

    @Test(arguments: [
        (
            OpenAIDeviceFlow.Variant.platform, "https://auth.openai.com/deviceauth",
            "https://platform.openai.com/device",
            "http://localhost:1455/auth/callback"
        ),
        (
            .codex, "https://auth.openai.com/api/accounts/deviceauth", "https://auth.openai.com/codex/device",
            "https://auth.openai.com/deviceauth/callback"
        ),
    ])
    func speaksBothVariants(
        _ variant: OpenAIDeviceFlow.Variant,
        _ base: String,
        _ page: String,
        _ redirect: String
    ) async throws {
        let screen = Screen()
        let pending: [FlowScript.Step] = [403, 404, 428].map { .answer($0, "") } + [.answer(200, "{}")]
        let steps = [Self.usercode] + pending + [Self.confirmed, .answer(200, grantJSON), Self.confirmed]
        let (result, script, clock) = try await run(variant, steps, screen: screen)
        #expect(try result.get().refreshToken?.shown == "rt-1")
        #expect(script.requests.count == 7)
        #expect(script.requests[0].url == "\(base)/usercode")
        #expect(script.requests[0].body == #"{"client_id":"app_EMoamEEZ73f0CkXaXp7hrann"}"#)
        #expect(script.requests[1].url == "\(base)/token")
        #expect(script.requests[1].body == #"{"device_auth_id":"da-1","user_code":"ABCD-1234"}"#)
        #expect(script.requests[1].fields.contains { $0 == ("Content-Type", "application/json") })
        let last = script.requests[6]
        #expect(last.url == "https://auth.openai.com/oauth/token")
        #expect(last.form("grant_type") == "authorization_code")
        #expect(last.form("code") == "ac-1")
        #expect(last.form("code_verifier") == "cv-1")
        #expect(last.form("client_id") == "app_EMoamEEZ73f0CkXaXp7hrann")
        #expect(last.form("redirect_uri") == redirect)
        #expect(clock.sleeps == [Duration](repeating: .seconds(3), count: 5))
        guard case .device("ABCD-1234", page, nil, .seconds(900))? = screen.prompts.first else {
            Issue.record("shown: \(screen.prompts)")
            return
        }
    }

    @Test func readsTheOtherSpellingsAndWorksWithoutAVerifier() async throws {
        let (result, script, clock) = try await run(
            .codex,
            [
                .answer(200, #"{"device_auth_id":"da-1","usercode":"ABCD","interval":4}"#),
                .answer(200, #"{"authorization_code":"ac-1"}"#), .answer(200, grantJSON),
            ]
        )
        #expect(try result.get().accessToken.shown == "at-1")
        #expect(script.requests.last?.form("code_verifier") == nil)
        #expect(clock.sleeps == [.seconds(4)])
    }

    @Test func saysThatItIsNotEnabled() async throws {
        let (result, _, _) = try await run(.codex, [.answer(404, "")])
        guard case .failure(let error) = result else {
            Issue.record("went on")
            return
        }
        #expect(error.code == .configuration)
        #expect(error.message.contains("404"))
    }

    @Test func takesNoAnswerThatIsTooDeep() async throws {
        let deep = String(repeating: "[", count: 32) + String(repeating: "]", count: 32)
        let start = FlowScript.Step.answer(200, #"{"device_auth_id":"da-1","user_code":"A","x":\#(deep)}"#)
        let (result, script, _) = try await run(.codex, [start, Self.confirmed, .answer(200, grantJSON)])
        #expect(throws: VaultError.self) { try result.get() }
        #expect(script.requests.count == 1)
    }

    @Test(arguments: [400, 401, 500])
    func everyOtherStatusEndsIt(_ status: Int) async throws {
        let (result, script, _) = try await run(.codex, [Self.usercode, .answer(status, ""), Self.confirmed])
        #expect(throws: VaultError.self) { try result.get() }
        #expect(script.requests.count == 2)
    }

    @Test func endsAfterFifteenMinutes() async throws {
        let steps = [Self.usercode] + [FlowScript.Step](repeating: .answer(403, ""), count: 400)
        let (result, script, clock) = try await run(.platform, steps)
        guard case .failure(let error) = result else {
            Issue.record("went on")
            return
        }
        #expect(error.code == .loginRequired)
        #expect(clock.sleeps.reduce(.zero, +) == .seconds(900))
        #expect(script.requests.count == 300)
    }
}
