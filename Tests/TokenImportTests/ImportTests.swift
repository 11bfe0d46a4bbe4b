import Foundation
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import TokenImport

/// Plans and their execution, from files to a vault and back out of the files.
struct ImportTests {
    private let directory: TestDirectory
    private let vault = MemoryVault()

    init() throws { directory = try TestDirectory() }

    private func plan(
        _ paths: [String],
        _ vault: MemoryVault? = nil,
        _ change: (inout ImportOptions) -> Void = { _ in }
    ) async throws -> ImportPlan {
        var options = ImportOptions(machine: Machine(home: directory.path, environment: [:]))
        change(&options)
        return try await ImportPlan.make(paths, options: options, for: vault ?? self.vault, now: testNow)
    }

    @discardableResult
    private func run(
        _ paths: [String],
        _ change: (inout ImportOptions) -> Void = { _ in }
    ) async throws -> ImportReport {
        try await plan(paths, nil, change).execute(into: vault, now: testNow)
    }

    @Test func importsAndKeepsTheFile() async throws {
        let file = try directory.copy("codex/auth.json")
        let before = try directory.text(file)
        let report = try await run([file])
        #expect(report.code == nil)
        #expect(report.outcomes.map(\.result) == [.imported])
        #expect(vault.summary("codex")?.state == .held(.secondOwner))
        #expect(vault.summary("codex")?.source?.path == file)
        #expect(vault.summary("codex")?.holds == [.accessToken, .refreshToken, .idToken])
        #expect(vault.text("codex", .refreshToken) == "rt-EXAMPLE")
        #expect(try directory.text(file) == before)
        #expect(vault.sealedOriginals.values.first == before.utf8.count)
        #expect(vault.calls == ["seal", "insert oauth:codex", "read oauth:codex"])
    }

    /// Codex's file of an account.
    private func codex(_ account: String, _ refreshToken: String, refreshed: String) -> String {
        """
        {"OPENAI_API_KEY":null,"tokens":{"id_token":"e30.e30.","access_token":"at-\(account)",
        "refresh_token":"\(refreshToken)","account_id":"\(account)"},"last_refresh":"\(refreshed)"}
        """
    }

    /// What the vault took out of the file is all that is left of the first login.
    @Test(arguments: [true, false])
    func anotherAccountInTheSamePlaceIsAnotherEntry(removesFirst: Bool) async throws {
        let file = try directory.write(
            ".codex/auth.json",
            codex("alice", "rt-alice", refreshed: "2029-12-01T00:00:00Z")
        )
        try await run([file]) { $0.remove = removesFirst }
        try directory.write(".codex/auth.json", codex("bob", "rt-bob", refreshed: "2029-12-30T00:00:00Z"))
        try await run([file])
        #expect(vault.text("codex", .refreshToken) == "rt-alice")
        #expect(vault.text("codex-2", .refreshToken) == "rt-bob")
        // And the same once more changes nothing.
        let before = vault.names
        try await run([file])
        #expect(vault.names == before && vault.text("codex", .refreshToken) == "rt-alice")
        try directory.write(".codex/auth.json", codex("bob", "rt-bob-2", refreshed: "2029-12-31T00:00:00Z"))
        try await run([file])
        #expect(vault.text("codex-2", .refreshToken) == "rt-bob-2" && vault.names == before)
    }

    @Test func anUnknownAccountTakesNoTokenAwayFromTheVault() async throws {
        let first = #"{"access_token":"a1","refresh_token":"r1","expiry":"2030-01-01T00:00:00Z"}"#
        let second = #"{"access_token":"a2","refresh_token":"r2","expiry":"2030-02-01T00:00:00Z"}"#
        let file = try directory.write("app.json", first)
        try await run([file]) { $0.remove = true }
        try directory.write("app.json", second)
        try await run([file])
        #expect(vault.text("app", .refreshToken) == "r1")
        #expect(vault.text("app-2", .refreshToken) == "r2")
    }

    /// An element of an array moves up when the one before it goes.
    @Test func anotherServersGrantInTheSamePlaceIsAnotherEntry() async throws {
        func server(_ name: String, _ token: String, _ expiry: Int) -> String {
            """
            {"serverName":"\(name)","token":{"accessToken":"a-\(token)","refreshToken":"\(token)","tokenType":"Bearer",
            "expiresAt":\(expiry)},"clientId":"c","mcpServerUrl":"https://\(name).example/mcp"}
            """
        }
        let name = ".gemini/mcp-oauth-tokens.json"
        let file = try directory.write(
            name,
            "[\(server("one", "r1", 1_893_456_000_000)),\(server("two", "r2", 1_893_456_000_000))]"
        )
        try await run([file])
        try directory.write(name, "[\(server("two", "r2n", 1_893_460_000_000))]")
        try await run([file])
        let entries = vault.names.map { ($0, vault.text($0, .refreshToken) ?? "") }
        #expect(entries.contains { $0.1 == "r1" }, "\(entries)")
        for (entry, token) in entries where token == "r2n" {
            #expect(vault.summary(entry)?.resource == "https://two.example/mcp")
        }
        #expect(entries.contains { $0.1 == "r2n" }, "\(entries)")
    }

    @Test func whatStandsNextInAPlaceTakesNoKeyAway() async throws {
        let file = try directory.write(
            ".terraform.d/credentials.tfrc.json",
            #"{"credentials":{"h.example":{"token":"t1"}}}"#
        )
        try await run([file]) { $0.remove = true }
        let first = vault.names
        try directory.write(".terraform.d/credentials.tfrc.json", #"{"credentials":{"h.example":{"token":"t2"}}}"#)
        try await run([file])
        #expect(first.contains { vault.text($0, .secret) == "t1" })
        #expect(vault.names.contains { vault.text($0, .secret) == "t2" })
    }

    @Test func importingAgainChangesNothing() async throws {
        let file = try directory.copy("claude/.credentials.json")
        try await run([file])
        let again = try await plan([file])
        #expect(again.items.map(\.action) == [.unchanged, .unchanged])
        #expect(!again.changesAnything)
        let report = await again.execute(into: vault, now: testNow)
        #expect(report.code == nil)
        #expect(report.outcomes.map(\.result) == [.unchanged, .unchanged])
        #expect(vault.names == ["oauth:claude", "oauth:claude-mcp-example"])
    }

    @Test(arguments: [
        ("codex/auth.json", "codex/auth.json", ["oauth:codex"]),
        ("codex/auth.apikey.json", "codex/auth.json", ["static:codex"]),
        ("gemini/oauth_creds.json", ".gemini/oauth_creds.json", ["oauth:gemini"]),
        ("agentos/auth/openai.json", ".agentos/auth/openai.json", ["oauth:agentos-openai"]),
        ("generic/go-oauth2-token.json", "token.json", ["oauth:token"]),
        ("google-auth-python/token.json", "token.json", ["oauth:google-token"]),
        ("gcloud/application_default_credentials.json", "adc.json", ["oauth:google-adc"]),
        (
            "goose/databricks/oauth/ddfabbbe6a7faeb6fd162bb4f7c8d9bdd15443c6be633a41a9f8fa8cb17c362b.json",
            "ddfabbbe6a7faeb6fd162bb4f7c8d9bdd15443c6be633a41a9f8fa8cb17c362b.json",
            ["oauth:goose-databricks-ddfabbbe"]
        ),
    ])
    func deletesAFileWithNothingElseInIt(_ fixture: String, _ place: String, _ names: [String]) async throws {
        let file = try directory.copy(fixture, to: place)
        let report = try await run([file]) { $0.remove = true }
        #expect(report.code == nil, "\(report.lines)")
        #expect(report.outcomes.map(\.removal) == [.deleted])
        #expect(vault.names == names)
        #expect(vault.summary(names[0])?.state == .active)
        #expect(!directory.exists(file))
    }

    @Test func cutsClaudesGrantsOutAndKeepsTheRest() async throws {
        let file = try directory.copy("claude/.credentials.json")
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: file)
        let report = try await run([file]) { $0.remove = true }
        #expect(report.outcomes.map(\.removal) == [.edited, .edited])
        #expect(
            try directory.text(file)
                == #"{"mcpOAuth":{"unfinished|fedcba9876543210":{"serverName":"unfinished","serverUrl":"https://other.example.com/mcp","accessToken":"","expiresAt":0}},"organizationUuid":"00000000-0000-0000-0000-000000000000"}"#
        )
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
        #expect(mode == 0o640)
        #expect(vault.summary("claude")?.state == .active)
        #expect(vault.summary("claude-mcp-example")?.state == .active)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: directory.path + "/claude") == [".credentials.json"]
        )
    }

    @Test func keepsUnknownMembersByteForByte() async throws {
        let file = try directory.write(
            "t.json",
            "{\n  \"note\": \"\\u0041 1.50\",\n  \"access_token\": \"a\",\n  \"n\": 1.50e1,\n  \"expires_at\": 1\n}\n"
        )
        try await run([file]) { $0.remove = true }
        #expect(try directory.text(file) == "{\n  \"note\": \"\\u0041 1.50\",\n  \"n\": 1.50e1\n}\n")
    }

    @Test func takesBothOfCodexAndDeletes() async throws {
        let text = try Fixture.text("codex/auth.json").replacingOccurrences(
            of: "\"OPENAI_API_KEY\": null",
            with: "\"OPENAI_API_KEY\": \"sk-EXAMPLE\""
        )
        let file = try directory.write("auth.json", text)
        let report = try await run([file]) { $0.remove = true }
        #expect(vault.names == ["oauth:codex", "static:codex"])
        #expect(report.outcomes.map(\.removal) == [.deleted, .deleted])
        #expect(!directory.exists(file))
    }

    @Test func leavesOtherSecretsOfCodexInTheFile() async throws {
        let file = try directory.write(
            "auth.json",
            #"{"OPENAI_API_KEY":"sk-EXAMPLE","agent_identity":{"agent_private_key":"pk-EXAMPLE"}}"#
        )
        let plan = try await plan([file])
        #expect(plan.items.first?.notes.contains { $0.contains("agent_identity") } == true)
        try await run([file]) { $0.remove = true }
        #expect(try directory.text(file) == #"{"agent_identity":{"agent_private_key":"pk-EXAMPLE"}}"#)
    }

    @Test func removesLaterWhatWasImportedBefore() async throws {
        let file = try directory.copy("codex/auth.json")
        try await run([file])
        #expect(vault.summary("codex")?.state == .held(.secondOwner))
        let report = try await run([file]) { $0.remove = true }
        #expect(report.outcomes.map(\.result) == [.unchanged])
        #expect(report.outcomes.map(\.removal) == [.deleted])
        #expect(vault.summary("codex")?.state == .active)
    }

    @Test func keepsTheFileIfTheVaultDoesNotHoldItsTokens() async throws {
        let file = try directory.copy("codex/auth.json")
        let lying = MemoryVault(corruptsSecrets: true)
        let plan = try await plan([file], lying) { $0.remove = true }
        let report = await plan.execute(into: lying, now: testNow)
        #expect(report.code == .unsafe)
        #expect(directory.exists(file))
        let full = MemoryVault(failsToInsert: true)
        let failed = await (try await self.plan([file], full) { $0.remove = true }).execute(into: full, now: testNow)
        #expect(failed.code == .unavailable)
        #expect(directory.exists(file))
    }

    @Test func doesNotImportWhatChangedSinceThePlan() async throws {
        let file = try directory.copy("codex/auth.json")
        let plan = try await plan([file]) { $0.remove = true }
        try directory.write("codex/auth.json", try directory.text(file) + "\n")
        let report = await plan.execute(into: vault, now: testNow)
        #expect(report.code == .temporary)
        #expect(report.failures.first?.error.message.contains("changed since it was looked at") == true)
        #expect(vault.names.isEmpty)
        #expect(directory.exists(file))
    }

    @Test func takesTheOwnersNewerTokensWhileHeld() async throws {
        let file = try directory.write(
            "t.json",
            #"{"access_token":"a1","refresh_token":"r1","expires_at":1893456000}"#
        )
        try await run([file])
        try directory.write("t.json", #"{"access_token":"a2","refresh_token":"r2","expires_at":1893459600}"#)
        let newer = try await run([file])
        #expect(newer.outcomes.map(\.result) == [.updated])
        #expect(vault.text("t", .refreshToken) == "r2")
        #expect(vault.summary("t")?.expiry == .known(try #require(Timestamp(seconds: 1_893_459_600))))
        try directory.write("t.json", #"{"access_token":"a1","refresh_token":"r1","expires_at":1893456000}"#)
        let older = try await run([file])
        #expect(older.outcomes.map(\.result) == [.skipped])
        #expect(older.code == .unsafe)
        #expect(vault.text("t", .refreshToken) == "r2")
    }

    /// A journal about another refresh token would have tokens that were once spilled for that one win over these.
    @Test func forgetsWhatCameOfAnotherRefreshToken() async throws {
        let file = try directory.write("t.json", #"{"access_token":"a1","refresh_token":"r1","expires_at":1893456000}"#)
        try await run([file])
        let journal = RefreshJournal(
            spent: [UInt8](repeating: 1, count: 32),
            startedAt: testNow,
            sendBefore: 1,
            boot: [UInt8](repeating: 2, count: 16)
        )
        vault.change("t") {
            $0.journal = journal
            $0.refreshFailure = RefreshFailure(at: testNow, retryAt: testNow, count: 1, kind: .lost, reason: "lost")
            $0.refreshedAt = testNow
        }
        try directory.write("t.json", #"{"access_token":"a2","refresh_token":"r1","expires_at":1893459600}"#)
        try await run([file])
        #expect(vault.text("t", .accessToken) == "a2")
        // It is still that token that may be spent.
        #expect(vault.summary("t")?.journal == journal)
        #expect(vault.summary("t")?.refreshedAt == nil)
        try directory.write("t.json", #"{"access_token":"a3","refresh_token":"r3","expires_at":1893463200}"#)
        try await run([file])
        #expect(vault.text("t", .refreshToken) == "r3")
        #expect(vault.summary("t")?.journal == nil)
        #expect(vault.summary("t")?.refreshFailure == nil)
    }

    @Test func doesNotOverwriteWhatWasRefreshedSinceThePlan() async throws {
        let file = try directory.write("t.json", #"{"access_token":"a1","refresh_token":"r1","expires_at":1893456000}"#)
        try await run([file])
        try directory.write("t.json", #"{"access_token":"a2","refresh_token":"r2","expires_at":1893459600}"#)
        let plan = try await plan([file])
        #expect(plan.items.map(\.action) == [.update])
        try await refresh("t", access: "a9", refresh: "r9")
        vault.change("t") { $0.expiry = Timestamp(seconds: 1_893_463_200).map { .known($0) } ?? .unknown }
        let report = await plan.execute(into: vault, now: testNow)
        #expect(report.failures.map(\.error.code) == [.temporary])
        #expect(vault.text("t", .refreshToken) == "r9")
    }

    @Test func doesNotOverwriteWhatTheVaultRefreshes() async throws {
        let file = try directory.write("t.json", #"{"access_token":"a1","refresh_token":"r1"}"#)
        try await run([file])
        vault.change("t") { $0.state = .active }
        try directory.write("t.json", #"{"access_token":"a2","refresh_token":"r2"}"#)
        let plan = try await plan([file])
        #expect(plan.items.map(\.action) == [.conflict])
        try directory.write("t.json", #"{ "access_token":"a1","refresh_token":"r1"}"#)
        #expect(try await self.plan([file]).items.map(\.action) == [.unchanged])
    }

    @Test func numbersNamesThatAreTaken() async throws {
        let first = try directory.write("a/t.json", #"{"access_token":"1"}"#)
        let second = try directory.write("b/t.json", #"{"access_token":"2"}"#)
        let third = try directory.write("c/t.json", #"{"access_token":"3"}"#)
        try await run([first])
        try await run([second, third])
        #expect(vault.names == ["oauth:t", "oauth:t-2", "oauth:t-3"])
        #expect(vault.text("t-3", .accessToken) == "3")
        #expect(try await plan([third, second, first]).items.allSatisfy { $0.action == .unchanged })
    }

    @Test func noticesTheSameRefreshTokenInTwoPlaces() async throws {
        let codex = try directory.copy("codex/auth.json")
        let copy = try directory.copy("codex/auth.json", to: "backup/auth.json")
        let both = try await plan([codex, copy]) { $0.remove = true }
        #expect(both.items.map(\.action) == [.new, .copy])
        #expect(both.items.map(\.name.description) == ["oauth:codex", "oauth:codex"])
        // Both files lose it, so the vault is its only owner in the end.
        #expect(both.items.map(\.willBeHeld) == [false, false])
        #expect(both.items[1].notes.contains { $0.contains("oauth:codex") })
        try await run([codex])
        let later = try await plan([copy])
        #expect(later.items.first?.action == .copy)
        #expect(later.items.first?.name.description == "oauth:codex")
        try await run([copy]) { $0.remove = true }
        #expect(!directory.exists(copy))
        #expect(vault.names == ["oauth:codex"])
        #expect(vault.summary("codex")?.state == .held(.secondOwner))
    }

    @Test func holdsOnlyWhatRotates() async throws {
        let google = try directory.copy("google-auth-python/token.json")
        let plain = try directory.write("plain.json", #"{"access_token":"a"}"#)
        let rotating = try directory.write("r.json", #"{"access_token":"b","refresh_token":"r"}"#)
        let plan = try await plan([google, plain, rotating])
        #expect(plan.items.map(\.willBeHeld) == [false, false, true])
        let removing = try await self.plan([google, plain, rotating]) { $0.remove = true }
        #expect(removing.items.map(\.willBeHeld) == [false, false, false])
    }

    @Test func givesTheNameThatWasAskedFor() async throws {
        let file = try directory.copy("codex/auth.json")
        try await run([file]) { $0.name = "mine" }
        #expect(vault.names == ["oauth:mine"])
        let other = try directory.write("x.json", #"{"access_token":"x"}"#)
        let taken = try await plan([other]) { $0.name = "oauth:mine" }
        #expect(taken.items.map(\.action) == [.conflict])
        let claude = try directory.copy("claude/.credentials.json")
        await #expect(throws: VaultError.self) { try await plan([claude]) { $0.name = "one" } }
        let wrongKind = try await plan([other]) { $0.name = "static:x" }
        #expect(wrongKind.failures.first?.error.code == .usage)
        await #expect(throws: VaultError.self) { try await plan([other]) { $0.name = "../x" } }
    }

    @Test func fillsInWhatTheFileDoesNotSay() async throws {
        let secret = try directory.write("secret", "cs-EXAMPLE\n")
        let file = try directory.write("t.json", #"{"access_token":"a","refresh_token":"r"}"#)
        try await run([file]) {
            $0.tokenURL = "https://as.example.com/token"
            $0.clientID = "c"
            $0.clientSecretFile = secret
            $0.issuer = "https://as.example.com"
            $0.resource = "https://mcp.example.com/mcp"
            $0.scopes = ["x"]
        }
        let summary = try #require(vault.summary("t"))
        #expect(summary.tokenEndpoint == "https://as.example.com/token")
        #expect(summary.clientID == "c")
        #expect(summary.issuer == "https://as.example.com")
        #expect(summary.resource == "https://mcp.example.com/mcp")
        #expect(summary.scopes == ["x"])
        #expect(summary.clientAuthentication == "client_secret_basic")
        #expect(vault.text("t", .clientSecret) == "cs-EXAMPLE")
        await #expect(throws: VaultError.self) { try await plan([file]) { $0.tokenURL = "http://as.example.com" } }
    }

    @Test func addsWhatOptionsSayLater() async throws {
        let secret = try directory.write("secret", "cs-EXAMPLE")
        let file = try directory.copy(
            "goose/databricks/oauth/ddfabbbe6a7faeb6fd162bb4f7c8d9bdd15443c6be633a41a9f8fa8cb17c362b.json"
        )
        try await run([file])
        #expect(vault.summary("goose-databricks-ddfabbbe")?.clientID == nil)
        let completing = try await plan([file]) {
            $0.host = "https://example.cloud.databricks.com"
            $0.clientSecretFile = secret
        }
        #expect(completing.items.map(\.action) == [.update])
        #expect(completing.items.map(\.completesOnly) == [true])
        let report = await completing.execute(into: vault, now: testNow)
        #expect(report.outcomes.map(\.result) == [.updated])
        let summary = try #require(vault.summary("goose-databricks-ddfabbbe"))
        #expect(summary.clientID == "databricks-cli")
        #expect(summary.issuer == "https://example.cloud.databricks.com/oidc")
        #expect(summary.state == .held(.secondOwner))
        #expect(vault.text("goose-databricks-ddfabbbe", .clientSecret) == "cs-EXAMPLE")
        let again = try await plan([file]) { $0.host = "https://example.cloud.databricks.com" }
        #expect(again.items.map(\.action) == [.unchanged])
    }

    @Test func addingFactsLeavesRefreshedTokensAlone() async throws {
        let file = try directory.write("t.json", #"{"access_token":"a1","refresh_token":"r1"}"#)
        try await run([file])
        try await refresh("t", access: "a9", refresh: "r9")
        let report = try await run([file]) { $0.tokenURL = "https://as.example.com/token" }
        #expect(report.code == nil)
        #expect(vault.summary("t")?.tokenEndpoint == "https://as.example.com/token")
        #expect(vault.text("t", .refreshToken) == "r9")
        #expect(vault.summary("t")?.state == .active)
        // The file's token is another now: it is not taken out unseen.
        let removing = try await run([file]) { $0.remove = true }
        #expect(removing.failures.map(\.error.code) == [.unsafe])
        #expect(directory.exists(file))
    }

    private func refresh(_ name: String, access: String, refresh: String) async throws {
        _ = try await vault.update(try EntryName(parsing: name)) { (summary, secrets) throws(VaultError) in
            summary.state = .active
            do throws(CryptoError) {
                try secrets.set(.accessToken, to: try SecretBytes(Array(access.utf8)))
                try secrets.set(.refreshToken, to: try SecretBytes(Array(refresh.utf8)))
            } catch { throw VaultError(.failed, error.message) }
        }
    }

    @Test func waitsForTheOwnersLock() async throws {
        let file = try directory.copy("claude/.credentials.json", to: ".claude/.credentials.json")
        let lock = directory.path + "/.claude/.storage-write"
        try FileManager.default.createDirectory(atPath: lock, withIntermediateDirectories: false)
        let report = try await run([file]) { $0.remove = true }
        #expect(report.code == .partial)
        #expect(report.failures.map(\.error.code) == [.temporary])
        #expect(try directory.text(file).contains("claudeAiOauth"))
        #expect(vault.summary("claude")?.state == .held(.secondOwner))
        // Two minutes without a touch: its holder is gone.
        let past = Date(timeIntervalSinceNow: -120)
        try FileManager.default.setAttributes([.modificationDate: past], ofItemAtPath: lock)
        #expect(try await run([file]) { $0.remove = true }.code == nil)
        #expect(!directory.exists(lock))
        #expect(!directory.exists(directory.path + "/.claude.lock"))
        #expect(vault.summary("claude")?.state == .active)
    }

    @Test func narrowsAPlanToOneEntry() async throws {
        let file = try directory.copy("claude/.credentials.json")
        let plan = try await plan([file]).only(try EntryName(parsing: "claude-mcp-example"))
        var removing = try await self.plan([file]) { $0.remove = true }
        removing = removing.only(try EntryName(parsing: "claude-mcp-example"))
        #expect(plan.items.count == 1)
        let report = await removing.execute(into: vault, now: testNow)
        #expect(report.outcomes.map(\.removal) == [.edited])
        #expect(vault.names == ["oauth:claude-mcp-example"])
        #expect(try directory.text(file).contains("claudeAiOauth"))
        #expect(try !directory.text(file).contains("rt-EXAMPLE-mcp"))
    }

    @Test func goesOnAfterABadFile() async throws {
        let good = try directory.copy("codex/auth.json")
        let bad = try directory.write("bad.json", "{\"access_token\":")
        let report = try await run([bad, good, directory.path + "/absent"])
        #expect(report.code == .partial)
        #expect(report.failures.map(\.error.code.exitStatus).sorted() == [4, 7])
        #expect(vault.names == ["oauth:codex"])
        #expect(try await run([bad]).code == .damaged)
    }

    @Test func walksADirectory() async throws {
        try directory.copy("codex/auth.json", to: "t/.codex/auth.json")
        try directory.copy("claude/.credentials.json", to: "t/.claude/.credentials.json")
        try directory.write("t/settings.json", "{ // comment\n}")
        try directory.write("t/readme.md", "access_token")
        try directory.write("t/empty", "")
        try directory.write("t/broken.json", "{\"access_token\": \"x")
        try directory.copy("goose/githubcopilot/info.json", to: "t/goose/githubcopilot/info.json")
        try FileManager.default.createSymbolicLink(
            atPath: directory.path + "/t/loop",
            withDestinationPath: directory.path + "/t"
        )
        let plan = try await plan([directory.path + "/t/./../t", directory.path + "/t/.codex/auth.json"])
        #expect(
            plan.items.map(\.name.description).sorted() == ["oauth:claude", "oauth:claude-mcp-example", "oauth:codex"]
        )
        #expect(plan.failures.map(\.error.code) == [.damaged])
        #expect(plan.passedOver == 4)
    }

    @Test func plansThousandsOfFiles() async throws {
        for index in 0..<1_500 {
            try directory.write(
                "many/t\(index).json",
                "{\"access_token\":\"a\(index)\",\"refresh_token\":\"r\(index)\"}"
            )
        }
        let plan = try await plan([directory.path + "/many"])
        #expect(plan.items.count == 1_500)
    }

    @Test func thePlanHoldsNoSecret() async throws {
        let file = try directory.write(
            "t.json",
            #"{"access_token":"canary-91c4","refresh_token":"canary-91c4","client_secret":"canary-91c4","expires_at":1}"#
        )
        let plan = try await plan([file])
        var dumped = ""
        dump(plan, to: &dumped)
        #expect(!"\(plan) \(dumped) \(plan.lines)".contains("canary"))
        let report = await plan.execute(into: vault, now: testNow)
        var reported = ""
        dump(report, to: &reported)
        #expect(!"\(report) \(reported) \(report.lines)".contains("canary"))
    }

    @Test func tellsOfWideModes() async throws {
        let file = try directory.write("t.json", #"{"access_token":"a"}"#, mode: 0o644)
        let plan = try await plan([file])
        #expect(plan.items.first?.wideMode == 0o644)
        #expect(plan.lines.contains { $0.contains("mode 0644") })
    }

    @Test func rendersOneLineForEachGrant() async throws {
        let file = try directory.write("a\u{1B}[31m.json", #"{"access_token":"a","expires_at":1893456000}"#)
        let lines = try await plan([file]).lines
        #expect(lines.count == 1)
        #expect(lines.first?.contains("\u{1B}") == false)
        #expect(lines.first?.contains("2030-01-01T00:00:00Z") == true)
    }
}
