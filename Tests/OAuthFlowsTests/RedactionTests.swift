import Crypto
import StrictJSON
import Synchronization
import Testing
import VaultAPI

@testable import OAuthFlows

/// What a server repeats of a request reaches no error and nothing that is stored.
struct RedactionTests {
    private static let token = "rt-9f/8+e7=d6c5b4a3"

    /// The spellings in which encoders of a server would repeat it.
    private static let echoes = [
        token, "rt-9f/8\u{1B}+e7=d6c5b4a3", "rt-9f/8+e7\u{200B}=d6c5b4a3", "rt-9f%2F8%2Be7%3Dd6c5b4a3",
        "rt-9f%2f8+e7=d6c5b4a3", #"rt-9f\/8+e7=d6c5b4a3"#, base64(Array(token.utf8)), base64URL(Array(token.utf8)),
        base64(Array("me:\(token)".utf8)), base64(Array("you:\(token)".utf8)), "x=" + base64(Array("a:\(token)".utf8)),
        // Cut by the server.
        String(token.prefix(17)),
    ]

    /// Marks of it in whatever spelling.
    private static func isFree(_ text: String) -> Bool {
        let marks = [
            "rt-9f", "d6c5", "cnQtOWY", "nQtOWYv", "0LTlmLz", base64(Array(token.utf8)), base64URL(Array(token.utf8)),
        ]
        return marks.allSatisfy { !text.contains($0) }
    }

    @Test(arguments: echoes)
    func anEchoIsMaskedOrDropped(_ echo: String) {
        let redaction = Redaction([secret(Self.token)])
        #expect(redaction.isIn("error \(echo) here"))
        #expect(Self.isFree(redaction.shown("Invalid token: \(echo).") ?? ""))
        #expect(redaction.shown("Invalid token: \(Self.token).") == "Invalid token: [secret].")
    }

    @Test func theCutComesAfterTheMask() {
        let redaction = Redaction([secret(Self.token)])
        let shown = redaction.shown(String(repeating: "x", count: 505) + Self.token) ?? ""
        #expect(shown == String(repeating: "x", count: 505) + "[secret")
    }

    @Test(arguments: [
        "the token is expired", "AADSTS70008: The provided authorization code has expired.", "a b+c %zz", "",
    ])
    func otherTextsAreLeftAsTheyAre(_ text: String) {
        #expect(Redaction([secret(Self.token), secret("short")]).shown(text) == (text.isEmpty ? nil : text))
        #expect(!Redaction([secret(Self.token), secret("short")]).isIn(text + " short"))
    }

    // MARK: - Every reader

    private static let secretFields = [
        "refresh_token", "token", "client_secret", "client_assertion", "device_code", "code",
    ]

    /// Refuses with what the request carried: in the description, or as the error code.
    private static func echo(of request: FlowScript.Request, asCode: Bool) -> (
        status: Int, secrets: [String], body: String
    ) {
        let authorization = request.fields.filter { $0.name == "Authorization" }.map(\.value)
        var secrets = Self.secretFields.compactMap(request.form).filter { $0.utf8.count >= 8 }
        secrets += authorization.map { String($0.dropFirst(6)) }
        let all = secrets.flatMap { [$0, formEncoded($0)] }.joined(separator: " ")
        let code = asCode ? String((secrets.last ?? "none").prefix(128)) : "invalid_request"
        return (400, secrets, jsonObject([("error", .text(code)), ("error_description", .text("bad: \(all)"))]))
    }

    private final class Echo: HTTPExchange {
        let asCode: Bool
        let secrets = Mutex<[String]>([])
        /// Answered without an echo first.
        let first: Mutex<[String]>

        init(asCode: Bool, first: [String] = []) {
            self.asCode = asCode
            self.first = Mutex(first)
        }

        func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
            if let body = first.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) {
                return HTTPResponse(status: 200, fields: [], body: secret(body))
            }
            let body = request.body.map(text) ?? ""
            let seen = FlowScript.Request(url: request.url.text, body: body, fields: request.fields)
            var (status, secrets, answer) = RedactionTests.echo(of: seen, asCode: asCode)
            if secrets.isEmpty, body.hasPrefix("{") {
                secrets = ["da-0123456789"]
                answer = jsonObject([("error", .text("x")), ("error_description", .text("bad: da-0123456789"))])
            }
            self.secrets.withLock { $0 += secrets }
            return HTTPResponse(status: status, fields: [], body: secret(answer))
        }
    }

    private static func clients() -> [OAuthClient] {
        [
            OAuthClient(id: "id", authentication: .none),
            OAuthClient(id: "id", authentication: .basic, secret: secret("s3cr+t/with=all")),
            OAuthClient(id: "id", authentication: .post, secret: secret("s3cr+t/with=all")),
            OAuthClient(
                id: "id",
                authentication: .privateKeyJWT,
                secret: secret(P256.Signing.PrivateKey().pemRepresentation)
            ),
        ]
    }

    private func expectNoEcho(
        _ ask: (Echo, ClientRequests) async throws -> String,
        first: [String] = [],
        needsSecret: Bool = false
    ) async throws {
        for client in Self.clients() where !needsSecret || client.authentication != .none {
            for asCode in [false, true] {
                let echo = Echo(asCode: asCode, first: first)
                let request = TokenRequest(endpoint: url("https://as.example/token"), client: client)
                let requests = ClientRequests(request, http: echo, clock: VaultClock(pauses: LeapingClock()))
                let said = try await ask(echo, requests)
                let secrets = echo.secrets.withLock { $0 }
                #expect(!secrets.isEmpty && !said.isEmpty)
                for value in secrets {
                    #expect(!said.contains(value) && !said.contains(formEncoded(value)), "\(said)")
                    #expect(!said.contains(String(value.prefix(20))), "\(said)")
                }
            }
        }
    }

    @Test func theTokenEndpointsErrorsRepeatNothing() async throws {
        try await expectNoEcho { echo, requests in
            let refresh = RefreshRequest(refreshToken: secret(Self.token), request: requests.request)
            return "\(await TokenEndpoint(http: echo, clock: stoppedClock).refresh(refresh))"
        }
    }

    @Test func aRevocationsErrorsRepeatNothing() async throws {
        try await expectNoEcho { echo, requests in
            let revocation = Revocation(http: echo, clock: stoppedClock)
            let place = url("https://as.example/revoke")
            let client = requests.request.client
            return
                "\(await revocation.revoke(token: secret(Self.token), hint: .refreshToken, at: place, client: client))"
        }
    }

    private func message(_ flow: some AuthorizationFlow) async -> String {
        do {
            _ = try await flow.grant(asking: Screen().interaction)
            return ""
        } catch { return "\(error.message) \(error.hint ?? "")" }
    }

    @Test func aDeviceLoginsErrorsRepeatNothing() async throws {
        var server = AuthorizationServer()
        server.deviceAuthorizationEndpoint = url("https://as.example/device")
        let start = server
        try await expectNoEcho(
            { _, requests in await message(DeviceFlow(server: start, requests: requests)) },
            needsSecret: true
        )
        let granted = #"{"device_code":"dc-0123456789","user_code":"A","verification_uri":"https://as.example/d"}"#
        try await expectNoEcho(
            { _, requests in await message(DeviceFlow(server: start, requests: requests)) },
            first: [granted]
        )
    }

    @Test func aPushedRequestsErrorsRepeatNothing() async throws {
        var server = AuthorizationServer(issuer: "https://as.example")
        server.authorizationEndpoint = url("https://as.example/authorize")
        server.pushedAuthorizationRequestEndpoint = url("https://as.example/par")
        server.requiresPushedAuthorizationRequests = true
        server.codeChallengeMethods = ["S256"]
        let start = server
        try await expectNoEcho(
            { _, requests in await message(BrowserFlow(server: start, requests: requests, options: .init())) },
            needsSecret: true
        )
    }

    @Test func openAIsErrorsRepeatNothing() async throws {
        try await expectNoEcho(
            { _, requests in await message(OpenAIDeviceFlow(.codex, requests: requests)) },
            first: [#"{"device_auth_id":"da-0123456789","user_code":"ABCD-1234"}"#]
        )
    }

    @Test func aTypeOrAScopeThatRepeatsATokenIsNotKept() async throws {
        let http = ScriptedExchange(
            200,
            #"{"access_token":"A","token_type":"\#(Self.token)","scope":"a \#(Self.token) b"}"#
        )
        let request = TokenRequest(
            endpoint: url("https://as.example/token"),
            client: OAuthClient(id: "c", authentication: .none)
        )
        let answer = await TokenEndpoint(http: http, clock: stoppedClock)
            .refresh(RefreshRequest(refreshToken: secret(Self.token), request: request))
        guard case .granted(let grant) = answer else { throw NotGranted() }
        #expect(grant.scopes == ["a", "b"])
        #expect(Self.isFree(grant.tokenType))
    }
}
