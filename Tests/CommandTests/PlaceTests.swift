import Foundation
import Glibc
import TestSupport
import Testing

/// Where the vault lies, and what else may lie there.
@Suite(.blocking, .enabled(if: Sandbox.Store.chosen == .sqlite, "it is about the database in the vault's directory"))
struct PlaceTests {
    private let home: Sandbox

    init() throws { home = try Sandbox() }

    private func make(at directory: String) throws {
        try succeed(
            home.vault("init", "--vault", directory, "--key", "key-file:" + home.path("key"), "--no-recovery-code")
        )
    }

    // MARK: Variables

    @Test func keepsProfilesApart() throws {
        try home.make()
        try home.keep("a", "default")
        let none = "--no-recovery-code"
        try succeed(home.vault("init", "--profile", "work", "--key", "key-file:" + home.path("k2"), none))
        #expect(try home.vault("list", "--profile", "work", "--json").object().objects("entries").isEmpty)
        try succeed(home.vault("set", "static:a", input: [65], environment: ["VAULT_PROFILE": "work"]))
        #expect(try home.vault("token", "static:a").text == "default\n")
        #expect(try home.vault("--profile", "work", "token", "static:a").text == "A\n")
        #expect(
            try home.vault("token", "static:a", "--profile", "work", environment: ["VAULT_PROFILE": "x"]).text == "A\n"
        )
        try succeed(home.vault("destroy", "--yes"))
        #expect(try home.vault("--profile", "work", "token", "static:a").text == "A\n")
        for name in ["../x", "a/b", ".", "-x", "\u{1B}[2J"] { fail(try home.vault("list", "--profile=" + name), 10) }
    }

    @Test func findsTheVaultThatTheEnvironmentNames() throws {
        let other = home.path("elsewhere")
        try make(at: other)
        try succeed(home.vault("list", environment: ["VAULT_DIR": other]))
        try succeed(home.vault("list", environment: ["VAULT_DIR": other + "//"]))
        fail(try home.vault("list", environment: ["VAULT_DIR": ""]), 4)
        fail(try home.vault("list", "--vault", home.path("third"), environment: ["VAULT_DIR": other]), 4)
        try succeed(home.vault(shell: #"cd "$HOME/.."; exec "$@""#, "--vault", "elsewhere", "list"))
    }

    @Test func ignoresRelativeDirectoriesOfTheEnvironment() throws {
        let relative = ["XDG_DATA_HOME": "data", "XDG_STATE_HOME": "./state", "XDG_CONFIG_HOME": ""]
        let command = ["init", "--key", "key-file:" + home.path("key"), "--no-recovery-code"]
        let outcome = try home.run(
            ["/bin/sh", "-c", #"cd "$HOME/.."; exec "$@""#, "sh", Sandbox.program] + command,
            environment: relative
        )
        try succeed(outcome)
        #expect(Sandbox.mode(home.path("home/.local/share/vault/vault.sqlite")) != 0)
        #expect(Sandbox.mode(home.path("home/.local/state/vault")) != 0)
        #expect(!FileManager.default.fileExists(atPath: home.path("data")))
    }

    @Test(.enabled(if: getuid() == 0, "needs a user whom the user database does not know"))
    func saysThatThereIsNoHome() throws {
        try make(at: home.path("v"))
        let nobody = ["setpriv", "--reuid=64321", "--regid=64321", "--clear-groups"]
        chmod(home.root, 0o755)
        let copy = home.path("vault-copy")
        try succeed(home.run(["cp", Sandbox.program, copy]))
        try succeed(home.run(["cp", Sandbox.program + "-main", home.root]))
        let nowhere: [String: String?] = [
            "HOME": nil, "XDG_DATA_HOME": nil, "XDG_STATE_HOME": nil, "XDG_CONFIG_HOME": nil, "XDG_RUNTIME_DIR": nil,
        ]
        for arguments in [
            ["list"], ["init", "--no-recovery-code"], ["status"], ["doctor"], ["list", "--vault", home.path("v")],
        ] {
            let outcome = fail(try home.run(nobody + [copy] + arguments, environment: nowhere), 8, "home directory")
            #expect(outcome.notes.contains("vault: hint: "))
        }
        try succeed(home.run(nobody + [copy, "--version"], environment: nowhere))
    }

    // MARK: Modes

    @Test(arguments: ["000", "022", "077", "777"])
    func makesPrivateFilesWhateverTheUmask(mask: String) throws {
        let umask = "umask \(mask); exec \"$@\""
        try succeed(
            home.vault(
                shell: umask,
                "init",
                "--key",
                "key-file:" + home.path("key"),
                "--recovery-code-file",
                home.path("code")
            )
        )
        try succeed(home.vault(shell: umask, "set", "static:a", input: [65]))
        try succeed(
            home.vault(
                shell: umask,
                "export",
                home.path("backup"),
                "--kdf",
                "interactive",
                "--backup-passphrase-file",
                home.write("p", "x")
            )
        )
        for file in ["key", "code", "backup", "data/vault/vault.sqlite"] {
            #expect(Sandbox.mode(home.path(file)) & 0o7777 == 0o600, "\(file)")
        }
        for directory in ["data/vault", "state/vault"] {
            let mode = Sandbox.mode(home.path(directory))
            #expect(mode & 0o7777 == 0o700 && mode & S_IFMT == S_IFDIR, "\(directory)")
        }
        for (name, _) in try home.snapshot(home.path("state")) {
            #expect(name.hasSuffix(" 40700") || name.hasSuffix(" 100600"), "\(name)")
        }
    }

    // MARK: What else may lie there

    @Test func refusesADirectoryOrFileThatOthersCanReach() throws {
        try home.make()
        try home.keep("a", "secret")
        for (path, mode, right) in [
            (home.directory, 0o755, 0o700), (home.directory, 0o770, 0o700),
            (home.directory + "/vault.sqlite", 0o644, 0o600),
            (home.directory + "/vault.sqlite", 0o666, 0o600),
        ] as [(String, mode_t, mode_t)] {
            chmod(path, mode)
            let before = try home.snapshot(home.directory)
            for arguments in [
                ["list"], ["set", "static:b"], ["token", "static:a"], ["status"], ["destroy", "--yes"],
            ] {
                fail(try home.run([Sandbox.program] + arguments, input: [65]), 10, "chmod")
            }
            #expect(try home.snapshot(home.directory) == before)
            chmod(path, right)
        }
        try succeed(home.vault("list"))
    }

    @Test func refusesALinkInTheVaultsPlace() throws {
        try home.make()
        try FileManager.default.moveItem(atPath: home.directory, toPath: home.path("real"))
        try FileManager.default.createSymbolicLink(atPath: home.directory, withDestinationPath: home.path("real"))
        let before = try home.snapshot(home.path("real"))
        for arguments in [
            ["list"], ["set", "static:a"], ["destroy", "--yes"], ["status"], ["--vault", home.directory + "/", "list"],
        ] {
            fail(try home.run([Sandbox.program] + arguments, input: [65]), 10, "link")
        }
        #expect(try home.snapshot(home.path("real")) == before)
    }

    @Test func refusesALinkInTheDatabasesPlace() throws {
        try home.make()
        let file = home.directory + "/vault.sqlite"
        try FileManager.default.moveItem(atPath: file, toPath: home.path("real"))
        try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: home.path("real"))
        let before = try home.read(home.path("real"))
        fail(try home.vault("list"), 10, "link")
        fail(try home.vault("destroy", "--yes"), 10, "link")
        #expect(try home.vault("init", "--key", "key-file:" + home.path("k"), "--no-recovery-code").status != 0)
        #expect(try home.read(home.path("real")) == before)
    }

    @Test func refusesAForeignDatabase() throws {
        try home.makeDirectory("data/vault")
        let file = home.directory + "/vault.sqlite"
        let sql = "import sqlite3,sys; d=sqlite3.connect(sys.argv[1]); d.execute('create table t(x)'); d.commit()"
        #expect(try home.run(["/usr/bin/python3", "-c", sql, file]).status == 0)
        chmod(file, 0o600)
        try expectUntouched(7, "not a vault")
    }

    @Test func refusesAnEmptyFile() throws {
        try home.write("data/vault/vault.sqlite", "")
        chmod(home.directory, 0o700)
        try expectUntouched(7, "empty")
    }

    @Test func refusesText() throws {
        try home.write("data/vault/vault.sqlite", String(repeating: "not a database at all\n", count: 100))
        chmod(home.directory, 0o700)
        try expectUntouched(7, "not a SQLite database")
    }

    @Test func refusesADirectoryInTheDatabasesPlace() throws {
        try home.makeDirectory("data/vault/vault.sqlite")
        chmod(home.directory, 0o700)
        try expectUntouched(10, "directory")
    }

    @Test func refusesAFIFOInTheDatabasesPlaceWithoutWaiting() throws {
        try home.makeDirectory("data/vault")
        mkfifo(home.directory + "/vault.sqlite", 0o600)
        try expectUntouched(10, "FIFO")
    }

    @Test func refusesAFileInTheDirectorysPlace() throws {
        try home.write("data/vault", "a file")
        fail(try home.vault("list"), 10)
        #expect(try home.vault("init", "--key", "key-file:" + home.path("k"), "--no-recovery-code").status == 10)
        #expect(try home.read(home.directory) == Array("a file".utf8))
    }

    @Test func refusesASparseGiant() throws {
        try home.write("data/vault/vault.sqlite", "")
        chmod(home.directory, 0o700)
        truncate(home.directory + "/vault.sqlite", 1 << 40)
        for arguments in [["list"], ["status"], ["destroy", "--yes"]] {
            fail(try home.run([Sandbox.program] + arguments), 7)
        }
    }

    private func expectUntouched(_ code: Int32, _ word: String) throws {
        let before = try home.snapshot(home.directory)
        for arguments in [["list"], ["status"], ["set", "static:a"], ["doctor"], ["destroy", "--yes"]] {
            fail(try home.run([Sandbox.program] + arguments, input: [65]), code, word)
        }
        let made = try home.vault("init", "--key", "key-file:" + home.path("k"), "--no-recovery-code")
        #expect([1, 7, 10].contains(made.status), "\(made.notes)")
        #expect(!FileManager.default.fileExists(atPath: home.path("k")))
        #expect(try home.snapshot(home.directory) == before)
    }

    // MARK: As an ordinary user

    @Test func refusesAVaultOfAnotherUser() throws {
        guard getuid() == 0 else { return }
        try home.make()
        chmod(home.root, 0o755)
        chmod(home.path("data"), 0o755)
        fail(try home.vault(asNobody: "list"), 10)
    }

    @Test func readsAndDoesNotWriteWhereItMayNot() throws {
        try home.make()
        try home.keep("a", "secret")
        try home.giveToNobody(".")
        try succeed(home.vault(asNobody: "list"))
        chmod(home.directory + "/vault.sqlite", 0o400)
        #expect(try succeed(home.vault(asNobody: "token", "static:a")).text == "secret\n")
        #expect(try home.vault(asNobody: "status", "--json").object()["read_only"] as? Bool == true)
        fail(try home.vault(asNobody: "set", "static:b", input: [65]), 8)
        chmod(home.directory + "/vault.sqlite", 0o600)
        chmod(home.path("data"), 0o500)
        fail(
            try home.vault(
                asNobody: "init",
                "--vault",
                home.path("data/new"),
                "--key",
                "key-file:" + home.path("home/k"),
                "--no-recovery-code"
            ),
            8
        )
        chmod(home.directory, 0)
        #expect([8, 10].contains(try home.vault(asNobody: "list").status))
        chmod(home.directory, 0o700)
    }
}
