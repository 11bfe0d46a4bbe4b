import Foundation
import OAuthFlows
import StrictJSON
import TestSupport
import Testing

/// oauth-client.md 28 with an RSA key, made and verified by OpenSSL.
struct RSAAssertionTests {
    @Test(arguments: [["-traditional"], []])
    func opensslVerifiesTheAssertion(_ form: [String]) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("rsa-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func place(_ name: String) -> String { folder.appendingPathComponent(name).path }
        // PKCS #1 with -traditional, PKCS #8 without.
        try openssl(["genrsa", "-out", place("key")] + form + ["2048"])
        try openssl(["rsa", "-in", place("key"), "-pubout", "-out", place("public")])
        let pem = try String(contentsOfFile: place("key"), encoding: .utf8)
        let http = ScriptedExchange(200, #"{"access_token":"A"}"#)
        let client = OAuthClient(id: "id", authentication: .privateKeyJWT, secret: secret(pem))
        let request = TokenRequest(endpoint: url("https://as.example/token"), client: client)
        let answer = await TokenEndpoint(http: http, clock: stoppedClock).clientCredentials(request)
        #expect(name(of: answer) == "granted")
        let jwt = try JWT(parameters(http.asked.first?.body ?? "")["client_assertion"] ?? "")
        #expect(try jwt.header.root.fact("alg") == "RS256")
        // Without an issuer, the endpoint is the audience.
        #expect(try jwt.claims.root.fact("aud") == "https://as.example/token")
        try Data(jwt.signature).write(to: URL(fileURLWithPath: place("signature")))
        try Data(jwt.signed.utf8).write(to: URL(fileURLWithPath: place("signed")))
        try openssl([
            "dgst", "-sha256", "-verify", place("public"), "-signature", place("signature"), place("signed"),
        ])
    }

    private func openssl(_ arguments: [String]) throws {
        let outcome = try Program.run(["openssl"] + arguments)
        try #require(outcome.status == 0, "openssl \(arguments.first ?? "") failed")
    }
}
