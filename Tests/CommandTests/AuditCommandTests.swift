import Foundation
import TestSupport
import Testing

/// `vault audit`, `vault edit` and the gate, with the real command.
@Suite(.blocking)
struct AuditCommandTests {
    private let home: Sandbox

    init() throws {
        home = try Sandbox()
        let made = try home.vault("init", "--key", "key-file:" + home.path("key"), "--no-recovery-code")
        try #require(made.status == 0, "\(made.notes)")
        try #require(try home.vault("set", "static:a", input: Array("sk-CANARY".utf8)).status == 0)
    }

    private func audit(_ arguments: String..., status: Int32 = 0) throws -> [String: Any] {
        let outcome = try home.run([Sandbox.program, "audit", "--json"] + arguments)
        try #require(outcome.status == status, "\(outcome.notes)")
        return try outcome.object()
    }

    private func lines(_ arguments: String...) throws -> [[String: Any]] {
        let outcome = try home.run([Sandbox.program, "audit", "--json"] + arguments)
        return try #require(try outcome.object()["lines"] as? [[String: Any]])
    }

    @Test func whatIsHandedOutIsOnRecord() throws {
        #expect(try home.vault("token", "static:a").text == "sk-CANARY\n")
        #expect(try home.vault("show", "static:a").status == 0)
        #expect(try home.vault("show", "static:a", "--reveal").status == 0)
        let passphrase = try home.write("p", "backup")
        #expect(
            try home.vault(
                "export",
                home.path("b"),
                "--kdf",
                "interactive",
                "--backup-passphrase-file",
                passphrase
            ).status == 0
        )
        let lines = try lines()
        #expect(lines.compactMap { $0["event"] as? String } == ["secret", "revealed", "exported"])
        #expect(lines[0]["name"] as? String == "static:a" && lines[0]["via"] as? String == "command")
        // The nearest program is the one that started `vault`, and not `vault` itself.
        let programs = try #require(lines[0]["programs"] as? [String])
        #expect(programs.first?.hasSuffix("/timeout") == true || programs.first?.hasSuffix("/coreutils") == true)
        #expect(try home.vault("audit").lines.count == 4)
        #expect(try self.lines("--name", "static:b").isEmpty)
        #expect(try self.lines("--since", "1h").count == 3)
        #expect(try self.lines("--since", "2999-01-01T00:00:00Z").isEmpty)
        let bytes = String(decoding: try home.read(home.auditLog()), as: UTF8.self)
        #expect(!bytes.contains("static") && !bytes.contains("CANARY"))
        #expect(try !home.vault("audit", "--json").text.contains("CANARY"))
    }

    @Test func aBrokenLogIsReportedUntilItIsAccepted() throws {
        for _ in 0..<3 { #expect(try home.vault("token", "static:a").status == 0) }
        let log = try home.auditLog()
        var bytes = try home.read(log)
        bytes[1500] ^= 1
        try Data(bytes).write(to: URL(filePath: log))
        chmod(log, 0o600)
        let outcome = try home.vault("audit")
        // What is sound is shown all the same, and the place is named.
        #expect(outcome.status == 7 && outcome.lines.count == 3)
        #expect(outcome.notes.contains("line 2 is expected"))
        #expect(try home.vault("doctor").status == 7)
        // Nobody is logged out by it.
        #expect(try home.vault("token", "static:a").status == 0)
        #expect(try home.vault("audit", "--accept").status == 0)
        #expect(try home.vault("audit").status == 0)
        #expect(try home.vault("doctor").text.contains("audit: "))
        let faults = try #require(try audit()["faults"] as? [[String: Any]])
        #expect(faults.count == 1 && faults[0]["acknowledged"] as? Bool == true)
    }

    @Test func programsAndConfirmationsAreKept() throws {
        let edited = try home.vault("edit", "static:a", "--program", "/nonexistent/program", "--json")
        #expect(try edited.object()["programs"] as? [String] == ["/nonexistent/program"])
        let refused = try home.vault("token", "static:a")
        #expect(refused.status == 10 && refused.output.isEmpty && refused.notes.contains("/nonexistent/program"))
        #expect(try home.vault("show", "static:a", "--reveal").status == 10)
        // A new secret changes nothing about who may have it.
        #expect(try home.vault("set", "static:a", input: [65]).status == 0)
        #expect(try home.vault("token", "static:a").status == 10)
        #expect(try home.vault("edit", "static:a", "--any-program", "--confirm").status == 0)
        #expect(try home.vault("token", "static:a", "--no-input").status == 3)
        let agreed = try home.vault(typing: [("Use static:a", "y\n")], "token", "static:a")
        #expect(agreed.status == 0 && agreed.output.contains("A"))
        #expect(try home.vault(typing: [("Use static:a", "n\n")], "token", "static:a").status == 3)
        #expect(try home.vault("edit", "static:a", "--no-confirm").status == 0)
        #expect(try home.vault("token", "static:a").status == 0)
        let events = try lines().compactMap { $0["event"] as? String }
        #expect(events == ["denied", "denied", "denied", "denied", "secret", "denied", "secret"])
    }

    @Test func factsAndHostsAreEdited() throws {
        func shown() throws -> [String: Any] { try home.vault("show", "static:a", "--json").object() }
        #expect(try home.vault("edit", "static:a", "--meta", "k=v", "x=1=2", "--host", "Api.Example").status == 0)
        #expect(try shown()["metadata"] as? [String: String] == ["k": "v", "x": "1=2"])
        #expect(try shown()["hosts"] as? [String] == ["api.example"])
        #expect(try home.vault("edit", "static:a", "--no-meta", "k", "--no-host", "api.example").status == 0)
        #expect(try shown()["metadata"] as? [String: String] == ["x": "1=2"])
        #expect(try shown()["hosts"] as? [String] == [])
        for arguments in [
            [], ["--meta", "k"], ["--meta", "=v"], ["--program", "relative"], ["--host", "https://x/"], ["--host", ""],
            ["--program", "/x", "--any-program"],
        ] {
            #expect(try home.run([Sandbox.program, "edit", "static:a"] + arguments).status == 64, "\(arguments)")
        }
        #expect(try home.vault("edit", "static:none", "--confirm").status == 4)
    }
}
