import Crypto
import OAuthFlows
import StrictJSON
import Testing
import VaultAPI

/// oauth-client.md 21, 27 and 28, and the parameters of each grant.
struct ClientAuthenticationTests {
    private static let endpoint = "https://as.example/token"
    private static let answer = #"{"access_token":"A"}"#

    private func sent(_ client: OAuthClient, _ change: (inout TokenRequest) -> Void = { _ in }) async throws
        -> ScriptedExchange.Asked
    {
        let http = ScriptedExchange(200, Self.answer)
        var request = TokenRequest(endpoint: url(Self.endpoint), client: client)
        change(&request)
        _ = await TokenEndpoint(http: http, clock: stoppedClock)
            .refresh(RefreshRequest(refreshToken: secret("r+/= &"), request: request))
        return try #require(http.asked.first)
    }

    @Test func aPublicClientNamesItselfInTheBody() async throws {
        let asked = try await sent(OAuthClient(id: "my client", authentication: .none))
        #expect(asked.body == "grant_type=refresh_token&refresh_token=r%2B%2F%3D+%26&client_id=my+client")
        #expect(asked.values(of: "Authorization").isEmpty)
        #expect(asked.values(of: "Accept") == ["application/json"])
        #expect(asked.values(of: "Content-Type") == ["application/x-www-form-urlencoded"])
    }

    @Test func basicEncodesIdAndSecretBeforeBase64() async throws {
        let client = OAuthClient(id: "a:b", authentication: .basic, secret: secret("a:b%+ é"))
        let asked = try await sent(client)
        // a%3Ab:a%3Ab%25%2B+%C3%A9
        #expect(asked.values(of: "Authorization") == ["Basic YSUzQWI6YSUzQWIlMjUlMkIrJUMzJUE5"])
        #expect(!asked.body.contains("client"))
    }

    @Test func basicUnencodedSendsThemAsTheyAre() async throws {
        var client = OAuthClient(id: "id", authentication: .basic, secret: secret("a:b%+ é"))
        client.quirks = [.basicUnencoded, .clientIDInBody]
        let asked = try await sent(client)
        #expect(asked.values(of: "Authorization") == ["Basic aWQ6YTpiJSsgw6k="])
        #expect(asked.body.hasSuffix("&client_id=id"))
        #expect(!asked.body.contains("client_secret"))
    }

    @Test func postSendsBothInTheBody() async throws {
        let asked = try await sent(OAuthClient(id: "id", authentication: .post, secret: secret("a:b%+ é")))
        #expect(asked.body.hasSuffix("&client_id=id&client_secret=a%3Ab%25%2B+%C3%A9"))
        #expect(asked.values(of: "Authorization").isEmpty)
    }

    @Test(arguments: [false, true])
    func anAssertionIsSignedForTheIssuerOrTheEndpoint(_ toEndpoint: Bool) async throws {
        let key = P256.Signing.PrivateKey()
        var client = OAuthClient(id: "i\"d", authentication: .privateKeyJWT, secret: secret(key.pemRepresentation))
        client.issuer = "https://as.example"
        if toEndpoint { client.quirks = [.assertionAudienceTokenEndpoint] }
        let asked = try await sent(client)
        let form = parameters(asked.body)
        #expect(form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        #expect(form["client_id"] == nil)
        #expect(form["client_secret"] == nil)
        let jwt = try JWT(form["client_assertion"] ?? "")
        #expect(try jwt.header.root.fact("alg") == "ES256")
        #expect(try jwt.claims.root.fact("iss") == "i\"d")
        #expect(try jwt.claims.root.fact("sub") == "i\"d")
        #expect(try jwt.claims.root.fact("aud") == (toEndpoint ? Self.endpoint : "https://as.example"))
        let issued = try #require(Int64(jwt.claims.root["iat"]?.numberText ?? ""))
        let expires = try #require(Int64(jwt.claims.root["exp"]?.numberText ?? ""))
        #expect(issued == testTime.seconds)
        #expect((1...300).contains(expires - issued))
        let signature = try P256.Signing.ECDSASignature(rawRepresentation: jwt.signature)
        #expect(key.publicKey.isValidSignature(signature, for: Array(jwt.signed.utf8)))
        let other = try JWT(parameters(try await sent(client).body)["client_assertion"] ?? "")
        #expect(try other.claims.root.fact("jti") != jwt.claims.root.fact("jti"))
    }

    @Test(arguments: ["s\r\nX-Y: z", "s\n", "\0s"])
    func aSecretWithALineIsRefusedBeforeAnythingIsSent(_ text: String) async {
        for client in [
            OAuthClient(id: "id", authentication: .basic, secret: secret(text)),
            OAuthClient(id: "id", authentication: .post, secret: secret(text)),
            OAuthClient(id: text, authentication: .none), OAuthClient(id: "", authentication: .none),
            OAuthClient(id: "id", authentication: .basic), OAuthClient(id: "id", authentication: .post),
            OAuthClient(id: "id", authentication: .privateKeyJWT),
            OAuthClient(id: "id", authentication: .privateKeyJWT, secret: secret("no PEM")),
        ] {
            let http = ScriptedExchange(200, Self.answer)
            let request = TokenRequest(endpoint: url(Self.endpoint), client: client)
            let answer = await TokenEndpoint(http: http, clock: stoppedClock).clientCredentials(request)
            guard case .unprepared(let error) = answer else {
                Issue.record("\(answer)")
                continue
            }
            #expect(error.code == .configuration)
            #expect(!error.message.contains("X-Y"))
            #expect(http.asked.isEmpty)
        }
    }

    @Test func aRefreshHasTheResourceAndNoScope() async throws {
        let asked = try await sent(OAuthClient(id: "id", authentication: .none)) {
            $0.scope = "a b"
            $0.resource = "https://rs.example/mcp?x=1"
            $0.extraParameters = [("audience", "x y")]
        }
        let form = parameters(asked.body)
        #expect(form["scope"] == nil)
        #expect(form["resource"] == "https://rs.example/mcp?x=1")
        #expect(form["audience"] == "x y")
    }

    @Test func theQuirkLeavesTheResourceOut() async throws {
        var client = OAuthClient(id: "id", authentication: .none)
        client.quirks = [.noResourceInTokenRequest]
        #expect(parameters(try await sent(client) { $0.resource = "https://rs.example/" }.body)["resource"] == nil)
    }

    @Test(arguments: ["grant_type", "refresh_token", "client_id", "client_secret", "scope", "resource"])
    func anExtraParameterReplacesNoneOfTheRequest(_ name: String) async {
        let http = ScriptedExchange(200, Self.answer)
        var request = TokenRequest(endpoint: url(Self.endpoint), client: OAuthClient(id: "id", authentication: .none))
        request.extraParameters = [(name, "x")]
        let answer = await TokenEndpoint(http: http, clock: stoppedClock)
            .refresh(RefreshRequest(refreshToken: secret("R"), request: request))
        #expect(OAuthFlowsTests.name(of: answer) == "unprepared")
        #expect(http.asked.isEmpty)
    }

    @Test func eachGrantSendsItsOwnParameters() async throws {
        let http = ScriptedExchange(Array(repeating: .answer(200, [], Array(Self.answer.utf8)), count: 4))
        let endpoint = TokenEndpoint(http: http, clock: stoppedClock)
        var request = TokenRequest(endpoint: url(Self.endpoint), client: OAuthClient(id: "id", authentication: .none))
        request.scope = "a b"
        _ = await endpoint.clientCredentials(request)
        _ = await endpoint.authorizationCode(
            secret("C"),
            verifier: secret("V"),
            redirectURI: "http://127.0.0.1:1/",
            request
        )
        _ = await endpoint.deviceCode(secret("D"), request)
        var exchange = TokenExchange(subjectToken: secret("S"), subjectTokenType: TokenExchange.idTokenType)
        exchange.requestedTokenType = "openai-api-key"
        _ = await endpoint.exchange(exchange, request)
        #expect(
            http.asked.map(\.body) == [
                "grant_type=client_credentials&scope=a+b&client_id=id",
                "grant_type=authorization_code&code=C&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2F&code_verifier=V&client_id=id",
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=D&client_id=id",
                "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=S&subject_token_type="
                    + "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid_token&requested_token_type=openai-api-key&scope=a+b&client_id=id",
            ]
        )
    }
}

/// The parameters of a form, decoded; the last where one stands twice.
func parameters(_ body: String) -> [String: String] {
    var found: [String: String] = [:]
    for pair in body.split(separator: "&") {
        let name = pair.prefix { $0 != "=" }
        found[String(name)] = String(decoding: formDecoded(pair.dropFirst(name.count + 1)), as: UTF8.self)
    }
    return found
}

/// A JWT taken apart, for looking at.
struct JWT {
    let header: JSONDocument
    let claims: JSONDocument
    let signature: [UInt8]
    let signed: String

    init(_ text: String) throws {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw NotGranted() }
        header = try JSONDocument(secret(Self.decoded(parts[0])), subject: "header")
        claims = try JSONDocument(secret(Self.decoded(parts[1])), subject: "claims")
        signature = Self.decoded(parts[2])
        signed = "\(parts[0]).\(parts[1])"
    }

    private static func decoded(_ text: Substring) -> [UInt8] {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var (bytes, bits, count): ([UInt8], UInt32, UInt32) = ([], 0, 0)
        for byte in text.utf8 {
            bits = bits << 6 | UInt32(alphabet.firstIndex(of: byte) ?? 0)
            count += 6
            if count >= 8 {
                count -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> count))
                bits &= (1 << count) - 1
            }
        }
        return bytes
    }
}
