import Foundation
import Glibc
import TestSupport
import Testing

/// A vault in a directory that two machines share, each with a home of its own, as their users see it.
@Suite(.blocking)
struct DirectoryStoreTests {
    private let a: Sandbox
    private let b: Sandbox

    private var here: String { a.path("shared") }
    private var there: String { b.path("shared") }

    init() throws {
        (a, b) = (try Sandbox(), try Sandbox())
        for home in [a, b] { home.environment["VAULT_PASSPHRASE_FILE"] = try home.write("passphrase", "sesame\n") }
        let slot = ["--key", "passphrase", "--kdf", "interactive", "--no-recovery-code"]
        try succeed(a.run([Sandbox.program, "init", "--store", "dir:" + here] + slot))
    }

    /// A copy for the second machine, as it gets one the first time.
    private func copy() throws {
        try? FileManager.default.removeItem(atPath: there)
        try FileManager.default.copyItem(atPath: here, toPath: there)
        b.environment["VAULT_DIR"] = there
    }

    /// Imports a grant that this machine's vault refreshes.
    private func importGrant(_ home: Sandbox, _ access: String, expiry: String = "2099-01-01T00:00:00Z") throws {
        // One that is there came from elsewhere, and an import leaves it alone.
        _ = try home.vault("remove", "work", "--yes")
        let file = try home.writeToken("t.json", access: access, refresh: "RT-" + access, expiry: expiry)
        try succeed(home.vault("import", file, "--name", "work", "--remove", "--yes"))
    }

    private func entries(_ home: Sandbox) throws -> [[String: Any]] {
        try succeed(home.vault("list", "--json")).object().objects("entries")
    }

    private func state(_ home: Sandbox) throws -> String? {
        let entry = try entries(home).first { $0.text("name") == "oauth:work" }
        return entry?.text("state_reason") ?? entry?.text("state")
    }

    private func git(_ home: Sandbox, _ arguments: String..., status: Int32 = 0) throws {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
        let store = home === a ? here : there
        let outcome = try home.run(["git", "-C", store] + identity + arguments)
        try #require(outcome.status == status, "\(outcome.text)\(outcome.notes)")
    }

    // MARK: Making one

    @Test func makesAStoreOfFilesThatTellNothing() throws {
        try a.keep("very-secret-name", "very-secret-value")
        let names = try FileManager.default.subpathsOfDirectory(atPath: here)
        #expect(names.contains("header") && names.contains(".gitattributes"))
        for name in names {
            #expect(!name.contains("secret") && !name.contains("sqlite"))
            let bytes = FileManager.default.contents(atPath: "\(here)/\(name)") ?? Data()
            #expect(bytes.range(of: Data("secret".utf8)) == nil)
        }
        #expect(Sandbox.mode(here) & 0o777 == 0o700)
        #expect(try a.vault("status").text.contains("store    directory \(here)\n"))
        #expect(try a.vault("status", "--json").object().text("store") == "directory " + here)
        #expect(try a.vault("--vault", here, "token", "static:very-secret-name").text == "very-secret-value\n")
        #expect(try a.vault("doctor").text.contains("directory \(here)"))
    }

    @Test func refusesAPlaceThatIsNotItsOwn() throws {
        try a.write("foreign/letter.txt", "dear")
        chmod(a.path("foreign"), 0o700)
        let before = try a.snapshot(a.path("foreign"))
        let options = ["--key", "passphrase", "--no-recovery-code", "--kdf", "interactive"]
        func make(_ directory: String) throws -> Sandbox.Outcome {
            try a.run([Sandbox.program, "init", "--vault", a.path("v2"), "--store", "dir:" + directory] + options)
        }
        fail(try make(here), 1, "store use dir:" + here)
        fail(try a.run([Sandbox.program, "init", "--vault", here, "--store", "dir:" + here] + options), 1)
        fail(try make(a.path("foreign")), 1)
        #expect(try a.snapshot(a.path("foreign")) == before)
        try a.makeDirectory("open")
        chmod(a.path("open"), 0o777)
        fail(try make(a.path("open")), 10)
        symlink(a.path("foreign"), a.path("link"))
        fail(try make(a.path("link")), 10)
        #expect(!FileManager.default.fileExists(atPath: a.path("v2/store")))
        fail(try a.run([Sandbox.program, "init", "--vault", a.path("v2"), "--store", "dir:"] + options), 64)
    }

    // MARK: One machine refreshes

    @Test func letsOneMachineRefresh() throws {
        try importGrant(a, "AT-EXAMPLE")
        try copy()
        #expect(try state(a) == "active" && state(b) == "otherMachine")
        #expect(try b.vault("show", "work", "--json").object().text("state_reason") == "otherMachine")
        #expect(try b.vault("token", "work").text == "AT-EXAMPLE\n")
        let question = fail(try b.vault("adopt", "work", "--no-input"), 3, "Another machine refreshes")
        #expect(question.notes.contains("--yes"))
        try succeed(b.vault("adopt", "work", "--yes"))
        #expect(try state(b) == "active")
        try FileManager.default.removeItem(atPath: here)
        try FileManager.default.copyItem(atPath: there, toPath: here)
        #expect(try state(a) == "otherMachine")
        try succeed(a.vault("doctor"))
    }

    @Test func saysWhereAnExpiredTokenIsRefreshed() throws {
        try importGrant(a, "AT-EXAMPLE", expiry: "2001-01-01T00:00:00Z")
        try copy()
        let before = try b.snapshot(there)
        let outcome = fail(try b.vault("token", "work"), 5, "another machine refreshes it")
        #expect(outcome.output.isEmpty && outcome.notes.contains("adopt work"))
        #expect(try b.snapshot(there) == before)
        try succeed(b.vault("remove", "work", "--yes"))
        #expect(try entries(b).isEmpty)
    }

    @Test func whatWasSetAsideOutlivesTheStore() throws {
        _ = try conflict()
        try succeed(a.vault("store", "resolve", "work", "--latest"))
        let kept = try FileManager.default.subpathsOfDirectory(atPath: here + "/set-aside")
        #expect(!kept.isEmpty)
        let moved = try succeed(
            a.vault("--vault", here, "store", "migrate", "--to", "dir:" + a.path("next"), "--remove-old", "--yes")
        )
        #expect(moved.notes.contains(here + "/set-aside"))
        #expect(try FileManager.default.subpathsOfDirectory(atPath: here + "/set-aside") == kept)
        #expect(!FileManager.default.fileExists(atPath: here + "/header"))
        #expect(try a.vault("--vault", here, "token", "work").text == "AT-2\n")
    }

    /// A machine that has not heard of the move goes on writing where the vault was.
    @Test func whatComesAfterAMoveIsNotRemovedUnseen() throws {
        try a.keep("one", "1")
        try a.keep("gone", "2")
        try copy()
        try succeed(a.vault("store", "migrate", "--to", "sqlite", "--yes"))
        try succeed(a.vault("remove", "static:gone", "--yes"))
        try a.keep("one", "changed here")
        try b.keep("late", "L")
        try succeed(a.run(["cp", "-r", there + "/entries", here]))
        let refused = fail(try a.vault("store", "remove", "dir:" + here, "--yes"), 10, "static:late")
        #expect(!refused.notes.contains("static:one") && !refused.notes.contains("static:gone"))
        let (option, passphrase) = ("--backup-passphrase-file", try a.write("bp", "x"))
        let file = a.path("late.backup")
        let saved = try succeed(a.vault("--vault", here, "export", file, "--kdf", "interactive", option, passphrase))
        #expect(saved.notes.contains("was moved to sqlite"))
        _ = try a.vault("restore", file, option, passphrase)
        #expect(try a.vault("token", "static:late").text == "L\n")
        #expect(try a.vault("token", "static:one").text == "changed here\n")
        fail(try a.vault("store", "remove", "dir:" + here, "--yes"), 10, "static:late")
        try succeed(a.vault("store", "remove", "dir:" + here, "--yes", "--with-late"))
        #expect(!FileManager.default.fileExists(atPath: here + "/header"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: here + "/set-aside").count == 1)
    }

    /// One file that git has merged as text, or that was cut off, keeps nobody from the others, and can be given up.
    @Test func oneDamagedFileIsNoReasonToRefuseTheRest() throws {
        let (place, copy) = try conflict()
        let damaged = Array("<<<<<<< ours\n".utf8)
        #expect(FileManager.default.createFile(atPath: "\(here)/\(place)", contents: Data(damaged)))
        chmod("\(here)/\(place)", 0o600)
        #expect(try a.vault("token", "static:quiet").text == "q\n")
        let listed = fail(try a.vault("list"), 7, "git merged two versions")
        #expect(listed.text.contains("static:quiet"))
        // The good version beside it takes its place, and the damage is kept.
        try succeed(a.vault("store", "resolve", "work", "--latest"))
        #expect(try a.vault("token", "work").text == "AT-2\n")
        let kept = try FileManager.default.subpathsOfDirectory(atPath: here + "/set-aside")
        #expect(try kept.contains { try a.read("\(here)/set-aside/\($0)") == damaged })
        #expect(!FileManager.default.fileExists(atPath: "\(here)/\(copy)"))
        #expect(FileManager.default.createFile(atPath: "\(here)/\(place)", contents: Data(damaged)))
        try succeed(a.vault("remove", "work", "--yes"))
        try succeed(a.vault("list"))
    }

    @Test func aStoreThatIsGoneCanBeForgotten() throws {
        let vault = ["--vault", a.path("v2")]
        let slot = ["--key", "passphrase", "--kdf", "interactive", "--no-recovery-code"]
        let store = a.path("second")
        try succeed(a.run([Sandbox.program] + vault + ["init", "--store", "dir:" + store] + slot))
        try FileManager.default.removeItem(atPath: store)
        fail(try a.run([Sandbox.program] + vault + ["list"]), 4)
        fail(try a.run([Sandbox.program] + vault + ["destroy"]), 3, "--yes")
        try succeed(a.run([Sandbox.program] + vault + ["destroy", "--yes"]))
        try succeed(a.run([Sandbox.program] + vault + ["init"] + slot))
    }

    @Test func aVaultIsMadeWhereTheSettingsSay() throws {
        try b.write("config/vault/store.yaml", "store: dir:\(b.path("elsewhere"))\n")
        chmod(b.path("config/vault"), 0o700)
        let slot = ["--key", "passphrase", "--kdf", "interactive", "--no-recovery-code"]
        try succeed(b.run([Sandbox.program, "init"] + slot))
        #expect(FileManager.default.fileExists(atPath: b.path("elsewhere/header")))
        try b.write("config/vault/store.yaml", "store: dir:~/elsewhere\n")
        fail(try b.run([Sandbox.program, "init", "--vault", b.path("v3")] + slot), 78, "path from the root")
    }

    // MARK: Two versions

    /// Both machines change the entry, and Syncthing leaves the second one's version beside the first one's.
    private func conflict() throws -> (place: String, copy: String) {
        try a.keep("quiet", "q")
        try importGrant(a, "AT-0")
        try copy()
        try importGrant(a, "AT-1", expiry: "2099-06-01T00:00:00Z")
        try importGrant(b, "AT-2", expiry: "2099-12-01T00:00:00Z")
        let name = try #require(
            try FileManager.default.subpathsOfDirectory(atPath: here + "/entries").first { path in
                let (mine, theirs) = ("\(here)/entries/\(path)", "\(there)/entries/\(path)")
                return path.count > 60 && FileManager.default.fileExists(atPath: theirs)
                    && !FileManager.default.contentsEqual(atPath: mine, andPath: theirs)
            }.map { "entries/" + $0 }
        )
        let copy = "\(name).sync-conflict-20270115-080000-ABCDEFG"
        try FileManager.default.copyItem(atPath: "\(there)/\(name)", toPath: "\(here)/\(copy)")
        return (name, copy)
    }

    @Test func showsTwoVersionsEverywhere() throws {
        let (place, copy) = try conflict()
        #expect(try state(a) == "conflict")
        for command in [["list"], ["show", "work"], ["list", "--json"]] {
            let outcome = try succeed(a.run([Sandbox.program] + command))
            #expect(outcome.notes.contains("several versions of oauth:work"))
        }
        #expect(try a.vault("status", "--json").object()["conflicts"] as? Int == 1)
        #expect(try a.vault("doctor").text.contains("two versions"))
        let shown = try succeed(a.vault("store", "conflicts"))
        #expect(shown.text.contains(place) && shown.text.contains(copy) && shown.text.contains("another machine"))
        #expect(!shown.text.contains("AT-") && !shown.text.contains("RT-"))
        let document = try succeed(a.vault("store", "conflicts", "--json"))
        #expect(!document.text.contains("AT-") && !document.text.contains("RT-"))
        let versions = try document.object().objects("entries")[0].objects("versions")
        #expect(versions.compactMap { $0.text("refreshed_by") } == ["this", "another"])
        #expect(versions.compactMap { $0.text("file") } == ["\(here)/\(place)", "\(here)/\(copy)"])
        fail(try a.vault("rename", "work", "job"), 10, "store resolve")
        fail(try a.vault("adopt", "work", "--yes"), 5, "store resolve")
        #expect(try a.vault("token", "work").text == "AT-2\n")
    }

    @Test func aCopyThatMayNotBeReadIsNamedAndKeepsNobodyFromTheRest() throws {
        let (_, copy) = try conflict()
        chmod("\(here)/\(copy)", 0)
        try a.write("shared/notes.txt", "mine", mode: 0)
        for name in ["shared", "state", "home", "data", "run", "passphrase"] where Sandbox.mode(a.path(name)) != 0 {
            try a.giveToNobody(name)
        }
        let listed = try succeed(a.vault(asNobody: "list"))
        #expect(listed.text.contains("oauth:work") && listed.text.contains("static:quiet"))
        #expect(try a.vault(asNobody: "token", "work").text == "AT-1\n")
        let shown = fail(try a.vault(asNobody: "store", "conflicts"), 7, copy)
        #expect(!shown.notes.contains("notes.txt"))
        #expect(try a.vault(asNobody: "doctor").text.contains(copy))
    }

    @Test func resolvesAsItIsTold() throws {
        let (place, copy) = try conflict()
        let before = [place, copy].compactMap { FileManager.default.contents(atPath: "\(here)/\($0)") }
        fail(try a.vault("store", "resolve", "work", "--no-input"), 3, "--latest")
        fail(try a.vault("store", "resolve", "work", "--keep", "7"), 4)
        fail(try a.vault("store", "resolve", "work", "--latest", "--keep", "1"), 64)
        fail(try a.vault("store", "resolve"), 64)
        fail(try a.vault("store", "resolve", "--all"), 64)
        fail(try a.vault("store", "resolve", "--all", "--latest", "--no-input"), 3, "oauth:work")
        let asked = try a.vault(typing: [("Which version is to stay? [2]", "1\n")], "store", "resolve", "work")
        #expect(asked.status == 0 && asked.missing.isEmpty && asked.shown.contains("later"))
        #expect(try a.vault("token", "work").text == "AT-1\n" && state(a) == "active")
        let aside = try FileManager.default.contentsOfDirectory(atPath: here + "/set-aside")
        #expect(aside.compactMap { FileManager.default.contents(atPath: "\(here)/set-aside/\($0)") } == [before[1]])
        #expect(try a.vault("store", "conflicts").notes.contains("one version of everything"))
        fail(try a.vault("store", "resolve", "work", "--latest"), 4)
    }

    @Test func takesTheLaterOnesOfAll() throws {
        let (place, copy) = try conflict()
        let before = Set([place, copy].compactMap { FileManager.default.contents(atPath: "\(here)/\($0)") })
        let outcome = try succeed(a.vault("store", "resolve", "--all", "--latest", "--yes", "--json"))
        let resolved = try outcome.object().objects("resolved")
        #expect(resolved.count == 1 && resolved[0].text("set_aside") == here + "/set-aside")
        #expect(try a.vault("token", "work").text == "AT-2\n" && state(a) == "otherMachine")
        let aside = try FileManager.default.contentsOfDirectory(atPath: here + "/set-aside")
        #expect(Set(aside.compactMap { FileManager.default.contents(atPath: "\(here)/set-aside/\($0)") }) == before)
        #expect(try entries(a).count == 2)
        try succeed(a.vault("doctor"))
    }

    // MARK: git

    /// A repository in the middle, and a clone of it as the second machine's store.
    private func share() throws {
        try git(a, "init", "-q", "-b", "main")
        try git(a, "add", "-A")
        try git(a, "commit", "-qm", "begin")
        let hub = a.path("hub.git")
        try succeed(a.run(["git", "clone", "-q", "--bare", here, hub]))
        try git(a, "remote", "add", "origin", hub)
        try git(a, "fetch", "-q")
        try git(a, "branch", "-q", "--set-upstream-to=origin/main")
        try succeed(b.run(["git", "clone", "-q", hub, there]))
        chmod(there, 0o700)
        b.environment["VAULT_DIR"] = there
    }

    private func push(_ home: Sandbox) throws {
        try git(home, "add", "-A")
        try git(home, "commit", "-qm", "change")
        try git(home, "push", "-q")
    }

    @Test func mergesThroughGit() throws {
        try a.keep("one", "1")
        try importGrant(a, "AT-EXAMPLE")
        try share()
        #expect(try b.vault("token", "static:one").text == "1\n" && state(b) == "otherMachine")
        try a.keep("one", "changed")
        try succeed(a.vault("rename", "work", "job"))
        try b.keep("two", "2")
        try push(a)
        try git(b, "add", "-A")
        try git(b, "commit", "-qm", "change")
        try git(b, "pull", "-q", "--no-rebase", "--no-edit")
        try git(b, "push", "-q")
        try git(a, "pull", "-q", "--no-rebase")
        for home in [a, b] {
            #expect(try entries(home).compactMap { $0.text("name") } == ["oauth:job", "static:one", "static:two"])
            #expect(try home.vault("token", "static:one").text == "changed\n")
            #expect(try home.vault("token", "static:two").text == "2\n")
            #expect(try home.vault("store", "conflicts").notes.contains("one version"))
            try succeed(home.vault("doctor"))
        }
    }

    /// What the README tells people to set up: git keeps its own version and puts the other one beside it.
    @Test func showsWhatGitCouldNotMerge() throws {
        try importGrant(a, "AT-0")
        try share()
        try git(b, "config", "merge.vault.driver", "cp %B %P.$(git hash-object %B).theirs")
        try b.write("shared/.git/info/attributes", "entries/** merge=vault\n")
        try importGrant(a, "AT-1", expiry: "2099-06-01T00:00:00Z")
        try importGrant(b, "AT-2", expiry: "2099-12-01T00:00:00Z")
        try push(a)
        try git(b, "add", "-A")
        try git(b, "commit", "-qm", "change")
        try git(b, "pull", "-q", "--no-rebase", "--no-edit")
        #expect(try state(b) == "conflict")
        #expect(try b.vault("token", "work").text == "AT-2\n")
        // And once more, before anybody has chosen.
        try importGrant(a, "AT-3", expiry: "2099-03-01T00:00:00Z")
        try push(a)
        try git(b, "pull", "-q", "--no-rebase", "--no-edit")
        let shown = try succeed(b.vault("store", "conflicts", "--json")).object().objects("entries")
        #expect(shown.map { $0.objects("versions").count } == [3])
        #expect(try b.vault("token", "work").text == "AT-3\n")
        try succeed(b.vault("store", "resolve", "work", "--keep", "1"))
        try push(b)
        try git(a, "pull", "-q", "--no-rebase")
        #expect(try a.vault("token", "work").text == "AT-2\n")
        #expect(try state(a) == "otherMachine" && state(b) == "active")
    }
}
