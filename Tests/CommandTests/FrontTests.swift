import Foundation
import Glibc
import TestSupport
import Testing

/// `vault` itself, before `vault-main`: in front of an agent that does what a healthy one does not.
///
/// What is printed where the agent does as it should is here too, byte by byte.
@Suite(.blocking)
struct FrontTests {
    /// The forms that the same sources have: the one of `swift build`, and the one that is installed.
    enum Form: CaseIterable {
        case ordinary, embedded

        /// The program.
        func program() throws -> String {
            switch self {
            case .ordinary: Sandbox.program
            case .embedded: try Self.built.get()
            }
        }

        private static let built = Result {
            let directory = URL(filePath: Sandbox.program).deletingLastPathComponent().path() + "front"
            let (status, _) = try Program.run([Sandbox.supportFile("../../.ci/front"), directory])
            guard status == 0 else { throw Broken(what: ".ci/front ended with \(status)") }
            return directory + "/vault"
        }
    }

    private let home: Sandbox

    init() throws { home = try Sandbox() }

    // MARK: What is asked

    @Test(arguments: Form.allCases)
    func asksInOneLine(form: Form) throws {
        try install(form)
        let own = home.path("data/vault")
        let profiles = home.path("data/vault/profiles")
        let cases: [(arguments: [String], environment: [String: String?], vault: String, rest: String)] = [
            (["token", "x"], [:], own, #""name":"x""#),
            (["token", "oauth:x.y@z+1_-"], [:], own, #""name":"oauth:x.y@z+1_-""#),
            (["--no-input", "token", "-q", "static:x"], [:], own, #""name":"static:x""#),
            (["token", "--min-valid", "90", "x"], [:], own, #""name":"x","min_valid":90"#),
            (["token", "x", "--min-valid=90s"], [:], own, #""name":"x","min_valid":90"#),
            (["token", "x", "--min-valid=5m"], [:], own, #""name":"x","min_valid":300"#),
            (["token", "x", "--min-valid=2h"], [:], own, #""name":"x","min_valid":7200"#),
            (["token", "x", "--min-valid=1d"], [:], own, #""name":"x","min_valid":86400"#),
            (["token", "x", "--min-valid=0"], [:], own, #""name":"x","min_valid":0"#),
            (["--vault", "/a/b", "token", "x"], [:], "/a/b", #""name":"x""#),
            (["token", "x", "--vault=/a/b/./"], [:], "/a/b", #""name":"x""#),
            (
                ["--vault", "token", "token", "x"], [:], FileManager.default.currentDirectoryPath + "/token",
                #""name":"x""#
            ),
            (["token", "x", "--vault=/a\"\\\n\u{1F}é"], [:], #"/a\"\\\u000a\u001fé"#, #""name":"x""#),
            (["--profile", "work", "token", "x"], [:], profiles + "/work", #""name":"x""#),
            (["token", "--profile=work", "x"], ["VAULT_PROFILE": "play"], profiles + "/work", #""name":"x""#),
            (["token", "x"], ["VAULT_PROFILE": "play"], profiles + "/play", #""name":"x""#),
            (["token", "x"], ["VAULT_DIR": home.path("d"), "VAULT_PROFILE": "p"], home.path("d"), #""name":"x""#),
            (["token", "x"], ["VAULT_DIR": ""], own, #""name":"x""#),
            (["token", "x"], ["XDG_DATA_HOME": "relative"], home.path("home/.local/share/vault"), #""name":"x""#),
            (["token", "x"], ["XDG_DATA_HOME": nil], home.path("home/.local/share/vault"), #""name":"x""#),
            (["token", "x"], ["HOME": nil], own, #""name":"x""#),
        ]
        let agent = try StandIn(home, .token("at-EXAMPLE"))
        for each in cases {
            let outcome = try run(each.arguments, each.environment)
            #expect(outcome.text == "at-EXAMPLE\n" && outcome.notes.isEmpty && outcome.status == 0, "\(each.arguments)")
        }
        let expected = cases.map {
            #"{"jsonrpc":"2.0","id":1,"method":"token","params":{"protocol":1,"vault":"\#($0.vault)",\#($0.rest)}}"#
        }
        #expect(agent.requests() == expected)
    }

    @Test(arguments: Form.allCases)
    func leavesTheRestToTheMainProgram(form: Form) throws {
        try install(form)
        let agent = try StandIn(home, .token("at-EXAMPLE"))
        let long = String(repeating: "a", count: 129)
        for arguments in [
            [], ["--version"], ["help"], ["list"], ["lock"], ["token"], ["token", "--help"], ["token", "x", "y"],
            ["token", "x", "--json"], ["token", "x", "--refresh"], ["token", "x", "--id-token"], ["token", "x", "-v"],
            ["token", "x", "-qv"], ["token", "x", "--dpop", "GET", "https://x"], ["--header", "token", "x"],
            ["token", "x", "--header", "--header"], ["token", "x", "--login"], ["token", "x", "--"],
            ["token", "--", "x"], ["token", "x", "--vault"], ["token", "x", "--vault", "-q"],
            ["token", "x", "--vault="],
            ["token", "x", "--vault", "/a", "--vault", "/b"], ["token", "x", "--profile", "../x"],
            ["token", "x", "--profile="], ["token", "x", "--min-valid", "5w"], ["token", "x", "--min-valid", "-5"],
            ["token", "x", "--min-valid", "s"], ["token", "x", "--min-valid", "99999999999999999999"],
            ["token", "x", "--passphrase-file", "/f"], ["token", "x", "--slot=1"], ["token", ""], ["token", "-x"],
            ["token", ".x"], ["token", "a/b"], ["token", "oauth:oauth:x"], ["token", "other:x"], ["token", "é"],
            ["token", long], ["token", "a b"], ["x", "token"],
        ] {
            expectMain(try run(arguments), arguments)
        }
        for variables in [
            ["VAULT_PROFILE": "a/b"], ["HOME": nil, "XDG_STATE_HOME": nil], ["VAULT_AGENT_SOCK": "relative"],
        ] {
            expectMain(try run(["token", "x"], variables), ["token", "x"])
        }
        #expect(agent.requests() == [])
    }

    // MARK: What is printed

    @Test(arguments: Form.allCases)
    func printsWhatTheAgentSays(form: Form) throws {
        try install(form)
        let large = String(repeating: "0123456789abcdef", count: 65_536)
        let cases: [(said: String, printed: String)] = [
            ("at-EXAMPLE", "at-EXAMPLE"), (#"\"\\\/\b\f\t"#, "\"\\/\u{8}\u{C}\t"), (#"\u0041\u00e9\u20aC"#, "Aé€"),
            (#"\ud83d\uDD11"#, "\u{1F511}"), ("é€\u{1F511}\u{10FFFF}", "é€\u{1F511}\u{10FFFF}"), (" kept ", " kept "),
            (large, large),
        ]
        for each in cases {
            let agent = try StandIn(home, .token(each.said))
            let outcome = try run(["token", "x"])
            #expect(outcome.output == Array((each.printed + "\n").utf8), "\(each.said.prefix(40))")
            #expect(outcome.errors == [] && outcome.status == 0)
            #expect(agent.requests().count == 1)
        }
    }

    @Test(arguments: Form.allCases)
    func printsAHeader(form: Form) throws {
        try install(form)
        for (said, printed) in [("at-EXAMPLE", "at-EXAMPLE"), (#"\u0041~!"#, "A~!")] {
            let agent = try StandIn(home, .token(said))
            #expect(try run(["token", "--header", "x"]).text == "Authorization: Bearer \(printed)\n")
            #expect(agent.requests().count == 1)
        }
        for said in ["a b", "é", #"\u007f"#, #"\t"#] {
            let agent = try StandIn(home, .token(said))
            expectMain(try run(["token", "--header", "x"]), ["token", "--header", "x"])
            #expect(agent.requests().count == 1)
        }
    }

    @Test(arguments: Form.allCases)
    func printsNotesBesideIt(form: Form) throws {
        try install(form)
        let agent = try StandIn(home, .token("at-EXAMPLE", notes: #""one","say \"two\"""#))
        let outcome = try run(["token", "x"])
        #expect(outcome.text == "at-EXAMPLE\n")
        #expect(outcome.notes == "vault: note: one\nvault: note: say \"two\"\n")
        #expect(try run(["token", "x", "--quiet"]).notes == "")
        // Its hints name the vault that was named.
        expectMain(try run(["token", "x", "--vault", "/a"]), ["token", "x", "--vault", "/a"])
        #expect(try run(["token", "x", "--vault", "/a", "-q"]).text == "at-EXAMPLE\n")
        #expect(agent.requests().count == 4)
    }

    @Test(arguments: Form.allCases)
    func waitsForAnAgentThatWorks(form: Form) throws {
        try install(form)
        let working = #"{"jsonrpc":"2.0","method":"working"}"# + "\n"
        let answer = StandIn.answer("at-EXAMPLE")
        let agent = try StandIn(
            home,
            [.read] + Array(repeating: [.send(working), .wait(0.5)], count: 4).flatMap { $0 }
                + [.send(working + answer.prefix(30)), .wait(0.2), .send(answer.dropFirst(30) + "\n" + working)]
        )
        let outcome = try run(["token", "x"])
        #expect(outcome.text == "at-EXAMPLE\n" && outcome.notes == "")
        #expect(agent.requests().count == 1)
    }

    @Test(arguments: Form.allCases)
    func saysThatItCannotWrite(form: Form) throws {
        try install(form)
        let agent = try StandIn(home, .token("at-EXAMPLE"))
        let closed =
            "import os,subprocess,sys;r,w=os.pipe();os.close(r);sys.exit(subprocess.call(sys.argv[1:],stdout=w))"
        for (command, reason) in [
            (["/bin/sh", "-c", #""$@" >/dev/full"#, "sh"], "No space left on device"),
            (["/bin/sh", "-c", #"exec "$@" >&-"#, "sh"], "Bad file descriptor"),
            (["/bin/sh", "-c", #"exec "$@" >&- <&-"#, "sh"], "Bad file descriptor"),
            (["python3", "-c", closed], "Broken pipe"),
        ] {
            let outcome = try home.run(command + [home.path("bin/vault"), "token", "x"], environment: socket)
            #expect(outcome.status == 8)
            #expect(outcome.notes == "vault: error: cannot write the output: \(reason)\n")
            #expect(outcome.text == "")
        }
        // A file that may not grow; standard error is none here.
        let line = #"{ (ulimit -f 0; "$@" 2>&1 >"$HOME/file"); echo "$?"; } | cat"#
        let grown = try home.run(
            ["/bin/sh", "-c", line, "sh", home.path("bin/vault"), "token", "x"],
            environment: socket
        )
        #expect(grown.text == "vault: error: cannot write the output: File too large\n8\n")
        #expect(agent.requests().count == 5)
    }

    // MARK: What is no answer

    @Test(arguments: Form.allCases)
    func takesNoOtherAnswer(form: Form) throws {
        try install(form)
        let start = #"{"jsonrpc":"2.0","id":1,"result":{"access_token":"at-EXAMPLE","#
        let end = #""token_type":"Bearer","expires_at":null,"state":"active","notes":[]}}"#
        var cases: [[StandIn.Step]] = [
            #"{"jsonrpc":"2.0","id":1,"error":{"code":-32003,"message":"locked","data":{"exit":3,"hint":null}}}"#,
            start.replacing(#""id":1"#, with: #""id":2"#) + end, start.replacing(#""id":1,"#, with: "") + end,
            start + end.replacing(#""state":"active","#, with: ""), start + end + " ", start + end + "}",
            "\u{FEFF}" + start + end,
            start + " " + end, start + end.replacing(":[]", with: #":[],"more":1"#), start + end.dropLast(),
            start + end.replacing("null", with: "nul"), start + end.replacing("null", with: "5"),
            start + end.replacing("null", with: #""2030"#), start + end.replacing("[]", with: "[1]"),
            start + end.replacing("[]", with: #"["a",]"#), start + end.replacing("[]", with: #"["a""b"]"#),
            start + end.replacing("[]", with: #"["\u001b[2J"]"#), start + end.replacing("[]", with: #"["é"]"#),
            start + end.replacing("Bearer", with: "DPoP"), start + end.replacing("Bearer", with: "mac"),
            #"{"jsonrpc":"2.0","id":1,"result":{"# + end.dropLast(2) + #","access_token":"at-EXAMPLE"}}"#,
            "", "\r", "HTTP/1.1 400 Bad Request", "{}", "null", #"{"jsonrpc":"2.0","id":1,"result":{"access_token":"#,
            String(repeating: "[", count: 100_000), String(repeating: "a", count: 9_000_000),
        ].map { [.read, .send($0 + "\n")] }
        for token in [
            "", #"a\u0000b"#, "a\0b", #"a\nb"#, #"a\rb"#, "a\u{1}b", #"a\u12g4"#, #"a\u12"#, #"a\x41"#, #"a\"#,
            #"\ud83d"#,
            #"\udd11"#, #"\ud83dA"#, #"\ud83d\u0041"#, #"\uD83D\uD83D"#,
        ] {
            cases.append(.token(token))
        }
        for hexadecimal in ["ff", "80", "c080", "c3", "e28228", "e0809f", "eda080", "f08080af", "f4908080", "f5808080"]
        {
            let head = start.replacing(#"at-EXAMPLE","#, with: "")
            cases.append([.read, .send(head), .bytes(hexadecimal), .send(#"","# + end + "\n")])
        }
        cases += [
            [.close], [.read, .close], [.read, .send(start), .close], [.read, .send(start + end), .close],
            [.read, .bytes(String(repeating: "00", count: 4096)), .close], [.send("\n"), .read],
            [.read, .repeated(String(repeating: "a", count: 65_536), 200)],
        ]
        for steps in cases {
            let agent = try StandIn(home, steps)
            expectMain(try run(["token", "x"]), ["token", "x"], "\(String(describing: steps).prefix(300))")
            _ = agent.requests()
        }
    }

    @Test(arguments: Form.allCases)
    func givesUpOnAnAgentThatIsSilent(form: Form) throws {
        try install(form)
        for steps: [StandIn.Step] in [[.hold], [.read, .send(#"{"jsonrpc":"2.0","id":1,"resu"#), .hold]] {
            let agent = try StandIn(home, steps)
            let clock = ContinuousClock()
            let taken = try clock.measure { expectMain(try run(["token", "x"]), ["token", "x"]) }
            #expect(taken >= .seconds(1) && taken < .seconds(20))
            _ = agent.requests()
        }
    }

    @Test(arguments: Form.allCases)
    func readsNoLineWithoutEnd(form: Form) throws {
        try install(form)
        let agent = try StandIn(home, [.read, .repeated(String(repeating: "a", count: 65_536), 20_000)])
        // Less than the line has.
        let line = #"ulimit -v 400000; exec "$@""#
        let outcome = try home.run(
            ["/bin/sh", "-c", line, "sh", home.path("bin/vault"), "token", "x"],
            environment: socket
        )
        expectMain(outcome, ["token", "x"])
        #expect(agent.requests().count == 1)
    }

    // MARK: Whom it asks

    @Test(arguments: Form.allCases)
    func asksNobodyWhereNobodyListens(form: Form) throws {
        try install(form)
        expectMain(try run(["token", "x"]), ["token", "x"])
        try home.write("run/vault/agent.sock", "")
        expectMain(try run(["token", "x"]), ["token", "x"])
        unlink(home.path("run/vault/agent.sock"))
        // A socket that nobody listens at any more.
        let agent = try StandIn(home, .token("at-EXAMPLE"))
        agent.end()
        expectMain(try run(["token", "x"]), ["token", "x"])
        let long = ["VAULT_AGENT_SOCK": "/" + String(repeating: "a", count: 200)]
        expectMain(try run(["token", "x"], long), ["token", "x"])
    }

    @Test(arguments: Form.allCases)
    func findsTheSocketWhereTheSessionIs(form: Form) throws {
        try install(form)
        let agent = try StandIn(home, .token("at-EXAMPLE"))
        let none: [String: String?] = ["VAULT_AGENT_SOCK": nil]
        #expect(try run(["token", "x"], none).text == "at-EXAMPLE\n")
        #expect(try run(["token", "x"], ["VAULT_AGENT_SOCK": ""]).text == "at-EXAMPLE\n")
        #expect(
            try run(["token", "x"], ["VAULT_AGENT_SOCK": nil, "XDG_RUNTIME_DIR": home.path("run//")]).text
                == "at-EXAMPLE\n"
        )
        // What the user has of the system must not answer for the sandbox.
        guard access("/run/user/\(geteuid())/vault/agent.sock", F_OK) != 0 else { return }
        chmod(home.path("run"), 0o755)
        expectMain(try run(["token", "x"], none), ["token", "x"])
        chmod(home.path("run"), 0o700)
        symlink("run", home.path("link"))
        expectMain(
            try run(["token", "x"], ["VAULT_AGENT_SOCK": nil, "XDG_RUNTIME_DIR": home.path("link")]),
            ["token", "x"]
        )
        #expect(agent.requests().count == 3)
    }

    @Test(.enabled(if: getuid() == 0, "needs a second user"), arguments: Form.allCases)
    func asksNobodyElse(form: Form) throws {
        try install(form)
        try home.makeDirectory("run/vault")
        try home.giveToNobody("run")
        chmod(home.path("run"), 0o755)
        let agent = try StandIn(home, .token("at-EXAMPLE"), user: 65_534)
        expectMain(try run(["token", "x"], socket), ["token", "x"])
        // Nor where the socket's owner is right, and the listener is not.
        chown(home.path("run/vault/agent.sock"), 0, 0)
        expectMain(try run(["token", "x"], socket), ["token", "x"])
        #expect(agent.requests() == [])
        // Nor where it is the other way round.
        let own = try StandIn(home, .token("at-EXAMPLE"))
        chown(home.path("run/vault/agent.sock"), 65_534, 65_534)
        expectMain(try run(["token", "x"], socket), ["token", "x"])
        #expect(own.requests() == [])
    }

    @Test(.enabled(if: getuid() == 0, "needs a second user"), arguments: Form.allCases)
    func leavesNoCoreAndIsNotLookedAt(form: Form) throws {
        try install(form)
        try home.makeDirectory("run/vault")
        try home.giveToNobody("run")
        chmod(home.path("bin"), 0o755)
        let agent = try StandIn(home, [.read, .look, .send(StandIn.answer("at-EXAMPLE") + "\n")], user: 65_534)
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", home.path("bin/vault")]
        #expect(try home.run(nobody + ["token", "x"], environment: socket).text == "at-EXAMPLE\n")
        #expect(agent.requests().last == "owner 0, core 0")
    }

    // MARK: Becoming the main program

    @Test(arguments: Form.allCases)
    func leavesTheMainProgramAsItWasStarted(form: Form) throws {
        try install(form)
        let script = """
            #!/bin/sh
            ulimit -S -c
            ls -l /proc/$$/fd 2>/dev/null | grep -c socket:
            [ -e /proc/$$/fd/0 ] || echo closed
            grep SigIgn /proc/$$/status
            """
        try home.write("bin/vault-main", script, mode: 0o700)
        let agent = try StandIn(home, [.read, .send("{}\n")])
        for line in [#"exec "$@""#, #"exec "$@" <&-"#, #"ulimit -S -c 7 2>/dev/null; exec "$@""#] {
            let through = try home.run(
                ["/bin/sh", "-c", line, "sh", home.path("bin/vault"), "token", "x"],
                environment: socket
            )
            let direct = try home.run(["/bin/sh", "-c", line, "sh", home.path("bin/vault-main")])
            #expect(through.text == direct.text && through.notes == direct.notes)
        }
        #expect(agent.requests().count == 3)
    }

    @Test(arguments: Form.allCases)
    func findsTheMainProgram(form: Form) throws {
        try install(form)
        try home.makeDirectory("libexec/vault")
        let both = [home.path("bin/vault-main"), home.path("libexec/vault/vault-main")]
        guard rename(both[0], both[1]) == 0 else { throw Broken(what: "rename: errno \(errno)") }
        expectMain(try run(["list", "a b", ""]), ["list", "a b", ""])
        symlink(home.path("bin/vault"), home.path("elsewhere"))
        let outcome = try home.run([home.path("elsewhere"), "list"])
        expectMain(outcome, ["list"])
        unlink(both[1])
        fail(try run(["list"]), 1, "vault-main was found neither beside this program, nor in ../libexec/vault")
    }

    // MARK: Helpers

    private var socket: [String: String?] { ["VAULT_AGENT_SOCK": home.path("run/vault/agent.sock")] }

    /// Puts the front into the sandbox, beside a program that says with which arguments it was started.
    private func install(_ form: Form) throws {
        try home.makeDirectory("bin")
        // By another process: what this one has open for writing could not be run.
        try succeed(home.run(["cp", try form.program(), home.path("bin/vault")]))
        let script = #"""
            #!/bin/sh
            printf 'main:'
            for argument; do printf ' <%s>' "$argument"; done
            exit 42
            """#
        try home.write("bin/vault-main", script, mode: 0o755)
    }

    private func run(_ arguments: [String], _ environment: [String: String?] = [:]) throws -> Sandbox.Outcome {
        try home.run([home.path("bin/vault")] + arguments, environment: socket.merging(environment) { $1 })
    }

    /// Expects that it was the main program that answered, and that nothing was printed before.
    private func expectMain(
        _ outcome: Sandbox.Outcome,
        _ arguments: [String],
        _ comment: String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let expected = "main:" + arguments.map { " <\($0)>" }.joined()
        #expect(
            outcome.text == expected && outcome.notes == "" && outcome.status == 42,
            "\(arguments) \(comment)",
            sourceLocation: sourceLocation
        )
    }
}

/// An agent that does as it is told, step by step.
private final class StandIn {
    enum Step {
        case read, look, hold, close
        case send(String)
        case bytes(String)
        case repeated(String, Int)
        case wait(Double)

        fileprivate var object: [String: Any] {
            switch self {
            case .read: ["read": true]
            case .look: ["look": true]
            case .hold: ["hold": true]
            case .close: ["close": true]
            case .send(let text): ["send": text]
            case .bytes(let hexadecimal): ["bytes": hexadecimal]
            case .repeated(let text, let times): ["repeat": text, "times": times]
            case .wait(let seconds): ["wait": seconds]
            }
        }
    }

    private let program: Program
    private let path: String

    init(_ home: Sandbox, _ steps: [Step], user: Int? = nil) throws {
        path = home.path("run/vault/agent.sock")
        if user == nil { try home.makeDirectory("run/vault") }
        unlink(path)
        let text = try JSONSerialization.data(withJSONObject: steps.map(\.object))
        // In a file: nine million bytes are too many for an argument.
        let file = try home.write("steps", Array(text), mode: 0o644)
        program = try Program(
            ["python3", Sandbox.supportFile("agent/stand-in.py"), path, file] + (user.map { ["\($0)"] } ?? [])
        )
        let said = program.read { $0.last == 10 }
        guard said == Array("ready\n".utf8) else { throw Broken(what: "no stand-in: \(said)") }
    }

    deinit { end() }

    /// The line of a success.
    static func answer(_ token: String, notes: String = "") -> String {
        #"{"jsonrpc":"2.0","id":1,"result":{"access_token":"\#(token)","token_type":"Bearer","#
            + #""expires_at":"2030-01-01T00:00:00Z","state":"active","notes":[\#(notes)]}}"#
    }

    /// Ends it, and returns the lines that it read.
    func requests() -> [String] {
        program.closeInput()
        let lines = program.read().split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
        program.end()
        return lines
    }

    func end() { program.kill() }
}

extension [StandIn.Step] {
    /// An answer with that token as JSON has it.
    fileprivate static func token(_ token: String, notes: String = "") -> [StandIn.Step] {
        [.read, .send(StandIn.answer(token, notes: notes) + "\n")]
    }
}
