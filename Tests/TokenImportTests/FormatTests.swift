import StrictJSON
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import TokenImport

/// The clock of all tests: 2029-12-31T12:00:00Z.
let testNow = Timestamp(rfc3339: "2029-12-31T12:00:00Z") ?? Timestamp.epoch

extension Timestamp {
    static var epoch: Timestamp { Timestamp(seconds: 0).unsafelyUnwrapped }
}

/// Reads fixtures with every format and compares all that an entry would hold.
struct FormatTests {
    private let directory: TestDirectory
    private let start = Expiry.known(Timestamp(seconds: 1_893_456_000) ?? testNow)

    init() throws { directory = try TestDirectory() }

    private func read(
        _ fixture: String,
        at name: String? = nil,
        format: String? = nil,
        _ options: ImportOptions = ImportOptions()
    ) throws -> FileReading {
        try FileReading.of(try directory.copy(fixture, to: name), format: format, options: options, now: testNow)
    }

    private func read(text: String, at name: String, format: String? = nil) throws -> FileReading {
        try FileReading.of(
            try directory.write(name, text),
            format: format,
            options: ImportOptions(),
            now: testNow
        )
    }

    private func secrets(_ grant: FoundGrant) throws -> [EntrySecrets.Field: String] {
        var texts: [EntrySecrets.Field: String] = [:]
        for (field, value) in grant.secrets {
            let secret = try value.secret()
            texts[field] = secret.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        }
        return texts
    }

    @Test func readsClaude() throws {
        let reading = try read("claude/.credentials.json")
        #expect(reading.format.identifier == "claude")
        let grants = reading.contents.grants
        try #require(grants.count == 2)
        let own = grants[0].summary
        #expect(own.name.description == "oauth:claude")
        #expect(own.provider == "anthropic")
        #expect(own.clientID == "9d1c250a-e61b-44d9-88ed-5944d1962f5e")
        #expect(own.tokenEndpoint == "https://platform.claude.com/v1/oauth/token")
        #expect(own.clientAuthentication == "none")
        #expect(own.rotation == .always)
        #expect(own.scopes == ["user:inference", "user:profile"])
        #expect(own.expiry == start)
        #expect(own.metadata == ["subscriptionType": "max", "rateLimitTier": "default_claude_max_20x"])
        #expect(own.source?.pointer == "/claudeAiOauth")
        #expect(own.source?.format == "claude")
        #expect(try secrets(grants[0]) == [.accessToken: "at-EXAMPLE", .refreshToken: "rt-EXAMPLE"])
        let server = grants[1].summary
        #expect(server.name.description == "oauth:claude-mcp-example")
        #expect(server.resource == "https://mcp.example.com/mcp")
        #expect(server.issuer == "https://as.example.com/")
        #expect(server.clientID == "client-EXAMPLE")
        #expect(server.scopes == ["read", "write"])
        #expect(server.expiry == start)
        #expect(server.rotation == .unknown)
        #expect(server.source?.pointer == "/mcpOAuth/example|0123456789abcdef")
        #expect(
            try secrets(grants[1]) == [
                .accessToken: "at-EXAMPLE-mcp", .refreshToken: "rt-EXAMPLE-mcp", .clientSecret: "cs-EXAMPLE",
            ]
        )
        #expect(reading.contents.notes.contains { $0.contains("unfinished") })
    }

    @Test func readsCodex() throws {
        let reading = try read("codex/auth.json", at: "anywhere/x.json")
        #expect(reading.format.identifier == "codex")
        let grant = try #require(reading.contents.grants.first)
        #expect(reading.contents.grants.count == 1)
        #expect(grant.summary.name.description == "oauth:codex")
        #expect(grant.summary.account == "acct-EXAMPLE")
        #expect(grant.summary.issuer == "https://auth.openai.com")
        #expect(grant.summary.clientID == "app_EMoamEEZ73f0CkXaXp7hrann")
        #expect(grant.summary.tokenEndpoint == "https://auth.openai.com/oauth/token")
        #expect(grant.summary.rotation == .always)
        #expect(grant.summary.expiry == start)
        #expect(grant.summary.issuedAt == Timestamp(seconds: 1_893_452_400, nanoseconds: 123_456_789))
        #expect(
            grant.summary.metadata == [
                "auth_mode": "chatgpt", "last_refresh": "2029-12-31T23:00:00.123456789Z", "email": "user@example.com",
                "chatgpt_plan_type": "plus",
            ]
        )
        #expect(grant.summary.source?.pointer == "/tokens")
        let found = try secrets(grant)
        #expect(found[.refreshToken] == "rt-EXAMPLE")
        #expect(found[.accessToken]?.hasPrefix("eyJ") == true)
        #expect(found[.idToken]?.hasSuffix(".RVhBTVBMRQ") == true)
    }

    @Test func readsACodexKey() throws {
        let grant = try #require(try read("codex/auth.apikey.json").contents.grants.first)
        #expect(grant.summary.name.description == "static:codex")
        #expect(grant.summary.expiry == .unknown)
        #expect(grant.summary.source?.pointer == "/OPENAI_API_KEY")
        #expect(try secrets(grant) == [.secret: "sk-EXAMPLE"])
    }

    @Test func codexWithOpaqueTokenHasNoKnownExpiry() throws {
        let reading = try read(
            text: #"{"OPENAI_API_KEY":null,"tokens":{"id_token":"x","access_token":"opaque","refresh_token":"r"}}"#,
            at: "auth.json"
        )
        #expect(reading.contents.grants.first?.summary.expiry == .unknown)
    }

    @Test(arguments: [".gemini/oauth_creds.json", "gemini/oauth_creds.json"])
    func readsGemini(_ place: String) throws {
        let reading = try read("gemini/oauth_creds.json", at: place)
        #expect(reading.format.identifier == "gemini")
        let grant = try #require(reading.contents.grants.first)
        #expect(grant.summary.name.description == "oauth:gemini")
        #expect(grant.summary.account == "user@example.com")
        #expect(grant.summary.scopes.count == 3)
        #expect(grant.summary.tokenType == "Bearer")
        #expect(grant.summary.rotation == .never)
        #expect(grant.summary.tokenEndpoint == "https://oauth2.googleapis.com/token")
        #expect(grant.summary.expiry == start)
        #expect(grant.notes.contains { $0.contains("--client-secret-file") })
        let found = try secrets(grant)
        #expect(found[.accessToken] == "at-EXAMPLE")
        #expect(found[.refreshToken] == "1//rt-EXAMPLE")
        #expect(found[.idToken] != nil)
    }

    @Test func geminiShapeElsewhereIsGeneric() throws {
        let reading = try read("gemini/oauth_creds.json", at: "gmail-mcp/credentials.json")
        #expect(reading.format.identifier == "generic")
        let grant = try #require(reading.contents.grants.first)
        #expect(grant.summary.name.description == "oauth:credentials")
        #expect(grant.summary.expiry == start)
        #expect(grant.summary.issuer == "https://accounts.google.com")
        #expect(grant.summary.tokenEndpoint == nil)
        #expect(try read("gemini/oauth_creds.json", at: "b/x.json", format: "gemini").format.identifier == "gemini")
    }

    @Test(arguments: [".agentos/auth/openai.json", ".wunderland/auth/openai.json", "agentos/auth/openai.json"])
    func readsAgentOS(_ place: String) throws {
        let reading = try read("agentos/auth/openai.json", at: place)
        #expect(reading.format.identifier == "agentos")
        let grant = try #require(reading.contents.grants.first)
        #expect(grant.summary.name.description == "oauth:agentos-openai")
        #expect(grant.summary.account == "acct-EXAMPLE")
        #expect(grant.summary.clientID == "app_EMoamEEZ73f0CkXaXp7hrann")
        #expect(grant.summary.expiry == start)
        #expect(grant.summary.source?.pointer == "")
        let found = try secrets(grant)
        #expect(found[.accessToken] == "at-EXAMPLE")
        #expect(found[.refreshToken] == "rt-EXAMPLE")
    }

    @Test func agentOSKeysDoNotExpireWithTheirToken() throws {
        let text = #"{"accessToken":"sk-proj-EXAMPLE","expiresAt":1893456000000,"metadata":{"plan":"x","apiKey":"y"}}"#
        let grant = try #require(try read(text: text, at: ".agentos/auth/openai.json").contents.grants.first)
        #expect(grant.summary.expiry == .unknown)
        #expect(grant.summary.metadata == ["agentos.plan": "x"])
        #expect(try read(text: text, at: "elsewhere/openai.json").format.identifier == "generic")
    }

    @Test func readsGoogleADC() throws {
        let reading = try read("gcloud/application_default_credentials.json", at: "x.json")
        #expect(reading.format.identifier == "google-adc")
        let grant = try #require(reading.contents.grants.first)
        #expect(grant.summary.name.description == "oauth:google-adc")
        #expect(grant.summary.expiry == .unknown)
        #expect(grant.summary.account == nil)
        #expect(grant.summary.clientID == "client-EXAMPLE.apps.googleusercontent.com")
        #expect(grant.summary.clientAuthentication == "client_secret_post")
        #expect(grant.summary.rotation == .never)
        #expect(grant.summary.metadata["quota_project_id"] == "example-project")
        #expect(try secrets(grant) == [.refreshToken: "1//rt-EXAMPLE", .clientSecret: "cs-EXAMPLE"])
    }

    @Test func readsGoogleAuth() throws {
        let reading = try read("google-auth-python/token.json")
        #expect(reading.format.identifier == "google-auth")
        let grant = try #require(reading.contents.grants.first)
        #expect(grant.summary.name.description == "oauth:google-token")
        #expect(
            grant.summary.expiry
                == .known(try #require(Timestamp(seconds: 1_893_456_000, nanoseconds: 123_456_000)))
        )
        #expect(grant.summary.scopes == ["https://www.googleapis.com/auth/gmail.readonly"])
        #expect(grant.summary.tokenEndpoint == "https://oauth2.googleapis.com/token")
        #expect(grant.summary.rotation == .never)
        #expect(
            try secrets(grant) == [
                .accessToken: "ya29.EXAMPLE", .refreshToken: "1//rt-EXAMPLE", .clientSecret: "cs-EXAMPLE",
            ]
        )
    }

    @Test func doesNotTakeAForeignEndpointFromAFile() throws {
        let text = #"""
            {"token":"t","refresh_token":"r","token_uri":"https://evil.example/token","client_id":"c","expiry":"2030-01-01T00:00:00"}
            """#
        let grant = try #require(try read(text: text, at: "user@example.com.json").contents.grants.first)
        #expect(grant.summary.tokenEndpoint == nil)
        #expect(grant.summary.rotation == .unknown)
        #expect(grant.notes.contains { $0.contains("--token-url") })
        #expect(grant.summary.account == "user@example.com")
        #expect(grant.summary.expiry == start)
    }

    @Test func readsGo() throws {
        let reading = try read("generic/go-oauth2-token.json")
        #expect(reading.format.identifier == "go")
        let grant = try #require(reading.contents.grants.first)
        #expect(grant.summary.name.description == "oauth:go-oauth2-token")
        #expect(
            grant.summary.expiry
                == .known(try #require(Timestamp(seconds: 1_893_456_000, nanoseconds: 123_456_789)))
        )
        #expect(try secrets(grant) == [.accessToken: "at-EXAMPLE", .refreshToken: "rt-EXAMPLE"])
    }

    @Test func goZeroTimeMeansNever() throws {
        let grant = try #require(try read("generic/go-oauth2-token-noexpiry.json").contents.grants.first)
        #expect(grant.summary.expiry == .never)
        #expect(try secrets(grant) == [.accessToken: "at-EXAMPLE"])
    }

    private static let goose =
        "goose/databricks/oauth/ddfabbbe6a7faeb6fd162bb4f7c8d9bdd15443c6be633a41a9f8fa8cb17c362b.json"

    @Test func readsGooseWithoutItsHost() throws {
        let reading = try read(Self.goose)
        #expect(reading.format.identifier == "goose-databricks")
        let grant = try #require(reading.contents.grants.first)
        #expect(grant.summary.name.description == "oauth:goose-databricks-ddfabbbe")
        #expect(grant.summary.clientID == nil)
        #expect(grant.summary.issuer == nil)
        #expect(
            grant.summary.expiry
                == .known(try #require(Timestamp(seconds: 1_893_456_000, nanoseconds: 123_456_789)))
        )
        #expect(grant.notes.contains { $0.contains("--host") })
        #expect(try secrets(grant) == [.accessToken: "at-EXAMPLE", .refreshToken: "rt-EXAMPLE"])
    }

    @Test(arguments: [
        "https://example.cloud.databricks.com", "https://example.cloud.databricks.com/", "example.cloud.databricks.com",
    ])
    func confirmsTheHostByTheHash(_ host: String) throws {
        var options = ImportOptions()
        options.host = host
        let grant = try #require(try read(Self.goose, options).contents.grants.first)
        #expect(grant.summary.name.description == "oauth:goose-databricks-example.cloud.databricks.com")
        #expect(grant.summary.clientID == "databricks-cli")
        #expect(grant.summary.issuer == "https://example.cloud.databricks.com/oidc")
        #expect(grant.summary.scopes == ["all-apis", "offline_access"])
        #expect(grant.summary.metadata["host"] == "https://example.cloud.databricks.com")
    }

    @Test(arguments: [
        "\"https://example.cloud.databricks.com\"", "https://example.cloud.databricks.com # c",
        "'example.cloud.databricks.com'\r",
    ])
    func takesTheHostFromGoosesConfiguration(_ value: String) throws {
        try directory.write("goose/config.yaml", "GOOSE_MODEL: x\nDATABRICKS_HOST: \(value)\nOTHER: y\n")
        let grant = try #require(try read(Self.goose).contents.grants.first)
        #expect(grant.summary.metadata["host"] == "https://example.cloud.databricks.com")
    }

    @Test func doesNotUseAHostThatTheHashDenies() throws {
        var options = ImportOptions()
        options.host = "https://evil.cloud.databricks.com"
        let grant = try #require(try read(Self.goose, options).contents.grants.first)
        #expect(grant.summary.issuer == nil)
        #expect(grant.summary.metadata["host"] == nil)
        #expect(grant.notes.contains { $0.contains("not for") })
    }

    @Test(arguments: [
        (
            GooseTarget(host: "https://example.com", clientID: "test-client", scopes: ["scope1"]),
            "7be6389d926f4a9225251cbb8f04b7d9023b4f22ea711ecba67431998b9d3ebf"
        ),
        (
            GooseTarget(
                host: "https://x.cloud.databricks.com",
                clientID: "databricks-cli",
                scopes: ["all-apis", "offline_access"]
            ), "1f89289701a3aa9a4e1ac61f49c1e081908280d26c3c7b09b64802467c4a3d6e"
        ),
    ])
    func hashesAsGooseDoes(_ target: GooseTarget, _ hash: String) { #expect(target.hash == hash) }

    @Test(arguments: [
        (
            #"{"access_token":"a","expires_at":1893456000}"#,
            Expiry.known(Timestamp(seconds: 1_893_456_000).unsafelyUnwrapped)
        ),
        (
            #"{"accessToken":"a","expiresAt":1893456000000}"#,
            .known(Timestamp(seconds: 1_893_456_000).unsafelyUnwrapped)
        ),
        (
            #"{"access_token":"a","expires_at":"2030-01-01T00:00:00Z"}"#,
            .known(Timestamp(seconds: 1_893_456_000).unsafelyUnwrapped)
        ),
        (
            #"{"access_token":"a","expires_at":"1893456000"}"#,
            .known(Timestamp(seconds: 1_893_456_000).unsafelyUnwrapped)
        ),
        (#"{"access_token":"a","expires_at":0}"#, .unknown), (#"{"access_token":"a","expires_at":null}"#, .unknown),
        (#"{"access_token":"a","expires_at":"2030-01-01T00:00:00"}"#, .unknown), (#"{"access_token":"a"}"#, .unknown),
        (#"{"access_token":"a","expires_in":3600}"#, .unknown),
        (
            #"{"access_token":"a","expires_in":3600,"issued_at":1893452400}"#,
            .known(Timestamp(seconds: 1_893_456_000).unsafelyUnwrapped)
        ),
        (
            #"{"access_token":"a","expires_in":3600,"token_received_at":1893452400}"#,
            .known(Timestamp(seconds: 1_893_456_000).unsafelyUnwrapped)
        ),
        (#"{"access_token":"a","expires_in":9223372036854775807,"issued_at":1893452400}"#, .unknown),
    ])
    func readsGenericExpiries(_ text: String, _ expiry: Expiry) throws {
        let reading = try read(text: text, at: "my-tool.json")
        #expect(reading.format.identifier == "generic")
        #expect(reading.contents.grants.first?.summary.expiry == expiry)
        #expect(reading.contents.grants.first?.summary.name.description == "oauth:my-tool")
    }

    @Test func genericTakesNoEndpointFromTheFile() throws {
        let text =
            #"{"access_token":"a","refresh_token":"r","token_url":"https://evil.example","client_id":"c","scope":"x y"}"#
        let grant = try #require(try read(text: text, at: "t.json").contents.grants.first)
        #expect(grant.summary.tokenEndpoint == nil)
        #expect(grant.summary.clientID == "c")
        #expect(grant.summary.scopes == ["x", "y"])
    }

    @Test(arguments: [
        #"{"access_token":1}"#, #"{"access_token":"a","expires_at":1e400}"#, #"{"access_token":"a","expires_at":true}"#,
        #"{"access_token":"a","expires_at":"soon"}"#, #"{"access_token":"a","refresh_token":["r"]}"#,
        #"{"access_token":"a b"}"#, #"{"access_token":"a","scope":7}"#, #"{"access_token":"a","expiry":"soon"}"#,
        #"{"claudeAiOauth":[]}"#, #"{"claudeAiOauth":{"accessToken":{}}}"#, #"{"mcpOAuth":{"x":1}}"#,
        #"{"claudeAiOauth":{"accessToken":"a","expiresAt":"2030"}}"#, #"{"OPENAI_API_KEY":7}"#,
        #"{"OPENAI_API_KEY":null,"tokens":"x"}"#, #"{"type":"authorized_user","refresh_token":"\r\n"}"#, "[]", "7",
        #"{"a":1}"#,
    ])
    func refusesWrongTypesAsDamage(_ text: String) throws {
        let error = #expect(throws: VaultError.self) { try read(text: text, at: "auth.json") }
        #expect(error?.code == .damaged)
    }

    @Test func mapsNamesThatAreNotAllowed() {
        #expect(EntryName.nearest(.oauth, "a b/c:é").description == "oauth:a_b_c__")
        #expect(EntryName.nearest(.oauth, "..x").description == "oauth:x")
        #expect(EntryName.nearest(.oauth, "-rf").description == "oauth:rf")
        #expect(EntryName.nearest(.oauth, "///").description == "oauth:imported")
        #expect(EntryName.nearest(.oauth, String(repeating: "x", count: 5000)).name.count == 120)
    }
}
