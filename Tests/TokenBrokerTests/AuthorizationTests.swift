import Foundation
import Testing
import VaultAPI
import VaultCore

@testable import OAuthFlows
@testable import TokenBroker

/// Which host a token is shown to, and with what proof.
struct AuthorizationTests {
    private func requireHost(_ url: String, resource: String? = nil) throws {
        var summary = EntrySummary(name: try EntryName(parsing: "work"), createdAt: .systemNow)
        summary.hosts = ["*.googleapis.com", "API.example.com", "[::1]:8443"]
        summary.resource = resource
        try summary.requireHost(of: try EndpointURL(url, as: "the URL"))
    }

    @Test(arguments: [
        "https://gmail.googleapis.com/gmail/v1", "https://GMAIL.googleapis.com:443/", "https://a.b.googleapis.com/",
        "https://api.example.com/", "https://[::1]:8443/", "https://mcp.example.com:8080/x",
    ])
    func showsATokenToItsHosts(_ url: String) throws {
        try requireHost(url, resource: "https://mcp.example.com:8080/mcp")
    }

    @Test(arguments: [
        "https://evilgoogleapis.com/", "https://googleapis.com/", "https://gmail.googleapis.com:8443/",
        "https://gmail.googleapis.com.evil.example/", "https://evil.example/x.googleapis.com",
        "https://sub.api.example.com/", "https://api.example.com:8443/", "https://mcp.example.com/", "https://[::1]/",
    ])
    func refusesEveryOtherHost(_ url: String) {
        let error = #expect(throws: VaultError.self) {
            try requireHost(url, resource: "https://mcp.example.com:8080/mcp")
        }
        #expect(error?.code == .unsafe)
        #expect(error?.message.contains("is none of them") == true)
    }

    @Test func putsTheNonceThatTheResourceWantsIntoTheProof() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert(age: 60) { $0.tokenType = "DPoP" }
        try await fixture.vault.update(name) { (_, secrets) throws(VaultError) in
            try secrets.set(.dpopKey, to: try DPoPKey().exported())
        }
        for nonce in [nil, "nonce-1"] {
            var requirements = TokenRequirements()
            requirements.dpopNonce = nonce
            let fields = try await fixture.broker.authorization(
                for: "work",
                method: "GET",
                url: "https://api.example.com/x",
                requirements
            ).fields
            let proof = try #require(fields.first { $0.name == "DPoP" }?.value.split(separator: "."))
            var text = proof[1].replacing("-", with: "+").replacing("_", with: "/")
            while text.count % 4 != 0 { text += "=" }
            let bytes = try #require(Data(base64Encoded: String(text)))
            let claims = try #require(try JSONSerialization.jsonObject(with: bytes) as? [String: Any])
            #expect(claims["nonce"] as? String == nonce)
            #expect(claims["htu"] as? String == "https://api.example.com/x")
        }
        var requirements = TokenRequirements()
        requirements.dpopNonce = "two words"
        let refused = requirements
        let error = await failure {
            _ = try await fixture.broker.authorization(for: "work", method: "GET", url: "https://a.example/", refused)
        }
        #expect(error?.code == .usage)
    }
}
