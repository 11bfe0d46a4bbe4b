import OAuthFlows
import Testing
import VaultAPI

/// The table "What each answer means" of the refresh transaction: one case for each row and oddity.
struct TokenAnswerTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let status: Int
        let body: String
        var fields: [(name: String, value: String)] = [("Content-Type", "application/json")]
        let expected: String
        var testDescription: String { "\(status) \(body.prefix(60)) → \(expected)" }

        init(_ status: Int, _ body: String, _ expected: String, _ fields: [(name: String, value: String)] = []) {
            (self.status, self.body, self.expected) = (status, body, expected)
            self.fields += fields
        }
    }

    static let rows: [Case] = [
        Case(200, #"{"access_token":"A","token_type":"Bearer","expires_in":60}"#, "granted"),
        Case(201, #"{"access_token":"A"}"#, "granted"),
        Case(200, #"{"access_token":"A","error":null}"#, "granted"),
        Case(200, #"{"access_token":"A","error":""}"#, "granted"),
        Case(200, "\u{FEFF}{\"access_token\":\"A\"}", "granted"),
        Case(200, "access_token=A&scope=repo%2Cgist&token_type=bearer", "granted"),
        // 5xx, 408, 3xx, no JSON, a web page, a truncated 200
        Case(500, "", "lost"), Case(502, "<html>bad gateway</html>", "lost"), Case(503, "", "lost"),
        Case(503, "", "lost", [("Retry-After", "5")]), Case(408, "", "lost"), Case(302, "", "lost"),
        Case(307, "", "lost"),
        Case(304, "", "lost"), Case(200, "", "lost"), Case(200, "<html>sign in to the network</html>", "lost"),
        Case(204, "", "lost"), Case(200, #"{"access_token":"A","refresh_tok"#, "lost"), Case(200, "{}", "lost"),
        Case(200, "[]", "lost"), Case(200, "null", "lost"), Case(200, #""A""#, "lost"),
        Case(200, #"{"token_type":"Bearer"}"#, "lost"), Case(200, #"{"access_token":""}"#, "lost"),
        Case(200, #"{"access_token":null,"refresh_token":"R"}"#, "lost"), Case(200, #"{"access_token":7}"#, "lost"),
        Case(200, #"{"access_token":{"a":1}}"#, "lost"), Case(200, #"{"access_token":"A\r\nX: y"}"#, "lost"),
        Case(200, #"{"access_token":"é"}"#, "lost"), Case(200, #"{"access_token":"A\u0000"}"#, "lost"),
        Case(200, #"{"access_token":"A","refresh_token":"R\n"}"#, "lost"),
        Case(200, #"{"access_token":"A","refresh_token":["R"]}"#, "lost"),
        Case(200, #"{"access_token":"A","access_token":"B"}"#, "lost"),
        Case(200, #"{"access_token":"A","x":"\ud800"}"#, "lost"),
        Case(200, #"{"access_token":"A"} {"access_token":"B"}"#, "lost"),
        Case(200, String(repeating: "[", count: 100_000), "lost"),
        Case(
            200,
            #"{"access_token":"A","x":"# + String(repeating: "[", count: 40) + String(repeating: "]", count: 40) + "}",
            "lost"
        ),
        Case(200, "access_token=A&access_token=B", "lost"), Case(200, "access_token=A%0D%0A", "lost"),
        Case(200, #"{"access_token":"A","error":"invalid_grant"}"#, "lost"),
        Case(500, #"{"error":"invalid_grant"}"#, "lost"), Case(502, #"{"error":"invalid_client"}"#, "lost"),
        Case(200, #"{"error":{"code":"refresh_token_reused"}}"#, "lost"),
        Case(200, #"{"error":"line\nbreak"}"#, "lost"),
        // busy
        Case(429, "", "busy"), Case(429, "<html>slow down</html>", "busy"),
        Case(429, #"{"error":"rate_limited"}"#, "busy"),
        Case(400, #"{"error":"temporarily_unavailable"}"#, "busy"),
        Case(503, #"{"error":"temporarily_unavailable"}"#, "busy"),
        Case(500, #"{"error":"server_error"}"#, "busy"), Case(200, #"{"error":"server_error"}"#, "busy"),
        // misconfigured
        Case(401, #"{"error":"invalid_client"}"#, "misconfigured"),
        Case(400, #"{"error":"unauthorized_client"}"#, "misconfigured"),
        Case(400, #"{"error":"unsupported_grant_type"}"#, "misconfigured"),
        Case(400, #"{"error":"invalid_scope"}"#, "misconfigured"),
        Case(400, #"{"error":"invalid_target"}"#, "misconfigured"),
        Case(200, "error=incorrect_client_credentials&error_description=The+client_id+is+wrong", "misconfigured"),
        // unclear
        Case(400, "", "unclear"), Case(400, #"{"error":"invalid_request"}"#, "unclear"),
        Case(404, "not found", "unclear"),
        Case(403, "<html>", "unclear"), Case(400, #"{"error":{"code":1}}"#, "unclear"), Case(400, "{", "unclear"),
        Case(400, #"{"error":"invalid_grant","error":"x"}"#, "unclear"),
        Case(400, #"{"error":"inv\u0000alid"}"#, "unclear"),
        Case(401, #"{"message":"no"}"#, "unclear"),
        Case(400, #"{"error":"\#(String(repeating: "x", count: 129))"}"#, "unclear"),
        // invalid_grant
        Case(400, #"{"error":"invalid_grant"}"#, "invalidGrant"),
        Case(401, #"{"error":"invalid_grant"}"#, "invalidGrant"),
        Case(200, #"{"error":"invalid_grant"}"#, "invalidGrant"),
        Case(403, #"{"error":"invalid_grant"}"#, "invalidGrant"),
        Case(400, #"{"error":"invalid_grant"}"#, "invalidGrant", [("Content-Type", "text/html")]),
        Case(200, "error=bad_refresh_token&error_description=x", "invalidGrant"),
        // any other
        Case(400, #"{"error":"authorization_pending"}"#, "refused"), Case(429, #"{"error":"slow_down"}"#, "refused"),
        Case(403, #"{"error":"access_denied"}"#, "refused"), Case(400, #"{"error":"interaction_required"}"#, "refused"),
        Case(400, #"{"error":"use_dpop_nonce"}"#, "refused"),
    ]

    @Test(arguments: rows)
    func classifies(_ row: Case) async {
        let http = ScriptedExchange(row.status, row.body, row.fields)
        let answer = await refreshed(http)
        #expect(name(of: answer) == row.expected, "\(answer)")
        #expect(http.asked.count == 1)
    }

    @Test func aFailureBeforeSendingIsUnsentAndOneAfterIsLost() async {
        #expect(name(of: await refreshed(ScriptedExchange([.fail(wasSent: false)]))) == "unsent")
        #expect(name(of: await refreshed(ScriptedExchange([.fail(wasSent: true)]))) == "lost")
    }

    @Test func aFormWithoutAKnownEndIsLost() async {
        let body = Array("access_token=A&refresh_token=R".utf8)
        let http = ScriptedExchange([.answer(200, [], body)], isDelimited: false)
        #expect(name(of: await refreshed(http)) == "lost")
    }

    @Test(
        arguments: [
            ("3600", .seconds(3600)), ("\"3600\"", .seconds(3600)), ("3599.9", .seconds(3599)),
            ("\" 60 \"", .seconds(60)),
            ("0", .seconds(0)), ("-5", .seconds(0)), ("\"-5\"", .seconds(0)), ("-0.5", .seconds(0)),
            ("1e3", .seconds(1000)),
            ("1e400", .seconds(TokenGrant.longestLifetime)), ("1e99999999", .seconds(TokenGrant.longestLifetime)),
            ("1e-99999999", .seconds(0)), ("9223372036854775808", .seconds(TokenGrant.longestLifetime)),
            ("\"soon\"", .unknown), ("\"\"", .unknown), ("null", .unknown), ("true", .unknown), ("{}", .unknown),
            ("[1]", .unknown),
        ] as [(String, TokenGrant.Lifetime)]
    )
    func readsExpiresIn(_ text: String, _ expected: TokenGrant.Lifetime) async throws {
        let grant = try await granted(#"{"access_token":"A","expires_in":\#(text)}"#)
        #expect(grant.lifetime == expected)
    }

    @Test func aMissingExpiresInIsUnknown() async throws {
        #expect(try await granted(#"{"access_token":"A"}"#).lifetime == .unknown)
    }

    @Test(arguments: [
        ("\"bearer\"", "Bearer"), ("\"BEARER\"", "Bearer"), ("\"dPoP\"", "DPoP"), ("null", "Bearer"),
        ("\"mac\"", "mac"), ("\"ma\\u001bc\"", "mac"),
    ])
    func readsTheTokenType(_ text: String, _ expected: String) async throws {
        let grant = try await granted(#"{"access_token":"A","refresh_token":"R2","token_type":\#(text)}"#)
        #expect(grant.tokenType == expected)
        // A rotated refresh token survives a type nobody knows.
        #expect(grant.refreshToken.map(OAuthFlowsTests.text) == "R2")
    }

    @Test func readsTheWholeGrant() async throws {
        let grant = try await granted(
            #"{"access_token":"A B","refresh_token":"R","id_token":"I","scope":"x y"}"#
        )
        #expect(text(grant.accessToken) == "A B")
        #expect(grant.refreshToken.map(text) == "R")
        #expect(grant.idToken.map(text) == "I")
        #expect(grant.scopes == ["x", "y"])
        #expect(grant.requestedAt == testTime)
    }

    /// An entry takes 1 MiB: what a list may show must leave the rotated token its room.
    @Test func factsDoNotDisplaceATokenThatWasRotated() async throws {
        let many = Array(repeating: "scope", count: 90_000)
        for scope in [
            "\"\(many.joined(separator: " "))\"", "[\(many.map { "\"\($0)\"" }.joined(separator: ","))]",
            "\"\(Array(repeating: String(repeating: "s", count: 300), count: 200).joined(separator: " "))\"",
        ] {
            let id = String(repeating: "i", count: 300_000)
            let type = String(repeating: "t", count: 4000)
            let grant = try await granted(
                #"{"access_token":"A","refresh_token":"R2","id_token":"\#(id)","scope":\#(scope),"token_type":"\#(type)"}"#
            )
            #expect(grant.refreshToken.map(text) == "R2")
            #expect(grant.idToken == nil)
            #expect(grant.tokenType.count == 32)
            #expect((grant.scopes ?? []).count <= 256)
            #expect((grant.scopes ?? []).joined().utf8.count <= 8 << 10)
        }
    }

    @Test(
        arguments: [
            ("120", .seconds(120)), ("0", .seconds(0)), ("999999999999999999999", .seconds(3600)),
            ("7200", .seconds(3600)),
            ("Fri, 02 Jan 2026 03:05:05 GMT", .seconds(60)), ("Fri, 02 Jan 2026 03:00:00 GMT", .seconds(0)),
            ("Fri, 02 Jan 2099 03:05:05 GMT", .seconds(3600)), ("soon", nil), ("-1", nil), ("", nil),
        ] as [(String, Duration?)]
    )
    func readsRetryAfter(_ value: String, _ expected: Duration?) async {
        guard case .busy(_, let found) = await refreshed(ScriptedExchange(429, "", [("Retry-After", value)])) else {
            Issue.record("not busy")
            return
        }
        #expect(found == expected)
    }

    @Test func showsAnErrorTextOnOneLineWithoutWhatATerminalActsUpon() async {
        let long = String(repeating: "x", count: 5000)
        for description in [#"a\u001b[31m\r\nb\u202e"#, long] {
            let answer = await refreshed(
                ScriptedExchange(400, #"{"error":"invalid_grant","error_description":"\#(description)"}"#)
            )
            guard case .invalidGrant(let error) = answer else {
                Issue.record("\(answer)")
                continue
            }
            #expect(error.sentence.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value < 0x7F })
            #expect(error.sentence.count <= 600)
        }
    }
}

func refreshed(_ http: ScriptedExchange) async -> TokenEndpointAnswer {
    let request = TokenRequest(
        endpoint: url("https://as.example/token"),
        client: OAuthClient(id: "c", authentication: .none)
    )
    return await TokenEndpoint(http: http, clock: stoppedClock)
        .refresh(RefreshRequest(refreshToken: secret("R"), request: request))
}

func granted(_ body: String) async throws -> TokenGrant {
    guard case .granted(let grant) = await refreshed(ScriptedExchange(200, body)) else { throw NotGranted() }
    return grant
}

struct NotGranted: Error {}

func name(of answer: TokenEndpointAnswer) -> String {
    switch answer {
    case .granted: "granted"
    case .unprepared: "unprepared"
    case .unsent: "unsent"
    case .lost: "lost"
    case .busy: "busy"
    case .misconfigured: "misconfigured"
    case .unclear: "unclear"
    case .invalidGrant: "invalidGrant"
    case .refused: "refused"
    }
}
