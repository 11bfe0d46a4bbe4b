import Testing
import VaultAPI

@testable import OAuthFlows

/// oauth-client.md 13, 34 and 37: RFC 7591.
struct ClientRegistrationTests {
    private static let redirect = "http://127.0.0.1:1/callback"

    private func register(
        _ body: String,
        status: Int = 201,
        for use: ClientRegistration.Use = .browser,
        authentication: ClientAuthenticationMethod = .none,
        scopes: [String] = []
    ) async -> (result: Result<RegisteredClient, VaultError>, asked: [ScriptedExchange.Asked]) {
        let http = ScriptedExchange(status, body)
        let registration = ClientLineTests.registration(http, for: use, authentication: authentication, scopes: scopes)
        do {
            return (
                .success(try await registration.register(redirect: use == .browser ? Self.redirect : nil)), http.asked
            )
        } catch { return (.failure(error), http.asked) }
    }

    private func refused(_ body: String, status: Int = 201) async -> VaultError? {
        guard case .failure(let error) = await register(body, status: status).result else { return nil }
        #expect(error.isPrintable, "\(error)")
        return error
    }

    // MARK: - The request

    private static let bodies: [(ClientRegistration.Use, ClientAuthenticationMethod, [String], String)] = [
        (
            .browser, .none, [],
            #"{"client_name":"vault","application_type":"native","grant_types":["authorization_code","refresh_token"],"#
                + #""token_endpoint_auth_method":"none","redirect_uris":["http://127.0.0.1:1/callback"],"#
                + #""response_types":["code"]}"#
        ),
        (
            .browser, .basic, ["a", "b\"\\"],
            #"{"client_name":"vault","application_type":"native","grant_types":["authorization_code","refresh_token"],"#
                + #""token_endpoint_auth_method":"client_secret_basic","redirect_uris":["http://127.0.0.1:1/callback"],"#
                + #""response_types":["code"],"scope":"a b\"\\"}"#
        ),
        (
            .device, .none, ["a"],
            #"{"client_name":"vault","application_type":"native","grant_types":["#
                + #""urn:ietf:params:oauth:grant-type:device_code","refresh_token"],"#
                + #""token_endpoint_auth_method":"none","scope":"a"}"#
        ),
    ]

    @Test(arguments: bodies)
    func sendsThisAndNothingElse(
        _ use: ClientRegistration.Use,
        _ method: ClientAuthenticationMethod,
        _ scopes: [String],
        _ body: String
    ) async throws {
        let answer = #"{"client_id":"i","client_secret":"s"}"#
        let (_, asked) = await register(answer, for: use, authentication: method, scopes: scopes)
        let sent = try #require(asked.first)
        #expect(asked.count == 1)
        #expect(sent.method == "POST")
        #expect(sent.url == "https://as.example/register")
        #expect(sent.body == body)
        #expect(sent.values(of: "Content-Type") == ["application/json"])
        #expect(sent.values(of: "Accept") == ["application/json"])
        #expect(sent.values(of: "Authorization").isEmpty)
    }

    /// What is asked for, what is listed, and the scope of each registration where the first is refused with 400.
    private static let scopeLists: [([String], [String], [String])] = [
        ([], [], [""]), (["a"], [], ["a"]), (["a"], ["a"], ["a"]), (["b"], ["c", "a", "b", "c"], ["b a c", "b"]),
        ([], ["a"], ["a", ""]), (["x"], (1...64).map { "s\($0)" }, ["", "x"]),
        (["x"], (1...65).map { "s\($0)" }, ["x"]),
    ]

    @Test(arguments: scopeLists)
    func registersForWhatIsListedOrForLess(
        _ asked: [String],
        _ listed: [String],
        _ expected: [String]
    ) async throws {
        func scope(of sent: ScriptedExchange.Asked) -> [Substring] {
            guard let start = sent.body.firstRange(of: "\"scope\":\"") else { return [] }
            return sent.body[start.upperBound...].prefix { $0 != "\"" }.split(separator: " ")
        }
        for statuses in [[201], [400, 201], [400, 400], [403], [500]] {
            let answers = statuses.map { ScriptedExchange.Step.answer($0, [], Array(#"{"client_id":"i"}"#.utf8)) }
            let http = ScriptedExchange(answers)
            let registration = ClientRegistration(
                at: url("https://as.example/register"),
                of: Sample.server(),
                for: .browser,
                scopes: asked,
                listedScopes: listed,
                http: http,
                clock: stoppedClock
            )
            let registered = try? await registration.register(redirect: Self.redirect)
            // Once more only where there is less to ask for.
            let count = statuses[0] == 400 ? expected.count : 1
            #expect(http.asked.count == count, "\(statuses)")
            for (sent, wanted) in zip(http.asked, expected) where !(listed.count == 64 && wanted.isEmpty) {
                #expect(scope(of: sent) == wanted.split(separator: " "))
            }
            if listed.count == 64 { #expect(scope(of: http.asked[0]).count == 65) }
            #expect((registered != nil) == (statuses[count - 1] == 201))
            // Kept: what it may ask for without another registration.
            if let registered { #expect(registered.scopes == scope(of: http.asked[count - 1]).map(String.init)) }
        }
    }

    @Test(arguments: [200, 201])
    func takesEitherStatus(_ status: Int) async throws {
        let registered = try await register(#"{"client_id":"i"}"#, status: status).result.get()
        #expect(registered.client.id == "i")
        #expect(registered.client.authentication == .none)
        #expect(registered.client.secret == nil)
        #expect(registered.redirect == Self.redirect)
        #expect(registered.secretExpiresAt == nil)
        #expect(registered.remarks.isEmpty)
    }

    // MARK: - What the server made of it

    /// Members of the answer beside `client_id`, the method that is then used, and how many remarks a person reads.
    private static let substitutions: [(String, ClientAuthenticationMethod?, Int)] = [
        (#""token_endpoint_auth_method":"none""#, ClientAuthenticationMethod.none, 0),
        (#""token_endpoint_auth_method":"none","client_secret":"s""#, ClientAuthenticationMethod.none, 0),
        (#""token_endpoint_auth_method":"client_secret_basic","client_secret":"s""#, .basic, 1),
        (#""token_endpoint_auth_method":"client_secret_post","client_secret":"s""#, .post, 1),
        // RFC 7591 §2: "If unspecified or omitted, the default is "client_secret_basic"".
        (#""client_secret":"s""#, .basic, 1),
        (#""token_endpoint_auth_method":null,"client_secret":null"#, ClientAuthenticationMethod.none, 0),
        (#""token_endpoint_auth_method":"","client_secret":"""#, ClientAuthenticationMethod.none, 0),
        (#""token_endpoint_auth_method":"client_secret_basic""#, nil, 0),
        (#""token_endpoint_auth_method":"client_secret_jwt","client_secret":"s""#, nil, 0),
        (#""token_endpoint_auth_method":"private_key_jwt","client_secret":"s""#, nil, 0),
        (#""token_endpoint_auth_method":"tls_client_auth""#, nil, 0), (#""token_endpoint_auth_method":7"#, nil, 0),
        (#""token_endpoint_auth_method":"None""#, nil, 0),
        (#""grant_types":["authorization_code","refresh_token"]"#, ClientAuthenticationMethod.none, 0),
        (#""grant_types":["authorization_code"]"#, ClientAuthenticationMethod.none, 1),
        (#""grant_types":["refresh_token"]"#, nil, 0), (#""grant_types":[]"#, nil, 0),
        (#""grant_types":"authorization_code""#, nil, 0),
        (#""redirect_uris":["http://127.0.0.1:1/callback"]"#, ClientAuthenticationMethod.none, 0),
        (#""redirect_uris":["https://x.example","http://127.0.0.1:1/callback"]"#, ClientAuthenticationMethod.none, 0),
        (#""redirect_uris":["http://127.0.0.1/callback"]"#, nil, 0),
        (#""redirect_uris":["http://127.0.0.1:1/callback/"]"#, nil, 0),
        (#""redirect_uris":["http://localhost:1/callback"]"#, nil, 0), (#""redirect_uris":[]"#, nil, 0),
        (#""redirect_uris":"http://127.0.0.1:1/callback""#, nil, 0), (#""redirect_uris":[7]"#, nil, 0),
    ]

    @Test(arguments: substitutions)
    func judgesWhatWasSubstituted(
        _ members: String,
        _ method: ClientAuthenticationMethod?,
        _ remarks: Int
    ) async throws {
        switch await register("{\"client_id\":\"i\",\(members)}").result {
        case .success(let registered):
            #expect(registered.client.authentication == method)
            #expect((registered.client.secret != nil) == (method != ClientAuthenticationMethod.none))
            #expect(registered.remarks.count == remarks, "\(registered.remarks)")
        case .failure(let error):
            #expect(method == nil, "\(error.message)")
            #expect([.unsafe, .configuration].contains(error.code))
            #expect(error.hint?.contains("--client-id") == true)
        }
    }

    /// The time of the tests is 2026-01-02.
    private static let expiries: [(String, Int64?, Bool)] = [
        ("0", nil, true), ("\"0\"", nil, true), ("0.0", nil, true), ("-0", nil, true), ("null", nil, true),
        ("1893456000", 1_893_456_000, true), ("\"1893456000\"", 1_893_456_000, true),
        ("1893456000.9", 1_893_456_000, true),
        ("1.893456e9", 1_893_456_000, true), ("253402300799", 253_402_300_799, true),
        ("253402300800", nil, true), ("9223372036854775808", nil, true), ("1e400", nil, true),
        (String(repeating: "9", count: 400), nil, true),
        ("1", nil, false), ("1767323044", nil, false), ("-1", nil, false), ("-1e400", nil, false), ("0.5", nil, false),
        // Not a time: the RFC has nothing to say, and a server that means "never" may have written it.
        ("\"never\"", nil, true), ("true", nil, true), ("{}", nil, true), ("[]", nil, true),
    ]

    @Test(arguments: expiries)
    func readsWhenTheSecretEnds(_ member: String, _ end: Int64?, _ isTaken: Bool) async throws {
        let body =
            #"{"client_id":"i","client_secret":"s","token_endpoint_auth_method":"client_secret_post","#
            + #""client_secret_expires_at":\#(member)}"#
        switch await register(body, authentication: .post).result {
        case .success(let registered):
            #expect(isTaken, "was not refused")
            #expect(registered.secretExpiresAt?.seconds == end)
        case .failure(let error):
            #expect(!isTaken, "\(error.message)")
            #expect(error.code == .configuration)
        }
        // Without a secret there is none that ends.
        let without = #"{"client_id":"i","client_secret_expires_at":\#(member)}"#
        #expect(try await register(without).result.get().secretExpiresAt == nil)
    }

    // MARK: - Refusals

    private static let refusals: [(Int, String, VaultError.Code)] = [
        (400, "", .configuration), (401, "", .configuration), (403, "", .configuration), (404, "", .configuration),
        (405, "", .configuration), (400, #"{"error":"invalid_redirect_uri"}"#, .configuration),
        (400, #"{"error":"invalid_client_metadata","error_description":"why"}"#, .configuration),
        (403, #"{"error":"access_denied"}"#, .configuration), (401, #"{"error":"invalid_token"}"#, .configuration),
        (400, "<html>", .configuration), (429, "", .temporary), (429, "<html>", .temporary), (408, "", .temporary),
        (429, #"{"error":"temporarily_unavailable"}"#, .temporary), (429, #"{"error":"rate_limited"}"#, .temporary),
        (500, "", .temporary), (502, "<html>", .temporary), (503, #"{"error":"server_error"}"#, .temporary),
        (500, #"{"error":"internal"}"#, .temporary), (503, #"{"error":"invalid_request"}"#, .temporary),
        (302, "", .unsafe), (307, #"{"client_id":"i"}"#, .unsafe), (308, #"{"error":"moved"}"#, .unsafe),
        (204, "", .configuration), (200, "", .temporary), (201, "<html>", .temporary), (201, "[]", .temporary),
        (201, "{}", .temporary), (201, #"{"client_id":""}"#, .temporary), (201, #"{"client_id":null}"#, .temporary),
        (201, #"{"client_id":7}"#, .unsafe), (201, #"{"client_id":["i"]}"#, .unsafe),
        (201, #"{"client_id":"i","client_id":"j"}"#, .temporary),
    ]

    @Test(arguments: refusals)
    func saysWhyThereIsNoClient(_ status: Int, _ body: String, _ code: VaultError.Code) async throws {
        let error = try #require(await refused(body, status: status))
        #expect(error.code == code, "\(error.message)")
        if code == .configuration, status >= 400 { #expect(error.hint?.contains("--client-id") == true) }
    }

    @Test(arguments: [(false, false, VaultError.Code.temporary), (true, false, .temporary), (false, true, .unsafe)])
    func saysWhyThereIsNoAnswer(_ wasSent: Bool, _ isRefusal: Bool, _ code: VaultError.Code) async throws {
        let page = Page(failure: HTTPFailure(wasSent: wasSent, "why", isRefusal: isRefusal))
        let registration = ClientLineTests.registration(Places(["https://as.example/register": page]))
        let error = await #expect(throws: VaultError.self) { try await registration.register(redirect: Self.redirect) }
        #expect(error?.code == code)
        #expect(error?.message.contains("why") == true)
    }

    // MARK: - Hostile strings

    @Test(arguments: [
        #"\u001b[2J"#, #"a\r\nX: b"#, #"a\u0000"#, #"\u202etxt"#, #"\u2028"#, #"\u009b31m"#, #"a\tb"#, #"\ufeff"#,
    ])
    func takesNoClientIDThatATerminalActsUpon(_ id: String) async throws {
        let error = try #require(await refused("{\"client_id\":\"\(id)\"}"))
        #expect(error.code == .unsafe)
    }

    @Test func takesNoEndlessClientID() async throws {
        let error = try #require(await refused("{\"client_id\":\"\(String(repeating: "x", count: 5000))\"}"))
        #expect(error.code == .unsafe)
        #expect(error.message.count < 400)
    }

    /// An id is a text like any other, and goes into form and URL as one value.
    @Test(arguments: ["a b&c=d", "../x?y#z", "ä", "https://client.example/x", "\\\"'`$(x)"])
    func anIDWithAnyOtherCharacterIsOneValue(_ id: String) async throws {
        let json = id.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        var visit = Visit(client: .unregistered)
        visit.registersClient = true
        let outcome = try await visit.go([.answer(201, "{\"client_id\":\"\(json)\"}"), .answer(200, grantJSON)])
        #expect(outcome.seen?.parameters["client_id"] == id)
        #expect(outcome.requests("token").map { $0.form("client_id") } == [id])
    }

    @Test(arguments: [
        #"\u001b]0;x\u0007"#, #"\u202e"#, #"a\nvault: error: b"#, #"\u2066\u2069"#, String(repeating: "x", count: 3000),
    ])
    func aRefusalIsShownOnOneLine(_ text: String) async throws {
        for status in [400, 500] {
            for body in [
                #"{"error":"invalid_client_metadata","error_description":"\#(text)"}"#,
                #"{"error":"\#(text)","error_description":"x"}"#,
            ] {
                let error = try #require(await refused(body, status: status))
                #expect(error.message.count < 700)
                #expect(!error.message.contains("vault: error: b") || !error.message.contains("\n"))
            }
        }
    }

    @Test func aSecretIsNotRepeated() async throws {
        for body in [
            #"{"client_id":"\u001b","client_secret":"hunter2"}"#,
            #"{"client_id":"i","client_secret":"hunter2","token_endpoint_auth_method":"private_key_jwt"}"#,
            #"{"client_id":"i","client_secret":"hunter2\n"}"#, #"{"client_id":"i","client_secret":["hunter2"]}"#,
        ] {
            let error = try #require(await refused(body))
            #expect(!error.description.contains("hunter2"))
        }
    }

    // MARK: - Within a login

    private static let answer = FlowScript.Step.answer(201, #"{"client_id":"new-1"}"#)
    private static let grant = FlowScript.Step.answer(200, grantJSON)

    private func earlier(port: Int) -> Visit {
        var visit = Visit(client: OAuthClient(id: "old-1", authentication: .none))
        visit.registersClient = true
        visit.options.redirect.port = port
        visit.options.isPortFree = true
        return visit
    }

    @Test func usesThePortOfItsRegistrationWhileItIsFree() async throws {
        let first = try await earlierRegistration()
        let port = try #require(first.seen?.port)
        for host in ["127.0.0.1", "::1"] { #expect(await CallbackClient.isDeaf(port, host: host)) }
        let outcome = try await earlier(port: port).go([Self.grant])
        #expect(outcome.error == nil)
        #expect(outcome.seen?.port == port)
        #expect(outcome.seen?.parameters["client_id"] == "old-1")
        #expect(outcome.requests("register").isEmpty)
        #expect(try outcome.result.get().registered == nil)
    }

    private func earlierRegistration() async throws -> Visit.Outcome {
        var visit = Visit(client: .unregistered)
        visit.registersClient = true
        let outcome = try await visit.go([Self.answer, Self.grant])
        let seen = try #require(outcome.seen)
        #expect(try outcome.result.get().registered?.redirect == seen.redirect)
        return outcome
    }

    @Test func registersAnewWhereThePortIsTaken() async throws {
        let other = try await LoopbackListener.open(LoopbackRedirect()) { _ in false }
        let outcome = try await earlier(port: other.port).go([Self.answer, Self.grant])
        #expect(outcome.error == nil)
        let seen = try #require(outcome.seen)
        #expect(seen.port != other.port)
        #expect(seen.parameters["client_id"] == "new-1")
        let sent = try #require(outcome.requests("register").first)
        #expect(sent.body.contains("\"redirect_uris\":[\"\(seen.redirect)\"]"))
        #expect(outcome.requests("register").count == 1)
        #expect(outcome.requests("token").map { $0.form("client_id") } == ["new-1"])
        let registered = try #require(try outcome.result.get().registered)
        #expect(registered.client.id == "new-1")
        #expect(registered.redirect == seen.redirect)

        // A port that a person asked for, or a client that cannot be registered, is not given up.
        var asked = earlier(port: other.port)
        asked.options.isPortFree = false
        var given = earlier(port: other.port)
        given.registersClient = false
        for visit in [asked, given] {
            let outcome = try await visit.go([Self.answer, Self.grant])
            #expect(outcome.error?.code == .unavailable)
            #expect(outcome.script.requests.isEmpty)
        }
        await other.close()
    }

    @Test(arguments: [["plain"], [], nil] as [[String]?])
    func registersNothingWherePKCEIsMissing(_ methods: [String]?) async throws {
        var visit = Visit(client: .unregistered)
        visit.registersClient = true
        visit.server.codeChallengeMethods = methods
        let outcome = try await visit.go([Self.answer, Self.grant])
        #expect(outcome.error?.code == .unsafe)
        #expect(outcome.script.requests.isEmpty)
    }

    @Test(arguments: [
        (FlowScript.Step.answer(400, #"{"error":"invalid_client_metadata"}"#), VaultError.Code.configuration),
        (.answer(500, ""), .temporary), (.answer(302, ""), .unsafe), (.failure(wasSent: true), .temporary),
    ])
    func opensNoBrowserWhereNothingIsRegistered(_ step: FlowScript.Step, _ code: VaultError.Code) async throws {
        var visit = Visit(client: .unregistered)
        visit.registersClient = true
        let outcome = try await visit.go([step, Self.grant])
        #expect(outcome.error?.code == code)
        #expect(outcome.seen == nil)
        #expect(outcome.script.requests.count == 1)
        // The port was open for it.
        let body = outcome.script.requests[0].body
        let port = body.firstRange(of: "127.0.0.1:").flatMap { Int(body[$0.upperBound...].prefix(while: \.isNumber)) }
        #expect(await CallbackClient.isDeaf(try #require(port)))
    }

    @Test func tellsOfRemarksBeforeTheBrowserOpens() async throws {
        var visit = Visit(client: .unregistered)
        visit.registersClient = true
        let answer = #"{"client_id":"new-1","grant_types":["authorization_code"],"client_secret":"s"}"#
        let outcome = try await visit.go([.answer(201, answer), Self.grant])
        #expect(outcome.screen.notes.count == 2, "\(outcome.screen.notes)")
        let token = try #require(outcome.requests("token").first)
        #expect(token.fields.contains { $0.name == "Authorization" && $0.value == "Basic bmV3LTE6cw==" })
    }

    /// oauth-client.md 34: registered as `none`, echoed, and refused at the token endpoint.
    @Test(arguments: [(401, "invalid_client"), (400, "invalid_client")])
    func saysHowToRegisterOtherwiseWhereThePublicClientIsRefused(_ status: Int, _ code: String) async throws {
        var visit = Visit(client: .unregistered)
        visit.registersClient = true
        let refusal = FlowScript.Step.answer(status, #"{"error":"\#(code)"}"#)
        let outcome = try await visit.go([
            .answer(201, #"{"client_id":"new-1","token_endpoint_auth_method":"none"}"#), refusal,
        ])
        #expect(outcome.error?.code == .configuration)
        #expect(
            outcome.error?.hint?.contains("--register-auth client_secret_basic") == true,
            "\(outcome.error?.hint ?? "")"
        )
        #expect(outcome.requests("token").count == 1)

        // Not so where nothing was registered, or another method was.
        let given = try await Visit().go([refusal])
        #expect(given.error?.code == .configuration)
        #expect(given.error?.hint?.contains("--register-auth") == false)
        visit.authentication = .basic
        let secret = try await visit.go([.answer(201, #"{"client_id":"new-1","client_secret":"s"}"#), refusal])
        #expect(secret.error?.code == .configuration)
        #expect(secret.error?.hint?.contains("--register-auth") == false)
    }
}
