import Foundation
import Glibc
import TestSupport
import Testing

/// `run`: a tool's own file for as long as a command runs.
@Suite(.blocking)
struct RunCommandTests {
    private let home: Sandbox
    private let runtime: String

    init() throws {
        home = try Sandbox()
        runtime = try home.makeRuntimeDirectoryInMemory()
        try home.make()
    }

    /// Takes a fixture in and out of its file; its bytes and its path.
    private func take(_ fixture: String, to place: String, _ name: String) throws -> (bytes: [UInt8], file: String) {
        let file = try home.fixture(fixture, to: place)
        let bytes = try home.read(file)
        try succeed(home.vault("import", file, "--name", name, "--remove", "--yes"))
        return (bytes, file)
    }

    private func codex() throws -> (bytes: [UInt8], file: String) {
        try take("codex/auth.json", to: "home/.codex/auth.json", "codex")
    }

    /// The private directories there are.
    private func directories() throws -> [String] {
        guard FileManager.default.fileExists(atPath: runtime + "/vault") else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: runtime + "/vault").filter { $0.contains("run-") }
    }

    /// Runs a line of shell as the command.
    private func run(_ tool: String, _ line: String, _ more: String...) throws -> Sandbox.Outcome {
        try home.run([Sandbox.program, "run", tool] + more + ["--", "/bin/sh", "-c", line, "tool"])
    }

    private func state(_ name: String) throws -> String? {
        try home.vault("show", name, "--json").object().text("state")
    }

    private func secret(_ name: String, _ field: String) throws -> String? {
        try home.vault("show", name, "--json", "--reveal").object().text(field)
    }

    // MARK: Where tools look

    @Test(arguments: [
        ("codex/auth.json", ".codex/auth.json", "codex", "$CODEX_HOME/auth.json"),
        ("claude/.credentials.json", ".claude/.credentials.json", "claude", "$CLAUDE_CONFIG_DIR/.credentials.json"),
        ("gemini/oauth_creds.json", ".gemini/oauth_creds.json", "gemini", "$GEMINI_CLI_HOME/.gemini/oauth_creds.json"),
        (
            "gcloud/application_default_credentials.json", ".config/gcloud/application_default_credentials.json",
            "gcloud", "$CLOUDSDK_CONFIG/application_default_credentials.json"
        ),
        (
            "gcloud/application_default_credentials.json", ".config/gcloud/application_default_credentials.json",
            "google-adc", "$GOOGLE_APPLICATION_CREDENTIALS"
        ),
        (
            "databricks/token-cache.json", ".databricks/token-cache.json", "databricks",
            "$HOME/.databricks/token-cache.json"
        ),
        (
            "aws/sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json",
            ".aws/sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json", "aws",
            "$HOME/.aws/sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json"
        ),
        (
            "kube/cache/oidc-login/0000000000000000000000000000000000000000000000000000000000000000",
            ".kube/cache/oidc-login/0000000000000000000000000000000000000000000000000000000000000000", "kubelogin",
            "$KUBECACHEDIR/oidc-login/0000000000000000000000000000000000000000000000000000000000000000"
        ),
    ])
    func aToolFindsItsFileAndNothingElseDoes(fixture: String, place: String, tool: String, seen: String) throws {
        let file = try home.fixture(fixture, to: "home/" + place)
        let bytes = try home.read(file)
        try succeed(home.vault("import", file, "--remove", "--yes"))
        // What is left of a file that holds more is the tool's, and stays as it is.
        let left = FileManager.default.contents(atPath: file)
        let outcome = try succeed(run(tool, "cat \"\(seen)\"; stat -c %a \"\(seen)\" >&2"))
        #expect(outcome.output == bytes)
        #expect(outcome.notes.hasPrefix("600\n"), "\(outcome.notes)")
        #expect(FileManager.default.contents(atPath: file) == left)
        #expect(try directories().isEmpty)
        for entry in try home.vault("list", "--json").object().objects("entries") {
            #expect(entry.text("state") == "active")
            let shown = try home.vault("show", try #require(entry.text("name")), "--json").object()
            #expect((shown["source"] as? [String: Any])?.text("path") == file)
            #expect((shown["metadata"] as? [String: Any])?["run_directory"] == nil)
        }
        // The second time it is built from what the first one left.
        #expect(try succeed(run(tool, "cat \"\(seen)\"")).output == bytes)
    }

    @Test func theRestOfTheDirectoryIsThereToo() throws {
        _ = try codex()
        try home.write("home/.codex/config.toml", "model = \"x\"\n")
        try home.write("home/.codex/history.jsonl", "1\n")
        try succeed(
            run(
                "codex",
                """
                cd "$CODEX_HOME" && grep -q model config.toml && echo 2 >>history.jsonl && echo new >version.json \
                && echo y >.tmp && mv .tmp config.toml && mkdir sessions && echo s >sessions/a && : >auth.json.lock
                """
            )
        )
        func text(_ name: String) throws -> String {
            String(decoding: try home.read(home.path("home/.codex/\(name)")), as: UTF8.self)
        }
        #expect(try text("history.jsonl") == "1\n2\n")
        #expect(try text("version.json") == "new\n")
        #expect(try text("config.toml") == "y\n")
        #expect(try text("sessions/a") == "s\n")
        let names = try FileManager.default.contentsOfDirectory(atPath: home.path("home/.codex")).sorted()
        #expect(names == ["config.toml", "history.jsonl", "sessions", "version.json"])
    }

    @Test func claudeFindsItsSettingsBesideTheDirectory() throws {
        let text = #"{"claudeAiOauth":{"accessToken":"AT-1","refreshToken":"RT-1","expiresAt":4070908800000}}"#
        let file = try home.write("home/.claude/.credentials.json", text)
        try succeed(home.vault("import", file, "--remove", "--yes"))
        try home.write("home/.claude.json", "{\"a\": 1}")
        #expect(try succeed(run("claude", "cat \"$CLAUDE_CONFIG_DIR/.claude.json\"")).text == "{\"a\": 1}")
        try succeed(run("claude", "cd \"$CLAUDE_CONFIG_DIR\" && echo 2 >.x && mv .x .claude.json"))
        #expect(try home.read(home.path("home/.claude.json")) == Array("2\n".utf8))
        #expect(!FileManager.default.fileExists(atPath: home.path("home/.claude/.claude.json")))
    }

    // MARK: What comes back

    @Test func aRotatedTokenIsTakenBack() throws {
        _ = try codex()
        try succeed(run("codex", "sed -i 's/rt-EXAMPLE/rt-ROTATED/' \"$CODEX_HOME/auth.json\""))
        #expect(try secret("codex", "refresh_token") == "rt-ROTATED")
        #expect(try state("codex") == "active")
        #expect(try succeed(run("codex", "cat \"$CODEX_HOME/auth.json\"")).text.contains("rt-ROTATED"))
    }

    @Test func theEntryIsHeldMeanwhile() throws {
        _ = try codex()
        let line = "'\(Sandbox.program)' show codex --json"
        let shown = try succeed(run("codex", line)).object()
        #expect(shown.text("state") == "held" && shown.text("state_reason") == "secondOwner")
        #expect((shown["source"] as? [String: Any])?.text("path")?.hasPrefix(runtime) == true)
        // Nobody takes it over, or writes it elsewhere.
        for command in ["adopt codex --yes", "restore-file codex --yes"] {
            let refused = try run("codex", "'\(Sandbox.program)' \(command)")
            #expect(refused.status == 10, "\(refused.notes)")
        }
        #expect(try state("codex") == "active")
    }

    @Test func aLogoutIsSaidAndTheGrantKept() throws {
        let (bytes, _) = try codex()
        let outcome = try succeed(run("codex", "rm \"$CODEX_HOME/auth.json\""))
        #expect(outcome.notes.contains("logged out"), "\(outcome.notes)")
        #expect(try state("codex") == "active")
        #expect(try secret("codex", "refresh_token") == "rt-EXAMPLE")
        #expect(try succeed(run("codex", "cat \"$CODEX_HOME/auth.json\"")).output == bytes)
    }

    @Test func aNewGrantOfTheToolBecomesAnEntry() throws {
        let text = #"{"claudeAiOauth":{"accessToken":"AT-1","refreshToken":"RT-1","expiresAt":4070908800000}}"#
        let file = try home.write("home/.claude/.credentials.json", text)
        try succeed(home.vault("import", file, "--name", "c", "--remove", "--yes"))
        let more =
            #"{"claudeAiOauth":{"accessToken":"AT-1","refreshToken":"RT-1","expiresAt":4070908800000},"#
            + #""mcpOAuth":{"s|1":{"serverName":"s","serverUrl":"https://s.example","accessToken":"AT-2","#
            + #""refreshToken":"RT-2","expiresAt":4070908800000}}}"#
        let outcome = try succeed(run("claude", "printf %s '\(more)' >\"$CLAUDE_CONFIG_DIR/.credentials.json\""))
        #expect(outcome.notes.contains("is new"), "\(outcome.notes)")
        #expect(try secret("claude-mcp-s", "refresh_token") == "RT-2")
        #expect(try state("claude-mcp-s") == "active")
        #expect(try succeed(run("claude", "cat \"$CLAUDE_CONFIG_DIR/.credentials.json\"")).text == more)
    }

    @Test func whatCannotBeReadStaysAndIsTakenBackLater() throws {
        _ = try codex()
        let outcome = try run("codex", "printf '{\"tok' >\"$CODEX_HOME/auth.json\"; echo \"$CODEX_HOME\"")
        fail(outcome, 125, "(exit 7 of vault)", "stays there")
        let file = outcome.text.trimmingCharacters(in: .newlines) + "/auth.json"
        #expect(try state("codex") == "held")
        fail(try run("codex", "true"), 125)
        let sound = try home.read(Sandbox.supportFile("../TokenImportTests/Fixtures/codex/auth.json"))
        let mended = String(decoding: sound, as: UTF8.self).replacingOccurrences(of: "rt-EXAMPLE", with: "rt-MENDED")
        try Data(mended.utf8).write(to: URL(filePath: file))
        #expect(try succeed(run("codex", "cat \"$CODEX_HOME/auth.json\"")).text == mended)
        #expect(try secret("codex", "refresh_token") == "rt-MENDED")
        #expect(try directories().isEmpty)
    }

    // MARK: How it ends

    @Test func endsAsTheCommandEnds() throws {
        _ = try codex()
        #expect(try run("codex", "exit 7").status == 7)
        #expect(try run("codex", "kill -TERM $$").status == 143)
        #expect(try run("codex", "kill -KILL $$").status == 137)
        #expect(try directories().isEmpty)
        #expect(try state("codex") == "active")
    }

    @Test func endsAsEnvDoesWhereThereIsNoCommand() throws {
        _ = try codex()
        fail(try home.vault("run", "codex", "--", home.path("none")), 127)
        fail(try home.vault("run", "codex", "--", try home.write("no-program", "x")), 126)
        fail(try home.vault("run", "codex"), 125, "(exit 64 of vault)")
        fail(try home.vault("run", "bogus", "--", "true"), 125, "(exit 64 of vault)")
        fail(try home.vault("run", "claude", "--", "true"), 125, "(exit 4 of vault)")
        #expect(try directories().isEmpty)
    }

    @Test func passesSignalsOn() throws {
        _ = try codex()
        mkfifo(home.path("ready"), 0o600)
        let tool = """
            trap 'exit 9' TERM; echo up >'\(home.path("ready"))'; while :; do sleep 1; done
            """
        let outcome = try home.run([
            "/bin/sh", "-c",
            """
            '\(Sandbox.program)' run codex -- /bin/sh -c "$1" & process=$!
            read line <'\(home.path("ready"))'; kill -TERM $process; wait $process
            """, "sh", tool,
        ])
        #expect(outcome.status == 9, "\(outcome.notes)")
        #expect(try directories().isEmpty && state("codex") == "active")
    }

    @Test func noTokenIsInTheEnvironmentOrTheArguments() throws {
        _ = try codex()
        let seen = try succeed(run("codex", "tr '\\0' '\\n' </proc/$PPID/cmdline; env; ulimit -c")).text
        #expect(!seen.contains("EXAMPLE") && seen.contains("CODEX_HOME=") && seen.hasSuffix("\n0\n"))
    }

    // MARK: Crashes

    @Test(arguments: ["token codex", "run codex -- true", "doctor", "adopt codex --yes"])
    func whatACrashLeftIsTakenBackByWhoeverComesNext(next: String) throws {
        _ = try codex()
        let killed = try run("codex", "sed -i 's/rt-EXAMPLE/rt-ROTATED/' \"$CODEX_HOME/auth.json\"; kill -9 $PPID")
        #expect(killed.status == 137)
        #expect(try state("codex") == "held")
        #expect(try directories().count == 1)
        // The token is good still: so that the file is looked at, it is refused.
        let words = next.split(separator: " ").map(String.init)
        let outcome = try home.run([Sandbox.program] + words)
        #expect(outcome.status == 0 || next.hasPrefix("token"), "\(outcome.notes)")
        if next.hasPrefix("token") { try succeed(home.vault("doctor")) }
        #expect(try secret("codex", "refresh_token") == "rt-ROTATED")
        #expect(try state("codex") == "active")
        #expect(try directories().isEmpty)
    }

    @Test func aToolThatOutlivesVaultKeepsItsFile() async throws {
        _ = try codex()
        mkfifo(home.path("go"), 0o600)
        mkfifo(home.path("done"), 0o600)
        let tool = """
            kill -9 $PPID; read line <'\(home.path("go"))'
            sed -i 's/rt-EXAMPLE/rt-LATE/' "$CODEX_HOME/auth.json"; exec 3>&-; echo >'\(home.path("done"))'
            """
        #expect(try run("codex", tool).status == 137)
        #expect(try home.vault("doctor").text.contains("in use"))
        fail(try home.vault("adopt", "codex", "--yes"), 10)
        #expect(try state("codex") == "held")
        // One more command gets the same file.
        #expect(try succeed(run("codex", "cat \"$CODEX_HOME/auth.json\"")).text.contains("rt-EXAMPLE"))
        try succeed(home.run(["/bin/sh", "-c", "echo >'\(home.path("go"))'; read line <'\(home.path("done"))'; :"]))
        // It has written to the FIFO and ends; only then its lock is free.
        try await eventually("the end of the tool") {
            try home.vault("doctor").status == 0 && state("codex") == "active"
        }
        #expect(try secret("codex", "refresh_token") == "rt-LATE")
    }

    @Test func aDirectoryThatIsGoneIsSaid() throws {
        _ = try codex()
        #expect(try run("codex", "kill -9 $PPID").status == 137)
        try FileManager.default.removeItem(atPath: runtime + "/vault")
        #expect(try home.vault("doctor").text.contains("when the session ended"))
        fail(try run("codex", "true"), 125, "may be spent")
        try succeed(home.vault("adopt", "codex", "--yes"))
        #expect(try state("codex") == "active")
        try succeed(run("codex", "true"))
    }

    // MARK: Two at once

    @Test func aSecondCommandJoinsTheFirst() throws {
        _ = try codex()
        let inner =
            "'\(Sandbox.program)' run codex -- /bin/sh -c 'echo $CODEX_HOME; sed -i s/rt-EXAMPLE/rt-INNER/ $CODEX_HOME/auth.json'"
        let outcome = try succeed(run("codex", "echo $CODEX_HOME; \(inner); cat $CODEX_HOME/auth.json"))
        #expect(outcome.lines.count > 2 && outcome.lines[0] == outcome.lines[1])
        #expect(outcome.text.contains("rt-INNER"))
        #expect(try secret("codex", "refresh_token") == "rt-INNER")
        #expect(try directories().isEmpty && state("codex") == "active")
    }

    // MARK: Refusals

    @Test func refusesARuntimeDirectoryOnADisk() throws {
        _ = try codex()
        let disk = try home.vault("run", "codex", "--", "true", environment: ["XDG_RUNTIME_DIR": home.path("run")])
        fail(disk, 125, "(exit 10 of vault)", "tmpfs")
        chmod(runtime, 0o755)
        fail(try run("codex", "true"), 125, "(exit 10 of vault)")
        chmod(runtime, 0o700)
        #expect(try state("codex") == "active")
    }

    @Test func refusesAGrantThatItsOwnerHas() throws {
        let file = try home.fixture("codex/auth.json", to: "home/.codex/auth.json")
        try succeed(home.vault("import", file, "--yes"))
        fail(try run("codex", "true"), 125, "(exit 10 of vault)", "held")
        try succeed(home.vault("adopt", "codex", "--yes"))
        try succeed(run("codex", "true"))
        // A copy that somebody put back would be a second owner too.
        _ = try home.fixture("codex/auth.json", to: "home/.codex/auth.json")
        fail(try run("codex", "true"), 125, "(exit 10 of vault)")
        #expect(try state("codex") == "active" && directories().isEmpty)
    }

    @Test func makesAFileForAGrantThatCameFromElsewhere() throws {
        let more = #", "scope": "user:inference user:profile""#
        let file = try home.writeToken("t.json", access: "AT-X", refresh: "RT-X", more: more)
        try succeed(home.vault("import", file, "--name", "t", "--remove", "--yes"))
        let seen = try succeed(run("claude", "cat \"$CLAUDE_CONFIG_DIR/.credentials.json\"", "--name", "t"))
        let own = try #require(try seen.object()["claudeAiOauth"] as? [String: Any])
        #expect(own.text("accessToken") == "AT-X" && own.text("refreshToken") == "RT-X")
        #expect(own["expiresAt"] as? Int == 4_070_908_800_000)
        #expect(try state("t") == "active")
        // Codex wants an id token, and nobody can make one up.
        fail(try run("codex", "true", "--name", "t"), 125, "(exit 4 of vault)")
    }

    // MARK: What must not come back

    /// The names in the tool's real directory.
    private func left(in directory: String = "home/.codex") throws -> [String] {
        let path = home.path(directory)
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    }

    private func names() throws -> [String] {
        try home.vault("list", "--json").object().objects("entries").compactMap { $0.text("name") }.sorted()
    }

    @Test func copiesOfTheFileGoToNoDisk() throws {
        _ = try codex()
        let line = """
            cd "$CODEX_HOME" && cp auth.json auth.json.tmp && cp auth.json auth.json.bak && cp auth.json auth.json~ && \
            mkdir saved && cp auth.json saved/mine.json && : >auth.json.1.2.tmp && echo x >version.json
            """
        try succeed(run("codex", line))
        #expect(try left() == ["saved", "version.json"] && left(in: "home/.codex/saved").isEmpty)
        #expect(try names() == ["oauth:codex"] && state("codex") == "active" && directories().isEmpty)
    }

    @Test func theStateBeforeARotationIsNoGrant() throws {
        _ = try codex()
        try succeed(run("codex", "sed -i.bak 's/rt-EXAMPLE/rt-ROTATED/' \"$CODEX_HOME/auth.json\""))
        #expect(try left().isEmpty && directories().isEmpty)
        #expect(try names() == ["oauth:codex"] && secret("codex", "refresh_token") == "rt-ROTATED")
    }

    @Test func aNewerTokenInALeftoverIsTakenIn() throws {
        _ = try codex()
        let line = """
            cd "$CODEX_HOME" && sed 's/rt-EXAMPLE/rt-NEWER/; s/"last_refresh": "20../"last_refresh": "2037/' \
            auth.json >auth.json.tmp && ! cmp -s auth.json auth.json.tmp
            """
        try succeed(run("codex", line))
        #expect(try left().isEmpty && directories().isEmpty)
        #expect(try names() == ["oauth:codex"] && secret("codex", "refresh_token") == "rt-NEWER")
        #expect(try state("codex") == "active")
        #expect(try succeed(run("codex", "cat \"$CODEX_HOME/auth.json\"")).text.contains("rt-NEWER"))
    }

    @Test func aTokenOfUnknownAgeBecomesAnEntry() throws {
        let (_, file) = try codex()
        let outcome = try succeed(
            run("codex", "cd \"$CODEX_HOME\" && sed 's/rt-EXAMPLE/rt-OTHER/' auth.json >auth.json.tmp")
        )
        #expect(outcome.notes.contains("oauth:codex-2 is new"), "\(outcome.notes)")
        #expect(try left().isEmpty && directories().isEmpty)
        #expect(
            try secret("codex", "refresh_token") == "rt-EXAMPLE" && secret("codex-2", "refresh_token") == "rt-OTHER"
        )
        let shown = try home.vault("show", "codex-2", "--json").object()
        #expect((shown["source"] as? [String: Any])?.text("path") == file)
    }

    @Test func whatCannotBeReadStaysInMemory() throws {
        _ = try codex()
        let line = """
            cd "$CODEX_HOME" && pwd && echo x >version.json && head -c 150 auth.json >auth.json.tmp && \
            (echo "sent:"; cat auth.json) >debug.log && echo '{"text": "what is an access_token?"}' >talk.json
            """
        let outcome = try succeed(run("codex", line))
        let private_ = outcome.text.trimmingCharacters(in: .newlines)
        #expect(try left() == ["talk.json", "version.json"])
        #expect(try state("codex") == "active" && names() == ["oauth:codex"])
        for name in ["auth.json.tmp", "debug.log"] {
            #expect(outcome.notes.contains("\(private_)/\(name)"), "\(outcome.notes)")
            #expect(FileManager.default.fileExists(atPath: "\(private_)/\(name)"))
        }
        // It is in nobody's way, and what went to its place does not go there twice.
        let next = try succeed(run("codex", "true"))
        #expect(next.notes.contains("\(private_)/debug.log"), "\(next.notes)")
        #expect(try left() == ["talk.json", "version.json"] && directories().count == 1)
        #expect(try home.vault("doctor").text.contains("\(private_)/auth.json.tmp"))
        for name in ["auth.json.tmp", "debug.log"] {
            try FileManager.default.removeItem(atPath: "\(private_)/\(name)")
        }
        #expect(try !home.vault("doctor").text.contains(private_) && directories().isEmpty)
    }

    @Test func theFileOfAnEntryThatWasRemovedGoesToNoDisk() throws {
        _ = try codex()
        let line = "'\(Sandbox.program)' remove codex --yes && sed -i s/rt-EXAMPLE/rt-LAST/ \"$CODEX_HOME/auth.json\""
        let outcome = try succeed(run("codex", line))
        #expect(outcome.notes.contains("vault remove codex gives them up"), "\(outcome.notes)")
        #expect(try left().isEmpty && directories().isEmpty)
        #expect(try names() == ["oauth:codex"] && secret("codex", "refresh_token") == "rt-LAST")
        #expect(try state("codex") == "active")
        #expect(try succeed(run("codex", "cat \"$CODEX_HOME/auth.json\"")).text.contains("rt-LAST"))
    }

    // MARK: What is in nobody's way

    @Test(arguments: ["printf '{\"tok' >$F", "truncate -s 20M $F", "rm $F; ln -s /etc/hostname $F", "rm $F; mkfifo $F"])
    func aRunThatCannotBeTakenBackHoldsItsOwnEntryAlone(spoil: String) throws {
        _ = try codex()
        _ = try take("gemini/oauth_creds.json", to: "home/.gemini/oauth_creds.json", "gemini")
        let stuck = try run("codex", "F=\"$CODEX_HOME/auth.json\"; echo \"$F\"; \(spoil)")
        let file = stuck.text.trimmingCharacters(in: .newlines)
        let way = "put \(file) right, or remove it"
        fail(stuck, 125, way)
        let other = try succeed(run("gemini", "cat \"$GEMINI_CLI_HOME/.gemini/oauth_creds.json\""))
        #expect(other.notes.contains(way), "\(other.notes)")
        fail(try run("codex", "true"), 125, way)
        let checked = try home.vault("doctor").text
        #expect(checked.contains(way) && !checked.contains("in use"), "\(checked)")
        #expect(try state("codex") == "held" && directories().count == 1)
        unlink(file)
        try succeed(home.vault("doctor"))
        #expect(try state("codex") == "active" && directories().isEmpty && left().isEmpty)
        #expect(try secret("codex", "refresh_token") == "rt-EXAMPLE")
        try succeed(run("codex", "true"))
    }

    @Test(arguments: ["token codex", "run codex -- true", "doctor"])
    func whatTheCommandLeftAtWorkKeepsItsFile(next: String) async throws {
        _ = try codex()
        for name in ["go", "done"] { mkfifo(home.path(name), 0o600) }
        let tool = """
            (read line <'\(home.path("go"))'; sed -i 's/rt-EXAMPLE/rt-LATE/' "$CODEX_HOME/auth.json"
            echo >'\(home.path("done"))') >/dev/null 2>&1 & true
            """
        let outcome = try succeed(run("codex", tool))
        #expect(outcome.notes.contains("a process still uses the file of codex"), "\(outcome.notes)")
        #expect(try state("codex") == "held" && directories().count == 1)
        #expect(try home.vault("doctor").text.contains("in use"))
        try succeed(home.run(["/bin/sh", "-c", "echo >'\(home.path("go"))'; read line <'\(home.path("done"))'; :"]))
        // It has written to the FIFO and ends; only then its lock is free.
        try await eventually("the end of what was left") {
            _ = try home.run([Sandbox.program] + next.split(separator: " ").map(String.init))
            // A token that is good still is handed out as it is.
            if next.hasPrefix("token") { _ = try home.vault("doctor") }
            return try state("codex") == "active"
        }
        #expect(try secret("codex", "refresh_token") == "rt-LATE")
        #expect(try directories().isEmpty && left().isEmpty)
    }
}
