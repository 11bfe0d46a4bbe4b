import Foundation
import Glibc
import TestSupport
import Testing

/// What is asked at a terminal.
@Suite(.blocking)
struct TerminalTests {
    private let home: Sandbox
    private let fast = "--kdf=interactive"

    init() throws { home = try Sandbox() }

    /// Expects that everything expected was shown, nothing typed was, and that the terminal is as it was before.
    private func check(
        _ seen: Sandbox.Conversation,
        _ status: Int32,
        hiding secrets: String...,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(seen.status == status, "\(seen.shown)", sourceLocation: sourceLocation)
        #expect(seen.missing.isEmpty, "\(seen.shown)", sourceLocation: sourceLocation)
        #expect(seen.restored, sourceLocation: sourceLocation)
        for secret in secrets { #expect(!(seen.shown + seen.output).contains(secret), sourceLocation: sourceLocation) }
    }

    @Test func asksForAPassphraseTwiceWithoutShowingIt() throws {
        let made = try home.vault(
            typing: [("New passphrase: ", "hunter2\n"), ("The same again: ", "hunter2\n")],
            "init",
            "--key",
            "passphrase",
            fast,
            "--no-recovery-code"
        )
        check(made, 0, hiding: "hunter2")
        let listed = try home.vault(typing: [("Passphrase or recovery code", "hunterX\u{7F}2\n")], "list", "--json")
        check(listed, 0, hiding: "hunter")
        #expect(listed.output.contains("entries"))
    }

    @Test func refusesTwoThatDiffer() throws {
        let seen = try home.vault(
            typing: [("New passphrase: ", "hunter2\n"), ("The same again: ", "hunter3\n")],
            "init",
            "--key",
            "passphrase",
            fast,
            "--no-recovery-code"
        )
        check(seen, 64, hiding: "hunter")
        #expect(seen.shown.contains("differ"))
        fail(try home.vault("status"), 4)
    }

    @Test func asksOnceAndSaysWrong() throws {
        let code = home.path("code")
        let file = try home.write("p", "sesame")
        try succeed(
            home.vault("init", "--key", "passphrase", fast, "--recovery-code-file", code, "--passphrase-file", file)
        )
        let wrong = try home.vault(typing: [("Passphrase or recovery code", "wrong\n")], "list")
        check(wrong, 6, hiding: "wrong\r")
        let text = String(decoding: try home.read(code), as: UTF8.self)
        check(try home.vault(typing: [("Passphrase or recovery code", text.lowercased())], "list"), 0, hiding: text)
    }

    @Test(arguments: [["list"], ["set", "static:a"], ["key", "rotate", "--yes"], ["token", "x"]])
    func endsOnCtrlCAtAPassphrase(arguments: [String]) throws {
        let file = try home.write("p", "sesame")
        try succeed(
            home.vault(
                "init",
                "--key",
                "passphrase",
                fast,
                "--recovery-code-file",
                home.path("code"),
                "--passphrase-file",
                file
            )
        )
        let before = try home.snapshot(home.directory)
        let question = "Passphrase or recovery code"
        let seen = try home.vault(typing: [(question, "ses\u{3}")], arguments: arguments)
        check(seen, 130, hiding: "ses\r")
        #expect(seen.shown.components(separatedBy: question).count == 2, "it asked again")
        #expect(try home.snapshot(home.directory) == before)
    }

    @Test func endsOnCtrlCWhileAVaultIsMade() throws {
        let seen = try home.vault(typing: [("New passphrase: ", "\u{3}")], "init", "--key", "passphrase", fast)
        check(seen, 130)
        let later = try home.vault(
            typing: [("New passphrase: ", "x\n"), ("The same again: ", "x\n"), ("Type it back: ", "\u{3}")],
            "init",
            "--key",
            "passphrase",
            fast
        )
        check(later, 130)
        fail(try home.vault("status"), 4)
    }

    @Test func endsOnCtrlCAtAQuestion() throws {
        try home.make()
        try home.keep("a", "x")
        let seen = try home.vault(typing: [("[y/N] ", "\u{3}")], "remove", "static:a")
        check(seen, 130)
        try succeed(home.vault("token", "static:a"))
    }

    @Test func takesTheEndOfInputForARefusal() throws {
        try home.makeWithPassphrase()
        check(try home.vault(typing: [("Passphrase or recovery code", "\u{4}")], "list"), 3)
    }

    @Test func wantsTheRecoveryCodeTypedBack() throws {
        let seen = try home.vault(
            typing: [("Type it back: ", "nonsense\n"), ("not the code", ""), ("Type it back: ", "@CODE@\n")],
            "init",
            "--key",
            "key-file:" + home.path("k")
        )
        check(seen, 0, hiding: "nonsense")
        #expect(seen.shown.contains("recovery-code"))
    }

    @Test func givesUpAfterThreeWrongCodes() throws {
        let wrong = ("Type it back: ", "nonsense\n")
        check(try home.vault(typing: [wrong, wrong, wrong], "init", "--key", "key-file:" + home.path("k")), 3)
        fail(try home.vault("status"), 4)
    }

    @Test func asksBeforeItRemoves() throws {
        try home.make()
        try home.keep("a", "x")
        for answer in ["n\n", "\n", "nyes\n", "\u{4}"] {
            let seen = try home.vault(typing: [("[y/N] ", answer)], "remove", "static:a")
            check(seen, 3)
            #expect(seen.shown.contains("nothing was changed"))
        }
        check(try home.vault(typing: [("Delete static:a", ""), ("[y/N] ", "Yes\n")], "remove", "static:a"), 0)
        fail(try home.vault("token", "static:a"), 4)
    }

    @Test func asksBeforeItImportsRotatesAndDestroys() throws {
        try home.make()
        let file = try home.writeToken("t.json")
        check(try home.vault(typing: [("[y/N] ", "n\n")], "import", file, "--remove"), 3)
        #expect(FileManager.default.fileExists(atPath: file))
        check(
            try home.vault(
                typing: [("take the tokens out of the file?", ""), ("[y/N] ", "y\n")],
                "import",
                file,
                "--remove"
            ),
            0
        )
        #expect(!FileManager.default.fileExists(atPath: file))
        check(try home.vault(typing: [("[y/N] ", "n\n")], "key", "rotate"), 3)
        check(try home.vault(typing: [("[y/N] ", "y\n")], "key", "rotate"), 0)
        check(try home.vault(typing: [("to be deleted", ""), ("[y/N] ", "n\n")], "destroy"), 3)
        try succeed(home.vault("list"))
        check(try home.vault(typing: [("[y/N] ", "y\n")], "destroy"), 0)
        fail(try home.vault("list"), 4)
    }

    @Test func readsASecretWithoutShowingIt() throws {
        try home.make()
        check(
            try home.vault(typing: [("Secret for static:a: ", "sk-EXAMPLE\n")], "set", "static:a"),
            0,
            hiding: "sk-EXAMPLE"
        )
        #expect(try home.vault("token", "static:a").text == "sk-EXAMPLE\n")
        let before = try home.snapshot(home.directory)
        check(
            try home.vault(typing: [("Secret for static:a: ", "other\u{3}")], "set", "static:a"),
            130,
            hiding: "other"
        )
        check(try home.vault(typing: [("Secret for static:a: ", "\n")], "set", "static:a"), 64)
        check(try home.vault(typing: [], "set", "static:a", "--no-input"), 3)
        #expect(try home.snapshot(home.directory) == before)
    }

    @Test func neverAsksWhereThatIsForbidden() throws {
        try home.makeWithPassphrase()
        for arguments in ["list", "status", "doctor"] {
            let seen = try home.vault(typing: [], arguments, "--no-input")
            #expect(seen.status == (arguments == "status" ? 0 : 3), "\(seen.shown)")
            #expect(!seen.shown.contains("Passphrase or recovery code"))
        }
    }

    @Test func asksForTheNewPassphraseThoughTheOldOneIsGiven() throws {
        let file = try home.makeWithPassphrase()
        let seen = try home.vault(
            typing: [("New passphrase: ", "second\n"), ("The same again: ", "second\n")],
            "key",
            "add",
            "passphrase",
            fast,
            "--passphrase-file",
            file
        )
        check(seen, 0, hiding: "second")
        try succeed(home.vault("list", "--passphrase-file", home.write("p2", "second")))
    }

    @Test func givesABackupAPassphraseOfItsOwn() throws {
        try home.make()
        try home.keep("a", "x")
        let seen = try home.vault(
            typing: [("New passphrase for the backup: ", "bp\n"), ("The same again: ", "bp\n")],
            "export",
            home.path("b"),
            fast
        )
        check(seen, 0, hiding: "bp\r")
        try succeed(home.vault("remove", "static:a", "--yes"))
        check(try home.vault(typing: [("Passphrase of the backup: ", "no\n")], "restore", home.path("b")), 6)
        check(try home.vault(typing: [("Passphrase of the backup: ", "bp\n")], "restore", home.path("b")), 0)
        #expect(try home.vault("token", "static:a").text == "x\n")
    }
}
