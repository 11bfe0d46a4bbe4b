import Foundation
import TestSupport
import Testing

/// The pages that `.ci/manual.py` writes, and the completions of a real bash.
@Suite(.blocking)
struct ManualPageTests {
    private let home: Sandbox
    private var pages: String { home.path("man1") }

    init() throws { home = try Sandbox() }

    private func makePages() throws -> [String] {
        let outcome = try home.run(
            ["python3", Sandbox.supportFile("../../.ci/manual.py"), Sandbox.program + "-main", pages]
        )
        try #require(outcome.status == 0, "\(outcome.notes)")
        return try FileManager.default.contentsOfDirectory(atPath: pages).sorted()
    }

    @Test func everyCommandHasAPageWithoutAMistake() throws {
        let found = try makePages()
        let help = try home.vault("--help").text.components(separatedBy: "SUBCOMMANDS:\n").last ?? ""
        let commands = help.split(separator: "\n").filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }
            .compactMap { $0.split(separator: " ").first.map { "vault-\($0).1" } }.filter { $0 != "vault-See.1" }
        #expect(commands.count > 10 && found == (commands + ["vault.1"]).sorted())
        for page in found {
            #expect(Sandbox.mode("\(pages)/\(page)") & 0o7777 == 0o644)
            let outcome = try home.run(["groff", "-man", "-ww", "-Tutf8", "-P-cbou", "\(pages)/\(page)"])
            #expect(outcome.status == 0 && outcome.notes == "", "\(page): \(outcome.notes)")
            for name in ["NAME", "SYNOPSIS", "EXIT STATUS", "ENVIRONMENT", "FILES"] {
                #expect(outcome.text.contains(name), "\(page): \(name)")
            }
        }
    }

    @Test func whatThePagesSayIsWhatTheProgramSays() throws {
        _ = try makePages()
        func page(_ name: String) throws -> String {
            let outcome = try home.run(["groff", "-man", "-Tascii", "-P-cbou", "-rLL=500n", "\(pages)/\(name).1"])
            return outcome.text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
                .joined(separator: "\n")
        }
        let token = try page("vault-token")
        #expect(token.contains("vault token name [--min-valid duration]"))
        #expect(token.contains("--min-valid duration\nAsk for that much validity, such as 5m, 90s or 1h."))
        let main = try page("vault")
        #expect(main.contains("3      Locked: ") && main.contains("VAULT_DIR\n") && main.contains("config.yaml\n"))
        #expect(main.contains("--vault dir\n") && main.contains("vault-token(1)\nPrint "))
        #expect(try page("vault-agent").contains("vault agent install [--unlock-at-login]"))
    }

    @Test func aShellOffersTheNamesOfEntries() throws {
        let key = home.path("key")
        #expect(try home.vault("init", "--key", "key-file:" + key, "--no-recovery-code").status == 0)
        for name in ["static:alpha", "static:beta"] {
            #expect(try home.vault("set", name, input: Array("sk-EXAMPLE".utf8)).status == 0)
        }
        let file = try home.fixture("gemini/oauth_creds.json", to: "x/.gemini/oauth_creds.json")
        #expect(try home.vault("import", file, "--name", "gem", "--yes").status == 0)
        #expect(try offered("vault token ") == ["gem", "static:alpha", "static:beta"])
        #expect(try offered("vault show --vault \(home.directory) g") == ["gem"])
        #expect(try offered("vault show oauth:g").contains { $0 == "oauth:gem" || $0 == "gem" })
        #expect(try offered("vault token --vault \(home.path("none")) ") == [])
        // Locked: nobody is asked, and nothing is offered.
        try FileManager.default.moveItem(atPath: key, toPath: key + "-away")
        #expect(try offered("vault token ") == [])
    }

    @Test func aVaultThatDoesNotOpenHoldsUpNobody() throws {
        #expect(try home.vault("init", "--key", "key-file:" + home.path("key"), "--no-recovery-code").status == 0)
        #expect(try home.run(["rm", home.path("key")]).status == 0)
        #expect(try home.run(["mkfifo", "-m", "600", home.path("pass")]).status == 0)
        let start = ContinuousClock.now
        let outcome = try home.vault(
            "---completion",
            "token",
            "--",
            "positional@0",
            "2",
            "0",
            environment: ["VAULT_PASSPHRASE_FILE": home.path("pass")]
        )
        #expect(outcome.output.allSatisfy { $0 == 10 })
        // Its limit is 2 s; other tests share the processors.
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test(arguments: ["bash", "zsh", "fish"])
    func everyShellHasAScript(shell: String) throws {
        let outcome = try home.run([Sandbox.program + "-main", "--generate-completion-script", shell])
        #expect(outcome.status == 0 && outcome.text.contains("---completion"))
        let script = try home.write("script", outcome.output)
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/\(shell)") else { return }
        #expect(try home.run([shell, "-n", script]).status == 0)
    }

    /// What bash offers after a line that was typed.
    private func offered(_ line: String) throws -> [String] {
        let script = try home.run([Sandbox.program + "-main", "--generate-completion-script", "bash"])
        let path = try home.write("completions", script.output)
        let directory = URL(filePath: Sandbox.program).deletingLastPathComponent().path()
        let program = #"""
            . "$1"
            COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=9 COMP_KEY=9
            read -ra COMP_WORDS <<<"$2"
            case $2 in *' ') COMP_WORDS+=('') ;; esac
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _vault vault "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2>&2
            printf '%s\n' "${COMPREPLY[@]}"
            """#
        let outcome = try home.run(
            ["bash", "-c", program, "bash", path, line],
            environment: ["PATH": "\(directory):/usr/bin:/bin"]
        )
        return outcome.lines.map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.hasPrefix("-") }.sorted()
    }
}
