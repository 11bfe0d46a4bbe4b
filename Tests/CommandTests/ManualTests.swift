import Foundation
import TestSupport
import Testing

/// Options, output and errors: what holds for every command.
@Suite(.blocking)
struct ManualTests {
    private let home: Sandbox

    init() throws { home = try Sandbox() }

    @Test func takesGlobalOptionsOnBothSides() throws {
        let other = home.path("other")
        try succeed(home.vault("--vault", other, "init", "--key", "key-file:" + home.path("k"), "--no-recovery-code"))
        for arguments in [
            ["--vault", other, "--json", "list"], ["list", "--json", "--vault", other],
            ["--json", "list", "--vault=" + other],
            ["--vault=" + other, "list", "--json", "-q", "-v", "--no-input"],
            ["-q", "--no-input", "--vault", other, "--json", "list"],
        ] {
            let outcome = try succeed(home.run([Sandbox.program] + arguments))
            #expect(try outcome.object().objects("entries").isEmpty)
        }
        let slots = try succeed(home.vault("--vault", other, "key", "--json", "list")).object()
        #expect(slots.objects("slots").count == 1)
    }

    @Test func takesNothingBehindTwoHyphensForAnOption() throws {
        try home.make()
        fail(try home.vault("token", "--", "--json"), 10, "--json")
    }

    @Test func writesUsageErrorsLikeAllOthers() throws {
        for arguments in [
            ["bogus"], ["list", "--bogus"], ["token"], ["token", "a", "b"], ["list", "--passphrase-fd", "x"],
            ["key", "bogus"],
            ["--vault"], ["list", "--profile"], ["\u{1B}[2J"], ["list", "a\nb"],
        ] {
            let outcome = fail(try home.run([Sandbox.program] + arguments), 64)
            #expect(outcome.output.isEmpty)
            #expect(outcome.notes.split(separator: "\n").allSatisfy { $0.hasPrefix("vault: ") })
        }
        #expect(try home.vault("token").notes.contains("vault: hint: vault token --help"))
    }

    @Test func showsHelpAndTheVersion() throws {
        #expect(try succeed(home.vault("--version")).text.hasPrefix("vault "))
        #expect(try home.vault("--version", "--json").text == home.vault("--version").text)
        let commands = [
            "init", "status", "set", "list", "show", "login", "token", "proxy", "logout", "adopt", "rename", "edit",
            "remove",
            "audit", "import", "key", "export", "restore", "store", "doctor", "destroy",
        ]
        let help = try succeed(home.vault("--help"))
        for command in commands {
            #expect(help.text.contains("\n  \(command) "))
            let own = try succeed(home.vault(command, "--help"))
            #expect(own.text.contains("USAGE: vault \(command)") && own.notes.isEmpty)
            #expect(try home.vault("help", command).text == own.text)
        }
        for command in ["show", "migrate", "use", "remove"] {
            #expect(try succeed(home.vault("store", command, "--help")).text.contains("USAGE: vault store \(command)"))
        }
        for command in ["list", "add", "change", "remove", "rotate"] {
            #expect(try succeed(home.vault("key", command, "--help")).text.contains("USAGE: vault key \(command)"))
        }
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func printsCompletionScripts(shell: String) throws {
        let script = try succeed(home.vault("--generate-completion-script", shell))
        #expect(script.text.contains("passphrase-file") && script.text.contains("rotate"))
        guard shell == "bash" else { return }
        let checked = try home.run(["bash", "-n", home.write("completions", script.text)])
        #expect(checked.status == 0, "\(checked.notes)")
    }

    @Test func isSilentWhenAskedToBe() throws {
        try home.make()
        try home.keep("a", "x")
        #expect(try home.vault("-q", "set", "static:b", input: [65]).notes.isEmpty)
        #expect(try home.vault("rename", "static:b", "c", "-q").notes.isEmpty)
        #expect(try home.vault("remove", "static:c", "--yes", "--quiet").notes.isEmpty)
        #expect(try home.vault("import", home.writeToken("t.json"), "--yes", "-q", "--json").notes.isEmpty)
        #expect(!(try home.vault("-q", "token", "nosuch").notes.isEmpty))
    }

    @Test(arguments: [
        ["token", "static:a"], ["list"], ["list", "--json"], ["show", "static:a"], ["status"], ["key", "list"],
        ["doctor"],
    ])
    func saysThatOutputCannotBeWritten(arguments: [String]) throws {
        try home.make()
        try home.keep("a", "SECRET-EXAMPLE")
        // Once a minute, the vault remembers the end of the audit log.
        try succeed(home.vault("token", "static:a"))
        let before = try home.snapshot(home.directory)
        for line in [#"exec "$@" >&-"#, #"exec "$@" >/dev/full"#, #"exec "$@" <&- >&-"#] {
            fail(
                try home.run(["/bin/sh", "-c", line, "sh", Sandbox.program] + arguments),
                8,
                "cannot write the output"
            )
        }
        let silent = try home.run(["/bin/sh", "-c", #"exec "$@" <&- >&- 2>&-"#, "sh", Sandbox.program] + arguments)
        #expect(silent.status == 8)
        #expect(try home.snapshot(home.directory) == before)
    }

    @Test func readsNoSecretFromAClosedInput() throws {
        try home.make()
        let before = try home.snapshot(home.directory)
        fail(
            try home.vault(shell: #"exec "$@" <&-"#, "set", "static:a"),
            8,
            "cannot read the secret: Bad file descriptor"
        )
        #expect(try home.snapshot(home.directory) == before)
    }

    @Test func survivesAReaderThatGoesAway() throws {
        try home.make()
        try home.keep("a", String(repeating: "x", count: 500_000))
        let outcome = try home.vault(shell: #"("$@"; echo "$?" >"$HOME/status") | head -c 1"#, "token", "static:a")
        #expect(outcome.text == "x")
        #expect(try home.read(home.path("home/status")) == Array("8\n".utf8))
    }

    @Test func putsNoEscapesFromFilesOnTheTerminal() throws {
        try home.make()
        let evil = "\u{1B}[2J\u{9B}31m\u{202E}\u{2028}\u{7}"
        let file = try home.writeToken(
            "evil-\(evil).json",
            more: #", "scope": "a\u001b[2J", "issuer": "https://x/\u009b""#
        )
        for arguments in [
            ["import", file, "--dry-run"], ["import", file, "--yes", "--json"], ["list"], ["list", "--json"],
            ["status"],
            ["import", home.path(evil)], ["--vault", home.path(evil), "list"], ["export", home.path(evil) + "/x"],
            ["restore", home.path(evil)], ["--profile", evil, "list"], ["key", "remove", evil], ["show", evil],
            ["import", file, "--format", evil], ["import", file, "--token-url", evil],
            ["list", "--passphrase-file", evil],
        ] {
            let outcome = try home.run([Sandbox.program] + arguments)
            expectNoControls(outcome.text)
            expectNoControls(outcome.notes)
        }
        // JSON says exactly what the file was called all the same.
        let plan = try home.vault("import", file, "--dry-run", "--json").object()
        #expect(plan.objects("items").first?.text("path") == file)
    }
}
