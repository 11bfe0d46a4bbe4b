import Foundation
import TestSupport
import Testing

/// `vault key`.
@Suite(.blocking)
struct KeyTests {
    private let home: Sandbox

    init() throws { home = try Sandbox() }

    private func slots() throws -> [[String: Any]] {
        try succeed(home.vault("key", "list", "--json")).object().objects("slots")
    }

    private func slot(_ kind: String) throws -> String {
        try #require(slots().first { $0.text("kind") == kind }?.text("id"))
    }

    private func secret(_ text: String) throws -> String { try home.write("p-" + text, text) }

    @Test func listsSlotsWithoutAKey() throws {
        try home.makeWithPassphrase()
        let listed = try #require(slots().first)
        #expect(try slots().count == 1)
        #expect(listed.text("kind") == "passphrase" && listed.text("id")?.count == 32)
        #expect(
            (listed["argon2id_passes"] as? Int ?? 0) > 0 && (listed["argon2id_memory_bytes"] as? Int ?? 0) >= 8 << 20
        )
        #expect(try home.vault("key", "list").text.contains("Argon2id"))
    }

    @Test func addsSlotsThatOpenAndSealsNoEntryAnew() throws {
        try home.make()
        try home.keep("a", "secret")
        let entry = try home.vault("show", "static:a", "--json").text
        try succeed(home.vault("key", "add", "key-file:" + home.path("k2")))
        try succeed(home.vault("key", "add", "recovery-code", "--recovery-code-file", home.path("code")))
        try succeed(
            home.vault("key", "add", "passphrase", "--kdf", "interactive", "--new-passphrase-file", secret("new"))
        )
        #expect(try slots().count == 4)
        #expect(try home.vault("show", "static:a", "--json").text == entry)
        try FileManager.default.removeItem(atPath: home.path("key"))
        try succeed(home.vault("list"))
        try FileManager.default.removeItem(atPath: home.path("k2"))
        try succeed(home.vault("list", "--passphrase-file", home.path("code")))
        try succeed(home.vault("list", "--passphrase-file", secret("new")))
        fail(try home.vault("list", "--passphrase-file", secret("other")), 6)
        fail(try home.vault("list"), 3)
    }

    @Test func refusesToAddWhatItCannot() throws {
        try home.make()
        let before = try home.snapshot(home.root)
        fail(try home.vault("key", "add", "tpm"), 64, "tpm")
        fail(try home.vault("key", "add", "key-file:" + home.path("key")), 10, "key")
        fail(try home.vault("key", "add", "recovery-code"), 3, "--recovery-code-file")
        fail(try home.vault("key", "add", "passphrase"), 3)
        fail(try home.vault("key", "add", "secret-service"), 8)
        #expect(try home.snapshot(home.root) == before)
    }

    @Test func changesAPassphrase() throws {
        let old = try home.makeWithPassphrase()
        let before = try slot("passphrase")
        let new = try secret("new")
        try succeed(
            home.vault(
                "key",
                "change",
                String(before.prefix(8)),
                "--kdf",
                "interactive",
                "--passphrase-file",
                old,
                "--new-passphrase-file",
                new
            )
        )
        #expect(try slots().count == 1)
        #expect(try slot("passphrase") != before)
        fail(try home.vault("list", "--passphrase-file", old), 6)
        try succeed(home.vault("list", "--passphrase-file", new))
    }

    @Test func changesAKeyFileIntoAnother() throws {
        try home.make()
        try succeed(home.vault("key", "change", slot("key-file"), "--key-file", home.path("k2")))
        #expect(try slots().compactMap { $0.text("path") } == [home.path("k2")])
        try FileManager.default.removeItem(atPath: home.path("key"))
        try succeed(home.vault("list"))
    }

    @Test func keepsTheLastSlot() throws {
        try home.make()
        let first = try slot("key-file")
        let before = try home.snapshot(home.directory)
        fail(try home.vault("key", "remove", first), 10, "last slot")
        #expect(try home.snapshot(home.directory) == before)
        try succeed(home.vault("key", "add", "key-file:" + home.path("k2")))
        try succeed(home.vault("key", "remove", first))
        try FileManager.default.removeItem(atPath: home.path("key"))
        try succeed(home.vault("list"))
        #expect(try slots().count == 1)
    }

    @Test(arguments: ["", "zz", "0000000000000000000000000000000000", "-1", "../x"])
    func saysThatThereIsNoSuchSlot(id: String) throws {
        try home.make()
        for verb in ["change", "remove"] { fail(try home.vault("key", verb, "--", id), 4, "key list") }
        fail(try home.vault("key", "rotate", "--yes", "--drop=" + id), id.isEmpty ? 64 : 4)
    }

    // MARK: rotate

    @Test(.enabled(if: Sandbox.Store.chosen == .sqlite, "it puts the database back"))
    func rotatesToANewDataKey() throws {
        try home.make()
        for number in 1...70 { try home.keep("a\(number)", "secret \(number)") }
        let old = try home.read(home.path("key"))
        let database = home.directory + "/vault.sqlite"
        let before = try home.read(database)
        let first = try slot("key-file")
        try succeed(home.vault("key", "rotate", "--yes"))
        #expect(try slot("key-file") != first)
        #expect(try home.read(home.path("key")) != old)
        #expect(Sandbox.mode(home.path("key.new")) == 0)
        for number in [1, 35, 70] { #expect(try home.vault("token", "static:a\(number)").text == "secret \(number)\n") }
        #expect(try home.vault("status", "--json").object()["rotating"] as? Bool == false)
        // The old key opens nothing any more, not even with the old file: that is a rollback.
        try home.write("key", old)
        #expect([3, 6].contains(try home.vault("list").status))
        try home.write("data/vault/vault.sqlite", before)
        fail(try home.vault("list"), 7, "older copy")
    }

    @Test func rotatesOnlyWhenItIsSure() throws {
        try home.make()
        try home.keep("a", "secret")
        let before = try home.snapshot(home.root)
        fail(try home.vault("key", "rotate"), 3, "--yes")
        fail(try home.vault("key", "rotate", "--no-input"), 3, "--yes")
        #expect(try home.snapshot(home.root) == before)
    }

    @Test func givesUpSlotsThatAreDroppedOrNotPresented() throws {
        let passphrase = try home.makeWithPassphrase()
        for name in ["k1", "k2"] {
            try succeed(home.vault("key", "add", "key-file:" + home.path(name), "--passphrase-file", passphrase))
        }
        let dropped = try #require(slots().first { $0.text("path") == home.path("k1") }?.text("id"))
        // Without the passphrase its slot would be gone too, and the question says so.
        let asked = fail(
            try home.vault("key", "rotate", "--drop", String(dropped.prefix(8))),
            3,
            "not presented",
            "passphrase"
        )
        #expect(asked.output.isEmpty)
        try succeed(
            home.vault(
                "key",
                "rotate",
                "--yes",
                "--kdf",
                "interactive",
                "--drop",
                dropped,
                "--passphrase-file",
                passphrase
            )
        )
        #expect(try slots().compactMap { $0.text("kind") } == ["passphrase", "key-file"])
        try succeed(home.vault("key", "rotate", "--yes"))
        #expect(try slots().compactMap { $0.text("path") } == [home.path("k2")])
        fail(try home.vault("key", "rotate", "--yes", "--drop", slot("key-file")), 10, "no slot would be left")
        try succeed(home.vault("list"))
    }

    @Test func issuesANewRecoveryCode() throws {
        try succeed(home.vault("init", "--key", "key-file:" + home.path("k"), "--recovery-code-file", home.path("c1")))
        try succeed(home.vault("key", "rotate", "--yes", "--recovery-code-file", home.path("c2")))
        #expect(try slots().compactMap { $0.text("kind") } == ["key-file", "recovery-code"])
        try FileManager.default.removeItem(atPath: home.path("k"))
        fail(try home.vault("list", "--passphrase-file", home.path("c1")), 6)
        try succeed(home.vault("list", "--passphrase-file", home.path("c2")))
    }

    @Test func saysThatARecoveryCodeWouldBeGone() throws {
        try succeed(home.vault("init", "--key", "key-file:" + home.path("k"), "--recovery-code-file", home.path("c1")))
        fail(try home.vault("key", "rotate"), 3, "recovery-code")
        try succeed(home.vault("key", "rotate", "--yes", "--no-recovery-code"))
        #expect(try slots().compactMap { $0.text("kind") } == ["key-file"])
    }
}
