import Crypto
import OAuthFlows
import StrictJSON
import Testing
import VaultAPI

/// oauth-client.md 29: RFC 9449.
struct DPoPTests {
    private static let nonceError = ScriptedExchange.Step.answer(
        400,
        [("DPoP-Nonce", "n1")],
        Array(#"{"error":"use_dpop_nonce"}"#.utf8)
    )
    private static let granted = ScriptedExchange.Step.answer(
        200,
        [],
        Array(#"{"access_token":"A","token_type":"DPoP"}"#.utf8)
    )

    private func request(_ key: DPoPKey?) -> RefreshRequest {
        var request = TokenRequest(
            endpoint: url("https://as.example/token?x=1"),
            client: OAuthClient(id: "c", authentication: .none)
        )
        request.dpopKey = key
        return RefreshRequest(refreshToken: secret("R"), request: request)
    }

    @Test func aProofHasWhatItMustAndVerifies() throws {
        let key = DPoPKey()
        let proof = try key.proof(
            method: "GET",
            url: url("https://rs.example:8443/a?b=c"),
            nonce: "n",
            accessToken: secret("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"),
            at: testTime
        )
        let jwt = try JWT(proof)
        #expect(try jwt.header.root.fact("typ") == "dpop+jwt")
        #expect(try jwt.header.root.fact("alg") == "ES256")
        #expect(try jwt.claims.root.fact("htm") == "GET")
        #expect(try jwt.claims.root.fact("htu") == "https://rs.example:8443/a")
        #expect(try jwt.claims.root.fact("nonce") == "n")
        // The example of RFC 9449 §7.1.
        #expect(try jwt.claims.root.fact("ath") == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo")
        #expect(jwt.claims.root["iat"]?.numberText == String(testTime.seconds))
        let jwk = try #require(jwt.header.root["jwk"])
        #expect(!jwk.has("d"))
        let exported = try text(key.exported())
        let raw = stride(from: 0, to: 64, by: 2).compactMap { UInt8(exported.dropFirst($0).prefix(2), radix: 16) }
        let publicKey = try P256.Signing.PrivateKey(rawRepresentation: raw).publicKey
        let signature = try P256.Signing.ECDSASignature(rawRepresentation: jwt.signature)
        #expect(publicKey.isValidSignature(signature, for: Array(jwt.signed.utf8)))
        let other = try JWT(key.proof(method: "GET", url: url("https://rs.example/"), at: testTime))
        #expect(try other.claims.root.fact("jti") != jwt.claims.root.fact("jti"))
        #expect(!other.claims.root.has("nonce"))
        #expect(!other.claims.root.has("ath"))
    }

    @Test func aKeySurvivesExportAndImport() throws {
        let key = DPoPKey()
        let again = try DPoPKey(importing: key.exported())
        #expect(again.thumbprint == key.thumbprint)
        #expect(again.thumbprint.utf8.count == 43)
        #expect(DPoPKey().thumbprint != key.thumbprint)
    }

    @Test(arguments: [
        "", "00", String(repeating: "0", count: 64), String(repeating: "f", count: 64),
        String(repeating: "x", count: 64),
    ])
    func refusesAKeyThatIsNone(_ bytes: String) {
        let error = #expect(throws: VaultError.self) { try DPoPKey(importing: secret(bytes)) }
        #expect(error?.code == .damaged)
    }

    @Test func aNonceIsAskedForOnceAndKept() async throws {
        let http = ScriptedExchange([Self.nonceError, Self.granted, Self.granted])
        let endpoint = TokenEndpoint(http: http, clock: stoppedClock)
        let request = request(DPoPKey())
        #expect(name(of: await endpoint.refresh(request)) == "granted")
        #expect(name(of: await endpoint.refresh(request)) == "granted")
        let nonces = try http.asked.map { try JWT($0.values(of: "DPoP").first ?? "").claims.root.fact("nonce") }
        #expect(nonces == [nil, "n1", "n1"])
    }

    @Test func aServerThatIsNeverContentIsAskedTwice() async {
        let again = ScriptedExchange.Step.answer(
            400,
            [("DPoP-Nonce", "n2")],
            Array(#"{"error":"use_dpop_nonce"}"#.utf8)
        )
        let http = ScriptedExchange([Self.nonceError, again, Self.granted])
        #expect(name(of: await TokenEndpoint(http: http, clock: stoppedClock).refresh(request(DPoPKey()))) == "refused")
        #expect(http.asked.count == 2)
    }

    @Test(arguments: ["", "a\"b", "a b", "a\\b", String(repeating: "n", count: 513)])
    func aNonceThatIsNoneIsNotTried(_ nonce: String) async {
        let http = ScriptedExchange([
            .answer(400, [("DPoP-Nonce", nonce)], Array(#"{"error":"use_dpop_nonce"}"#.utf8)), Self.granted,
        ])
        #expect(name(of: await TokenEndpoint(http: http, clock: stoppedClock).refresh(request(DPoPKey()))) == "refused")
        #expect(http.asked.count == 1)
    }

    @Test func withoutAKeyThereIsNoProof() async {
        let http = ScriptedExchange([Self.nonceError, Self.granted])
        #expect(name(of: await TokenEndpoint(http: http, clock: stoppedClock).refresh(request(nil))) == "refused")
        #expect(http.asked.allSatisfy { $0.values(of: "DPoP").isEmpty })
        #expect(http.asked.count == 1)
    }
}
