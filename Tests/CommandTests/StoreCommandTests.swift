import Foundation
import TestSupport
import Testing

/// `vault store`: where the vault is, and moving it.
@Suite(.blocking, .enabled(if: Sandbox.Store.chosen == .sqlite, "it begins in the database"))
struct StoreCommandTests {
    private let home: Sandbox

    init() throws {
        home = try Sandbox()
        try home.make()
        try home.keep("a", "secret a")
        try succeed(home.vault("import", home.writeToken("t.json", refresh: "RT-EXAMPLE"), "--name", "t", "--yes"))
    }

    private func shown(_ arguments: String...) throws -> [String: Any] {
        try succeed(home.run([Sandbox.program, "store", "show", "--json"] + arguments)).object()
    }

    private func agentState() throws -> String? {
        try (succeed(home.vault("status", "--json")).object()["agent"] as? [String: Any])?.text("state")
    }

    private func expectAll() throws {
        #expect(try succeed(home.vault("token", "static:a")).text == "secret a\n")
        #expect(
            try succeed(home.vault("show", "t", "--reveal", "--json")).object().text("refresh_token") == "RT-EXAMPLE"
        )
        try succeed(home.vault("doctor"))
    }

    @Test func saysWhereTheVaultIs() throws {
        let store = try shown()
        #expect(store.text("store") == "sqlite" && store.text("named_by") == "directory")
        #expect(store.text("directory") == home.directory && store.text("vault")?.count == 36)
        #expect(try succeed(home.vault("store")).lines == succeed(home.vault("store", "show")).lines)
    }

    @Test func movesAndComesBack() throws {
        let there = "dir:" + home.path("synced")
        fail(try home.vault("store", "migrate", "--to", there), 3, "--yes")
        let report = try succeed(home.vault("store", "migrate", "--to", there, "--yes", "--json")).object()
        #expect(report.text("from") == "sqlite" && report.text("to") == there && report.text("action") == "moved")
        #expect(report["resumed"] as? Bool == false && report["old_store_removed"] as? Bool == false)
        #expect(report["records"] as? Int ?? 0 >= 2)
        let store = try shown()
        #expect(store.text("store") == there && store.text("named_by") == "pointer")
        #expect(store["unused"] as? [String] == ["sqlite"])
        try expectAll()
        #expect(try home.vault("doctor").text.contains("vault store remove sqlite"))
        fail(try home.vault("store", "migrate", "--to", there, "--yes"), 1, "already")
        fail(try home.vault("store", "migrate", "--abort", "--yes"), 1, "no move is under way")
        let again = try succeed(home.vault("store", "migrate", "--to", "sqlite", "--remove-old", "--yes", "--json"))
        #expect(try again.object()["old_store_removed"] as? Bool == true)
        #expect(!FileManager.default.fileExists(atPath: home.path("synced/header")))
        #expect(try shown().text("named_by") == "directory")
        try expectAll()
    }

    @Test func anotherHomeUsesTheSameStore() throws {
        let there = "dir:" + home.path("synced")
        try succeed(home.vault("store", "migrate", "--to", there, "--remove-old", "--yes"))
        #expect(!FileManager.default.fileExists(atPath: home.path("data/vault/vault.sqlite")))
        let other = ["XDG_DATA_HOME": home.path("data2"), "XDG_STATE_HOME": home.path("state2")]
        fail(try home.vault("list", environment: other), 4)
        fail(
            try home.vault(
                "init",
                "--store",
                there,
                "--key",
                "key-file:" + home.path("k2"),
                "--no-recovery-code",
                environment: other
            ),
            1,
            "vault store use \(there)"
        )
        let used = try succeed(home.vault("store", "use", there, "--json", environment: other)).object()
        #expect(try used.text("store") == there && used.text("vault") == shown().text("vault"))
        #expect(try succeed(home.vault("token", "static:a", environment: other)).text == "secret a\n")
        fail(
            try home.vault("init", "--key", "key-file:" + home.path("k3"), "--no-recovery-code", environment: other),
            1
        )
        // The other one moves on, and this one is told where to.
        try succeed(home.vault("store", "migrate", "--to", "dir:" + home.path("next"), "--yes", environment: other))
        fail(try home.vault("token", "static:a"), 78, "vault store use dir:" + home.path("next"))
        #expect(try home.vault("doctor").text.contains("vault store use"))
        #expect(try home.vault("store", "show").text.contains("moved to"))
        try succeed(home.vault("store", "use", "dir:" + home.path("next")))
        #expect(try succeed(home.vault("token", "static:a")).text == "secret a\n")
        // Destroyed, it is gone for both.
        #expect(try home.vault("destroy", "--yes").notes.contains("machines that synchronise it lose it too"))
        fail(try home.vault("token", "static:a", environment: other), 4)
        #expect(!FileManager.default.fileExists(atPath: home.path("next/header")))
    }

    @Test func takesNoOtherPlaceAndChangesNothing() throws {
        let taken = home.path("other")
        try succeed(home.vault("init", "--vault", taken, "--key", "key-file:" + home.path("k2"), "--no-recovery-code"))
        fail(try home.vault("store", "migrate", "--to", "dir:" + taken, "--yes"), 1)
        fail(try home.vault("store", "migrate", "--to", "sqlite", "--yes"), 1, "already")
        fail(try home.vault("store", "migrate", "--to", "http://x", "--yes"), 64)
        fail(try home.vault("store", "migrate", "--yes"), 64, "--to")
        fail(try home.vault("store", "migrate", "--to", "etcd://u:secret@127.0.0.1/x", "--yes"), 10)
        try home.makeDirectory("open")
        #expect(chmod(home.path("open"), 0o777) == 0)
        fail(try home.vault("store", "migrate", "--to", "dir:" + home.path("open"), "--yes"), 10)
        fail(try home.vault("store", "migrate", "--to", "etcd://127.0.0.1:9/x", "--yes"), 8)
        fail(try home.vault("store", "use", "dir:" + home.path("none")), 4)
        fail(try home.vault("store", "remove", "sqlite", "--yes"), 10)
        #expect(try shown().text("store") == "sqlite")
        #expect(!FileManager.default.fileExists(atPath: home.directory + "/store"))
        try expectAll()
    }

    @Test func theAgentLetsGoOfAVaultThatIsMoved() throws {
        try succeed(home.vault("unlock"))
        #expect(try agentState() == "unlocked")
        try succeed(home.vault("store", "migrate", "--to", "dir:" + home.path("synced"), "--yes"))
        #expect(try agentState() == "locked")
        #expect(try succeed(home.vault("token", "static:a")).text == "secret a\n")
        try succeed(home.vault("unlock"))
        #expect(try agentState() == "unlocked")
        try home.keep("a", "secret b")
        #expect(try succeed(home.vault("token", "static:a")).text == "secret b\n")
    }

    @Test func goesThroughAClusterAndBack() async throws {
        let etcd = try await EtcdServer()
        let cluster = "etcd://127.0.0.1:\(etcd.port)/v"
        try succeed(home.vault("store", "migrate", "--to", "dir:" + home.path("synced"), "--yes", "--remove-old"))
        try succeed(home.vault("store", "migrate", "--to", cluster, "--yes", "--remove-old"))
        #expect(try shown().text("store") == cluster)
        try expectAll()
        try home.keep("b", "in the cluster")
        let backup = home.path("backup")
        let passphrase = try home.write("bp", "backup\n")
        let words = ["--backup-passphrase-file", passphrase]
        try succeed(home.run([Sandbox.program, "export", backup, "--kdf", "interactive"] + words))
        try succeed(home.vault("store", "migrate", "--to", "sqlite", "--yes", "--remove-old"))
        try expectAll()
        #expect(try succeed(home.vault("token", "static:b")).text == "in the cluster\n")
        #expect(try etcd.control("get", "--prefix", "", "--keys-only").filter { $0 != "\n" }.isEmpty)
        // A backup of one store goes into every other.
        for (number, url) in ["sqlite", "dir:" + home.path("restored"), "etcd://127.0.0.1:\(etcd.port)/r"].enumerated()
        {
            let profile = ["--profile", "p\(number)"]
            let key = "key-file:" + home.path("kp\(number)")
            try succeed(
                home.run([Sandbox.program, "init", "--store", url, "--key", key, "--no-recovery-code"] + profile)
            )
            let report = try succeed(home.run([Sandbox.program, "restore", backup, "--json"] + words + profile))
                .object()
            #expect(report.objects("restored").count == 3)
            let grant = try succeed(home.run([Sandbox.program, "show", "t", "--reveal", "--json"] + profile)).object()
            #expect(grant.text("refresh_token") == "RT-EXAMPLE" && grant.text("state") == "held")
            try succeed(home.run([Sandbox.program, "destroy", "--yes"] + profile))
        }
    }
}
