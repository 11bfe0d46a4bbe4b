import Foundation
import OAuthFlows
import TestSupport
import Testing
import VaultAPI
import VaultCore

@testable import Providers

struct ProviderCatalogTests {
    private let home: Scratch

    init() throws { home = try Scratch() }

    private func preset(_ name: String, _ values: [String: String] = [:]) throws -> ProviderPreset {
        try ProviderCatalog().preset(name, with: values)
    }

    @Test func everyPresetIsThere() throws {
        let names = [
            "atlassian", "databricks", "dropbox", "generic", "github", "gitlab", "google", "huggingface", "linear",
            "microsoft", "notion", "openai", "slack", "spotify",
        ]
        #expect(try ProviderCatalog().names == names)
    }

    @Test func everyPresetIsWhatItsSchemaSays() throws {
        let file = Sandbox.supportFile("../../Sources/Providers/presets.json")
        let presets = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: file))) as? [String: Any]
        let providers = try #require(presets?["providers"] as? [[String: Any]])
        #expect(providers.count == 14)
        let documents = providers.map { [$0["name"] as? String ?? "", "provider.schema.json", $0] as [Any] }
        #expect(try home.complaints(documents) == [])
        // And the schema refuses what the code refuses.
        var strange = providers[0]
        strange["client_secrets"] = "x"
        #expect(try home.complaints([["strange", "provider.schema.json", strange]]).count == 1)
    }

    @Test func noPresetHoldsASecretOrLeavesAUserWithoutAClient() throws {
        let catalog = try ProviderCatalog()
        for name in catalog.names where name != "generic" {
            let preset = try #require(catalog.preset(name))
            #expect(preset.publicClientSecret == nil)
            #expect(preset.clientID != nil || preset.registrationPage != nil, "\(name)")
            #expect(preset.quirks.allSatisfy { $0.reason.hasSuffix(".") && $0.reason.count > 20 }, "\(name)")
            #expect(!preset.resourceHosts.isEmpty, "\(name)")
        }
    }

    @Test func wordsOfPresetsAreThoseOfTheFlows() {
        func isSame<Word: CaseIterable & RawRepresentable>(_ words: [String], _: Word.Type) -> Bool
        where Word.RawValue == String { Set(words) == Set(Word.allCases.map(\.rawValue)) }
        #expect(isSame(ProviderPreset.authenticationMethods, ClientAuthenticationMethod.self))
        // A preset says the comma as its `scope_separator`.
        let quirks = ProviderPreset.quirkWords + [TokenRequestQuirk.commaSeparatedScope.rawValue]
        #expect(isSame(quirks, TokenRequestQuirk.self))
        #expect(isSame(ProviderPreset.pkceWords, BrowserFlow.PKCERule.self))
        #expect(isSame(ProviderPreset.rotationWords, Rotation.self))
        #expect(isSame(ProviderPreset.redirectHosts, LoopbackRedirect.Host.self))
        #expect(isSame(ProviderPreset.exchangeSubjects, ExchangingFlow.Step.Subject.self))
    }

    /// oauth-client.md 6: where no metadata is read, a preset says whether the server lists PKCE.
    @Test func everyPresetCanBeLoggedInByItsRuleOfPKCE() throws {
        let catalog = try ProviderCatalog()
        let listing = Set(try catalog.names.filter { try #require(catalog.preset($0)).pkce == "required" })
        #expect(listing == ["databricks", "gitlab", "google", "huggingface"])
    }

    @Test func everyEndpointIsHTTPSOnceItsParametersAreFilled() throws {
        let catalog = try ProviderCatalog()
        for name in catalog.names {
            var values: [String: String] = [:]
            for parameter in try #require(catalog.preset(name)).parameters where parameter.preset == nil {
                values[parameter.name] = "https://example.org"
            }
            let filled = try catalog.preset(name, with: values)
            let urls = [
                filled.issuer, filled.metadataURL, filled.authorizationEndpoint, filled.tokenEndpoint,
                filled.revocationEndpoint, filled.deviceAuthorizationEndpoint, filled.registrationPage,
            ]
            for url in urls.compactMap({ $0 }) {
                #expect(url.hasPrefix("https://") && !url.contains("{"), "\(name): \(url)")
                #expect(URL(string: url)?.host() != nil)
            }
            #expect(filled.resourceHosts.allSatisfy { !$0.contains("{") && !$0.contains("/") })
        }
    }

    @Test func knownFactsStand() throws {
        let databricks = try preset("databricks", ["host": "x.cloud.databricks.com"])
        #expect(
            databricks.metadataURL == "https://x.cloud.databricks.com/oidc/.well-known/oauth-authorization-server"
        )
        #expect(databricks.clientID == "databricks-cli" && databricks.scopes == ["all-apis", "offline_access"])
        #expect(databricks.resourceHosts == ["x.cloud.databricks.com"])
        let openai = try preset("openai")
        #expect(openai.redirect?.port == 1455 && openai.redirect?.path == "/auth/callback")
        #expect(openai.flows == ["browser", "codex-device", "openai-device"] && openai.exchange?.isOptional == true)
        let google = try preset("google")
        #expect(google.rotation == "never")
        #expect(google.authorizationParameters.contains { $0.name == "access_type" && $0.value == "offline" })
        #expect(try preset("slack").scopeSeparator == "," && preset("linear").scopeSeparator == ",")
        #expect(try preset("notion").clientAuthentication == "client_secret_basic")
        #expect(try preset("microsoft").tokenEndpoint?.contains("/common/") == true)
        #expect(try preset("gitlab").issuer == "https://gitlab.com")
        #expect(try preset("spotify").redirect?.host == "127.0.0.1")
    }

    @Test(arguments: [
        ("gitlab.example.org", "https://gitlab.example.org"),
        ("https://GitLab.example.org/", "https://gitlab.example.org"),
        ("gitlab.example.org:8443", "https://gitlab.example.org:8443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"), ("https://[2001:db8::1]:2", "https://[2001:db8::1]:2"),
    ])
    func aHostIsTakenBareOrWithItsScheme(given: String, origin: String) throws {
        #expect(try preset("gitlab", ["host": given]).tokenEndpoint == origin + "/oauth/token")
    }

    @Test(arguments: [
        "https://a@evil.org", "gitlab.com@evil.org", "gitlab.com/..", "gitlab.com?x", "gitlab.com#x",
        "http://gitlab.com",
        "http://127.0.0.1.evil.org", "http://0x7f.1", "javascript://x", "file:///etc", "gitlab.com\\@evil", "a..b",
        ".a",
        "a.", "a:0", "a:99999", "a:+1", "https://", "[::1", "%67itlab.com", "{host}", "a:b:c",
    ])
    func aHostThatLeadsElsewhereIsRefused(host: String) {
        expect(.unsafe) { _ = try preset("gitlab", ["host": host]) }
    }

    @Test(arguments: ["", "a b", "a\nb", "gitläb.com", "a\u{202E}b"])
    func aHostWithLettersOfNoURLIsRefused(host: String) {
        expect(.usage) { _ = try preset("gitlab", ["host": host]) }
    }

    @Test(arguments: ["..", "a/b", "../x", "a?b", "a%2fb", "a@b", "."])
    func aTenantIsOneSegment(tenant: String) {
        expect(.unsafe) { _ = try preset("microsoft", ["tenant": tenant]) }
    }

    @Test func anIssuerStaysByteForByte() throws {
        for issuer in ["https://Login.example.org/Tenant/", "https://a.org", "http://localhost:9400"] {
            #expect(try preset("generic", ["issuer": issuer]).issuer == issuer)
        }
        for issuer in [
            "https://a.org/../b", "https://a.org/%2e%2e/b", "https://u@a.org", "https://a.org?x", "http://a.org",
        ] {
            expect(.unsafe) { _ = try preset("generic", ["issuer": issuer]) }
        }
    }

    @Test func aMissingOrUnknownParameterIsNamed() throws {
        expect(.usage, naming: "host") { _ = try preset("databricks") }
        expect(.usage, naming: "tenant") { _ = try preset("github", ["tenant": "x"]) }
        expect(.notFound, naming: "githup") { _ = try preset("githup") }
    }

    @Test func aUsersPresetTakesThePlaceOfOurs() throws {
        let directory = try home.directory("providers")
        try home.write("providers/gitlab.yaml", "title: Mine\ntoken_endpoint: https://g.example/t\nclient_id: x\n")
        try home.write(
            "providers/acme.yaml",
            "# ours\nname: acme\nissuer: https://login.acme.example\nflows: [device]\n"
        )
        try home.write("providers/notes.txt", "not a provider")
        let catalog = try ProviderCatalog(userDirectory: directory)
        #expect(catalog.preset("gitlab")?.title == "Mine" && catalog.preset("gitlab")?.issuer == nil)
        #expect(catalog.preset("acme")?.flows == ["device"] && catalog.preset("acme")?.title == "acme")
        #expect(catalog.names.count == 15)
        #expect(try ProviderCatalog(userDirectory: directory + "-none").names.count == 14)
    }

    @Test(arguments: [
        ("issuer: https://a\nclient_idd: x\n", "line 2: client_idd"),
        ("issuer: https://{tenant}.a\n", "line 1: issuer"),
        ("title: x\n", "token_endpoint"), ("name: other\nissuer: https://a\n", "line 1: name"),
        ("issuer: https://a\nrotation: sometimes\n", "line 2: rotation"),
        ("issuer: https://a\nredirect:\n  host: evil.org\n", "line 3: redirect.host"),
        ("issuer: https://a\nquirks:\n- word: no_resource_in_token_request\n", "line 3: quirks[0].reason"),
        ("issuer: https://a\nquirks:\n- {word: nonsense, reason: x}\n", "quirks[0].word"),
        ("issuer: https://a\nflows: []\n", "line 2: flows"),
    ])
    func aUsersMistakeIsNamedWithItsLine(text: String, place: String) throws {
        let directory = try home.directory("providers")
        try home.write("providers/acme.yaml", text)
        expect(.configuration, naming: place) { _ = try ProviderCatalog(userDirectory: directory) }
        expect(.configuration, naming: "acme.yaml") { _ = try ProviderCatalog(userDirectory: directory) }
    }

    @Test func aFileThatIsNotCalledAsAProviderIsNotPassedOver() throws {
        for name in ["Acme.yaml", "acme.yml", "-x.yaml"] {
            let home = try Scratch()
            let directory = try home.directory("providers")
            try home.write("providers/" + name, "issuer: https://a\n")
            expect(.configuration, naming: name) { _ = try ProviderCatalog(userDirectory: directory) }
        }
    }

    @Test func aDirectoryThatOthersMayWriteIsRefused() throws {
        let directory = try home.directory("providers")
        try home.setMode(0o770, "providers")
        expect(.unsafe) { _ = try ProviderCatalog(userDirectory: directory) }
    }
}
