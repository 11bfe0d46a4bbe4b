import Foundation
import TestSupport
import Testing

/// `export` and `restore`.
@Suite(.blocking)
struct BackupTests {
    private let home: Sandbox
    private let backup: String
    private let passphrase: String

    init() throws {
        home = try Sandbox()
        backup = home.path("backup")
        passphrase = try home.write("bp", "backup\n")
        try home.make()
        try home.keep("a", "secret a")
        try succeed(
            home.vault("import", home.writeToken("t.json", refresh: "RT-EXAMPLE"), "--name", "t", "--remove", "--yes")
        )
    }

    private func export(_ arguments: String...) throws -> Sandbox.Outcome {
        try home.run(
            [Sandbox.program, "export", backup, "--kdf", "interactive", "--backup-passphrase-file", passphrase]
                + arguments
        )
    }

    private func restore(_ arguments: String...) throws -> Sandbox.Outcome {
        try home.run([Sandbox.program, "restore", backup, "--backup-passphrase-file", passphrase] + arguments)
    }

    @Test func bringsEntriesBackIntoAnotherVault() throws {
        #expect(try succeed(export("--json")).object()["entries"] as? Int == 2)
        try succeed(
            home.vault("init", "--profile", "new", "--key", "key-file:" + home.path("k2"), "--no-recovery-code")
        )
        let report = try succeed(restore("--profile", "new", "--json")).object()
        #expect(report.objects("restored").compactMap { $0.text("name") }.sorted() == ["oauth:t", "static:a"])
        #expect(try home.vault("--profile", "new", "token", "static:a").text == "secret a\n")
        let grant = try home.vault("--profile", "new", "show", "t", "--json", "--reveal").object()
        #expect(grant.text("state") == "held" && grant.text("state_reason") == "restored")
        #expect(grant.text("refresh_token") == "RT-EXAMPLE")
        let again = try succeed(restore("--profile", "new", "--json")).object()
        #expect((again["unchanged"] as? [String])?.count == 2)
    }

    @Test func bringsGrantsBackAsTheyWereWhereThatIsSaid() throws {
        try succeed(export())
        try succeed(home.vault("remove", "t", "--yes"))
        try succeed(restore("--adopt"))
        #expect(try home.vault("show", "t", "--json").object().text("state") == "active")
    }

    @Test func overwritesNothing() throws {
        try succeed(export())
        fail(try export(), 1, "exists")
        try home.keep("a", "changed since")
        let outcome = fail(try restore(), 2, "static:a")
        #expect(outcome.output.isEmpty)
        #expect(try home.vault("token", "static:a").text == "changed since\n")
    }

    @Test func holdsNoPlainText() throws {
        try succeed(export())
        let bytes = Data(try home.read(backup))
        for text in ["secret a", "AT-EXAMPLE", "RT-EXAMPLE", "static:a", "oauth:t", "t.json"] {
            #expect(bytes.range(of: Data(text.utf8)) == nil)
        }
    }

    @Test func saysWrongPassphraseAndChangesNothing() throws {
        try succeed(export())
        try succeed(home.vault("remove", "static:a", "--yes"))
        let before = try home.snapshot(home.directory)
        fail(try home.vault("restore", backup, "--backup-passphrase-file", home.write("wrong", "x")), 6)
        fail(try home.vault("restore", backup), 3)
        #expect(try home.snapshot(home.directory) == before)
    }

    @Test func restoresNothingFromADamagedBackup() throws {
        try succeed(export())
        let good = try home.read(backup)
        try succeed(home.vault("remove", "static:a", "--yes"))
        let before = try home.snapshot(home.directory)
        var damaged = [Array(good.dropLast()), Array(good.prefix(20)), [], good + [0], Array("no backup".utf8)]
        for position in [0, 9, 30, good.count / 2, good.count - 40, good.count - 1] {
            var bytes = good
            bytes[position] ^= 1
            damaged.append(bytes)
        }
        for bytes in damaged {
            try home.write("backup", bytes)
            fail(try restore(), 7, "backup")
        }
        #expect(try home.snapshot(home.directory) == before)
    }

    @Test func refusesWhatIsNoFile() throws {
        fail(try home.vault("restore", home.path("none"), "--backup-passphrase-file", passphrase), 4)
        fail(try home.vault("restore", home.root, "--backup-passphrase-file", passphrase), 10, "directory")
        fail(try home.vault("export", home.path("none/b"), "--backup-passphrase-file", passphrase), 8)
        fail(try home.vault("export", home.path("b"), "--backup-passphrase-file", home.write("empty", "")), 64, "empty")
        #expect(Sandbox.mode(home.path("b")) == 0)
    }
}
