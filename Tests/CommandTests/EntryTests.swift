import Foundation
import TestSupport
import Testing

/// `set`, `token`, `list`, `show`, `rename`, `remove`.
@Suite(.blocking)
struct EntryTests {
    private let home: Sandbox

    init() throws {
        home = try Sandbox()
        try home.make()
    }

    // MARK: set

    @Test(arguments: [
        ("sk-EXAMPLE", "sk-EXAMPLE"), ("one\n", "one"), ("two\n\n", "two\n"), ("windows\r\n", "windows"),
        ("in\nside", "in\nside"), (" kept ", " kept "), ("\u{1F511}", "\u{1F511}"),
    ])
    func takesOneNewlineFromTheEnd(given: String, kept: String) throws {
        try home.keep("a", given)
        #expect(try home.vault("token", "static:a").text == kept + "\n")
    }

    @Test func keepsBytesAsTheyAre() throws {
        let secret = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } + [0]
        try succeed(home.vault("set", "static:a", input: secret))
        #expect(try home.vault("token", "static:a").output == secret + [10])
        fail(try home.vault("token", "static:a", "--json"), 1, "not UTF-8")
    }

    @Test func refusesWhatIsTooLargeOrEmpty() throws {
        try home.keep("a", "first")
        let before = try home.snapshot(home.directory)
        for size in [1_000_001, 1_000_003, 1_048_577, 3_000_000] {
            fail(try home.vault("set", "static:a", input: [UInt8](repeating: 65, count: size)), 64, "longer")
        }
        fail(try home.vault("set", "static:a"), 64, "empty")
        fail(try home.vault("set", "static:a", input: [10]), 64, "empty")
        #expect(try home.snapshot(home.directory) == before)
        try succeed(home.vault("set", "static:big", input: [UInt8](repeating: 65, count: 1_000_000)))
    }

    @Test func setsStaticSecretsOnly() throws {
        fail(try home.vault("set", "oauth:a", input: [65]), 64, "static:a")
        try succeed(home.vault("set", "a", input: [65]))
        #expect(try home.vault("list").text.contains("static:a"))
    }

    @Test func replacesASecret() throws {
        try home.keep("a", "first")
        let first = try home.vault("show", "static:a", "--json").object()
        try home.keep("a", "second")
        let second = try home.vault("show", "static:a", "--json").object()
        #expect(try home.vault("token", "static:a").text == "second\n")
        #expect(first.text("id") == second.text("id"))
        #expect(try home.vault("list", "--json").object().objects("entries").count == 1)
    }

    // MARK: token

    @Test func printsATokenAndANewline() throws {
        try succeed(home.vault("import", home.writeToken("t.json"), "--name", "t", "--yes"))
        for name in ["t", "oauth:t"] {
            let outcome = try succeed(home.vault("token", name))
            #expect(outcome.text == "AT-EXAMPLE\n")
            #expect(outcome.notes.isEmpty)
        }
        #expect(try home.vault("token", "t", "--header").text == "Authorization: Bearer AT-EXAMPLE\n")
        let object = try home.vault("token", "t", "--json").object()
        #expect(Set(object.keys) == ["access_token", "token_type", "expires_at", "state"])
        #expect(object.text("access_token") == "AT-EXAMPLE")
        #expect(object.text("expires_at") == "2099-01-01T00:00:00Z")
        #expect(object.text("state") == "active")
    }

    @Test func printsAHeaderOfAStaticSecretThatFitsIntoOne() throws {
        try home.keep("good", "sk-EXAMPLE")
        try home.keep("bad", "a\r\nX-Evil: 1")
        #expect(try home.vault("token", "static:good", "--header").text == "Authorization: Bearer sk-EXAMPLE\n")
        let refused = fail(try home.vault("token", "static:bad", "--header"), 10, "header")
        #expect(refused.output.isEmpty)
    }

    @Test func saysThatAnExpiredTokenNeedsALogin() throws {
        let file = try home.writeToken("t.json", refresh: "RT-EXAMPLE", expiry: "2001-01-01T00:00:00Z")
        try succeed(home.vault("import", file, "--name", "t", "--yes"))
        for option in ["--header", "--json", "-q"] {
            let outcome = fail(try home.vault("token", "t", option), 5, "has run out", "vault adopt t")
            #expect(outcome.output.isEmpty)
        }
    }

    @Test func saysWhenLessValidityIsLeftThanWasAskedFor() throws {
        try succeed(home.vault("import", home.writeToken("t.json"), "--name", "t", "--yes"))
        #expect(try home.vault("token", "t", "--min-valid", "5m").notes.isEmpty)
        let outcome = try succeed(home.vault("token", "t", "--min-valid", "40000d"))
        #expect(outcome.text == "AT-EXAMPLE\n")
        #expect(outcome.notes.contains("less than was asked for"))
        for wrong in ["x", "-1", "", "99999999999999999999", "9223372036854775807d", "5 m"] {
            fail(try home.vault("token", "t", "--min-valid=" + wrong), 64)
        }
    }

    @Test func printsTheIDTokenWhereThereIsOne() throws {
        try succeed(home.vault("import", home.writeToken("t.json"), "--name", "t", "--yes"))
        fail(try home.vault("token", "t", "--id-token"), 4, "id token")
        let codex = try home.fixture("codex/auth.json", to: ".codex/auth.json")
        try succeed(home.vault("import", codex, "--name", "codex", "--yes"))
        let shown = try home.vault("show", "codex", "--reveal", "--json").object()
        let printed = try succeed(home.vault("token", "codex", "--id-token"))
        #expect(shown.text("id_token").map { $0 + "\n" } == printed.text)
    }

    @Test func refusesContradictions() throws {
        fail(try home.vault("token", "t", "--header", "--id-token"), 64)
        fail(try home.vault("--json", "token", "t", "--header"), 64)
    }

    @Test func saysThatThereIsNoSuchEntry() throws {
        for arguments in [["token", "x"], ["show", "x"], ["rename", "x", "y"], ["remove", "x", "--yes"]] {
            fail(try home.run([Sandbox.program] + arguments), 4, "oauth:x")
        }
        try home.keep("x", "secret")
        fail(try home.vault("token", "x"), 4, "oauth:x")
    }

    // MARK: list, show

    @Test func listsFullNamesAndNoSecrets() throws {
        try home.keep("b", "SECRET-1")
        try succeed(home.vault("import", home.writeToken("t.json", access: "SECRET-2"), "--name", "a", "--yes"))
        let list = try succeed(home.vault("list", "--json")).object()
        #expect(list.objects("entries").compactMap { $0.text("name") } == ["oauth:a", "static:b"])
        for arguments in [["list"], ["list", "--json"], ["show", "a"], ["show", "static:b", "--json"], ["status"]] {
            let outcome = try home.run([Sandbox.program, "-v"] + arguments)
            #expect(outcome.status == 0)
            #expect(!(outcome.text + outcome.notes).contains("SECRET"))
        }
    }

    @Test func showsSecretsOnlyWhenAsked() throws {
        try succeed(home.vault("import", home.writeToken("t.json", refresh: "RT-EXAMPLE"), "--name", "a", "--yes"))
        let masked = try home.vault("show", "a", "--json").object()
        #expect(masked["has_refresh_token"] as? Bool == true)
        #expect(masked["access_token"] == nil && masked["refresh_token"] == nil)
        let revealed = try home.vault("show", "a", "--json", "--reveal").object()
        #expect(revealed.text("access_token") == "AT-EXAMPLE" && revealed.text("refresh_token") == "RT-EXAMPLE")
        #expect(try home.vault("show", "a").text.contains("(kept; --reveal shows it)"))
        #expect(try home.vault("show", "a", "--reveal").text.contains("RT-EXAMPLE"))
    }

    @Test func tellsAnUnknownExpiryFromNone() throws {
        try home.keep("s", "x")
        try home.write("t.json", #"{"access_token": "AT-EXAMPLE", "token_type": "Bearer"}"#)
        try succeed(home.vault("import", home.path("t.json"), "--name", "t", "--yes"))
        let never = try home.vault("show", "static:s", "--json").object()
        #expect(never["expires_at"] is NSNull && never.text("expiry") == "never")
        let unknown = try home.vault("show", "t", "--json").object()
        #expect(unknown["expires_at"] is NSNull && unknown.text("expiry") != "known")
    }

    // MARK: rename, remove

    @Test func renamesOntoFreeNamesOnly() throws {
        try home.keep("a", "one")
        try home.keep("b", "two")
        let before = try home.snapshot(home.directory)
        fail(try home.vault("rename", "static:a", "b"), 1, "static:b")
        #expect(try home.snapshot(home.directory) == before)
        try succeed(home.vault("rename", "static:a", "c"))
        try succeed(home.vault("rename", "static:b", "static:a"))
        #expect(try home.vault("token", "static:a").text == "two\n")
        #expect(try home.vault("token", "static:c").text == "one\n")
        #expect(try home.vault("rename", "static:a", "oauth:a").status != 0)
    }

    @Test func removesOnlyWhenItIsSure() throws {
        try home.keep("a", "one")
        let before = try home.snapshot(home.directory)
        fail(try home.vault("remove", "static:a"), 3, "--yes")
        fail(try home.vault("remove", "static:a", "--no-input"), 3, "--yes")
        #expect(try home.snapshot(home.directory) == before)
        try succeed(home.vault("remove", "static:a", "--yes"))
        fail(try home.vault("token", "static:a"), 4)
        fail(try home.vault("remove", "static:a", "--yes"), 4)
    }

    @Test func namesTheVaultInEveryCommandThatAHintGives() throws {
        fail(try home.vault("token", "a", "--profile", "other"), 4, "vault --profile other init\n")
        fail(
            try home.vault("--vault=" + home.path("none"), "token", "a"),
            4,
            "vault --vault=\(home.path("none")) init\n"
        )
        #expect(!fail(try home.vault("token", "a"), 4).notes.contains("--profile"))
    }

    // MARK: Names

    @Test(arguments: [
        "../x", "....//x", "/abs", ".", "..", "", "-rf", "%2e%2e", "oauth:oauth:x", "static:static:x", "oauth:", "a b",
        "a\tb",
        "a\nb", "a\r\nb", "a\u{1B}[2Jb", "\u{202E}x", "a\u{2028}b", "ﬁ", "e\u{301}", "é", "a\u{9B}b", "a/b", "a\\b",
        "a:b",
        "a*b", "$(x)", "`x`", "a;b", "a|b", "a\u{7F}", "OAUTH:x", String(repeating: "x", count: 129),
        String(repeating: "x", count: 4096),
    ])
    func refusesAHostileName(name: String) throws {
        for arguments in [["token"], ["show"], ["set"], ["rename", "static:a"], ["remove", "--yes"]] {
            let outcome = fail(try home.run([Sandbox.program] + arguments + ["--", name]), 10, "refused")
            #expect(outcome.notes.utf8.count < 700)
            #expect(outcome.output.isEmpty)
        }
    }

    @Test(arguments: ["x", "0", "A.b_c@d+e-f", String(repeating: "x", count: 128)])
    func takesAnOrdinaryName(name: String) throws {
        try home.keep(name, "secret")
        #expect(try home.vault("token", "static:" + name).text == "secret\n")
    }
}
