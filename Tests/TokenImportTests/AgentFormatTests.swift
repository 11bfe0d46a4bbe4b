import Foundation
import StrictJSON
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import TokenImport

/// A file in the place where its tool keeps it, and what comes of it.
struct AgentFile: Sendable, CustomTestStringConvertible {
    let what: String
    /// Below the home directory.
    let place: String
    let text: String
    let format: String
    /// One line for each grant, as `AgentReader` writes them.
    let lines: [String]

    init(_ what: String, at place: String, as format: String, _ text: String, _ lines: [String]) {
        (self.what, self.place, self.format, self.text, self.lines) = (what, place, format, text, lines)
    }

    var testDescription: String { "\(format): \(what)" }
}

/// Reads files in a home of its own, and says in a line for each grant what an entry would hold.
final class AgentReader {
    let directory: TestDirectory
    let options: ImportOptions

    init() throws {
        directory = try TestDirectory()
        options = ImportOptions(machine: Machine(home: directory.path, environment: [:]))
    }

    func reading(_ path: String, as format: String? = nil) throws -> FileReading {
        try FileReading.of(path, format: format, options: options, now: testNow)
    }

    /// One line for each grant.
    ///
    /// `oauth:name /pointer account=a expires=2030-01-01T00:00:00Z accessToken=x refreshToken=y held`
    func lines(_ path: String) async throws -> [String] {
        let grants = try reading(path).contents.grants
        let plan = try await ImportPlan.make([path], options: options, for: MemoryVault(), now: testNow)
        try #require(plan.items.count == grants.count)
        return try zip(grants, plan.items).map { grant, item in
            var words = ["\(item.name) \(item.pointer)"]
            if let account = grant.summary.account { words.append("account=\(account)") }
            switch grant.summary.expiry {
            case .known(let time): words.append("expires=\(time)")
            case .never: words.append("expires=never")
            case .unknown: break
            }
            let secrets = try (grant.secrets + grant.elsewhere).map { "\($0.field)=\(try Self.text($0.value))" }
            words += secrets.sorted() + (try grant.copies.map { "again:\($0.field)=\(try Self.text($0.value))" })
            if item.willBeHeld { words.append("held") }
            return words.joined(separator: " ")
        }
    }

    /// The value of a fake token, its middle left out where it is long.
    private static func text(_ value: JSONValue) throws -> String {
        let secret = try value.secret()
        let text = secret.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        return text.count > 30 ? "\(text.prefix(3))…" : text
    }

    /// The file after the grant at that pointer has been taken out of it; `nil` where it is gone.
    func text(of path: String, without pointer: String) throws -> String? {
        let before = try directory.text(path)
        defer { try? Data(before.utf8).write(to: URL(fileURLWithPath: path)) }
        _ = try TokenRemoval(reading: try reading(path), machine: options.machine).remove([pointer])
        return directory.exists(path) ? try directory.text(path) : nil
    }
}

/// A JWT with these claims, signed by nobody.
func unsignedToken(_ claims: String) -> String {
    let payload = Data(claims.utf8).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
    return "e30.\(payload.replacing("=", with: "")).RVhBTVBMRQ"
}

/// The sample files of agents, where their tools keep them.
struct AgentFormatTests {
    private let reader: AgentReader

    init() throws { reader = try AgentReader() }

    @Test(arguments: [
        (
            "goose/chatgpt_codex/tokens.json", ".config/goose/chatgpt_codex/tokens.json", "goose-chatgpt",
            [
                "oauth:goose-chatgpt  account=acct-EXAMPLE expires=2030-01-01T00:00:00.123456789Z accessToken=eyJ… "
                    + "idToken=eyJ… refreshToken=rt-EXAMPLE held"
            ]
        ),
        (
            "goose/gemini_oauth/tokens.json", ".config/goose/gemini_oauth/tokens.json", "goose-gemini",
            [
                "oauth:goose-gemini /token expires=2030-01-01T00:00:00.123456789Z accessToken=at-EXAMPLE "
                    + "refreshToken=rt-EXAMPLE"
            ]
        ),
        (
            "agentos/auth.json", ".agentos/auth.json", "agentos-xai",
            [
                "oauth:agentos-xai-oauth /providers/xai-oauth account=user-EXAMPLE expires=2030-01-01T00:00:00Z "
                    + "accessToken=eyJ… refreshToken=rt-EXAMPLE held"
            ]
        ),
        (
            "codex/.credentials.json", ".codex/.credentials.json", "codex-mcp",
            [
                "oauth:codex-mcp-example /example|4282f2a9112820d2 expires=2030-01-01T00:00:00Z "
                    + "accessToken=at-EXAMPLE refreshToken=rt-EXAMPLE held"
            ]
        ),
        (
            "gemini/mcp-oauth-tokens.json", ".gemini/mcp-oauth-tokens.json", "gemini-mcp",
            [
                "oauth:gemini-mcp-example /0 expires=2030-01-01T00:00:00Z accessToken=at-EXAMPLE "
                    + "refreshToken=rt-EXAMPLE held"
            ]
        ),
        (
            "opencode/auth.json", ".local/share/opencode/auth.json", "opencode",
            [
                "oauth:opencode-anthropic /anthropic expires=2030-01-01T00:00:00Z accessToken=at-EXAMPLE "
                    + "refreshToken=rt-EXAMPLE held",
                "oauth:opencode-openai /openai account=acct-EXAMPLE expires=2030-01-01T00:00:00Z accessToken=eyJ… "
                    + "refreshToken=rt-EXAMPLE held",
                "oauth:opencode-github-copilot /github-copilot expires=never accessToken=gho_EXAMPLE "
                    + "again:accessToken=gho_EXAMPLE",
                "static:opencode-openrouter /openrouter secret=sk-or-EXAMPLE",
                "static:opencode-corp.example.com /https:~1~1corp.example.com secret=wk-EXAMPLE",
            ]
        ),
        (
            "opencode/mcp-auth.json", ".local/share/opencode/mcp-auth.json", "opencode-mcp",
            [
                "oauth:opencode-mcp-example /example expires=2030-01-01T00:00:00Z accessToken=at-EXAMPLE "
                    + "clientSecret=cs-EXAMPLE refreshToken=rt-EXAMPLE held"
            ]
        ),
        (
            "pi/agent/auth.json", ".pi/agent/auth.json", "pi",
            [
                "oauth:pi-anthropic /anthropic expires=2030-01-01T00:00:00Z accessToken=at-EXAMPLE "
                    + "refreshToken=rt-EXAMPLE held", "static:pi-openai /openai secret=sk-EXAMPLE",
            ]
        ),
        (
            "github-copilot/apps.json", ".config/github-copilot/apps.json", "github-copilot",
            [
                "oauth:github-copilot /github.com:Iv1.b507a08c87ecfe98 account=example-user accessToken=ghu_EXAMPLE"
            ]
        ),
        (
            "github-copilot/hosts.json", ".config/github-copilot/hosts.json", "github-copilot",
            ["oauth:github-copilot /github.com account=example-user accessToken=gho_EXAMPLE"]
        ),
    ])
    func reads(_ fixture: String, _ place: String, _ format: String, _ lines: [String]) async throws {
        let path = try reader.directory.copy(fixture, to: place)
        #expect(try reader.reading(path).format.identifier == format)
        #expect(try await reader.lines(path) == lines)
        #expect(FormatFacts.of(format).places.contains { $0.matches(path, on: reader.options.machine) })
    }

    @Test func knowsWhoseClientsTheyAre() throws {
        let expected: [(String, String?, String?, Rotation)] = [
            (
                "goose/chatgpt_codex/tokens.json", KnownClient.openAI.clientID, "https://auth.openai.com/oauth/token",
                .always
            ),
            (
                "goose/gemini_oauth/tokens.json", KnownClient.gemini.clientID, "https://oauth2.googleapis.com/token",
                .never
            ),
            ("agentos/auth.json", KnownClient.xAI.clientID, "https://auth.x.ai/oauth2/token", .always),
            ("codex/.credentials.json", "client-EXAMPLE", nil, .unknown),
            ("gemini/mcp-oauth-tokens.json", "client-EXAMPLE", nil, .unknown),
            ("opencode/auth.json", KnownClient.anthropic.clientID, KnownClient.anthropic.tokenEndpoint, .always),
            ("opencode/mcp-auth.json", "client-EXAMPLE", nil, .unknown),
            ("pi/agent/auth.json", KnownClient.anthropic.clientID, KnownClient.anthropic.tokenEndpoint, .always),
            ("github-copilot/apps.json", "Iv1.b507a08c87ecfe98", nil, .never),
            ("github-copilot/hosts.json", nil, nil, .never),
        ]
        for (fixture, client, endpoint, rotation) in expected {
            let path = try reader.directory.copy(fixture)
            let summary = try #require(try reader.reading(path).contents.grants.first?.summary)
            #expect(summary.clientID == client, "\(fixture)")
            #expect(summary.tokenEndpoint == endpoint, "\(fixture)")
            #expect(summary.rotation == rotation, "\(fixture)")
        }
    }

    @Test func keepsWhatIsKnownOfAnMCPServer() throws {
        for (fixture, scopes) in [
            ("codex/.credentials.json", ["read", "write"]), ("gemini/mcp-oauth-tokens.json", ["read"]),
            ("opencode/mcp-auth.json", ["read"]),
        ] {
            let path = try reader.directory.copy(fixture)
            let summary = try #require(try reader.reading(path).contents.grants.first?.summary)
            #expect(summary.provider == "mcp")
            #expect(summary.resource == "https://mcp.example.com/mcp", "\(fixture)")
            #expect(summary.metadata["serverName"] == "example", "\(fixture)")
            #expect(summary.scopes == scopes, "\(fixture)")
            #expect(summary.clientSecretExpiresAt == nil)
        }
    }

    @Test func takesNoEndpointOnTheFilesWord() throws {
        let path = try reader.directory.copy("gemini/mcp-oauth-tokens.json")
        let grant = try #require(try reader.reading(path).contents.grants.first)
        #expect(grant.summary.tokenEndpoint == nil)
        #expect(grant.notes.contains { $0.contains("https://as.example.com/token") && $0.contains("--token-url") })
    }

    @Test(arguments: [
        ("https://auth.x.ai/oauth2/token", "https://auth.x.ai/oauth2/token"),
        ("https://accounts.x.ai/token", "https://accounts.x.ai/token"),
        ("https://evilx.ai/token", "https://auth.x.ai/oauth2/token"),
        ("https://x.ai.evil.example/token", "https://auth.x.ai/oauth2/token"),
        ("http://auth.x.ai/oauth2/token", "https://auth.x.ai/oauth2/token"),
        ("https://auth.x.ai@evil.example/token", "https://auth.x.ai/oauth2/token"),
    ])
    func pinsTheEndpointOfXAI(_ named: String, _ used: String) throws {
        let text = try Fixture.text("agentos/auth.json").replacing("https://auth.x.ai/oauth2/token", with: named)
        let path = try reader.directory.write(".agentos/auth.json", text)
        let grant = try #require(try reader.reading(path).contents.grants.first)
        #expect(grant.summary.tokenEndpoint == used)
        #expect(grant.notes.contains { $0.contains("--token-url") } == (named != used))
    }

    /// The session is fetched anew by whoever has GitHub's token, so there is nothing to keep.
    @Test func declinesGoosesSessionWithCopilot() throws {
        let path = try reader.directory.copy("goose/githubcopilot/info.json")
        let error = #expect(throws: VaultError.self) { try reader.reading(path) }
        #expect(error?.code == .failed)
        #expect(error?.message.contains("renews") == true)
    }

    @Test func declinesGeminisEncryptedStoreUnderAnyName() throws {
        let store = [String(repeating: "0a", count: 16), String(repeating: "b1", count: 16), "c0ffee"]
        for name in [".gemini/mcp-oauth-tokens-v2.json", ".gemini/oauth_creds.json", "x"] {
            let path = try reader.directory.write(name, store.joined(separator: ":") + "\n")
            let error = #expect(throws: VaultError.self) { try reader.reading(path) }
            #expect(error?.code == .failed, "\(name)")
            #expect(error?.message.contains("encrypted") == true, "\(name)")
        }
        for text in [
            store[0] + ":" + store[1], store[0] + ":" + store[1] + ":", store[0] + ":" + store[1] + ":no hex",
            store[0].uppercased() + ":" + store[1] + ":00",
        ] {
            let path = try reader.directory.write("x.json", text)
            let error = #expect(throws: VaultError.self) { try reader.reading(path) }
            #expect(error?.code == .damaged, "\(text)")
        }
    }
}
