import Foundation
import Glibc
import TestSupport
import Testing

/// `import --scan`.
@Suite(.blocking)
struct ScanCommandTests {
    private let home: Sandbox

    init() throws {
        home = try Sandbox()
        try home.make()
        try home.fixture("codex/auth.json", to: "home/.codex/auth.json")
        try home.fixture("claude/.credentials.json", to: "home/.claude/.credentials.json")
    }

    private func names() throws -> [String] {
        try home.vault("list", "--json").object().objects("entries").compactMap { $0.text("name") }
    }

    @Test func showsWhatIsThereAndImportsNothingWithoutAYes() throws {
        let before = try home.snapshot(home.directory)
        let outcome = fail(try home.run([Sandbox.program, "import", "--scan", "--no-input"]), 3, "--yes")
        #expect(outcome.text.contains("oauth:codex") && outcome.text.contains("OpenAI Codex CLI"), "\(outcome.text)")
        #expect(!outcome.text.contains("rt-EXAMPLE") && !outcome.text.contains("at-EXAMPLE"))
        #expect(try home.snapshot(home.directory) == before)
    }

    @Test func printsOneDocument() throws {
        let plan = try succeed(home.vault("import", "--scan", "--dry-run", "--json")).object()
        #expect(Set(plan.objects("items").compactMap { $0.text("format") }) == ["codex", "claude"])
        let refused = fail(try home.run([Sandbox.program, "import", "--scan", "--json", "--no-input"]), 3)
        #expect(try refused.object().objects("items").count == plan.objects("items").count)
    }

    @Test func importsWhatItFoundAndNothingTheSecondTime() throws {
        try succeed(home.vault("import", "--scan", "--yes"))
        #expect(try names().contains("oauth:codex"))
        let before = try home.snapshot(home.directory)
        let again = try succeed(home.vault("import", "--scan", "--json")).object()
        #expect(again.objects("items").allSatisfy { $0.text("result") == "unchanged" })
        #expect(try home.snapshot(home.directory) == before)
    }

    @Test func walksPathsAsWell() throws {
        try home.writeToken("elsewhere/deep/t.json", access: "AT-OTHER")
        try succeed(home.vault("import", "--scan", home.path("elsewhere"), "--yes"))
        #expect(try names().contains("oauth:t"))
    }

    @Test func looksAroundWithoutAVault() throws {
        let empty = try Sandbox()
        try empty.fixture("codex/auth.json", to: "home/.codex/auth.json")
        let outcome = try succeed(empty.vault("import", "--scan", "--dry-run"))
        #expect(outcome.text.contains("oauth:codex"))
        fail(try empty.vault("import", "--scan", "--yes"), 4)
    }

    @Test func needsAPathOrAScan() throws { fail(try home.vault("import"), 64) }
}
