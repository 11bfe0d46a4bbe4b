import Foundation
import StrictJSON
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import TokenImport

/// What agents have written over time, what they leave out, and what no agent has written.
struct AgentVariantTests {
    private let reader: AgentReader

    init() throws { reader = try AgentReader() }

    private static let access = unsignedToken(#"{"exp":1893456000,"sub":"user-EXAMPLE"}"#)
    private static let start = "expires=2030-01-01T00:00:00Z"

    static let files: [AgentFile] =
        goose + agentOS + hermes + codex + claude + gemini + maps + servers + copilots + others

    @Test(arguments: files) func readsTheVariant(_ file: AgentFile) async throws {
        let path = try reader.directory.write(file.place, file.text)
        #expect(try reader.reading(path).format.identifier == file.format)
        #expect(try await reader.lines(path) == file.lines)
    }

    /// A grant that may rotate is held while its file has it, and a second import has nothing to do.
    @Test(arguments: files) func importsOnce(_ file: AgentFile) async throws {
        let path = try reader.directory.write(file.place, file.text)
        let vault = MemoryVault()
        let plan = try await ImportPlan.make([path], options: reader.options, for: vault, now: testNow)
        let report = await plan.execute(into: vault, now: testNow)
        #expect(report.code == nil, "\(report.lines)")
        #expect(vault.names == file.lines.map { String($0.prefix { $0 != " " }) }.sorted())
        for line in file.lines {
            let name = String(line.prefix { $0 != " " })
            #expect(vault.summary(name)?.state == (line.hasSuffix(" held") ? .held(.secondOwner) : .active), "\(name)")
        }
        #expect(try reader.directory.text(path) == file.text)
        let again = try await ImportPlan.make([path], options: reader.options, for: vault, now: testNow)
        #expect(again.items.map(\.action) == file.lines.map { _ in .unchanged })
        #expect(!again.changesAnything)
    }

    /// Taking one grant out leaves every other as it was, and the file one that its tool reads.
    @Test(arguments: files.filter { $0.lines.count > 1 }) func takesOutOneOfSeveral(_ file: AgentFile) async throws {
        let path = try reader.directory.write(file.place, file.text)
        for grant in try reader.reading(path).contents.grants {
            let pointer = grant.value.pointer
            let edited = try #require(try reader.text(of: path, without: pointer))
            for (_, value) in grant.secrets + grant.copies {
                // Fake tokens are named after their grant, so that none is part of another.
                let secret = try value.secret()
                let text = secret.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
                #expect(!edited.contains("\"\(text)\""), "\(pointer)")
            }
            let rest = file.lines.filter { !$0.contains(" \(pointer) ") && !$0.hasSuffix(" \(pointer)") }
            let kept = try reader.directory.write(file.place, edited)
            let lines = try await reader.lines(kept)
            #expect(lines.map(Self.withoutPlace) == rest.map(Self.withoutPlace), "\(pointer)")
            try reader.directory.write(file.place, file.text)
        }
    }

    /// What stays keeps its bytes, spaces and unknown members included.
    @Test(arguments: [
        (
            ".codex/.credentials.json", "/a|1",
            #"{ "a|1":{"server_name":"a","server_url":"u","client_id":"c","access_token":"x"},  "b|2" : {"server_name":"b","server_url":"u","client_id":"c","access_token":"y","new":1.50} }"#,
            #"{ "b|2" : {"server_name":"b","server_url":"u","client_id":"c","access_token":"y","new":1.50} }"#
        ),
        (
            ".gemini/mcp-oauth-tokens.json", "/1",
            "[\n  {\"serverName\": \"a\", \"token\": {\"accessToken\": \"x\"}},\n  {\"serverName\": \"b\", \"token\": {\"accessToken\": \"y\"}}\n]\n",
            "[\n  {\"serverName\": \"a\", \"token\": {\"accessToken\": \"x\"}}\n]\n"
        ),
        (
            "opencode/auth.json", "/github-copilot",
            #"{"x":{"type":"api","key":"k","new":"\u0041"},"github-copilot":{"type":"oauth","refresh":"g","access":"g","expires":0}}"#,
            #"{"x":{"type":"api","key":"k","new":"\u0041"}}"#
        ),
        (
            "x/auth-profiles.json", "/profiles/a:b",
            #"{"version":1,"profiles":{"a:b":{"type":"token","provider":"a","token":"t"},"c:d":{"type":"api_key","provider":"c","key":"k"}},"usageStats":{"a:b":{"n":1e2}}}"#,
            #"{"version":1,"profiles":{"c:d":{"type":"api_key","provider":"c","key":"k"}},"usageStats":{"a:b":{"n":1e2}}}"#
        ),
        (
            ".hermes/auth.json", "/providers/xai-oauth",
            #"{"providers":{"xai-oauth":{"tokens":{"access_token":"x","refresh_token":"r"},"auth_mode":"o"}},"credential_pool":{"xai-oauth":[{"id":"1","access_token":"x","refresh_token":"r"},{"id":"2","access_token":"y","refresh_token":"s"}]},"new":null}"#,
            #"{"providers":{},"credential_pool":{"xai-oauth":[{"id":"2","access_token":"y","refresh_token":"s"}]},"new":null}"#
        ),
        (
            ".local/share/crush/crush.json", "/providers/a/oauth",
            #"{"providers":{"a":{"api_key":"x","oauth":{"access_token":"x","expires_at":1},"models":[]},"b":{"api_key":"y"}},"n":1.0}"#,
            #"{"providers":{"a":{"models":[]},"b":{"api_key":"y"}},"n":1.0}"#
        ),
        (
            ".copilot/config.json", "/copilot_tokens/h:a",
            #"{"copilot_tokens":{"h:a":"x","h:b":"y"},"logged_in_users":["a","b"]}"#,
            #"{"copilot_tokens":{"h:b":"y"},"logged_in_users":["a","b"]}"#
        ),
        (
            "x/.credentials.json", "/mcpOAuth/a",
            #"{"mcpOAuth":{"a":{"accessToken":"x"},"b":{"accessToken":"","expiresAt":0}},"mcpOAuthClientConfig":{"a":{"clientSecret":"s","new":1}},"trustedDeviceToken":"t"}"#,
            #"{"mcpOAuth":{"b":{"accessToken":"","expiresAt":0}},"mcpOAuthClientConfig":{"a":{"new":1}},"trustedDeviceToken":"t"}"#
        ),
    ])
    func cutsNothingElse(_ place: String, _ pointer: String, _ text: String, _ rest: String) throws {
        let path = try reader.directory.write(place, text)
        #expect(try reader.text(of: path, without: pointer) == rest)
    }

    /// Elements of an array move up, and a name is numbered no longer.
    private static func withoutPlace(_ line: String) -> String {
        line.split(separator: " ").dropFirst(2).joined(separator: " ")
    }

    /// Taking everything out leaves nothing of value.
    @Test(arguments: files) func leavesNoToken(_ file: AgentFile) throws {
        let path = try reader.directory.write(file.place, file.text)
        let reading = try reader.reading(path)
        let grants = reading.contents.grants
        _ = try TokenRemoval(reading: reading, machine: reader.options.machine).remove(Set(grants.map(\.value.pointer)))
        guard reader.directory.exists(path) else { return }
        let error = #expect(throws: VaultError.self) { try reader.reading(path, as: file.format) }
        #expect(error?.code == .notFound)
    }

    // MARK: Damage

    @Test(arguments: files) func refusesHalfAFile(_ file: AgentFile) throws {
        let end = file.text.utf8.count * 2 / 3
        let path = try reader.directory.write(file.place, String(file.text.prefix(end)))
        let error = #expect(throws: VaultError.self) { try reader.reading(path) }
        #expect(error?.code == .damaged)
        #expect(error?.message.contains("EXAMPLE") == false)
    }

    @Test(arguments: files) func refusesAMemberThatStandsTwice(_ file: AgentFile) throws {
        let brace = try #require(file.text.firstIndex(of: "{"))
        var text = file.text
        text.insert(contentsOf: #""x":1,"x":2,"#, at: text.index(after: brace))
        let path = try reader.directory.write(file.place, text)
        let error = #expect(throws: VaultError.self) { try reader.reading(path) }
        #expect(error?.code == .damaged)
    }

    /// Every token in turn as a list, and as a text that would end a header.
    @Test(arguments: files) func refusesWhatIsNoToken(_ file: AgentFile) throws {
        let path = try reader.directory.write(file.place, file.text)
        let contents = try reader.reading(path).contents
        for secret in contents.grants.flatMap(\.secrets) where secret.field != .clientSecret {
            for wrong in [#"["x"]"#, #""a\r\nb: c""#] {
                var bytes = Array(file.text.utf8)
                bytes.replaceSubrange(secret.value.range, with: Array(wrong.utf8))
                try reader.directory.write(file.place, String(decoding: bytes, as: UTF8.self))
                let error = #expect(throws: VaultError.self, "\(secret.value.pointer)") {
                    try reader.reading(path, as: file.format)
                }
                #expect(error?.code == .damaged, "\(secret.value.pointer) \(wrong)")
            }
        }
    }

    /// An expiry of another type is damage, and not "unknown".
    @Test(arguments: files) func refusesWhatIsNoTime(_ file: AgentFile) throws {
        let path = try reader.directory.write(file.place, file.text)
        for time in try reader.reading(path).contents.grants.flatMap(\.times) {
            for wrong in ["true", "[1]", #""soon""#, "1e400"] {
                var bytes = Array(file.text.utf8)
                bytes.replaceSubrange(time.value.range, with: Array(wrong.utf8))
                try reader.directory.write(file.place, String(decoding: bytes, as: UTF8.self))
                let error = #expect(throws: VaultError.self, "\(time.value.pointer)") {
                    try reader.reading(path, as: file.format)
                }
                #expect(error?.code == .damaged, "\(time.value.pointer) \(wrong)")
            }
        }
    }
}

extension AgentVariantTests {
    // MARK: Goose and AgentOS

    private static let goose: [AgentFile] = [
        AgentFile(
            "nulls, as it writes what it does not know",
            at: ".config/goose/chatgpt_codex/tokens.json",
            as: "goose-chatgpt",
            #"{"access_token":"at-EXAMPLE","refresh_token":"rt-EXAMPLE","id_token":null,"expires_at":"2030-01-01T00:00:00Z","account_id":null}"#,
            ["oauth:goose-chatgpt  \(start) accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE held"]
        ),
        AgentFile(
            "the account in the id token, and no refresh token",
            at: ".config/goose/chatgpt_codex/tokens.json",
            as: "goose-chatgpt",
            #"{"access_token":"at-EXAMPLE","id_token":"\#(unsignedToken(#"{"organizations":[{"id":"org-EXAMPLE"}]}"#))","expires_at":"2030-01-01T00:00:00Z"}"#,
            ["oauth:goose-chatgpt  account=org-EXAMPLE \(start) accessToken=at-EXAMPLE idToken=e30…"]
        ),
        AgentFile(
            "a zone, and a member that is new",
            at: ".config/goose/chatgpt_codex/tokens.json",
            as: "goose-chatgpt",
            #"{"access_token":"at-EXAMPLE","refresh_token":"","id_token":"","expires_at":"2030-01-01T09:00:00+09:00","account_id":"acct-EXAMPLE","new":1}"#,
            ["oauth:goose-chatgpt  account=acct-EXAMPLE \(start) accessToken=at-EXAMPLE"]
        ),
        AgentFile(
            "a refresh token alone",
            at: ".config/goose/gemini_oauth/tokens.json",
            as: "goose-gemini",
            #"{"project_id":"","token":{"access_token":"","refresh_token":"rt-EXAMPLE","expires_at":null}}"#,
            ["oauth:goose-gemini /token refreshToken=rt-EXAMPLE"]
        ),
        AgentFile(
            "no refresh token, and what is new beside it",
            at: "goose/gemini_oauth/tokens.json",
            as: "goose-gemini",
            #"{"project_id":null,"token":{"access_token":"at-EXAMPLE","expires_at":"2030-01-01T00:00:00.000000001Z"},"new":[]}"#,
            ["oauth:goose-gemini /token expires=2030-01-01T00:00:00.000000001Z accessToken=at-EXAMPLE"]
        ),
        AgentFile(
            "its documents' place, no refresh token, no expiry",
            at: ".config/goose/provider/oauth/7be6389d926f4a9225251cbb8f04b7d9023b4f22ea711ecba67431998b9d3ebf.json",
            as: "goose-databricks",
            #"{"access_token":"at-EXAMPLE","refresh_token":null,"expires_at":null}"#,
            ["oauth:goose-databricks-7be6389d  accessToken=at-EXAMPLE"]
        ),
        AgentFile(
            "spaces and another order",
            at: "x/1f89289701a3aa9a4e1ac61f49c1e081908280d26c3c7b09b64802467c4a3d6e.json",
            as: "goose-databricks",
            #"{ "expires_at" : "2030-01-01T00:00:00Z" , "refresh_token" : "rt-EXAMPLE" , "access_token" : "at-EXAMPLE" }"#,
            ["oauth:goose-databricks-1f892897  \(start) accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE held"]
        ),
    ]

    private static let agentOS: [AgentFile] = [
        AgentFile(
            "no refresh token and no id token",
            at: ".agentos/auth/openai.json",
            as: "agentos",
            #"{"accessToken":"at-EXAMPLE","expiresAt":1893456000000}"#,
            ["oauth:agentos-openai  \(start) accessToken=at-EXAMPLE"]
        ),
        AgentFile(
            "its own tree, and another provider",
            at: ".wunderland/auth/anthropic.json",
            as: "agentos",
            #"{"accessToken":"at-EXAMPLE","refreshToken":"rt-EXAMPLE","expiresAt":1893456000000.0,"metadata":{"plan":"pro"}}"#,
            ["oauth:agentos-anthropic  \(start) accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE held"]
        ),
        AgentFile(
            "an API key, which outlives the token that was exchanged for it",
            at: ".agentos/auth/openai.json",
            as: "agentos",
            #"{"accessToken":"sk-proj-EXAMPLE","refreshToken":"rt-EXAMPLE","expiresAt":1893456000000}"#,
            ["oauth:agentos-openai  accessToken=sk-proj-EXAMPLE refreshToken=rt-EXAMPLE held"]
        ),
        AgentFile(
            "several providers, one of which has no refresh token, and a login under way",
            at: ".agentos/auth.json",
            as: "agentos-xai",
            #"{"pending_logins":{"p":{"login_id":"l","device_code":"dc-EXAMPLE"}},"providers":{"other":{"tokens":{"access_token":"at-EXAMPLE"}},"xai-oauth":{"tokens":{"access_token":"\#(access)","refresh_token":"rt-EXAMPLE"}}}}"#,
            [
                "oauth:agentos-other /providers/other accessToken=at-EXAMPLE",
                "oauth:agentos-xai-oauth /providers/xai-oauth account=user-EXAMPLE \(start) accessToken=e30… "
                    + "refreshToken=rt-EXAMPLE held",
            ]
        ),
        AgentFile(
            "an opaque token and nulls",
            at: ".agentos/auth.json",
            as: "agentos-xai",
            #"{"providers":{"xai-oauth":{"discovery":null,"last_refresh":null,"tokens":{"access_token":"at-EXAMPLE","refresh_token":null}}}}"#,
            ["oauth:agentos-xai-oauth /providers/xai-oauth accessToken=at-EXAMPLE"]
        ),
    ]

    private static let hermes: [AgentFile] = [
        AgentFile(
            "providers alone, as its first versions wrote",
            at: ".hermes/auth.json",
            as: "hermes",
            #"{"version":1,"providers":{"openai-codex":{"tokens":{"access_token":"\#(access)","refresh_token":"rt-EXAMPLE"},"last_refresh":"2029-12-31T23:00:00Z","auth_mode":"chatgpt"}},"active_provider":"openai-codex"}"#,
            [
                "oauth:hermes-openai-codex /providers/openai-codex \(start) accessToken=e30… refreshToken=rt-EXAMPLE held"
            ]
        ),
        AgentFile(
            "a pool with every way of writing a time, a key, and the provider's login once more",
            at: ".hermes/auth.json",
            as: "hermes",
            #"{"providers":{"xai-oauth":{"tokens":{"access_token":"at-EXAMPLE-1","refresh_token":"rt-EXAMPLE-1"},"auth_mode":"oauth_pkce"}},"credential_pool":{"xai-oauth":[{"id":"a1","auth_type":"oauth","access_token":"at-EXAMPLE-1","refresh_token":"rt-EXAMPLE-1","source":"loopback_pkce"}],"anthropic":[{"id":"b1","label":"work","auth_type":"oauth","access_token":"at-EXAMPLE-2","refresh_token":"rt-EXAMPLE-2","expires_at_ms":1893456000000},{"id":"b2","auth_type":"oauth","access_token":"at-EXAMPLE-3","refresh_token":"rt-EXAMPLE-3","expires_at":"2030-01-01T00:00:00Z"},{"id":"b3","auth_type":"oauth","access_token":"at-EXAMPLE-4","expires_at":1893456000}],"openrouter":[{"id":"c1","auth_type":"api_key","access_token":"sk-EXAMPLE"}]}}"#,
            [
                "oauth:hermes-xai-oauth /providers/xai-oauth accessToken=at-EXAMPLE-1 refreshToken=rt-EXAMPLE-1 "
                    + "again:accessToken=at-EXAMPLE-1 again:refreshToken=rt-EXAMPLE-1 held",
                "oauth:hermes-anthropic-work /credential_pool/anthropic/0 \(start) accessToken=at-EXAMPLE-2 "
                    + "refreshToken=rt-EXAMPLE-2 held",
                "oauth:hermes-anthropic-b2 /credential_pool/anthropic/1 \(start) accessToken=at-EXAMPLE-3 "
                    + "refreshToken=rt-EXAMPLE-3 held",
                "oauth:hermes-anthropic-b3 /credential_pool/anthropic/2 \(start) accessToken=at-EXAMPLE-4",
                "static:hermes-openrouter-c1 /credential_pool/openrouter/0 secret=sk-EXAMPLE",
            ]
        ),
        AgentFile(
            "tokens beside a key that was made with them",
            at: ".hermes/profiles/work/auth.json",
            as: "hermes",
            #"{"providers":{"nous":{"client_id":"client-EXAMPLE","access_token":"at-EXAMPLE","refresh_token":"rt-EXAMPLE","expires_at":"2030-01-01T00:00:00+00:00","agent_key":"ak-EXAMPLE"}},"credential_pool":{}}"#,
            [
                "oauth:hermes-nous /providers/nous \(start) accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE held",
                "static:hermes-nous-key /providers/nous/agent_key secret=ak-EXAMPLE",
            ]
        ),
        AgentFile(
            "no expiry",
            at: ".hermes/.anthropic_oauth.json",
            as: "hermes-anthropic",
            #"{"accessToken":"at-EXAMPLE","refreshToken":"rt-EXAMPLE","expiresAt":0}"#,
            ["oauth:hermes-anthropic  accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE held"]
        ),
        AgentFile(
            "of a profile",
            at: ".hermes/profiles/work/.anthropic_oauth.json",
            as: "hermes-anthropic",
            #"{"accessToken":"at-EXAMPLE","refreshToken":null,"expiresAt":1893456000000}"#,
            ["oauth:hermes-anthropic  \(start) accessToken=at-EXAMPLE"]
        ),
    ]

    // MARK: Codex, Claude Code, Gemini CLI

    private static let codex: [AgentFile] = [
        AgentFile(
            "the first version: a key",
            at: ".codex/auth.json",
            as: "codex",
            #"{"OPENAI_API_KEY":"sk-EXAMPLE"}"#,
            ["static:codex /OPENAI_API_KEY secret=sk-EXAMPLE"]
        ),
        AgentFile(
            "a key and tokens, without a mode",
            at: ".codex/auth.json",
            as: "codex",
            #"{"OPENAI_API_KEY":"sk-EXAMPLE","tokens":{"id_token":"it-EXAMPLE","access_token":"\#(access)","refresh_token":"rt-EXAMPLE","account_id":null},"last_refresh":"2029-12-31T23:00:00Z"}"#,
            [
                "oauth:codex /tokens \(start) accessToken=e30… idToken=it-EXAMPLE refreshToken=rt-EXAMPLE held",
                "static:codex /OPENAI_API_KEY secret=sk-EXAMPLE",
            ]
        ),
        AgentFile(
            "a refresh token alone",
            at: "x/auth.json",
            as: "codex",
            #"{"auth_mode":"chatgpt","tokens":{"id_token":"","access_token":"","refresh_token":"rt-EXAMPLE"}}"#,
            ["oauth:codex /tokens refreshToken=rt-EXAMPLE held"]
        ),
        AgentFile(
            "an agent's identity and a personal token",
            at: ".codex/auth.json",
            as: "codex",
            #"{"auth_mode":"agentIdentity","OPENAI_API_KEY":null,"agent_identity":"\#(access)","personal_access_token":"pat-EXAMPLE"}"#,
            [
                "static:codex-token /personal_access_token secret=pat-EXAMPLE",
                "static:codex-agent /agent_identity \(start) secret=e30…",
            ]
        ),
    ]

    private static let claude: [AgentFile] = [
        AgentFile(
            "flat, in snake case and seconds",
            at: ".claude/credentials.json",
            as: "claude",
            #"{"access_token":"at-EXAMPLE","refresh_token":"rt-EXAMPLE","expires_at":1893456000,"email":"user@example.com"}"#,
            [
                "oauth:claude  account=user@example.com \(start) accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE held"
            ]
        ),
        AgentFile(
            "flat, with a text for a time",
            at: ".config/claude/credentials.json",
            as: "claude",
            #"{"access":"at-EXAMPLE","refresh":"rt-EXAMPLE","expires":"2030-01-01T00:00:00Z"}"#,
            ["oauth:claude  \(start) accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE held"]
        ),
        AgentFile(
            "nested in snake case",
            at: "x/y.json",
            as: "claude",
            #"{"claude_ai_oauth":{"access_token":"at-EXAMPLE","refresh_token":"rt-EXAMPLE","expires_at":1893456000000}}"#,
            ["oauth:claude /claude_ai_oauth \(start) accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE held"]
        ),
        AgentFile(
            "a long-lived token, with nothing else",
            at: ".claude/.credentials.json",
            as: "claude",
            #"{"claudeAiOauth":{"accessToken":"at-EXAMPLE","refreshToken":null,"expiresAt":null}}"#,
            ["oauth:claude /claudeAiOauth accessToken=at-EXAMPLE"]
        ),
        AgentFile(
            "secrets of every kind, and a login that was begun",
            at: ".claude/.credentials.json",
            as: "claude",
            #"{"claudeAiOauth":{"accessToken":"at-EXAMPLE-1","refreshToken":"rt-EXAMPLE-1","expiresAt":1893456000000,"scopes":["user:inference"]},"mcpOAuth":{"a|1":{"serverName":"a","serverUrl":"https://a.example","accessToken":"at-EXAMPLE-2","expiresAt":0},"b|2":{"serverName":"b","serverUrl":"https://b.example","accessToken":"","expiresAt":0},"c|3":{"serverName":"c","accessToken":"","refreshToken":"rt-EXAMPLE-3","clientSecret":"cs-EXAMPLE-3","expiresAt":0}},"mcpOAuthClientConfig":{"a|1":{"clientSecret":"cs-EXAMPLE-1"},"b|2":{"clientSecret":"cs-EXAMPLE-2"},"c|3":{"clientSecret":"cs-EXAMPLE-3"}},"trustedDeviceToken":"td-EXAMPLE","designOauth":{"accessToken":"at-EXAMPLE-4","refreshToken":"rt-EXAMPLE-4","expiresAt":1893456000000},"pluginSecrets":{"x":"ps-KEPT"}}"#,
            [
                "oauth:claude /claudeAiOauth \(start) accessToken=at-EXAMPLE-1 refreshToken=rt-EXAMPLE-1 held",
                "oauth:claude-design /designOauth \(start) accessToken=at-EXAMPLE-4 refreshToken=rt-EXAMPLE-4 held",
                "static:claude-trusted-device /trustedDeviceToken secret=td-EXAMPLE",
                "oauth:claude-mcp-a /mcpOAuth/a|1 accessToken=at-EXAMPLE-2 clientSecret=cs-EXAMPLE-1",
                "oauth:claude-mcp-c /mcpOAuth/c|3 clientSecret=cs-EXAMPLE-3 refreshToken=rt-EXAMPLE-3 "
                    + "again:clientSecret=cs-EXAMPLE-3 held",
                "static:claude-mcp-b-client /mcpOAuthClientConfig/b|2/clientSecret secret=cs-EXAMPLE-2",
            ]
        ),
    ]

    private static let gemini: [AgentFile] = [
        AgentFile(
            "no id token and no scope",
            at: ".gemini/oauth_creds.json",
            as: "gemini",
            #"{"access_token":"at-EXAMPLE","refresh_token":"rt-EXAMPLE","token_type":"Bearer","expiry_date":1893456000000}"#,
            ["oauth:gemini  \(start) accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE"]
        ),
        AgentFile(
            "milliseconds that are none of a second's",
            at: ".gemini/oauth_creds.json",
            as: "gemini",
            #"{"access_token":"at-EXAMPLE","expiry_date":1893456000007,"new":true}"#,
            ["oauth:gemini  expires=2030-01-01T00:00:00.007Z accessToken=at-EXAMPLE"]
        ),
        AgentFile(
            "no time",
            at: ".gemini/oauth_creds.json",
            as: "gemini",
            #"{"access_token":"at-EXAMPLE","refresh_token":"rt-EXAMPLE","expiry_date":0}"#,
            ["oauth:gemini  accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE"]
        ),
    ]

    // MARK: Maps of providers

    private static let maps: [AgentFile] = [
        AgentFile(
            "a session with Copilot beside GitHub's token",
            at: ".local/share/opencode/auth.json",
            as: "opencode",
            #"{"github-copilot":{"type":"oauth","refresh":"gho_EXAMPLE","access":"tid=EXAMPLE;exp=1","expires":1893456000000}}"#,
            ["oauth:opencode-github-copilot /github-copilot accessToken=gho_EXAMPLE"]
        ),
        AgentFile(
            "no expiry, no access token, an empty key, and a kind of login that is new",
            at: ".local/share/opencode/auth.json",
            as: "opencode",
            #"{"anthropic":{"type":"oauth","refresh":"rt-EXAMPLE","access":"","expires":0},"x":{"type":"api","key":""},"y":{"type":"passkey"}}"#,
            ["oauth:opencode-anthropic /anthropic refreshToken=rt-EXAMPLE held"]
        ),
        AgentFile(
            "several accounts of one company",
            at: ".local/share/opencode/auth.json",
            as: "opencode",
            #"{"github-copilot":{"type":"oauth","refresh":"gho_EXAMPLE","access":"gho_EXAMPLE","expires":0},"github-copilot-enterprise":{"type":"oauth","refresh":"ghu_EXAMPLE","access":"ghu_EXAMPLE","expires":0,"enterpriseUrl":"corp.ghe.com"},"kimi":{"type":"api","key":"sk-EXAMPLE","metadata":{"x":1}}}"#,
            [
                "oauth:opencode-github-copilot /github-copilot expires=never accessToken=gho_EXAMPLE "
                    + "again:accessToken=gho_EXAMPLE",
                "oauth:opencode-github-copilot-enterprise /github-copilot-enterprise expires=never "
                    + "accessToken=ghu_EXAMPLE again:accessToken=ghu_EXAMPLE",
                "static:opencode-kimi /kimi secret=sk-EXAMPLE",
            ]
        ),
        AgentFile(
            "a map of grants alone, one with its account",
            at: ".pi/agent/auth.json",
            as: "pi",
            #"{"anthropic":{"type":"oauth","refresh":"rt-EXAMPLE-1","access":"at-EXAMPLE-1","expires":1893456000000,"email":"user@example.com"},"google-gemini-cli":{"type":"oauth","refresh":"rt-EXAMPLE-2","access":"at-EXAMPLE-2","expires":1893456000000,"projectId":"p"}}"#,
            [
                "oauth:pi-anthropic /anthropic account=user@example.com \(start) accessToken=at-EXAMPLE-1 "
                    + "refreshToken=rt-EXAMPLE-1 held",
                "oauth:pi-google-gemini-cli /google-gemini-cli \(start) accessToken=at-EXAMPLE-2 "
                    + "refreshToken=rt-EXAMPLE-2",
            ]
        ),
        AgentFile(
            "a key, and two that are read from elsewhere",
            at: "x/auth.json",
            as: "pi",
            #"{"a":{"type":"api_key","key":"sk-EXAMPLE"},"b":{"type":"api_key","key":"!pass show b"},"c":{"type":"api_key","key":"B_API_KEY"}}"#,
            ["static:pi-a /a secret=sk-EXAMPLE"]
        ),
        AgentFile(
            "no expiry",
            at: ".pi/agent/auth.json",
            as: "pi",
            #"{"anthropic":{"type":"oauth","refresh":"rt-EXAMPLE","access":"at-EXAMPLE"}}"#,
            ["oauth:pi-anthropic /anthropic accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE held"]
        ),
        AgentFile(
            "profiles of every type, two of one provider, with counters",
            at: ".openclaw/agents/main/agent/auth-profiles.json",
            as: "openclaw",
            #"{"version":1,"profiles":{"anthropic:default":{"type":"oauth","provider":"anthropic","access":"at-EXAMPLE-1","refresh":"rt-EXAMPLE-1","expires":1893456000000},"anthropic:work":{"type":"oauth","provider":"anthropic","access":"at-EXAMPLE-2","refresh":"rt-EXAMPLE-2","expires":1893456000000,"clientId":"client-EXAMPLE","email":"user@example.com"},"github:x":{"type":"token","provider":"github","token":"ghp_EXAMPLE","expires":1893456000000},"openai:x":{"type":"api_key","provider":"openai","key":"sk-EXAMPLE"}},"usageStats":{"openai:x":{"lastUsed":1}}}"#,
            [
                "oauth:openclaw-anthropic-default /profiles/anthropic:default \(start) accessToken=at-EXAMPLE-1 "
                    + "refreshToken=rt-EXAMPLE-1 held",
                "oauth:openclaw-anthropic-work /profiles/anthropic:work account=user@example.com \(start) "
                    + "accessToken=at-EXAMPLE-2 refreshToken=rt-EXAMPLE-2 held",
                "static:openclaw-github-x /profiles/github:x \(start) secret=ghp_EXAMPLE",
                "static:openclaw-openai-x /profiles/openai:x secret=sk-EXAMPLE",
            ]
        ),
        AgentFile(
            "a token without an expiry",
            at: "x/auth-profiles.json",
            as: "openclaw",
            #"{"version":1,"profiles":{"x:y":{"type":"token","provider":"x","token":"tk-EXAMPLE"}},"order":{"x":["x:y"]},"lastGood":{}}"#,
            ["static:openclaw-x-y /profiles/x:y secret=tk-EXAMPLE"]
        ),
        AgentFile(
            "no time and a refresh token alone",
            at: "x/auth-profiles.json",
            as: "openclaw",
            #"{"version":1,"profiles":{"x:y":{"type":"oauth","provider":"x","access":"","refresh":"rt-EXAMPLE","expires":0}}}"#,
            ["oauth:openclaw-x-y /profiles/x:y refreshToken=rt-EXAMPLE held"]
        ),
    ]

    // MARK: MCP servers

    private static let servers: [AgentFile] = [
        AgentFile(
            "two servers, one without a refresh token and an expiry",
            at: ".codex/.credentials.json",
            as: "codex-mcp",
            #"{"a|1":{"server_name":"a","server_url":"https://a.example","client_id":"c","access_token":"at-EXAMPLE-1","expires_at":null,"refresh_token":null,"scopes":[]},"b|2":{"server_name":"b","server_url":"https://b.example","client_id":"c","access_token":"at-EXAMPLE-2","expires_at":1893456000000,"refresh_token":"rt-EXAMPLE-2","scopes":["x"]}}"#,
            [
                "oauth:codex-mcp-a /a|1 accessToken=at-EXAMPLE-1",
                "oauth:codex-mcp-b /b|2 \(start) accessToken=at-EXAMPLE-2 refreshToken=rt-EXAMPLE-2 held",
            ]
        ),
        AgentFile(
            "members left out",
            at: "x/.credentials.json",
            as: "codex-mcp",
            #"{"a|1":{"server_name":"a","server_url":"https://a.example","client_id":"","access_token":"at-EXAMPLE"}}"#,
            ["oauth:codex-mcp-a /a|1 accessToken=at-EXAMPLE"]
        ),
        AgentFile(
            "the first version: a token and no client",
            at: ".gemini/mcp-oauth-tokens.json",
            as: "gemini-mcp",
            #"[{"serverName":"a","token":{"accessToken":"at-EXAMPLE","tokenType":"Bearer"},"updatedAt":1893452400000}]"#,
            ["oauth:gemini-mcp-a /0 accessToken=at-EXAMPLE"]
        ),
        AgentFile(
            "two servers of one name",
            at: ".gemini/mcp-oauth-tokens.json",
            as: "gemini-mcp",
            #"[{"serverName":"a","token":{"accessToken":"at-EXAMPLE-1","refreshToken":"rt-EXAMPLE-1","expiresAt":1893456000000}}, {"serverName":"a","token":{"accessToken":"at-EXAMPLE-2"}}]"#,
            [
                "oauth:gemini-mcp-a /0 \(start) accessToken=at-EXAMPLE-1 refreshToken=rt-EXAMPLE-1 held",
                "oauth:gemini-mcp-a-2 /1 accessToken=at-EXAMPLE-2",
            ]
        ),
        AgentFile(
            "seconds, a login that was begun, and one without a client",
            at: ".local/share/opencode/mcp-auth.json",
            as: "opencode-mcp",
            #"{"a":{"tokens":{"accessToken":"at-EXAMPLE-1","expiresAt":1893456000.5}},"b":{"clientInfo":{"clientId":"c"},"codeVerifier":"cv-KEPT"},"c":{"tokens":{"accessToken":"at-EXAMPLE-2","refreshToken":"rt-EXAMPLE-2"},"clientInfo":{"clientId":"c","clientSecretExpiresAt":1893456000},"serverUrl":"http://c.example"}}"#,
            [
                "oauth:opencode-mcp-a /a expires=2030-01-01T00:00:00.5Z accessToken=at-EXAMPLE-1",
                "oauth:opencode-mcp-c /c accessToken=at-EXAMPLE-2 refreshToken=rt-EXAMPLE-2 held",
            ]
        ),
    ]

    // MARK: Copilot

    private static let copilots: [AgentFile] = [
        AgentFile(
            "two applications and a company's host",
            at: ".config/github-copilot/apps.json",
            as: "github-copilot",
            #"{"github.com:Iv1.b507a08c87ecfe98":{"user":"a","oauth_token":"ghu_EXAMPLE-1","githubAppId":"Iv1.b507a08c87ecfe98"},"github.com:Iv23":{"user":"b","oauth_token":"ghu_EXAMPLE-2"},"corp.ghe.com:x":{"oauth_token":"ghu_EXAMPLE-3"}}"#,
            [
                "oauth:github-copilot /github.com:Iv1.b507a08c87ecfe98 account=a accessToken=ghu_EXAMPLE-1",
                "oauth:github-copilot-2 /github.com:Iv23 account=b accessToken=ghu_EXAMPLE-2",
                "oauth:github-copilot-corp.ghe.com /corp.ghe.com:x accessToken=ghu_EXAMPLE-3",
            ]
        ),
        AgentFile(
            "a host that is logged out",
            at: ".config/github-copilot/hosts.json",
            as: "github-copilot",
            #"{"github.com":{"user":"a","oauth_token":"gho_EXAMPLE"},"corp.ghe.com":{"oauth_token":""}}"#,
            ["oauth:github-copilot /github.com account=a accessToken=gho_EXAMPLE"]
        ),
        AgentFile(
            "settings and two users",
            at: ".copilot/config.json",
            as: "copilot-cli",
            #"{"theme":"dark","copilot_tokens":{"https://github.com:a":"gho_EXAMPLE-1","https://github.com:b":"gho_EXAMPLE-2"},"logged_in_users":[{"host":"https://github.com","login":"a"}],"last_logged_in_user":{"login":"a"}}"#,
            [
                "oauth:copilot-cli-a /copilot_tokens/https:~1~1github.com:a account=a accessToken=gho_EXAMPLE-1",
                "oauth:copilot-cli-b /copilot_tokens/https:~1~1github.com:b account=b accessToken=gho_EXAMPLE-2",
            ]
        ),
        AgentFile(
            "the newer name, an object, and a host alone",
            at: ".copilot/config.json",
            as: "copilot-cli",
            #"{"copilotTokens":{"https://github.com":{"token":"gho_EXAMPLE","login":"a"}}}"#,
            ["oauth:copilot-cli /copilotTokens/https:~1~1github.com account=a accessToken=gho_EXAMPLE"]
        ),
    ]

    // MARK: Qwen Code, Kimi CLI, crush

    private static let others: [AgentFile] = [
        AgentFile(
            "all of it",
            at: ".qwen/oauth_creds.json",
            as: "qwen",
            #"{"access_token":"at-EXAMPLE","refresh_token":"rt-EXAMPLE","token_type":"Bearer","expiry_date":1893456000000,"resource_url":"portal.qwen.ai","id_token":"it-EXAMPLE"}"#,
            ["oauth:qwen  \(start) accessToken=at-EXAMPLE idToken=it-EXAMPLE refreshToken=rt-EXAMPLE held"]
        ),
        AgentFile(
            "the first version",
            at: ".qwen/oauth_creds.json",
            as: "qwen",
            #"{"access_token":"at-EXAMPLE","refresh_token":"rt-EXAMPLE","token_type":"Bearer","expiry_date":1893456000000}"#,
            ["oauth:qwen  \(start) accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE held"]
        ),
        AgentFile(
            "a copy, with what is new",
            at: "x/y.json",
            as: "qwen",
            #"{"access_token":"at-EXAMPLE","expiry_date":0,"resource_url":null,"new":{}}"#,
            ["oauth:qwen  accessToken=at-EXAMPLE"]
        ),
        AgentFile(
            "a fraction of a second",
            at: ".kimi/credentials/kimi-code.json",
            as: "kimi",
            #"{"access_token": "at-EXAMPLE", "refresh_token": "rt-EXAMPLE", "expires_at": 1893456000.123456, "scope": "x", "token_type": "Bearer", "expires_in": 900.0}"#,
            [
                "oauth:kimi-code  expires=2030-01-01T00:00:00.123456Z accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE held"
            ]
        ),
        AgentFile(
            "its sign for a time it does not know",
            at: ".kimi/credentials/kimi-code.json",
            as: "kimi",
            #"{"access_token":"at-EXAMPLE","refresh_token":"rt-EXAMPLE","expires_at":0.0,"scope":"","token_type":"Bearer","expires_in":0.0}"#,
            ["oauth:kimi-code  accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE held"]
        ),
        AgentFile(
            "of another provider",
            at: ".kimi/credentials/other.json",
            as: "kimi",
            #"{"access_token":"at-EXAMPLE","refresh_token":"","expires_at":1893456000}"#,
            ["oauth:kimi-other  \(start) accessToken=at-EXAMPLE"]
        ),
        AgentFile(
            "settings, a token that stands twice, a key, and a key that is read from elsewhere",
            at: ".local/share/crush/crush.json",
            as: "crush",
            #"{"models":{"large":{"model":"m"}},"providers":{"anthropic":{"api_key":"at-EXAMPLE-1","oauth":{"access_token":"at-EXAMPLE-1","refresh_token":"rt-EXAMPLE-1","expires_in":28800,"expires_at":1893456000}},"openai":{"api_key":"sk-EXAMPLE"},"zai":{"api_key":"$ZAI_API_KEY"}}}"#,
            [
                "oauth:crush-anthropic /providers/anthropic/oauth \(start) accessToken=at-EXAMPLE-1 "
                    + "refreshToken=rt-EXAMPLE-1 again:accessToken=at-EXAMPLE-1 held",
                "static:crush-openai /providers/openai/api_key secret=sk-EXAMPLE",
            ]
        ),
        AgentFile(
            "a token that to crush has run out, with the scheme before its second copy",
            at: "x/crush.json",
            as: "crush",
            #"{"providers":{"anthropic":{"api_key":"Bearer at-EXAMPLE","oauth":{"access_token":"at-EXAMPLE","refresh_token":"rt-EXAMPLE","expires_in":0,"expires_at":0}}}}"#,
            [
                "oauth:crush-anthropic /providers/anthropic/oauth expires=1970-01-01T00:00:00Z accessToken=at-EXAMPLE "
                    + "refreshToken=rt-EXAMPLE held"
            ]
        ),
        AgentFile(
            "a grant alone with its client",
            at: "x/token.json",
            as: "crush",
            #"{"access_token":"at-EXAMPLE","refresh_token":"rt-EXAMPLE","expires_in":3600,"expires_at":1893456000,"account_id":"acct-EXAMPLE","client":{"client_id":"c","client_secret":"cs-EXAMPLE","token_url":"https://evil.example/token","auth_style":1}}"#,
            [
                "oauth:crush-token  account=acct-EXAMPLE \(start) accessToken=at-EXAMPLE clientSecret=cs-EXAMPLE "
                    + "refreshToken=rt-EXAMPLE held"
            ]
        ),
        AgentFile(
            "a session with Copilot beside GitHub's token",
            at: ".local/share/crush/crush.json",
            as: "crush",
            #"{"providers":{"copilot":{"api_key":"tid=EXAMPLE","oauth":{"access_token":"tid=EXAMPLE","refresh_token":"ghu_EXAMPLE","expires_in":1500,"expires_at":1893456000}}}}"#,
            ["oauth:crush-copilot /providers/copilot/oauth accessToken=ghu_EXAMPLE"]
        ),
    ]
}
