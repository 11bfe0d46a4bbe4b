import Foundation
import Glibc
import TestSupport
import Testing

/// Becoming another program with secrets in its environment.
@Suite(.blocking)
struct ExecTests {
    private let home: Sandbox

    init() throws {
        home = try Sandbox()
        try home.make()
        try home.keep("a", "sk-A=1 2\n3")
        try home.keep("b", "sk-B")
    }

    private func environment(_ output: [UInt8]) -> Set<String> {
        Set(output.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
    }

    @Test func addsTheVariablesAndNothingElse() throws {
        let more = ["VAULT_PASSPHRASE_FILE": "/x", "A": "before", "A_B": "kept", "EMPTY": ""]
        let plain = try home.run(["env", "-0"], environment: more)
        let with = try succeed(
            home.vault("exec", "--env", "A=static:a", "--env", "_b2=static:b", "--", "env", "-0", environment: more)
        )
        let expected = environment(plain.output).subtracting(["A=before"]).union(["A=sk-A=1 2\n3", "_b2=sk-B"])
        #expect(environment(with.output) == expected)
    }

    @Test func isTheProgramFromThenOn() throws {
        let line = #"echo $$; exec "$@""#
        let outcome = try succeed(
            home.vault(
                shell: line,
                "exec",
                "--env",
                "A=static:a",
                "--",
                "sh",
                "-c",
                "echo $$; tr '\\0' ' ' </proc/$$/cmdline"
            )
        )
        #expect(outcome.lines.count == 3)
        #expect(outcome.lines.first == outcome.lines.dropFirst().first)
        #expect(!outcome.text.contains("sk-A"))
    }

    /// Limits, ignored and blocked signals and descriptors are those of whoever called.
    @Test(arguments: [
        "exec \"$@\"", "trap '' INT QUIT PIPE HUP; exec \"$@\"", "exec 7</dev/null 9</dev/zero; exec \"$@\"",
        "ulimit -S -c $(ulimit -H -c); exec \"$@\"", "ulimit -S -c 0; exec \"$@\"",
    ])
    func leavesEverythingElseAsItWas(line: String) throws {
        let look = [
            "sh", "-c",
            "grep -E '^Sig(Blk|Ign)' /proc/self/status; grep core /proc/self/limits; ls -l /proc/self/fd | grep -o '[0-9]* -> .*'",
        ]
        func state(_ outcome: Sandbox.Outcome) throws -> [String] {
            let outcome = try succeed(outcome)
            // The files of the sandbox, pipes and listings are other ones each time; and 32 and 33 are the C library's own
            // signals, of which a caller has no say.
            return outcome.lines.filter { !$0.contains(home.root) && !$0.contains("/proc/") && !$0.contains("pipe:") }
                .map { line in
                    guard line.hasPrefix("Sig"), let set = UInt64(line.suffix(16), radix: 16) else { return line }
                    return line.prefix(7) + String(set & ~0x1_8000_0000, radix: 16)
                }
        }
        let plain = try state(home.run(["/bin/sh", "-c", line, "sh"] + look))
        let command = [Sandbox.program, "exec", "--env", "A=static:a", "--"] + look
        let become = try state(home.run(["/bin/sh", "-c", line, "sh"] + command))
        #expect(become == plain, "\(become) and \(plain)")
        #expect(plain.count >= 3)
    }

    @Test(
        arguments: [("exit 7", 7), ("exit 0", 0), ("kill -TERM $$", 143), ("kill -INT $$", 130)] as [(String, Int32)]
    )
    func exitsAsTheProgramDoes(line: String, status: Int32) throws {
        #expect(try home.vault("exec", "--env", "A=static:a", "--", "sh", "-c", line).status == status)
    }

    @Test func leavesOptionsBehindTheDashesToTheProgram() throws {
        let outcome = try succeed(
            home.vault(
                "--vault",
                home.directory,
                "exec",
                "--env",
                "A=static:a",
                "--",
                "echo",
                "--help",
                "--json",
                "-q",
                "--vault",
                "x",
                "--"
            )
        )
        #expect(outcome.text == "--help --json -q --vault x --\n")
    }

    @Test func leavesTheTerminalToTheProgram() throws {
        let seen = try home.vault(
            typing: [("who? ", "me\n")],
            "exec",
            "--env",
            "A=static:a",
            "--",
            "sh",
            "-c",
            "printf 'who? ' >/dev/tty; read x </dev/tty; echo \"heard $x\""
        )
        #expect(seen.status == 0)
        #expect(seen.output == "heard me\n")
    }

    @Test func saysWhatCannotBeRun() throws {
        let file = try home.write("plain", "text")
        for (program, status) in [
            (file, 126), ("/", 126), (home.path("none"), 127), ("no-such-program", 127), ("", 127),
        ] {
            let outcome = try home.vault("exec", "--env", "A=static:a", "--", program)
            fail(outcome, Int32(status), "cannot run")
            #expect(!outcome.notes.contains("sk-A"))
        }
        // As a shell does, and env(1).
        let script = try home.write("script", "echo $A", mode: 0o700)
        #expect(try home.vault("exec", "--env", "A=static:b", "--", script).text == "sk-B\n")
    }

    @Test(arguments: [
        (["--env", "A=static:none", "--", "true"], "exit 4"), (["--env", "A=static:../x", "--", "true"], "exit 10"),
        (["--env", "A", "--", "true"], "exit 64"), (["--env", "=static:a", "--", "true"], "exit 64"),
        (["--env", "1A=static:a", "--", "true"], "exit 64"), (["--env", "A-B=static:a", "--", "true"], "exit 64"),
        (["--env", "A\n=static:a", "--", "true"], "exit 64"), (["--env", "\u{C4}=static:a", "--", "true"], "exit 64"),
        (["--env", "A\u{1B}[2J=static:a", "--", "true"], "exit 64"),
        (["--env", "A=static:a", "--env", "A=static:b", "--", "true"], "exit 64"),
        (["--env", "A=static:a"], "exit 64"),
        (["--", "true"], "exit 64"), (["--env", "A=static:a", "true"], "exit 64"),
        (["--env", "A=static:a", "--json", "--", "true"], "exit 64"), (["--what", "--", "true"], "exit 64"),
        (["--env", "A=static:nul", "--", "true"], "exit 10"),
        (["--vault", "/none", "--env", "A=x", "--", "true"], "exit 4"),
    ])
    func failsWithACodeOfItsOwn(arguments: [String], code: String) throws {
        _ = try home.vault("set", "static:nul", input: [65, 0, 66])
        let marker = home.path("ran")
        var arguments = arguments
        if arguments.last == "true" { arguments += ["&&", "touch", marker] }
        let outcome = try home.run([Sandbox.program, "exec"] + arguments)
        fail(outcome, 125, "(\(code) of vault)")
        #expect(outcome.output.isEmpty)
        #expect(!FileManager.default.fileExists(atPath: marker))
    }

    @Test func isLockedWithTheCodeOfThat() throws {
        unlink(home.path("key"))
        fail(try home.vault("exec", "--no-input", "--env", "A=static:a", "--", "true"), 125, "of vault)")
    }
}
