import Foundation
import TestSupport
import Testing

@testable import TokenImport

/// The data about formats, and the patterns of places in it.
@Suite(.blocking)
struct FormatFactsTests {
    @Test func everyFormatIsWhatItsSchemaSays() throws {
        let file = Sandbox.supportFile("../../Sources/TokenImport/formats.json")
        let whole = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: file))) as? [String: Any]
        let formats = try #require(whole?["formats"] as? [[String: Any]])
        let documents = formats.map { [$0["id"] as? String ?? "", "token-format.schema.json", $0] as [Any] }
        #expect(try SchemaCheck.complaints(documents) == [])
        let strange: [String: Any] = ["id": "x", "tool": "x", "places": ["relative"], "when_removed": "x"]
        #expect(try SchemaCheck.complaints([["strange", "token-format.schema.json", strange]]).count == 1)
    }

    @Test func dataAndTypesNameTheSameFormats() {
        let types = Formats.all.map(\.identifier)
        // Encrypted files are told by their first bytes and have no type.
        #expect(Set(types + ["codex-encrypted", "gemini-encrypted", "oidc-agent"]) == Set(FormatFacts.all.keys))
        #expect(Set(types).count == types.count)
    }

    /// Where a user would look for each tool's tokens, with nothing set but the home.
    @Test(arguments: [
        ("codex", "/h/.codex/auth.json"), ("codex-mcp", "/h/.codex/.credentials.json"),
        ("claude", "/h/.claude/.credentials.json"), ("gemini", "/h/.gemini/oauth_creds.json"),
        ("goose-secrets", "/h/.config/goose/secrets.yaml"), ("qwen", "/h/.qwen/oauth_creds.json"),
        ("goose-databricks", "/h/.config/goose/databricks/oauth/abc.json"),
        ("agentos", "/h/.wunderland/auth/openai.json"), ("agentos-xai", "/h/.agentos/auth.json"),
        ("hermes", "/h/.hermes/auth.json"), ("moat", "/h/.moat/credentials/profiles/p/oauth:x.enc"),
        ("opencode", "/h/.local/share/opencode/auth.json"), ("kimi", "/h/.kimi/credentials/kimi-code.json"),
        ("mcp-remote", "/h/.mcp-auth/mcp-remote-0.1.2/0123_tokens.json"), ("gh", "/h/.config/gh/hosts.yml"),
        ("google-adc", "/h/.config/gcloud/application_default_credentials.json"),
        ("gcloud", "/h/.config/gcloud/credentials.db"), ("aws-sso", "/h/.aws/sso/cache/abc.json"),
        ("msal", "/h/.azure/msal_token_cache.json"), ("databricks-cli", "/h/.databricks/token-cache.json"),
        ("kubelogin", "/h/.kube/cache/oidc-login/abc"), ("rclone", "/h/.config/rclone/rclone.conf"),
        ("wrangler", "/h/.wrangler/config/default.toml"), ("terraform", "/h/.terraform.d/credentials.tfrc.json"),
        ("heroku", "/h/.netrc"), ("npm", "/h/.npmrc"), ("supabase", "/h/.supabase/access-token"),
    ])
    func knowsTheUsualPlaces(_ format: String, _ path: String) {
        let machine = Machine(home: "/h", environment: [:])
        #expect(FormatFacts.of(format).places.contains { $0.matches(path, on: machine) })
        #expect(!FormatFacts.of(format).places.contains { $0.matches("/elsewhere" + path, on: machine) })
    }

    @Test func followsVariablesAndNothingElse() throws {
        let machine = Machine(
            home: "/h",
            environment: ["CODEX_HOME": "/c", "XDG_CONFIG_HOME": "relative", "PATH": "/bin", "GOOSE_PATH_ROOT": "/g"]
        )
        #expect(machine.variables == ["CODEX_HOME": "/c", "XDG_CONFIG_HOME": "relative", "GOOSE_PATH_ROOT": "/g"])
        #expect(try PlacePattern("${CODEX_HOME:-~/.codex}/auth.json").path(on: machine) == "/c/auth.json")
        #expect(try PlacePattern("${XDG_CONFIG_HOME:-~/.config}/x").path(on: machine) == "/h/.config/x")
        #expect(
            try PlacePattern("${GH_CONFIG_DIR:-${XDG_CONFIG_HOME:-~/.config}/gh}/h").path(on: machine)
                == "/h/.config/gh/h"
        )
        #expect(try PlacePattern("${GOOSE_PATH_ROOT}/a/*").path(on: machine) == "/g/a/*")
        #expect(try PlacePattern("${NOWHERE}/a").path(on: machine) == nil)
        #expect(try PlacePattern("~/x").path(on: Machine(home: nil, environment: [:])) == nil)
        // A star is no way into another directory.
        #expect(try !PlacePattern("~/a/*.json").matches("/h/a/b/c.json", on: machine))
    }
}
