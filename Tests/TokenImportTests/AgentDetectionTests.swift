import Testing
import VaultAPI

@testable import TokenImport

/// One name for the files of many agents, and one shape for two of them.
struct AgentDetectionTests {
    private let reader: AgentReader

    init() throws { reader = try AgentReader() }

    private static let login = #""type":"oauth","refresh":"rt-EXAMPLE","access":"at-EXAMPLE","expires":1893456000000"#

    /// Shapes that only their tool writes are known wherever they lie.
    @Test(arguments: [
        ("codex/.credentials.json", ".claude/.credentials.json", "codex-mcp"),
        ("claude/.credentials.json", ".codex/.credentials.json", "claude"),
        ("codex/auth.json", ".local/share/opencode/auth.json", "codex"),
        ("opencode/auth.json", "backup/auth.json", "opencode"), ("pi/agent/auth.json", "backup/auth.json", "pi"),
        ("agentos/auth.json", "backup/auth.json", "agentos-xai"),
        ("gemini/mcp-oauth-tokens.json", "backup/x.json", "gemini-mcp"),
        ("opencode/mcp-auth.json", "backup/auth.json", "opencode-mcp"),
        ("goose/gemini_oauth/tokens.json", "backup/tokens.json", "goose-gemini"),
        ("goose/chatgpt_codex/tokens.json", "backup/tokens.json", "goose-chatgpt"),
        ("github-copilot/apps.json", "backup/auth.json", "github-copilot"),
    ])
    func knowsItsShapeAnywhere(_ fixture: String, _ place: String, _ format: String) throws {
        #expect(try reader.reading(try reader.directory.copy(fixture, to: place)).format.identifier == format)
    }

    @Test(arguments: [
        (".local/share/opencode/auth.json", #"{"anthropic":{LOGIN}}"#, "opencode"),
        (".pi/agent/auth.json", #"{"anthropic":{LOGIN}}"#, "pi"),
        ("x/opencode/auth.json", #"{"anthropic":{LOGIN},"new":{"type":"passkey"}}"#, "opencode"),
        (".qwen/oauth_creds.json", #"{"access_token":"a","expiry_date":1893456000000}"#, "qwen"),
        ("x/creds.json", #"{"access_token":"a","expiry_date":1893456000000,"resource_url":"portal.qwen.ai"}"#, "qwen"),
        (".gemini/oauth_creds.json", #"{"access_token":"a","expiry_date":1893456000000}"#, "gemini"),
        ("x/oauth_creds.json", #"{"access_token":"a","expiry_date":1893456000000}"#, "generic"),
        (".hermes/.anthropic_oauth.json", #"{"accessToken":"a","expiresAt":1893456000000}"#, "hermes-anthropic"),
        (".claude/.credentials.json", #"{"accessToken":"a","expiresAt":1893456000000}"#, "claude"),
        (".agentos/auth/anthropic.json", #"{"accessToken":"a","expiresAt":1893456000000}"#, "agentos"),
        ("x/y.json", #"{"accessToken":"a","expiresAt":1893456000000}"#, "generic"),
        (".kimi/credentials/kimi-code.json", #"{"access_token":"a","expires_at":1.5,"expires_in":1}"#, "kimi"),
        ("x/kimi-code.json", #"{"access_token":"a","expires_at":1893456000,"expires_in":1}"#, "generic"),
        (".hermes/auth.json", #"{"providers":{"xai":{"tokens":{"access_token":"a"}}}}"#, "hermes"),
        (".agentos/auth.json", #"{"providers":{"xai":{"tokens":{"access_token":"a"}}}}"#, "agentos-xai"),
        ("x/auth.json", #"{"providers":{"xai":{"tokens":{"access_token":"a"},"auth_mode":"o"}}}"#, "hermes"),
        ("x/crush.json", #"{"providers":{"xai":{"oauth":{"access_token":"a"}}}}"#, "crush"),
        (".local/share/crush/crush.json", #"{"providers":{"xai":{"api_key":"a"}}}"#, "crush"),
    ])
    func tellsTheToolByShapeAndPlace(_ place: String, _ text: String, _ format: String) throws {
        let path = try reader.directory.write(place, text.replacing("LOGIN", with: Self.login))
        #expect(try reader.reading(path).format.identifier == format)
    }

    @Test(arguments: [
        ("x/auth.json", #"{"anthropic":{LOGIN}}"#),
        (".pi/agent/auth.json", #"{"anthropic":{LOGIN},"x":{"type":"api","key":"k"}}"#),
        ("x/opencode/auth.json", #"{"anthropic":{LOGIN},"x":{"type":"api_key","key":"k"}}"#),
        ("x/auth.json", #"{"x":{"type":"api","key":"k"},"y":{"type":"api_key","key":"k"}}"#),
        (
            ".qwen/oauth_creds.json",
            #"{"access_token":"a","expiry_date":1,"scope":"https://www.googleapis.com/auth/x"}"#
        ),
        (".gemini/oauth_creds.json", #"{"access_token":"a","expiry_date":1,"resource_url":"portal.qwen.ai"}"#),
        ("x/auth.json", #"{"providers":{"xai":{"tokens":{"access_token":"a"}}}}"#),
        (".hermes/auth.json", #"{"pending_logins":{},"providers":{"xai":{"tokens":{"access_token":"a"}}}}"#),
        (".agentos/auth.json", #"{"credential_pool":{"xai":[]}}"#),
        (".config/goose/provider/oauth/x.json", #"{"access_token":"a","refresh_token":null,"expires_at":null}"#),
    ])
    func guessesNothing(_ place: String, _ text: String) throws {
        let path = try reader.directory.write(place, text.replacing("LOGIN", with: Self.login))
        let error = #expect(throws: VaultError.self) { try reader.reading(path) }
        #expect(error?.code == .configuration, "\(String(describing: error))")
        #expect(error?.hint?.contains("--format") == true)
    }

    /// Whoever says what it is, is believed.
    @Test func takesTheFormatThatIsNamed() throws {
        let path = try reader.directory.write("x/auth.json", "{\"anthropic\":{\(Self.login)}}")
        let grant = try #require(try reader.reading(path, as: "pi").contents.grants.first)
        #expect(grant.summary.name.description == "oauth:pi-anthropic")
    }
}
