import Foundation
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import TokenImport

/// Grants that their owner moved into the keyring: found, held, read again, and never changed.
struct ForeignKeyringTests {
    private let directory: TestDirectory
    private let vault = MemoryVault()

    init() throws { directory = try TestDirectory() }

    private var machine: Machine { Machine(home: directory.path, environment: [:]) }

    /// What `cli|…` is for this test's `~/.codex`.
    private var codex: ForeignItem {
        ForeignItem(service: "Codex Auth", account: ForeignService.codexAccount(directory.path + "/.codex"))
    }

    private static let goose = ForeignItem(service: "goose", account: "secrets")

    private func plan(_ path: String, _ keyring: MemoryKeyring?, remove: Bool = false) async throws -> ImportPlan {
        var options = ImportOptions(machine: machine)
        options.remove = remove
        return try await ImportPlan.make([path], options: options, for: vault, now: testNow, keyring: keyring)
    }

    @Test func findsTheKnownItemsAndNoOthers() async throws {
        try directory.write(
            ".config/gh/hosts.yml",
            "github.com:\n    user: ada\nghe.example.com:\n    user: ada\n# note: x\n"
        )
        let keyring = MemoryKeyring([
            codex: "{}", Self.goose: "{}",
            ForeignItem(service: "gh:github.com", account: ""): "gho_EXAMPLE",
            ForeignItem(service: "gh:ghe.example.com", account: "ada"): "gho_EXAMPLE",
            ForeignItem(service: "databricks-cli", account: "https://x.cloud.databricks.com"): "{}",
            ForeignItem(service: "bank", account: "ada"): "hunter2",
            ForeignItem(service: "Codex Auth", account: "cli|0000000000000000"): "{}",
        ])
        let found = await ForeignGrants.locate(in: keyring, on: machine)
        #expect(found.notes.isEmpty)
        #expect(
            found.paths == [
                "keyring:goose/secrets", codex.path, "keyring:databricks-cli/https://x.cloud.databricks.com",
                "keyring:gh:github.com/", "keyring:gh:ghe.example.com/ada",
            ]
        )
    }

    @Test func hashesTheHomeOfCodexAsCodexDoes() {
        // sha256("/home/user/.codex"), by sha256sum.
        #expect(ForeignService.codexAccount("/home/user/.codex") == "cli|59448a44901f7128")
    }

    @Test func takesALockedKeyringForANote() async throws {
        let found = await ForeignGrants.locate(in: MemoryKeyring([:], isLocked: true), on: machine)
        #expect(found.paths.isEmpty && found.notes.count == 1)
        #expect(found.notes.first?.contains("locked") == true)
    }

    @Test func holdsWhatItImportsAndRefusesToRemoveIt() async throws {
        let keyring = MemoryKeyring([codex: try Fixture.text("codex/auth.json")])
        let plan = try await plan(codex.path, keyring, remove: true)
        #expect(plan.items.map(\.willBeHeld) == [true])
        let report = await plan.execute(into: vault, now: testNow)
        #expect(report.failures.map(\.error.code) == [.unsafe])
        #expect(report.failures.first?.error.hint?.contains("log out") == true)
        let summary = try #require(vault.summary("codex"))
        #expect(summary.state == .held(.secondOwner) && summary.source?.path == codex.path)
        #expect(vault.text("codex", .refreshToken) == "rt-EXAMPLE")
        #expect(try await self.plan(codex.path, keyring).items.map(\.action) == [.unchanged])
    }

    @Test func takesNewerTokensAndNoOlderOnes() async throws {
        let text = try Fixture.text("codex/auth.json")
        _ = try await plan(codex.path, MemoryKeyring([codex: text])).execute(into: vault, now: testNow)
        let newer = text.replacingOccurrences(of: "rt-EXAMPLE", with: "rt-2-EXAMPLE")
        let plan = try await plan(codex.path, MemoryKeyring([codex: newer]))
        #expect(plan.items.map(\.action) == [.update])
        _ = await plan.execute(into: vault, now: testNow)
        #expect(vault.text("codex", .refreshToken) == "rt-2-EXAMPLE")
        #expect(vault.summary("codex")?.state == .held(.secondOwner))
    }

    @Test func tellsAnAbsentItemFromAKeyringThatDoesNotAnswer() async throws {
        #expect(try await plan(codex.path, MemoryKeyring([:])).failures.map(\.error.code) == [.notFound])
        #expect(try await plan(codex.path, MemoryKeyring([:], isLocked: true)).failures.map(\.error.code) == [.locked])
        #expect(try await plan(codex.path, nil).failures.map(\.error.code) == [.unavailable])
        let foreign = ForeignItem(service: "bank", account: "ada")
        let bank = try await plan(foreign.path, MemoryKeyring([foreign: "hunter2"]))
        #expect(bank.failures.map(\.error.code) == [.usage])
    }

    @Test func readsGoosesSecrets() async throws {
        let hash = "1f89289701a3aa9a4e1ac61f49c1e081908280d26c3c7b09b64802467c4a3d6e"
        try directory.write(".config/goose/config.yaml", "DATABRICKS_HOST: https://x.cloud.databricks.com\n")
        let keyring = MemoryKeyring([
            Self.goose: """
            {"OPENAI_API_KEY":"sk-EXAMPLE","EMPTY":"","DATABRICKS_OAUTH_\(hash)":{"access_token":"at-EXAMPLE",\
            "refresh_token":"rt-EXAMPLE","expires_at":"2030-01-01T00:00:00Z"},"oauth_creds_notion":{"client_id":"cid",\
            "token_response":{"access_token":"mcp-EXAMPLE","token_type":"bearer","expires_in":3600,"refresh_token":"mrt-EXAMPLE"},\
            "granted_scopes":["read"],"token_received_at":1893456000},"oauth_creds_old":{"client_id":"cid",\
            "token_response":{"access_token":"old-EXAMPLE","token_type":"bearer"}}}
            """
        ])
        let report = try await plan(Self.goose.path, keyring).execute(into: vault, now: testNow)
        #expect(report.code == nil, "\(report.lines)")
        #expect(
            vault.names == [
                "oauth:goose-databricks-x.cloud.databricks.com", "oauth:goose-notion", "oauth:goose-old",
                "static:goose-openai-api-key",
            ]
        )
        #expect(vault.summary("goose-notion")?.expiresAt == Timestamp(seconds: 1_893_459_600))
        #expect(vault.summary("goose-notion")?.state == .held(.secondOwner))
        #expect(vault.summary("goose-old")?.expiry == .unknown)
        #expect(vault.summary("goose-databricks-x.cloud.databricks.com")?.clientID == "databricks-cli")
        #expect(vault.text("static:goose-openai-api-key", .secret) == "sk-EXAMPLE")
    }

    @Test func readsGitHubsAndDatabricksTokens() async throws {
        let gh = ForeignItem(service: "gh:github.com", account: "ada")
        let host = ForeignItem(service: "databricks-cli", account: "https://x.cloud.databricks.com")
        let profile = ForeignItem(service: "databricks-cli", account: "work")
        let keyring = MemoryKeyring([
            gh: "gho_EXAMPLE",
            host:
                "{\"access_token\":\"h-EXAMPLE\",\"token_type\":\"Bearer\",\"refresh_token\":\"hr-EXAMPLE\",\"expiry\":\"2030-01-01T09:00:00.123+09:00\"}",
            profile: "{\"access_token\":\"p-EXAMPLE\",\"expiry\":\"0001-01-01T00:00:00Z\"}",
        ])
        for item in [gh, host, profile] {
            _ = try await plan(item.path, keyring).execute(into: vault, now: testNow)
        }
        #expect(vault.summary("gh-github.com-ada")?.account == "ada")
        #expect(vault.summary("gh-github.com-ada")?.state == .active)
        #expect(vault.text("gh-github.com-ada", .accessToken) == "gho_EXAMPLE")
        let databricks = try #require(vault.summary("databricks-x.cloud.databricks.com"))
        #expect(databricks.expiresAt == Timestamp(rfc3339: "2030-01-01T00:00:00.123Z"))
        #expect(databricks.issuer == "https://x.cloud.databricks.com/oidc" && databricks.state == .held(.secondOwner))
        #expect(vault.summary("databricks-work")?.expiry == .never)
    }

    @Test(arguments: ["", "{", "[]", "{\"tokens\":7}", "gho with space", "{\"access_token\":\"a b\"}", "\u{0}"])
    func saysInOneLineWhatIsWrong(_ text: String) async throws {
        for item in [
            codex, Self.goose, ForeignItem(service: "gh:github.com", account: ""),
            ForeignItem(service: "databricks-cli", account: "work"),
        ] where !(item.service.hasPrefix("gh:") && ["{", "[]", "{\"tokens\":7}"].contains(text)) {
            let plan = try await plan(item.path, MemoryKeyring([item: text]))
            #expect(plan.items.isEmpty && plan.failures.count == 1, "\(item.path) \(plan.items)")
        }
    }
}
