import OAuthFlows
import Testing

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
