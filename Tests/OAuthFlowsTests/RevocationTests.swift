import Testing
import VaultAPI

@testable import OAuthFlows

/// oauth-client.md 30 and 39: RFC 7009.
struct RevocationTests {
    private func revoke(_ http: ScriptedExchange, quirks: Set<TokenRequestQuirk> = []) async -> RevocationResult {
        var client = OAuthClient(id: "c", authentication: .none)
        client.quirks = quirks
        return await Revocation(http: http, clock: stoppedClock)
            .revoke(token: secret("T"), hint: .refreshToken, at: url("https://as.example/revoke"), client: client)
    }

    @Test(arguments: [
        (200, "", "revoked"), (204, "", "revoked"), (200, "<html>", "revoked"),
        (200, #"{"error":"invalid_client"}"#, "failed"),
        (503, "", "failed"), (401, "", "failed"), (401, #"{"error":"invalid_client"}"#, "failed"), (302, "", "failed"),
        (400, #"{"error":"unsupported_token_type"}"#, "notSupported"), (404, "", "notSupported"),
        (405, "", "notSupported"),
        (500, "", "failed"), (429, "", "failed"),
    ])
    func reads(_ status: Int, _ body: String, _ expected: String) async {
        let http = ScriptedExchange(status, body)
        let result = await revoke(http)
        #expect("\(result)".hasPrefix(expected))
        #expect(http.asked.map(\.body) == ["token=T&token_type_hint=refresh_token&client_id=c"])
    }

    @Test(arguments: [
        #"{"error":"invalid_client","x":"\ud800"}"#, "\u{FEFF}{\"error\":\"invalid_client\"}",
        #"{"error":"invalid_client","x":1e400}"#,
    ])
    func takesNoErrorForASuccess(_ body: String) async {
        #expect("\(await revoke(ScriptedExchange(400, body)))".hasPrefix("failed"))
    }

    /// RFC 9700 §4.12: none of what proves the client, nor any token, follows a redirect.
    @Test(arguments: ["revocation", "device", "pushed"])
    func aRedirectsTargetGetsNoByte(_ kind: String) async throws {
        try await LyingServer.running(.answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) { other in
            let answer = "HTTP/1.1 307 X\r\nLocation: \(other.url("/steal").text)\r\nContent-Length: 0\r\n\r\n"
            try await LyingServer.running(.answer(answer)) { server in
                let http = try AsyncHTTPExchange(environment: [:])
                let client = OAuthClient(id: "c", authentication: .post, secret: secret("client-secret"))
                let request = TokenRequest(endpoint: server.url(), client: client)
                let requests = ClientRequests(request, http: http, clock: VaultClock(pauses: LeapingClock()))
                var metadata = AuthorizationServer()
                metadata.authorizationEndpoint = server.url()
                metadata.deviceAuthorizationEndpoint = server.url()
                metadata.pushedAuthorizationRequestEndpoint = server.url()
                metadata.requiresPushedAuthorizationRequests = true
                metadata.codeChallengeMethods = ["S256"]
                let start = metadata
                switch kind {
                case "revocation":
                    let result = await Revocation(http: http, clock: stoppedClock)
                        .revoke(token: secret("T"), hint: .refreshToken, at: server.url(), client: client)
                    #expect("\(result)".contains("307"))
                case "device":
                    let flow = DeviceFlow(server: start, requests: requests)
                    let error = await #expect(throws: VaultError.self) {
                        try await flow.grant(asking: Screen().interaction)
                    }
                    #expect(error?.code == .unsafe)
                default:
                    let flow = BrowserFlow(server: start, requests: requests, options: .init())
                    let error = await #expect(throws: VaultError.self) {
                        try await flow.grant(asking: Screen().interaction)
                    }
                    #expect(error?.code == .unsafe)
                }
                #expect(server.requests.count == 1)
                #expect(server.requests.first?.contains("client-secret") == true)
            }
            #expect(other.requests.isEmpty)
        }
    }

    @Test func anAnswerThatNeverCameIsAFailure() async {
        for wasSent in [false, true] {
            #expect("\(await revoke(ScriptedExchange([.fail(wasSent: wasSent)])))".hasPrefix("failed"))
        }
    }

    @Test func theQuirkAddsAnEmptySecret() async {
        let http = ScriptedExchange(200, "")
        #expect(await revoke(http, quirks: [.emptyClientSecretInRevocation]) == .revoked)
        #expect(http.asked.first?.body.hasSuffix("&client_id=c&client_secret=") == true)
    }

    @Test func aServerWithoutAnEndpointIsNotAsked() async {
        let http = ScriptedExchange(200, "")
        let result = await Revocation(http: http, clock: stoppedClock)
            .revoke(
                token: secret("T"),
                hint: .accessToken,
                at: nil,
                client: OAuthClient(id: "c", authentication: .none)
            )
        #expect(result == .notSupported("the server has no revocation endpoint"))
        #expect(http.asked.isEmpty)
    }
}
