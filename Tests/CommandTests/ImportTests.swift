import Foundation
import Glibc
import TestSupport
import Testing

/// `import`.
@Suite(.blocking)
struct ImportTests {
    private let home: Sandbox

    init() throws {
        home = try Sandbox()
        try home.make()
    }

    private func names() throws -> [String] {
        try home.vault("list", "--json").object().objects("entries").compactMap { $0.text("name") }
    }

    @Test func changesNothingInADryRun() throws {
        let file = try home.writeToken("t.json")
        let before = try home.snapshot(home.directory)
        let plan = try succeed(home.vault("import", file, "--dry-run", "--json")).object()
        #expect(plan.objects("items").compactMap { $0.text("action") } == ["new"])
        try succeed(home.vault("import", file, "--dry-run", "--remove"))
        fail(try home.vault("import", file, home.path("none"), "--dry-run"), 2)
        fail(try home.vault("import", home.path("none"), "--dry-run"), 4)
        #expect(try home.snapshot(home.directory) == before)
        #expect(FileManager.default.fileExists(atPath: file))
    }

    @Test func importsNothingWithoutAYes() throws {
        let file = try home.writeToken("t.json")
        let before = try home.snapshot(home.directory)
        for more in [[], ["--no-input"], ["--remove"], ["--json"]] {
            fail(try home.run([Sandbox.program, "import", file] + more), 3, "--yes")
        }
        #expect(try home.snapshot(home.directory) == before)
        #expect(FileManager.default.fileExists(atPath: file))
    }

    @Test func importsTheGoodOnesAndTellsOfTheOthers() throws {
        let good = try home.writeToken("good.json")
        let bad = try home.write("bad.json", "{")
        let outcome = fail(
            try home.vault("import", bad, good, home.path("none"), "--yes", "--json"),
            2,
            home.path("none")
        )
        let report = try outcome.object()
        #expect(report.objects("items").compactMap { $0.text("result") } == ["imported"])
        #expect(report.objects("failures").compactMap { $0.text("path") } == [home.path("none"), bad])
        #expect(try names().count == 1)
    }

    @Test func endsWithItsOwnCodeWhereNothingWasImported() throws {
        fail(try home.vault("import", home.path("none"), "--yes"), 4)
        fail(try home.vault("import", home.write("bad.json", "{"), "--yes"), 7)
        fail(try home.vault("import", home.write("empty.json", #"{"a": 1}"#), "--yes"), 7)
        fail(try home.vault("import", "", "--yes"), 64)
        fail(try home.vault("import"), 64)
        fail(try home.vault("import", home.path("none"), "--format", "bogus", "--yes"), 64, "--format takes")
        #expect(try names().isEmpty)
    }

    @Test func changesNothingTheSecondTime() throws {
        let file = try home.writeToken("t.json", refresh: "RT")
        try succeed(home.vault("import", file, "--yes"))
        let before = try home.snapshot(home.directory)
        let again = try succeed(home.vault("import", file, "--json")).object()
        #expect(again.objects("items").compactMap { $0.text("result") } == ["unchanged"])
        #expect(try home.snapshot(home.directory) == before)
    }

    @Test func takesANewerTokenOfTheSamePlace() throws {
        let file = try home.writeToken("t.json", access: "OLD", refresh: "RT1")
        try succeed(home.vault("import", file, "--name", "t", "--yes"))
        try home.writeToken("t.json", access: "NEW", refresh: "RT2", expiry: "2099-06-01T00:00:00Z")
        let report = try succeed(home.vault("import", file, "--yes", "--json")).object()
        #expect(report.objects("items").compactMap { $0.text("result") } == ["updated"])
        #expect(try home.vault("token", "t").text == "NEW\n")
    }

    @Test func holdsAGrantWhoseFileStays() throws {
        try succeed(home.vault("import", home.writeToken("t.json", refresh: "RT"), "--name", "t", "--yes"))
        let entry = try home.vault("show", "t", "--json").object()
        #expect(entry.text("state") == "held" && entry.text("state_reason") == "secondOwner")
    }

    @Test func walksADirectory() throws {
        try home.writeToken("tokens/a.json", access: "A")
        try home.writeToken("tokens/deep/b.json", access: "B")
        try home.write("tokens/other.json", #"{"name": "x"}"#)
        try home.write("tokens/picture.png", [0x89, 0x50, 0, 1, 2])
        let report = try succeed(home.vault("import", home.path("tokens"), "--yes", "--json")).object()
        #expect(report.objects("items").count == 2)
        fail(try home.vault("import", home.path("tokens"), "--name", "x", "--yes"), 64, "--name")
        try home.makeDirectory("nothing")
        #expect(try home.vault("import", home.path("nothing"), "--yes").status == 0)
    }

    // MARK: --remove

    @Test func deletesAFileInWhichNothingElseIs() throws {
        let file = try home.writeToken("t.json", refresh: "RT")
        let report = try succeed(home.vault("import", file, "--name", "t", "--remove", "--yes", "--json")).object()
        #expect(report.objects("items").compactMap { $0.text("file") } == ["deleted"])
        #expect(!FileManager.default.fileExists(atPath: file))
        #expect(try home.vault("token", "t").text == "AT-EXAMPLE\n")
        #expect(try home.vault("show", "t", "--json").object().text("state") == "active")
    }

    @Test func cutsTokensOutAndKeepsAllElseByteForByte() throws {
        let kept = "  \"odd\" :  [1.50e1,\t\"\\u00e9\\/\"],\r\n  \"last\": {\"x\":null }\n"
        let token =
            #"{"accessToken": "AT-EXAMPLE", "refreshToken": "RT-EXAMPLE", "expiresAt": 4070908800000, "scopes": []}"#
        let file = try home.write(
            ".claude/.credentials.json",
            "{\n  \"claudeAiOauth\": \(token),\n\(kept)}\n",
            mode: 0o600
        )
        let report = try succeed(home.vault("import", file, "--name", "c", "--remove", "--yes", "--json")).object()
        #expect(report.objects("items").compactMap { $0.text("file") } == ["edited"])
        let left = String(decoding: try home.read(file), as: UTF8.self)
        #expect(left.contains(kept) && !left.contains("EXAMPLE"))
        #expect(Sandbox.mode(file) & 0o7777 == 0o600)
    }

    @Test func removesNothingThroughALink() throws {
        let file = try home.writeToken("real.json")
        let link = home.path("link.json")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: file)
        let before = try home.read(file)
        let outcome = try home.vault("import", link, "--remove", "--yes")
        #expect(outcome.status == 2 && outcome.notes.contains("link"), "\(outcome.notes)")
        #expect(try home.read(file) == before)
        #expect(Sandbox.mode(link) & S_IFMT == S_IFLNK)
        try succeed(home.vault("import", link, "--yes"))
    }

    @Test func removesNothingThatHasAnotherName() throws {
        let file = try home.writeToken("t.json")
        try FileManager.default.linkItem(atPath: file, toPath: home.path("second.json"))
        let outcome = try home.vault("import", file, "--remove", "--yes")
        #expect(outcome.status == 2 && outcome.notes.contains("names"), "\(outcome.notes)")
        #expect(FileManager.default.fileExists(atPath: file))
    }

    @Test func waitsForNoFIFOAndReadsNoDevice() throws {
        mkfifo(home.path("pipe.json"), 0o600)
        for path in [home.path("pipe.json"), "/dev/zero", "/dev/null"] {
            let outcome = try home.vault("import", path, "--yes")
            #expect(outcome.status == 10, "\(outcome.notes)")
        }
    }

    // MARK: Options

    @Test func takesTheNameThatIsGiven() throws {
        let file = try home.writeToken("t.json")
        try succeed(home.vault("import", file, "--name", "mine", "--yes"))
        #expect(try names() == ["oauth:mine"])
        let other = try home.writeToken("other.json", access: "B")
        let taken = try home.vault("import", other, "--name", "mine", "--yes")
        #expect(taken.status != 0 && taken.notes.contains("oauth:mine"), "\(taken.notes)")
        fail(try home.vault("import", other, "--name", "../x", "--yes"), 10)
        #expect(try names() == ["oauth:mine"])
    }

    @Test func fillsInWhatTheFileDoesNotSay() throws {
        let secret = try home.write("client-secret", "cs-EXAMPLE\n")
        try succeed(
            home.vault(
                "import",
                home.writeToken("t.json", refresh: "RT"),
                "--name",
                "t",
                "--yes",
                "--token-url",
                "https://as.example/token",
                "--client-id",
                "client",
                "--client-secret-file",
                secret,
                "--issuer",
                "https://as.example",
                "--resource",
                "https://rs.example/",
                "--scope",
                "a b",
                "--scope",
                "c"
            )
        )
        let entry = try home.vault("show", "t", "--json", "--reveal").object()
        #expect(entry.text("token_endpoint") == "https://as.example/token" && entry.text("client_id") == "client")
        #expect(entry.text("issuer") == "https://as.example" && entry.text("resource") == "https://rs.example/")
        #expect(entry.text("scope") == "a b c" && entry.text("client_secret") == "cs-EXAMPLE")
        for url in ["http://as.example", "https://u@as.example", "javascript:x", "file:///etc/passwd", "-x"] {
            fail(try home.vault("import", home.path("t.json"), "--yes", "--token-url=" + url), 10)
        }
    }

    @Test func importsExpiredTokensLikeOthers() throws {
        try succeed(
            home.vault("import", home.writeToken("t.json", expiry: "2001-01-01T00:00:00Z"), "--name", "t", "--yes")
        )
        fail(try home.vault("token", "t"), 5)
    }

    @Test(arguments: [
        "claude/.credentials.json", "codex/auth.json", "codex/auth.apikey.json", "gemini/oauth_creds.json",
        "google-auth-python/token.json", "gcloud/application_default_credentials.json",
        "generic/go-oauth2-token.json", "generic/go-oauth2-token-noexpiry.json", "agentos/auth/openai.json",
        "goose/databricks/oauth/ddfabbbe6a7faeb6fd162bb4f7c8d9bdd15443c6be633a41a9f8fa8cb17c362b.json",
    ])
    func importsTheFirstFormats(fixture: String) throws {
        let file = try home.fixture(fixture, to: ".tokens/" + fixture)
        let host = fixture.hasPrefix("goose") ? ["--host", "https://dbc.example"] : []
        let outcome = try home.run([Sandbox.program, "import", file, "--yes", "--json"] + host)
        let report = try succeed(outcome).object()
        #expect(!report.objects("items").isEmpty)
        for name in try names() {
            // One of them has no access token, only what it takes to get one, and its server is out of a test's reach.
            let expected: Int32 = fixture.hasPrefix("gcloud") ? 9 : 0
            #expect(try home.vault("token", name).status == expected, "\(name)")
            let shown = try home.vault("show", name, "--json").object()
            #expect((shown["source"] as? [String: Any])?.text("path") == file)
        }
    }

    @Test(arguments: [
        "[", "[]", "null", "\"x\"", "{}", "{\"access_token\": 1}", "{\"access_token\": \"\"}", "{\"a\": 1, \"a\": 2}",
        "{\"access_token\": \"a\u{0}b\"}", "{\"access_token\": \"\\ud800\"}",
        "{\"access_token\":\"x\",\"expiry\":1e400}",
    ])
    func refusesMalformedFilesWithASentence(text: String) throws {
        let before = try home.snapshot(home.directory)
        let outcome = try home.vault("import", home.write("bad.json", text), "--yes")
        #expect(outcome.notes.utf8.count < 2000)
        expectNoControls(outcome.notes)
        guard outcome.status != 0 else { return }
        #expect(try home.snapshot(home.directory) == before)
        #expect(outcome.notes.contains("vault: error: "))
    }

    @Test func endsOnADeepFile() throws {
        let deep = String(repeating: "[", count: 100_000)
        fail(try home.vault("import", home.write("deep.json", deep), "--yes"), 7)
    }
}
