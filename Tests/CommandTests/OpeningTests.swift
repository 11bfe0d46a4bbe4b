import Foundation
import TestSupport
import Testing

/// Passphrases that are given, and what happens without one.
@Suite(.blocking)
struct OpeningTests {
    private let home: Sandbox

    init() throws { home = try Sandbox() }

    @Test func takesAPassphraseFromAFileADescriptorOrAVariable() throws {
        let file = try home.makeWithPassphrase()
        try succeed(home.vault("list", "--passphrase-file", file))
        try succeed(home.vault("--passphrase-file=" + file, "list"))
        try succeed(home.vault("list", environment: ["VAULT_PASSPHRASE_FILE": file]))
        try succeed(home.vault("list", "--passphrase-fd", "0", input: Array("sesame".utf8)))
        try succeed(home.vault("list", "--passphrase-fd", "0", input: Array("sesame\r\n".utf8)))
        try succeed(home.vault(shell: #"exec "$@" 7<"$HOME/../passphrase""#, "list", "--passphrase-fd", "7"))
        // A pipe can be read once, and a rotation needs the answer twice.
        try succeed(
            home.vault(
                "key",
                "rotate",
                "--yes",
                "--kdf",
                "interactive",
                "--passphrase-fd",
                "0",
                input: Array("sesame".utf8)
            )
        )
    }

    @Test func saysWrongPassphraseAndWritesNothing() throws {
        try home.makeWithPassphrase()
        let before = try home.snapshot(home.directory)
        let state = try home.snapshot(home.path("state"))
        for wrong in ["Sesame", "sesame\n\n", " sesame", "", "sesame\0"] {
            let file = try home.write("wrong", wrong)
            for arguments in [["list"], ["set", "static:a"], ["key", "rotate", "--yes"], ["token", "x"]] {
                let command = [Sandbox.program] + arguments + ["--passphrase-file", file]
                fail(try home.run(command, input: [65]), 6, "wrong passphrase")
            }
        }
        #expect(try home.snapshot(home.directory) == before)
        #expect(try home.snapshot(home.path("state")) == state)
    }

    @Test func saysLockedWhereNobodyCanBeAsked() throws {
        try home.makeWithPassphrase()
        let before = try home.snapshot(home.directory)
        for arguments in [
            ["list"], ["list", "--no-input"], ["--no-input", "--json", "list"], ["token", "x"], ["show", "x"],
            ["set", "static:x"],
            ["remove", "x", "--yes"], ["rename", "x", "y"], ["import", "/nowhere"], ["key", "add", "passphrase"],
            ["key", "rotate", "--yes"], ["export", home.path("b")], ["restore", home.path("b")], ["doctor"],
        ] {
            let outcome = fail(try home.run([Sandbox.program] + arguments, input: [65]), 3, "locked")
            #expect(arguments.contains("doctor") || outcome.output.isEmpty)
        }
        #expect(try home.snapshot(home.directory) == before)
        #expect(!FileManager.default.fileExists(atPath: home.path("b")))
    }

    @Test func saysThatThereIsNoVaultAndMakesNone() throws {
        for arguments in [
            ["list"], ["status"], ["token", "x"], ["show", "x"], ["set", "static:x"], ["remove", "x", "--yes"],
            ["rename", "x", "y"], ["import", "/nowhere"], ["key", "list"], ["key", "add", "passphrase"],
            ["key", "change", "x"],
            ["key", "remove", "x"], ["key", "rotate", "--yes"], ["export", home.path("b")],
            ["restore", home.path("b")],
            ["doctor"], ["destroy", "--yes"],
        ] {
            fail(try home.run([Sandbox.program] + arguments, input: [65]), 4, "vault init")
        }
        #expect(!FileManager.default.fileExists(atPath: home.path("data")))
        #expect(!FileManager.default.fileExists(atPath: home.path("state")))
    }

    @Test func namesAPassphraseFileThatCannotBeRead() throws {
        try home.makeWithPassphrase()
        let outcome = try home.vault("list", "--passphrase-file", home.path("none"))
        #expect([3, 8].contains(outcome.status))
        #expect(outcome.notes.contains(home.path("none")) && outcome.notes.contains("vault: hint: "))
    }

    @Test func warnsOfAPassphraseFileThatOthersCanRead() throws {
        try home.makeWithPassphrase()
        let file = try home.write("open", "sesame", mode: 0o644)
        #expect(try home.vault("list", "--passphrase-file", file).notes.contains("vault: warning: "))
    }

    @Test func opensWithTheNamedSlotOnly() throws {
        let file = try home.makeWithPassphrase()
        let added = try succeed(
            home.vault("key", "add", "key-file:" + home.path("k"), "--passphrase-file", file, "--json")
        )
        let slot = try #require(added.object().objects("slots").first?.text("id"))
        try succeed(home.vault("list", "--slot", String(slot.prefix(8))))
        fail(try home.vault("list", "--slot", "zz"), 64, "key list")
        fail(try home.vault("list", "--slot", ""), 64, "key list")
    }

    // MARK: init

    @Test func leavesAnExistingVaultAsItIs() throws {
        try home.make()
        try home.keep("a", "secret")
        let before = try home.snapshot(home.root)
        for arguments in [["--no-recovery-code"], ["--recovery-code-file", home.path("code")]] {
            let outcome = try home.run([Sandbox.program, "init", "--key", "key-file:" + home.path("k2")] + arguments)
            fail(outcome, 1, "already")
        }
        #expect(try home.snapshot(home.root) == before)
    }

    @Test func needsAWordOnTheRecoveryCodeWhereNobodyCanBeAsked() throws {
        for arguments in [["--no-input"], []] {
            fail(
                try home.run([Sandbox.program, "init", "--key", "key-file:" + home.path("k")] + arguments),
                64,
                "--recovery-code-file",
                "--no-recovery-code"
            )
        }
        #expect(!FileManager.default.fileExists(atPath: home.path("data")))
        #expect(!FileManager.default.fileExists(atPath: home.path("k")))
    }

    @Test func refusesOptionsThatMakeNoSense() throws {
        let none = "--no-recovery-code"
        fail(try home.vault("init", none, "--recovery-code-file", home.path("c")), 64, "contradict")
        fail(try home.vault("init", none, "--key", "tpm"), 64, "tpm")
        fail(try home.vault("init", none, "--key", "key-file:"), 64)
        fail(try home.vault("init", none, "--store", "tape://x"), 64, "tape")
        fail(try home.vault("init", none, "--kdf", "weak"), 64)
        let taken = try home.write("taken", "mine")
        fail(try home.vault("init", "--key", "key-file:" + home.path("k"), "--recovery-code-file", taken), 10, taken)
        fail(try home.vault("init", none, "--key", "key-file:" + taken), 10, taken)
        #expect(try home.read(taken) == Array("mine".utf8))
        #expect(!FileManager.default.fileExists(atPath: home.directory + "/vault.sqlite"))
    }

    @Test func refusesAnEmptyPassphrase() throws {
        let empty = try home.write("empty", "\n")
        let outcome = try home.vault(
            "init",
            "--key",
            "passphrase",
            "--kdf",
            "interactive",
            "--no-recovery-code",
            "--passphrase-file",
            empty
        )
        #expect(outcome.status != 0)
        #expect(outcome.notes.contains("empty passphrase"))
        fail(try home.vault("status"), 4)
    }

    @Test func writesARecoveryCodeThatOpensTheVault() throws {
        let code = home.path("code")
        try succeed(home.vault("init", "--key", "key-file:" + home.path("k"), "--recovery-code-file", code))
        #expect(Sandbox.mode(code) & 0o7777 == 0o600)
        try FileManager.default.removeItem(atPath: home.path("k"))
        fail(try home.vault("list"), 3)
        try succeed(home.vault("list", "--passphrase-file", code))
        let text = String(decoding: try home.read(code), as: UTF8.self)
        let typed = text.lowercased().replacingOccurrences(of: "-", with: " ")
        try succeed(home.vault("list", "--passphrase-file", home.write("typed", typed)))
        let first = text.first == "A" ? "B" : "A"
        fail(try home.vault("list", "--passphrase-file", home.write("wrong", first + text.dropFirst())), 6)
    }

    @Test func makesSeveralSlotsAtOnce() throws {
        let file = try home.write("p", "sesame")
        let made = try succeed(
            home.vault(
                "init",
                "--json",
                "--key",
                "passphrase",
                "--key",
                "key-file:" + home.path("k"),
                "--kdf",
                "interactive",
                "--recovery-code-file",
                home.path("code"),
                "--passphrase-file",
                file
            )
        ).object()
        #expect(made.objects("slots").compactMap { $0.text("kind") } == ["passphrase", "key-file", "recovery-code"])
        #expect(made.text("directory") == home.directory)
    }

    // MARK: Askpass

    @Test(arguments: ["VAULT_ASKPASS", "SSH_ASKPASS"])
    func asksAProgramWhereThereIsNoTerminal(variable: String) throws {
        try home.makeWithPassphrase()
        let program = try home.write("ask", "#!/bin/sh\necho \"$1\" >\"$HOME/question\"\necho sesame\n", mode: 0o700)
        try succeed(home.vault("list", environment: [variable: program]))
        let question = String(decoding: try home.read(home.path("home/question")), as: UTF8.self)
        #expect(question.hasPrefix("Passphrase or recovery code for " + home.directory))
        fail(try home.vault("list", "--no-input", environment: [variable: program]), 3)
    }

    @Test func saysLockedWhereTheQuestionIsDismissed() throws {
        try home.makeWithPassphrase()
        let program = try home.write("ask", "#!/bin/sh\nexit 1\n", mode: 0o700)
        fail(try home.vault("list", environment: ["VAULT_ASKPASS": program]), 3, program)
        fail(try home.vault("list", environment: ["VAULT_ASKPASS": home.path("none")]), 3, home.path("none"))
        let none = "--no-recovery-code"
        fail(
            try home.vault(
                "init",
                "--profile",
                "b",
                "--key",
                "passphrase",
                none,
                environment: ["VAULT_ASKPASS": program]
            ),
            3
        )
    }

    @Test func asksPinentry() throws {
        let file = try home.write("p", "100%\n")
        let none = "--no-recovery-code"
        try succeed(home.vault("init", "--key", "passphrase", "--kdf", "interactive", none, "--passphrase-file", file))
        try home.write(
            "bin/pinentry",
            """
            #!/bin/sh
            echo "OK Pleased to meet you"
            while read -r command rest; do
                echo "$command $rest" >>"$HOME/commands"
                case $command in
                GETPIN) if [ -e "$HOME/cancel" ]; then echo "ERR 83886179 Operation cancelled <Pinentry>"; else echo "D 1%300%25"; echo OK; fi ;;
                BYE) echo "OK closing connection"; exit 0 ;;
                *) echo OK ;;
                esac
            done
            """,
            mode: 0o700
        )
        let variables = ["PATH": home.path("bin") + ":/usr/bin:/bin", "DISPLAY": ":99"]
        try succeed(home.vault("list", environment: variables))
        let commands = String(decoding: try home.read(home.path("home/commands")), as: UTF8.self)
        #expect(commands.contains("GETPIN") && commands.contains("SETDESC Passphrase"))
        try home.write("home/cancel", "")
        fail(try home.vault("list", environment: variables), 3)
        // Not in a directory that depends on where one stands.
        fail(
            try home.vault(
                shell: #"cd "$HOME/.."; exec "$@""#,
                "list",
                environment: ["PATH": "bin:/usr/bin:/bin", "DISPLAY": ":99"]
            ),
            3
        )
    }
}
