import Testing
import VaultAPI

@testable import TokenImport

/// The same name for different files, the same shape from different tools.
struct DetectionTests {
    private let directory: TestDirectory

    init() throws { directory = try TestDirectory() }

    @Test(arguments: [
        ("goose/githubcopilot/info.json", "Copilot"), ("google/client_secret.json", "Google client"),
        ("aws/sso/cache/botocore-client-id-us-east-1.json", "AWS"),
        ("mcp-auth/mcp-remote-v1/494d19bc05f3885edf847e391b7f9153_client_info.json", "registration"),
    ])
    func declinesKnownFilesByName(_ fixture: String, _ word: String) throws {
        let path = try directory.copy(fixture)
        let error = #expect(throws: VaultError.self) {
            try FileReading.of(path, options: ImportOptions(), now: testNow)
        }
        #expect(error?.code == .failed)
        #expect(error?.message.contains(word) == true, "\(String(describing: error))")
    }

    @Test(arguments: [
        ("{\"type\":\"service_account\",\"private_key\":\"x\"}", "service_account"),
        ("age-encryption.org/v1\n-> X", "age"),
        ("-----BEGIN PGP MESSAGE-----", "PGP"),
        (String(repeating: "0", count: 32) + ":" + String(repeating: "a", count: 32) + ":00", "Gemini CLI's encrypted"),
    ])
    func declinesWhatIsNoGrant(_ text: String, _ word: String) throws {
        let path = try directory.write("oauth_creds.json", text)
        let error = #expect(throws: VaultError.self) {
            try FileReading.of(path, options: ImportOptions(), now: testNow)
        }
        #expect(error?.code == .failed)
        #expect(error?.message.contains(word) == true, "\(String(describing: error))")
    }

    @Test func saysWhenPathAndShapeDisagree() throws {
        // {"aud":"other.apps.googleusercontent.com"}
        let idToken = "e30.eyJhdWQiOiJvdGhlci5hcHBzLmdvb2dsZXVzZXJjb250ZW50LmNvbSJ9.c2ln"
        let text = "{\"access_token\":\"a\",\"expiry_date\":1893456000000,\"id_token\":\"\(idToken)\"}"
        let path = try directory.write(".gemini/oauth_creds.json", text)
        let error = #expect(throws: VaultError.self) {
            try FileReading.of(path, options: ImportOptions(), now: testNow)
        }
        #expect(error?.code == .configuration)
        #expect(error?.hint?.contains("--format") == true)
        let goose = try directory.write(
            "goose/databricks/oauth/renamed.json",
            "{\"access_token\":\"a\",\"refresh_token\":null,\"expires_at\":null}"
        )
        let ambiguous = #expect(throws: VaultError.self) {
            try FileReading.of(goose, options: ImportOptions(), now: testNow)
        }
        #expect(ambiguous?.code == .configuration)
        _ = try FileReading.of(goose, format: "goose", options: ImportOptions(), now: testNow)
    }

    @Test func recognisesGeminiByItsClientWhereverItLies() throws {
        // {"aud":"681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com"}
        let payload =
            "eyJhdWQiOiI2ODEyNTU4MDkzOTUtb284ZnQyb3ByZHJucDllM2FxZjZhdjNobWRpYjEzNWouYXBwcy5nb29nbGV1c2VyY29udGVudC5jb20ifQ"
        let text = "{\"access_token\":\"a\",\"expiry_date\":1893456000000,\"id_token\":\"e30.\(payload).c2ln\"}"
        let path = try directory.write("backup.json", text)
        #expect(try FileReading.of(path, options: ImportOptions(), now: testNow).format.identifier == "gemini")
    }

    @Test func refusesAnUnknownFormat() {
        let error = #expect(throws: VaultError.self) { try Formats.named("google-client") }
        #expect(error?.code == .usage)
        #expect(error?.hint?.contains("codex") == true)
    }
}
