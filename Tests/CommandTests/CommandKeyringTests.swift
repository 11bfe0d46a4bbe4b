import Foundation
import TestSupport
import Testing

/// The command and the desktop's keyring, real and not.
@Suite(.serialized, .blocking)
struct CommandKeyringTests {
    private func make(_ home: Sandbox, _ arguments: String...) throws {
        try succeed(
            home.run(
                [Sandbox.program, "init", "--kdf", "interactive", "--recovery-code-file", home.path("code")] + arguments
            )
        )
    }

    private func slots(_ home: Sandbox) throws -> [[String: Any]] {
        try succeed(home.vault("key", "list", "--json")).object().objects("slots")
    }

    private func kinds(_ home: Sandbox) throws -> [String] { try slots(home).compactMap { $0.text("kind") } }

    /// The slots for which the keyring has an item, as UUIDs without hyphens.
    private func items(_ home: Sandbox) throws -> [String] {
        let command = "secret-tool search --all --unlock xdg:schema io.github.vault.KeySlot 2>&1"
        let lines = try home.keyring().run(["sh", "-c", command]).split(separator: "\n")
        return lines.compactMap { $0.split(separator: "attribute.slot = ").last.map(String.init) }
            .filter { $0.count == 36 && !$0.contains(" ") }.map { $0.replacingOccurrences(of: "-", with: "") }.sorted()
    }

    private func lock(_ home: Sandbox) throws {
        try home.keyring().run([PrivateBus.supportFile("real-keyring"), "lock"])
    }

    private func clear(_ home: Sandbox) throws {
        let vault = try #require(home.vault("status", "--json").object().text("vault"))
        try home.keyring().run(["secret-tool", "clear", "vault", vault])
    }

    @Test func keepsTheKeyInTheKeyringWhereNothingElseIsSaid() throws {
        let home = try Sandbox(on: .realKeyring)
        try make(home)
        #expect(try kinds(home) == ["secret-service", "recovery-code"])
        #expect(try items(home) == slots(home).prefix(1).compactMap { $0.text("id") })
        try home.keep("a", "secret")
        #expect(try succeed(home.vault("token", "static:a", "--no-input")).text == "secret\n")
        #expect(try (home.vault("status", "--json").object()["keyring"] as? [String: Any])?.text("state") == "usable")
        try succeed(home.vault("list", "--passphrase-file", home.path("code")))
    }

    /// A copy has the same keys.
    ///
    /// What is done to it must not lock the vault that is in use.
    @Test(.enabled(if: Sandbox.Store.chosen == .sqlite, "a second name for a store elsewhere is no copy of it"))
    func sparesTheKeysOfTheVaultThatACopyWasMadeOf() throws {
        let home = try Sandbox(on: .realKeyring)
        try make(home)
        try home.keep("a", "secret")
        let kept = try items(home)
        let copy = home.path("copy")
        try succeed(home.run(["cp", "-a", home.directory, copy]))
        fail(try home.vault("--vault", copy, "key", "rotate", "--yes"), 10, "is a copy of the vault")
        try succeed(home.vault("--vault", copy, "destroy", "--yes"))
        #expect(!FileManager.default.fileExists(atPath: copy))
        #expect(try items(home) == kept)
        #expect(try succeed(home.vault("token", "static:a", "--no-input")).text == "secret\n")
        // The vault itself takes its keys with it, wherever it was moved to.
        try succeed(home.run(["mv", home.directory, copy]))
        try succeed(home.vault("--vault", copy, "destroy", "--yes"))
        #expect(try items(home) == [])
    }

    @Test func saysThatTheKeyringIsLocked() throws {
        let home = try Sandbox(on: .realKeyring)
        try make(home)
        try lock(home)
        let start = ContinuousClock.now
        fail(try home.vault("list"), 3, "cannot unlock the keyring")
        // What D-Bus waits by itself is 25; the exact deadline is for the tests that run alone.
        #expect(start.duration(to: .now) < .seconds(20))
        try succeed(home.vault("list", "--passphrase-file", home.path("code")))
        #expect(try (home.vault("status", "--json").object()["keyring"] as? [String: Any])?.text("state") == "locked")
        // A locked keyring has lost nothing.
        #expect(try !home.vault("list", "--passphrase-file", home.path("code")).notes.contains("lost"))
    }

    @Test func replacesASlotWhoseKeyIsLost() throws {
        let home = try Sandbox(on: .realKeyring)
        try make(home)
        try home.keep("a", "secret")
        try clear(home)
        fail(try home.vault("list"), 3, "no key for this slot")
        let code = home.path("code")
        let dead = try #require(slots(home).first?.text("id"))
        let opened = try succeed(home.vault("token", "static:a", "--passphrase-file", code))
        #expect(opened.text == "secret\n" && opened.notes.contains("vault key change \(dead.prefix(8))"))
        #expect(try items(home) == [])
        try succeed(home.vault("key", "change", String(dead.prefix(8)), "--passphrase-file", code))
        #expect(try succeed(home.vault("token", "static:a")).text == "secret\n")
        let new = try #require(slots(home).first { $0.text("kind") == "secret-service" }?.text("id"))
        #expect(new != dead)
        #expect(try items(home) == [new])
    }

    @Test func offersToReplaceALostKeyAtATerminal() throws {
        let home = try Sandbox(on: .realKeyring)
        try make(home)
        try clear(home)
        let variable = ["VAULT_PASSPHRASE_FILE": home.path("code")]
        let no = try home.vault(typing: [("[y/N] ", "n\n")], "list", environment: variable)
        #expect(no.status == 0 && no.missing.isEmpty)
        #expect(try items(home) == [])
        let yes = try home.vault(typing: [("has lost the key", ""), ("[y/N] ", "y\n")], "list", environment: variable)
        #expect(yes.status == 0 && yes.missing.isEmpty && yes.shown.contains("was replaced"), "\(yes.shown)")
        try succeed(home.vault("list"))
    }

    @Test func opensBesidePlantedDuplicates() throws {
        let home = try Sandbox(on: .realKeyring)
        try make(home)
        let vault = try #require(home.vault("status", "--json").object().text("vault"))
        let slot = try #require(items(home).first)
        let parts = [8, 4, 4, 4, 12]
        var (rest, groups) = (Substring(slot), [Substring]())
        for count in parts {
            groups.append(rest.prefix(count))
            rest = rest.dropFirst(count)
        }
        let other = Data(repeating: 7, count: 32).base64EncodedString()
        for value in [other, "hunter2"] {
            try home.keyring().run([PrivateBus.supportFile("plant.py"), vault, groups.joined(separator: "-"), value])
        }
        try succeed(home.vault("list"))
        try succeed(home.vault("destroy", "--yes"))
        #expect(try items(home) == [])
    }

    @Test func needsBothOfACombinedSlot() throws {
        let home = try Sandbox(on: .realKeyring)
        let file = try home.write("p", "sesame")
        try make(home, "--key", "secret-service+passphrase", "--passphrase-file", file)
        #expect(try kinds(home) == ["secret-service+passphrase", "recovery-code"])
        fail(try home.vault("list"), 3)
        try succeed(home.vault("list", "--passphrase-file", file))
        fail(try home.vault("list", "--passphrase-file", home.write("wrong", "x")), 6)
        try succeed(home.vault("key", "rotate", "--yes", "--kdf", "interactive", "--passphrase-file", file))
        try succeed(home.vault("list", "--passphrase-file", file))
        try clear(home)
        #expect([3, 6].contains(try home.vault("list", "--passphrase-file", file).status))
    }

    @Test func makesANewItemInARotationAndDeletesTheOld() throws {
        let home = try Sandbox(on: .realKeyring)
        try make(home)
        let old = try items(home)
        try succeed(home.vault("key", "rotate", "--yes", "--recovery-code-file", home.path("code2")))
        let new = try items(home)
        #expect(new.count == 1 && new != old)
        try succeed(home.vault("list"))
        try succeed(
            home.vault("list", "--passphrase-file", home.path("code2"), "--slot", slots(home)[1].text("id") ?? "")
        )
    }

    @Test func deletesItsItemsWithTheVault() throws {
        let home = try Sandbox(on: .realKeyring)
        try make(home)
        let item = try #require(items(home).first)
        let outcome = try succeed(home.vault("destroy", "--yes", "--json"))
        #expect((try outcome.object()["deleted"] as? [String])?.contains { $0.contains(item.prefix(8)) } == true)
        #expect(try items(home) == [])
    }

    @Test func saysWhichItemsRemainWhereTheKeyringIsLocked() throws {
        let home = try Sandbox(on: .realKeyring)
        try make(home)
        try lock(home)
        fail(try home.vault("destroy", "--yes"), 2, "keyring item of slot")
        fail(try home.vault("list"), 4)
    }

    @Test func leavesNoItemBehindWhereAVaultIsAlready() throws {
        let home = try Sandbox(on: .realKeyring)
        try make(home)
        let before = try items(home)
        fail(try home.vault("init", "--no-recovery-code"), 1)
        #expect(try items(home) == before)
    }

    @Test(arguments: [
        ("no-default", "default collection"), ("session-default", "gone when the session ends"),
        ("locked", "cannot unlock"), ("dies", "no Secret Service to use"),
    ])
    func fallsBackToAPassphrase(mode: String, word: String) throws {
        let home = try Sandbox(on: .standIn(mode))
        let file = try home.write("p", "sesame")
        let outcome = try home.vault(
            "init",
            "--kdf",
            "interactive",
            "--no-recovery-code",
            "--passphrase-file",
            file,
            "-v"
        )
        if mode == "dies", outcome.status != 0 { return }
        try succeed(outcome)
        #expect(outcome.notes.contains(word), "\(outcome.notes)")
        #expect(try kinds(home) == ["passphrase"])
    }

    @Test func isDoneWithASilentKeyringInTime() throws {
        let home = try Sandbox(on: .standIn("silent"))
        try home.make()
        for arguments in [["status"], ["doctor"], ["key", "add", "secret-service"]] {
            let start = ContinuousClock.now
            let outcome = try home.run([Sandbox.program] + arguments)
            #expect(start.duration(to: .now) < .seconds(20), "\(arguments)")
            #expect(outcome.status == (arguments[0] == "key" ? 8 : 0), "\(outcome.notes)")
        }
    }

    @Test func saysThatThereIsNoKeyringForAVaultThatNeedsOne() throws {
        let home = try Sandbox(on: .realKeyring)
        try succeed(home.vault("init", "--no-recovery-code"))
        #expect(try kinds(home) == ["secret-service"])
        fail(try home.vault("list", environment: ["DBUS_SESSION_BUS_ADDRESS": nil]), 8, "session bus")
        let both = try Sandbox(on: .realKeyring)
        try make(both)
        // A recovery code is no way in for every day: the keyring is what is wrong.
        fail(try both.vault("list", environment: ["DBUS_SESSION_BUS_ADDRESS": nil]), 8, "recovery-code")
        let file = try both.write("p", "sesame")
        try succeed(both.vault("key", "add", "passphrase", "--kdf", "interactive", "--new-passphrase-file", file))
        fail(try both.vault("list", environment: ["DBUS_SESSION_BUS_ADDRESS": nil]), 3)
        try succeed(both.vault("list", "--passphrase-file", file, environment: ["DBUS_SESSION_BUS_ADDRESS": nil]))
    }
}
