import Foundation
import TestSupport
import Testing

/// The units of the agent, read by systemd's own programs; no manager of a user's services can run here.
@Suite(.blocking)
struct AgentInstallTests {
    private let home: Sandbox
    private var directory: String { home.path("config/systemd/user") }
    private static let names = ["vault-agent.socket", "vault-agent.service"]
    private static let all = names + ["vault-unlock.service"]

    init() throws { home = try Sandbox() }

    /// What systemd says against the units; the manual may not be installed.
    private func complaints() throws -> String {
        let paths = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasPrefix("vault-") }
        let outcome = try home.run(
            ["systemd-analyze", "verify", "--user", "--man=no"] + paths.map { "\(directory)/\($0)" }
        )
        return outcome.status == 0 ? outcome.notes : "ended with \(outcome.status): \(outcome.notes)"
    }

    @Test func theUnitsAreAsSystemdWantsThem() throws {
        let outcome = try home.vault("agent", "install")
        #expect(outcome.status == 0)
        #expect(outcome.lines.contains("systemctl --user enable --now vault-agent.socket"))
        #expect(!outcome.text.contains("vault-unlock"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory).sorted() == Self.names.sorted())
        for name in Self.names { #expect(Sandbox.mode("\(directory)/\(name)") & 0o7777 == 0o644) }
        #expect(try complaints() == "")
        #expect(try home.vault("agent", "install", "--unlock-at-login").status == 0)
        #expect(try complaints() == "")
        let before = try home.snapshot(directory)
        let again = try home.vault("agent", "install", "--unlock-at-login", "--no-input")
        #expect(again.status == 0 && again.lines.prefix(3).allSatisfy { $0.hasSuffix(": unchanged") })
        #expect(try home.snapshot(directory) == before)
    }

    @Test func aPathOfAnyCharactersIsOneWord() throws {
        let odd = "o dd%h$HOME ;"
        let program = try copyOfVault("bin/\(odd)")
        let vault = home.path(#"v\#(odd)"q'\x"#)
        let outcome = try home.run(
            [program, "--vault", vault, "agent", "install", "--unlock-at-login"]
        )
        #expect(outcome.status == 0, "\(outcome.notes)")
        // It looks for the program, so it has read its path as it is.
        #expect(try complaints() == "")
        let shown = [program, vault].map { word in
            "\"" + word.map { #"\"$`"#.contains($0) ? "\\\($0)" : "\($0)" }.joined() + "\""
        }
        #expect(try commandLine() == "\(shown[0]) unlock --no-input --vault \(shown[1])")
    }

    @Test func aProgramThatSystemdWouldNotStartIsNamed() throws {
        let program = try copyOfVault("o'dd")
        let outcome = try home.run([program, "agent", "install"])
        #expect(outcome.status == 78 && outcome.notes.contains("o'dd/vault"))
        #expect(Sandbox.mode(home.path("config")) == 0)
    }

    /// The program, in another directory.
    private func copyOfVault(_ directory: String) throws -> String {
        try home.makeDirectory(directory)
        for file in ["vault", "vault-main"] {
            let built = URL(filePath: Sandbox.program).deletingLastPathComponent().appending(path: file).path()
            #expect(try home.run(["cp", built, home.path("\(directory)/\(file)")]).status == 0)
        }
        return home.path("\(directory)/vault")
    }

    /// The command line of the unit that unlocks, as systemd has read it: words with other than plain characters are
    /// shown in quotes.
    private func commandLine() throws -> String? {
        try home.giveToNobody("run")
        let program = ["/lib/systemd/systemd", "--test", "--user", "--unit=vault-unlock.service"]
        // It does not run as root, and prints what it would do.
        let become = getuid() == 0 ? ["setpriv", "--reuid=65534", "--clear-groups"] : []
        let outcome = try home.run(become + program)
        let line = (outcome.text + outcome.notes).split(separator: "\n").first {
            $0.contains("Command Line: ") && $0.contains(" unlock ")
        }
        return line?.split(separator: "Command Line: ").last.map(String.init)
    }

    @Test func anotherVaultIsNamedToSystemdToo() throws {
        let variables = ["VAULT_DIR": home.path("other"), "VAULT_PROFILE": "work"]
        #expect(try home.vault("agent", "install", "--unlock-at-login", environment: variables).status == 0)
        let unit = try String(decoding: home.read("\(directory)/vault-unlock.service"), as: UTF8.self)
        #expect(unit.contains(#"unlock --no-input "--vault" "\#(home.path("other"))" "--profile" "work""#))
        #expect(try complaints() == "")
    }

    @Test func aFileThatDiffersIsReplacedOnlyWhereThatIsWanted() throws {
        let own = try home.write("config/systemd/user/vault-agent.service", "[Service]\nExecStart=/bin/true\n")
        let refused = try home.vault("agent", "install", "--no-input")
        #expect(refused.status == 3 && refused.notes.contains("--yes"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["vault-agent.service"])
        #expect(try String(decoding: home.read(own), as: UTF8.self).contains("/bin/true"))
        let typed = try home.vault(typing: [("which differ?", "n\n")], "agent", "install")
        #expect(typed.status == 3 && typed.missing.isEmpty)
        #expect(try home.vault("agent", "install", "--yes").status == 0)
        #expect(try complaints() == "")
        #expect(Sandbox.mode(own) & 0o7777 == 0o644)
    }

    @Test func aLinkInTheirPlaceIsLeftAlone() throws {
        try home.makeDirectory("config/systemd/user")
        symlink("/dev/null", "\(directory)/vault-agent.socket")
        let outcome = try home.vault("agent", "install", "--yes")
        #expect(outcome.status == 10 && outcome.notes.contains("vault-agent.socket"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["vault-agent.socket"])
    }

    @Test func aDryRunShowsEverythingAndDoesNothing() throws {
        let outcome = try home.vault("agent", "install", "--dry-run", "--unlock-at-login", "--start")
        #expect(outcome.status == 0 && outcome.text.contains("    ListenStream=%t/vault/agent.sock"))
        #expect(Sandbox.mode(home.path("config")) == 0)
    }

    @Test func whatWasWrittenIsTakenAwayAndWhatWasChangedIsNot() throws {
        #expect(try home.vault("agent", "install", "--remove").status == 0)
        #expect(try home.vault("agent", "install", "--unlock-at-login").status == 0)
        let changed = "\(directory)/vault-agent.service"
        let text = try String(decoding: home.read(changed), as: UTF8.self)
        try home.write("config/systemd/user/vault-agent.service", text + "Nice=5\n")
        try home.makeDirectory("config/systemd/user/sockets.target.wants")
        symlink("../vault-agent.socket", "\(directory)/sockets.target.wants/vault-agent.socket")
        let outcome = try home.vault("agent", "install", "--remove")
        #expect(outcome.status == 2 && outcome.notes.contains("vault-agent.service was changed"))
        let left = try FileManager.default.subpathsOfDirectory(atPath: directory).sorted()
        #expect(left == ["sockets.target.wants", "vault-agent.service"])
        #expect(try home.vault("agent", "install", "--yes").status == 0)
        #expect(try home.vault("agent", "install", "--remove").status == 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["sockets.target.wants"])
    }

    @Test func systemdIsToldWhatThereIsToTell() throws {
        let log = home.path("log")
        try home.write("tools/systemctl", "#!/bin/sh\necho \"$*\" >>\(log)\necho words\n", mode: 0o700)
        let path = ["PATH": "\(home.path("tools")):/usr/bin:/bin"]
        let outcome = try home.vault("agent", "install", "--unlock-at-login", "--start", "--json", environment: path)
        #expect(outcome.status == 0)
        let commands = try outcome.object()["commands"] as? [[String]]
        let told = try String(decoding: home.read(log), as: UTF8.self).split(separator: "\n").map(String.init)
        #expect(told == commands?.map { $0.dropFirst().joined(separator: " ") } && told.count == 3)
        try home.write("tools/systemctl", "#!/bin/sh\nexit 4\n", mode: 0o700)
        let failed = try home.vault("agent", "install", "--start", environment: path)
        #expect(failed.status == 8 && failed.notes.contains("ended with 4"))
        #expect(try complaints() == "")
        // The real one, where no manager runs.
        #expect(try home.vault("agent", "install", "--start").status == 8)
        #expect(try home.vault("agent", "install", "--start", environment: ["PATH": "/nonexistent"]).status == 8)
    }

    @Test(arguments: [["--remove", "--start"], ["--remove", "--unlock-at-login"]])
    func whatDoesNotGoTogetherIsRefused(options: [String]) throws {
        #expect(try home.run([Sandbox.program, "agent", "install"] + options).status == 64)
    }
}
