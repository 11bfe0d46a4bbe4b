import Foundation
import Glibc
import Testing
import VaultAPI
import VaultCore

@testable import TokenImport

/// A scan of a home of its own.
struct ScanTests {
    private let home: TestDirectory
    private let vault = MemoryVault()

    init() throws { home = try TestDirectory() }

    private func scan(
        _ paths: [String] = [],
        environment: [String: String] = [:],
        _ change: (inout ImportOptions) -> Void = { _ in }
    ) async throws -> ImportPlan {
        var options = ImportOptions(machine: Machine(home: home.path, environment: environment))
        change(&options)
        return try await ImportPlan.make(paths, scanning: true, options: options, for: vault, now: testNow)
    }

    private func token(_ access: String, _ refresh: String? = nil, more: String = "") -> String {
        let second = refresh.map { #", "refresh_token": "\#($0)""# } ?? ""
        return #"{"access_token": "\#(access)", "token_type": "Bearer"\#(second)\#(more)}"#
    }

    private func codex(_ refresh: String, at time: String = "2029-01-01T00:00:00Z") throws -> String {
        try Fixture.text("codex/auth.json").replacingOccurrences(of: "rt-EXAMPLE", with: refresh)
            .replacingOccurrences(of: "2029-12-31T23:00:00.123456789Z", with: time)
    }

    private func claude(_ access: String, _ refresh: String, expiresAt: Int64) -> String {
        #"{"claudeAiOauth":{"accessToken":"\#(access)","refreshToken":"\#(refresh)","expiresAt":\#(expiresAt),"scopes":[]}}"#
    }

    // MARK: Places

    @Test func findsNothingInAnEmptyHome() async throws {
        let plan = try await scan()
        #expect(plan.items.isEmpty && plan.failures.isEmpty && plan.aside.isEmpty)
        #expect(plan.overview(columns: 80, now: testNow) == ["0 grants in 0 files"])
    }

    @Test func findsTheKnownPlaces() async throws {
        try home.copy("codex/auth.json", to: ".codex/auth.json")
        try home.copy("claude/.credentials.json", to: ".claude/.credentials.json")
        try home.copy("gemini/oauth_creds.json", to: ".gemini/oauth_creds.json")
        try home.copy(
            "gcloud/application_default_credentials.json",
            to: ".config/gcloud/application_default_credentials.json"
        )
        try home.copy("agentos/auth/openai.json", to: ".agentos/auth/openai.json")
        try home.write("elsewhere/token.json", token("x"))
        let plan = try await scan()
        #expect(
            Set(plan.items.map(\.format)) == ["codex", "claude", "gemini", "google-adc", "agentos"],
            "\(plan.items.map(\.format)) \(plan.failures)"
        )
        #expect(!plan.items.contains { $0.path.contains("elsewhere") })
        #expect(plan.failures.isEmpty)
        let again = try await scan([home.path + "/elsewhere", home.path + "/.codex"])
        #expect(again.items.count == plan.items.count + 1)
    }

    @Test func goesWhereVariablesLead() async throws {
        try home.copy("codex/auth.json", to: "moved/auth.json")
        try home.copy("codex/auth.json", to: ".codex/auth.json")
        let plan = try await scan(environment: ["CODEX_HOME": home.path + "/moved"])
        #expect(plan.items.map(\.path) == [home.path + "/moved/auth.json"])
    }

    @Test func reportsALinkAndTakesNothingOutThroughIt() async throws {
        let file = try home.copy("codex/auth.json", to: "real/auth.json")
        try FileManager.default.createDirectory(atPath: home.path + "/.codex", withIntermediateDirectories: true)
        let link = home.path + "/.codex/auth.json"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: file)
        let plan = try await scan { $0.remove = true }
        #expect(plan.items.map(\.link) == [link])
        #expect(plan.items.map(\.willBeHeld) == [true])
        let report = await plan.execute(into: vault, now: testNow)
        #expect(report.failures.map(\.error.code) == [.unsafe])
        #expect(home.exists(file))
    }

    @Test func tellsOfLinksBelowADirectory() async throws {
        let file = try home.write("out/t.json", token("x"))
        try home.write("tree/readme", "nothing")
        try FileManager.default.createSymbolicLink(atPath: home.path + "/tree/l.json", withDestinationPath: file)
        try FileManager.default.createSymbolicLink(atPath: home.path + "/tree/d", withDestinationPath: home.path)
        let plan = try await scan([home.path + "/tree"])
        #expect(plan.items.isEmpty && plan.failures.isEmpty)
        #expect(plan.aside.map(\.reason) == [.link])
        #expect(plan.aside.first?.path == home.path + "/tree/l.json")
    }

    @Test func findsWhatWasLeftBeside() async throws {
        try home.write(".codex/auth.json", codex("live", at: "2029-06-01T00:00:00Z"))
        try home.write(".codex/auth.json~", codex("old", at: "2029-01-01T00:00:00Z"))
        try home.write(".codex/auth.json.tmp", codex("live", at: "2029-06-01T00:00:00Z"))
        try home.write(".codex/.auth.json.swp", "b0VIM 9.0 ... \"refresh_token\": \"rt-EXAMPLE\"")
        try home.write(".codex/notes~", "access_token")
        try home.write(".mcp-auth/mcp-remote-v1/aa_debug.log", "{\"access_token\": \"EXAMPLE\"}")
        try home.write(".mcp-auth/mcp-remote-v1/bb_debug.log", "all is well")
        let plan = try await scan()
        let actions = Dictionary(uniqueKeysWithValues: plan.items.map { (TokenPath($0.path).fileName, $0.action) })
        #expect(actions == ["auth.json": .new, "auth.json~": .conflict, "auth.json.tmp": .copy])
        #expect(
            Set(plan.aside.map { TokenPath($0.path).fileName }) == [".auth.json.swp", "aa_debug.log"],
            "\(plan.aside)"
        )
        #expect(plan.aside.allSatisfy { $0.reason == .leftover })
    }

    @Test(arguments: [
        ("auth.json~", "auth.json"), ("auth.json.bak", "auth.json"), (".auth.json.swp", "auth.json"),
        ("x_tokens.json.4711.1700000000000.tmp", "x_tokens.json"),
        ("credentials.tfrc.json123", "credentials.tfrc.json"),
        ("#auth.json#", "auth.json"), ("auth.json", nil), ("~", nil), ("token2", nil), (".swp", nil),
    ])
    func knowsTheNamesOfLeftovers(name: String, original: String?) {
        #expect(Leftover.original(of: name) == original)
    }

    // MARK: What is no entry

    @Test func setsAsideWhatItKnowsAndDoesNotImport() async throws {
        try home.write(".gemini/mcp-oauth-tokens-v2.json", "\(hex):\(hex):00ff")
        try home.copy("goose/githubcopilot/info.json", to: ".config/goose/githubcopilot/info.json")
        let plan = try await scan()
        #expect(plan.items.isEmpty && plan.failures.isEmpty)
        #expect(plan.aside.map(\.reason) == [.declined, .declined])
    }

    private var hex: String { String(repeating: "0a", count: 16) }

    @Test func goesOnAfterBadFilesWithALineForEach() async throws {
        try home.write(".codex/auth.json", #"{"tokens": {"access_token": "#)
        try home.copy("claude/.credentials.json", to: ".claude/.credentials.json")
        #expect(mkfifo(home.path + "/.netrc", 0o600) == 0)
        try home.write(".agentos/auth/big.json", "{")
        #expect(truncate(home.path + "/.agentos/auth/big.json", 1 << 30) == 0)
        let plan = try await scan()
        #expect(Set(plan.items.map(\.format)) == ["claude"])
        #expect(
            plan.failures.map { TokenPath($0.path).fileName }.sorted() == [".netrc", "auth.json", "big.json"],
            "\(plan.failures)"
        )
        #expect(plan.failures.allSatisfy { !$0.line.contains("\n") })
        let report = await plan.execute(into: vault, now: testNow)
        #expect(report.code == .partial)
    }

    @Test func takesAFileThatVanishedForNothingUnusual() async throws {
        let file = try home.copy("codex/auth.json", to: ".codex/auth.json")
        let plan = try await scan()
        try FileManager.default.removeItem(atPath: file)
        let report = await plan.execute(into: vault, now: testNow)
        #expect(report.code == .partial)
        #expect(report.failures.count == 1 && vault.names.isEmpty)
    }

    // MARK: Copies and generations

    @Test func makesOneEntryOfATokenThatIsThereTwice() async throws {
        let paths = [
            try home.write("a/x.json", token("only")), try home.write("b/y.json", token("only")),
            try home.write("c/z.json", token("other")),
        ]
        let plan = try await scan([home.path])
        #expect(plan.items.map(\.action) == [.new, .copy, .new])
        #expect(plan.items[1].name == plan.items[0].name)
        #expect(plan.items[0].alsoIn == [paths[1]] && plan.items[1].alsoIn == [paths[0]])
        let report = await plan.execute(into: vault, now: testNow)
        #expect(report.code == nil)
        #expect(vault.names == ["oauth:x", "oauth:z"])
        #expect(try await !scan([home.path]).changesAnything)
    }

    @Test func findsAnAccessTokenInTheGrantThatItBelongsTo() async throws {
        try home.write("a.json", token("shared"))
        try home.write("b.json", token("shared", "refresh"))
        let plan = try await scan([home.path])
        #expect(plan.items.map(\.action) == [.copy, .new])
        #expect(plan.items.map(\.name.description) == ["oauth:b", "oauth:b"])
    }

    @Test func takesNoTwoClientsTokensForCopies() async throws {
        try home.write("a.json", token("1", "same", more: #", "client_id": "one""#))
        try home.write("b.json", token("2", "same", more: #", "client_id": "two""#))
        #expect(try await scan([home.path]).items.map(\.action) == [.new, .new])
    }

    @Test func takesTheNewerOfTwoCopies() async throws {
        try home.write("a/t.json", token("old", "same", more: #", "expires_at": 1893450000"#))
        try home.write("b/t.json", token("new", "same", more: #", "expires_at": 1893460000"#))
        let plan = try await scan([home.path])
        #expect(plan.items.map(\.action) == [.copy, .new])
        _ = await plan.execute(into: vault, now: testNow)
        #expect(vault.names == ["oauth:t"])
        #expect(vault.text("t", .accessToken) == "new")
    }

    @Test func namesTheNewerOfOneAccountFirst() async throws {
        try home.write("a/auth.json", codex("spent", at: "2029-01-01T00:00:00Z"))
        try home.write("b/auth.json", codex("live", at: "2029-06-01T00:00:00Z"))
        let plan = try await scan([home.path])
        #expect(plan.items.map(\.action) == [.new, .new])
        #expect(plan.items.map(\.name.description) == ["oauth:codex-2", "oauth:codex"])
        #expect(plan.items[0].notes.contains { $0.contains("may be spent") })
    }

    @Test func holdsAnEntryUntilTheLastCopyIsGone() async throws {
        let first = try home.write("a.json", token("a", "r"))
        let second = try home.write("b.json", token("a", "r"))
        try FileManager.default.linkItem(atPath: second, toPath: home.path + "/c.json")
        var report = try await scan([first, second]) { $0.remove = true }.execute(into: vault, now: testNow)
        #expect(!home.exists(first) && home.exists(second))
        #expect(report.failures.map(\.error.code) == [.unsafe])
        #expect(vault.summary("a")?.state == .held(.secondOwner))

        let both = MemoryVault()
        try home.write("d.json", token("d", "rd"))
        try home.write("e.json", token("d", "rd"))
        var options = ImportOptions(machine: Machine(home: home.path, environment: [:]))
        options.remove = true
        report = try await ImportPlan.make(
            [home.path + "/d.json", home.path + "/e.json"],
            options: options,
            for: both,
            now: testNow
        ).execute(into: both, now: testNow)
        #expect(report.code == nil)
        #expect(!home.exists(home.path + "/d.json") && !home.exists(home.path + "/e.json"))
        #expect(both.summary("d")?.state == .active)
    }

    @Test func keepsACopyThatHoldsMoreThanItsEntry() async throws {
        try home.write("a.json", token("a", "r"))
        let more = try home.write("b.json", token("a", "r", more: #", "client_secret": "cs-EXAMPLE""#))
        let report = try await scan([home.path]) { $0.remove = true }.execute(into: vault, now: testNow)
        #expect(report.failures.map(\.error.code) == [.unsafe])
        #expect(home.exists(more))
        #expect(vault.summary("a")?.state == .held(.secondOwner))
    }

    @Test func knowsTheTokenOfAnEntryOfNoFile() async throws {
        let file = try home.write("t.json", token("a", "r"))
        _ = try await scan([file]).execute(into: vault, now: testNow)
        vault.change("t") { $0.source = nil }
        let plan = try await scan([file])
        #expect(plan.items.map(\.action) == [.copy])
        #expect(plan.items.map(\.alsoIn) == [["oauth:t"]])
        #expect(!plan.changesAnything)
    }

    // MARK: Exposure

    @Test func tellsWhoCanReadAFile() async throws {
        chmod(home.path, 0o755)
        try home.write("open/a.json", token("1"), mode: 0o644)
        try home.write("open/b.json", token("2"), mode: 0o640)
        try home.write("open/c.json", token("3"), mode: 0o600)
        try home.write("shut/d.json", token("4"), mode: 0o644)
        chmod(home.path + "/shut", 0o700)
        let found = try await scan([home.path]).items.map(\.exposure.readers)
        #expect(found == [.others, .group, .owner, .owner])
    }

    @Test(arguments: [false, true]) func tellsWhatGitTracks(isTracked: Bool) async throws {
        try home.write("work/.git/index", "")
        let name = "sub/t.json"
        var index = Array("DIRC".utf8) + [0, 0, 0, 2, 0, 0, 0, 2]
        for path in ["README", isTracked ? name : "sub/t.jsonx"] {
            var entry = [UInt8](repeating: 7, count: 60) + [0, UInt8(path.utf8.count)] + Array(path.utf8)
            entry += [UInt8](repeating: 0, count: 8 - entry.count % 8)
            index += entry
        }
        try Data(index).write(to: URL(fileURLWithPath: home.path + "/work/.git/index"))
        try home.write("work/" + name, token("a"))
        let exposure = try #require(try await scan([home.path + "/work"]).items.first?.exposure)
        #expect(exposure.workTree == home.path + "/work" && exposure.isTracked == isTracked)
    }

    @Test func survivesAnIndexThatIsNone() async throws {
        for bytes in [[], Array("DIRC".utf8), Array("DIRC".utf8) + [0, 0, 0, 2, 255, 255, 255, 255, 1, 2, 3]] {
            try home.write("work/.git/index", "")
            try Data(bytes).write(to: URL(fileURLWithPath: home.path + "/work/.git/index"))
            try home.write("work/t.json", token("a"))
            #expect(try await scan([home.path + "/work"]).items.first?.exposure.isTracked == nil)
        }
    }

    @Test(arguments: [
        ("s/.stfolder/x", "s/t.json", "Syncthing"), ("s/.dropbox", "s/deep/t.json", "Dropbox"),
        ("s/.sync/ID", "s/t.json", "Resilio Sync"), ("s/.sync_0a1b.db", "s/t.json", "Nextcloud or ownCloud"),
        ("x", "OneDrive - Work/t.json", "OneDrive"), ("x", "Google Drive/t.json", "Google Drive"),
        (".dropbox/info.json", "t.json", nil), (".sync/settings.dat", "t.json", nil),
    ])
    func tellsOfSyncedFolders(marker: String, file: String, service: String?) async throws {
        try home.write(marker, "x")
        try home.write(file, token("a"))
        #expect(try await scan([home.path]).items.map(\.exposure.syncService) == [service])
    }

    // MARK: The table

    @Test func fitsTheTerminal() async throws {
        try home.copy("codex/auth.json", to: ".codex/auth.json")
        try home.copy("claude/.credentials.json", to: ".claude/.credentials.json")
        try home.write("w\u{1B}[31m/t.json", token("canary-91c4", "canary-91c4"), mode: 0o644)
        let plan = try await scan([home.path])
        for columns in [80, 100, 400] {
            let lines = plan.overview(columns: columns, now: testNow)
            #expect(lines.allSatisfy { $0.count <= columns }, "\(lines)")
            let text = lines.joined(separator: "\n")
            #expect(
                !text.contains("\u{1B}") && !text.contains("rt-EXAMPLE") && !text.contains("at-EXAMPLE")
                    && !text.contains("canary")
            )
            for part in ["~/.codex/auth.json", "oauth:codex", "OpenAI Codex CLI", "--client-id"] {
                #expect(text.contains(part), "\(text)")
            }
            #expect(lines.last?.hasPrefix("4 grants in 3 files: 4 new") == true, "\(lines.last ?? "")")
        }
        #expect(plan.overview(columns: 400, now: testNow).first?.contains("ENTRY") == true)
        #expect(plan.overview(columns: 80, now: testNow).contains { $0.hasPrefix("  refresh  no, it lacks") })
    }

    @Test func saysWhatARefreshLacks() async throws {
        try home.copy("codex/auth.json", to: ".codex/auth.json")
        try home.write("t.json", token("a", "r"))
        let plan = try await scan([home.path + "/t.json"])
        #expect(plan.items.map(\.isRefreshable) == [true, false])
        let told = try await scan([home.path + "/t.json"]) {
            $0.clientID = "c"
            $0.tokenURL = "https://as.example/token"
        }
        #expect(told.items.map(\.isRefreshable) == [true, true])
    }
}
