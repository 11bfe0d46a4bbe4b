import Foundation
import Glibc
import TestSupport
import Testing

/// `doctor`, `status` and `destroy`.
@Suite(.blocking)
struct DoctorTests {
    private let home: Sandbox

    init() throws {
        home = try Sandbox()
        try home.make()
        try home.keep("a", "secret")
    }

    private var database: String { home.directory + "/vault.sqlite" }

    private func findings(_ environment: [String: String?] = [:]) throws -> [[String: Any]] {
        try home.vault("doctor", "--json", environment: environment).object().objects("findings")
    }

    // MARK: doctor

    @Test func findsASoundVaultSound() throws {
        let outcome = try succeed(home.vault("doctor"))
        #expect(outcome.text.contains("1 entries, all of them open") && !outcome.text.contains("error "))
        #expect(try !findings().contains { $0.text("grade") == "error" })
    }

    /// It has no name that `remove` could take, and nothing can be exported while it is there.
    @Test(.enabled(if: Sandbox.Store.chosen == .sqlite, "it plants a row in the database"))
    func discardsARecordThatNobodyCanName() throws {
        let planting = """
            import os,sqlite3,sys
            d = sqlite3.connect(sys.argv[1])
            d.execute("insert into record values(?,1,?)", (bytes([0xab] * 32), os.urandom(1024)))
            d.commit()
            """
        try succeed(home.run(["/usr/bin/python3", "-c", planting, database]))
        fail(try home.vault("doctor"), 7)
        // As many digits as no other record's id begins with by chance.
        let many = "abababababababab"
        fail(try home.vault("doctor", "--discard", many), 3, "nobody to ask")
        fail(try home.vault("doctor", "--discard", "abababababababcd", "--yes"), 4, "no single record")
        // Every id begins with nothing, and one that opens is not deleted.
        fail(try home.vault("doctor", "--discard", "", "--yes"), 4)
        try succeed(home.vault("doctor", "--discard", many, "--yes"))
        try succeed(home.vault("doctor"))
        #expect(try succeed(home.vault("token", "static:a")).text == "secret\n")
        let query =
            "import sqlite3,sys;print(sqlite3.connect(sys.argv[1]).execute('select hex(id) from record').fetchone()[0])"
        let good = try succeed(home.run(["/usr/bin/python3", "-c", query, database])).text.lowercased()
        fail(try home.vault("doctor", "--discard", String(good.prefix(16)), "--yes"), 10, "opens")
        #expect(try succeed(home.vault("token", "static:a")).text == "secret\n")
    }

    @Test func tellsOfTokensThatDoNotOpen() throws {
        let vaults = try FileManager.default.contentsOfDirectory(atPath: home.path("state/vault"))
        let vault = try #require(vaults.first { $0.count == 36 })
        let name = "00000000-0000-4000-8000-000000000000.01234567.does-not-open"
        try home.makeDirectory("state/vault/\(vault)/spill")
        try home.write("state/vault/\(vault)/spill/\(name)", "", mode: 0o600)
        let found = try #require(try findings().first { $0.text("subject") == "spill" })
        #expect(found.text("grade") == "warning")
        #expect(found.text("text")?.contains(name) == true)
    }

    @Test func warnsOfAnotherVault() throws {
        let path = home.path("bin") + ":/usr/bin:/bin"
        try home.write("bin/vault", "#!/bin/sh\n", mode: 0o755)
        let found = try findings(["PATH": path, "VAULT_ADDR": "http://127.0.0.1:8200"])
        let warned = found.filter { $0.text("grade") == "warning" }.compactMap { $0.text("subject") }
        #expect(warned.contains("VAULT_ADDR") && warned.contains("PATH"))
        #expect(found.contains { $0.text("text")?.contains(home.path("bin/vault")) == true })
        let without = try findings().compactMap { $0.text("subject") }
        #expect(!without.contains("VAULT_ADDR") && !without.contains("PATH"))
    }

    @Test func doesNotWarnOfItselfOnThePath() throws {
        let own = URL(filePath: Sandbox.program).deletingLastPathComponent().path()
        try FileManager.default.createDirectory(atPath: home.path("bin"), withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(atPath: home.path("bin/vault"), withDestinationPath: Sandbox.program)
        let path = home.path("bin") + ":" + own + ":/usr/bin:/bin"
        #expect(try !findings(["PATH": path]).contains { $0.text("subject") == "PATH" })
    }

    @Test(.enabled(if: Sandbox.Store.chosen == .sqlite, "it changes the database"))
    func namesDamagedRecordsAndOpensTheOthers() throws {
        try home.keep("b", "other")
        let sql = """
            import sqlite3,sys
            d = sqlite3.connect(sys.argv[1])
            table = [r[0] for r in d.execute("select name from sqlite_master where type='table'") if 'record' in r[0]][0]
            columns = [r[1] for r in d.execute(f"pragma table_info({table})")]
            blob = max(columns, key=lambda c: d.execute(f"select max(length({c})) from {table}").fetchone()[0] or 0)
            row, data = d.execute(f"select rowid, {blob} from {table} limit 1").fetchone()
            data = bytearray(data); data[300] ^= 1
            d.execute(f"update {table} set {blob}=? where rowid=?", (bytes(data), row)); d.commit()
            """
        let damage = try home.run(["/usr/bin/python3", "-c", sql, database])
        try #require(damage.status == 0, "\(damage.notes)")
        fail(try home.vault("doctor"), 7)
        #expect(try findings().contains { $0.text("grade") == "error" && $0.text("remedy") != nil })
        let list = fail(try home.vault("list", "--json"), 7)
        #expect(try list.object().objects("entries").count == 1)
        #expect((try list.object()["damaged"] as? [String])?.count == 1)
        let codes = [try home.vault("token", "static:a").status, try home.vault("token", "static:b").status]
        #expect(codes.sorted() == [0, 7])
    }

    @Test(.enabled(if: Sandbox.Store.chosen == .sqlite, "it changes the database"))
    func saysThatTheHeaderIsDamaged() throws {
        var bytes = try home.read(database)
        let magic = Data(bytes).range(of: Data("VAULTHDR".utf8))
        let start = try #require(magic?.lowerBound)
        bytes[start + 60] ^= 1
        try home.write("data/vault/vault.sqlite", bytes)
        for arguments in [["doctor"], ["list"], ["status"], ["set", "static:b"]] {
            fail(try home.run([Sandbox.program] + arguments, input: [65]), 7, "damaged")
        }
        #expect(try home.read(database) == bytes)
    }

    @Test(.enabled(if: Sandbox.Store.chosen == .sqlite, "it changes the database"))
    func noticesARollbackUntilItIsAccepted() throws {
        let old = try home.read(database)
        try home.keep("b", "newer")
        try home.write("data/vault/vault.sqlite", old)
        for arguments in [
            ["list"], ["token", "static:a"], ["set", "static:c"], ["doctor"], ["status", "--passphrase-fd", "0"],
        ] {
            fail(try home.run([Sandbox.program] + arguments, input: [65]), 7, "older copy")
        }
        #expect(try home.read(database) == old)
        #expect(try home.vault("doctor").notes.contains("--accept-rollback"))
        try succeed(home.vault("doctor", "--accept-rollback"))
        #expect(try succeed(home.vault("token", "static:a")).text == "secret\n")
        try home.keep("c", "goes on")
        try succeed(home.vault("doctor"))
    }

    @Test(.enabled(if: Sandbox.Store.chosen == .sqlite, "it changes the database"))
    func holdsRolledBackGrants() throws {
        try succeed(home.vault("import", home.writeToken("t.json", refresh: "RT"), "--name", "t", "--remove", "--yes"))
        let old = try home.read(database)
        try succeed(home.vault("edit", "t", "--meta", "later=yes"))
        try home.write("data/vault/vault.sqlite", old)
        fail(try home.vault("token", "t"), 7)
        try succeed(home.vault("doctor", "--accept-rollback"))
        let entry = try home.vault("show", "t", "--json").object()
        #expect(entry.text("state") == "held" && entry.text("state_reason") == "rolledBack")
    }

    // MARK: status

    @Test func showsWhatIsWhereWithoutAsking() throws {
        let status = try succeed(home.vault("status", "--json")).object()
        let kind =
            switch Sandbox.Store.chosen {
            case .sqlite: "sqlite"
            case .directory: "directory /"
            case .etcd(let address): address
            }
        #expect(status.text("directory") == home.directory && status.text("store")?.hasPrefix(kind) == true)
        #expect(status["opens_without_asking"] as? Bool == true)
        #expect((status["entries"] as? [String: Any])?["total"] as? Int == 1)
        try succeed(
            home.vault(
                "init",
                "--profile",
                "p",
                "--key",
                "passphrase",
                "--kdf",
                "interactive",
                "--no-recovery-code",
                "--passphrase-file",
                home.write("p", "x")
            )
        )
        let marker = try home.write("ask", "#!/bin/sh\ntouch \"$HOME/asked\"\n", mode: 0o700)
        let locked = try succeed(
            home.vault("status", "--profile", "p", "--json", environment: ["VAULT_ASKPASS": marker])
        ).object()
        #expect(locked["opens_without_asking"] as? Bool == false)
        #expect(locked["entries"] is NSNull && locked.text("locked_because") != nil)
        #expect(Sandbox.mode(home.path("home/asked")) == 0)
        #expect(try succeed(home.vault("status", "--profile", "p")).text.contains("passphrase"))
    }

    // MARK: destroy

    @Test func namesWhatGoesAndLeavesNothing() throws {
        let before = try home.snapshot(home.root)
        let refused = fail(try home.vault("destroy"), 3, "--yes", home.directory, home.path("state"))
        #expect(refused.output.isEmpty)
        #expect(try home.snapshot(home.root) == before)
        let outcome = try succeed(home.vault("destroy", "--yes", "--json"))
        #expect((try outcome.object()["deleted"] as? [String])?.count == 2)
        #expect((try outcome.object()["kept"] as? [String]) == [home.path("key")])
        #expect(Sandbox.mode(home.directory) == 0)
        #expect(
            try FileManager.default.subpathsOfDirectory(atPath: home.path("state")).filter { $0.contains("-") } == []
        )
        fail(try home.vault("destroy", "--yes"), 4)
        try FileManager.default.removeItem(atPath: home.path("key"))
        try home.make()
    }

    @Test func leavesOtherFilesInTheDirectory() throws {
        try home.write("data/vault/mine", "text")
        try succeed(home.vault("destroy", "--yes"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: home.directory) == ["mine"])
    }

    @Test func destroysALockedVault() throws {
        try FileManager.default.removeItem(atPath: home.path("key"))
        fail(try home.vault("list"), 3)
        try succeed(home.vault("destroy", "--yes"))
        #expect(Sandbox.mode(home.directory) == 0)
    }
}
