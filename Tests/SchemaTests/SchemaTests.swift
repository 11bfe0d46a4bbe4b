import Foundation
import TestSupport
import Testing

/// Every `--json` document is what its schema in `Schemas/` says.
@Suite(.blocking)
struct SchemaTests {
    /// What each command prints.
    ///
    /// One that is missing here fails `everyCommandHasASchema`.
    private static let schemas = [
        "init": "init", "status": "status", "set": "entry-summary", "list": "list", "show": "show", "token": "token",
        "rename": "entry-summary", "remove": "remove", "import": "import-report", "import --dry-run": "import-plan",
        "key list": "key", "key add": "key", "key change": "key", "key remove": "key", "key rotate": "key",
        "login": "login", "logout": "logout", "adopt": "entry-summary", "export": "export", "restore": "restore",
        "doctor": "doctor", "destroy": "destroy", "discover": "discover", "agent install": "agent-install",
        "audit": "audit", "edit": "show", "unlock": "unlock", "lock": "lock", "agent stop": "agent-stop",
        "restore-file": "restore-file", "store conflicts": "store-conflicts", "store resolve": "store-resolve",
        "store show": "store-show", "store migrate": "store-migrate",
        "store use": "store-use", "store remove": "store-remove",
    ]
    private static let directory = Sandbox.supportFile("../../Schemas")

    private let home: Sandbox

    init() throws { home = try Sandbox() }

    /// What the validator says about documents.
    private func complaints(_ documents: [[Any]]) throws -> [String] {
        let input = try JSONSerialization.data(withJSONObject: documents)
        let outcome = try home.run([Sandbox.supportFile("validate.py"), Self.directory], input: Array(input))
        try #require(outcome.status == 0, "\(outcome.notes)")
        return outcome.lines
    }

    /// Runs a command with `--json` and pairs what it prints with its schema.
    private func document(
        _ command: String,
        _ arguments: String...,
        status: Int32 = 0,
        input: [UInt8] = []
    ) throws -> [Any] {
        let words = command.split(separator: " ").map(String.init)
        let outcome = try home.run([Sandbox.program] + words + arguments + ["--json"], input: input)
        try #require(outcome.status == status, "\(command): \(outcome.notes)")
        let schema = try #require(Self.schemas[command])
        return [([command] + arguments).joined(separator: " "), schema + ".schema.json", try outcome.object()]
    }

    @Test func everyCommandHasASchema() throws {
        func subcommands(_ arguments: String...) throws -> [String] {
            let help = try home.run([Sandbox.program] + arguments + ["--help"]).text
            let list = help.components(separatedBy: "SUBCOMMANDS:\n").last ?? ""
            return list.split(separator: "\n").compactMap { line in
                let indent = line.prefix { $0 == " " }.count
                return indent == 2 && !line.contains("See '") ? line.split(separator: " ").first.map(String.init) : nil
            }
        }
        // The two lines of a proxy, the documents of other tools and the output of other programs are theirs.
        let groups = ["key", "agent", "store"]
        var commands = try subcommands().filter { !(groups + ["proxy", "exec", "run", "helper"]).contains($0) }
        for group in groups { commands += try subcommands(group).map { "\(group) \($0)" } }
        // It runs until it is stopped.
        commands.removeAll { $0 == "agent run" }
        #expect(Set(commands).union(["import --dry-run"]) == Set(Self.schemas.keys))
        for name in Self.schemas.values {
            #expect(FileManager.default.fileExists(atPath: "\(Self.directory)/\(name).schema.json"))
        }
    }

    /// What a vault in a directory prints of which a sync tool has left two versions of an entry.
    private func conflictDocuments() throws -> [[Any]] {
        let store = home.path("shared")
        var documents = [
            try document(
                "init",
                "--store",
                "dir:" + store,
                "--key",
                "key-file:" + home.path("shared-key"),
                "--no-recovery-code"
            )
        ]
        documents.append(try document("set", "static:a", input: [65]))
        let files = try FileManager.default.subpathsOfDirectory(atPath: store + "/entries").map {
            "\(store)/entries/\($0)"
        }
        let old = files.compactMap { path in FileManager.default.contents(atPath: path).map { (path, $0) } }
        documents.append(try document("set", "static:a", input: [66]))
        for (path, bytes) in old where FileManager.default.contents(atPath: path) != bytes {
            try home.write(String(path.dropFirst(home.root.count + 1)) + ".orig", Array(bytes))
        }
        for command in ["status", "list", "store conflicts", "doctor"] { documents.append(try document(command)) }
        documents.append(try document("show", "static:a"))
        documents.append(try document("store resolve", "static:a", "--keep", "2"))
        documents.append(try document("store conflicts"))
        documents.append(try document("destroy", "--yes"))
        let conflicts = documents.filter { $0[1] as? String == "store-conflicts.schema.json" }
        let counts = conflicts.compactMap { ($0[2] as? [String: Any])?["entries"] as? [Any] }.map(\.count)
        #expect(counts == [1, 0])
        return documents
    }

    @Test func documentsAreWhatTheirSchemasSay() throws {
        let backupPassphrase = try home.write("bp", "backup")
        var documents: [[Any]] = []
        documents.append(
            try document("init", "--key", "key-file:" + home.path("key"), "--recovery-code-file", home.path("code"))
        )
        documents.append(try document("list"))
        let synced = "dir:" + home.path("synced")
        documents.append(try document("store show"))
        documents.append(try document("store migrate", "--to", synced, "--yes"))
        documents.append(try document("store use", synced))
        documents.append(try document("store remove", "sqlite", "--yes"))
        documents.append(try document("store show"))
        documents.append(try document("store migrate", "--to", "sqlite", "--yes", "--remove-old"))
        documents.append(try document("set", "static:a", input: Array("sk-EXAMPLE".utf8)))
        documents.append(try document("unlock", "--lifetime", "1h", "--idle", "10m"))
        documents.append(try document("unlock"))
        documents.append(try document("status"))
        documents.append(try document("rename", "static:a", "b"))
        documents.append(try document("token", "static:b"))
        documents.append(try document("show", "static:b", "--reveal"))
        let fixtures = [
            "claude/.credentials.json", "codex/auth.json", "gemini/oauth_creds.json", "generic/go-oauth2-token.json",
        ]
        let files = try fixtures.map { try home.fixture($0, to: "tokens/." + $0) }
        let generic = try home.write("t.json", #"{"access_token": "AT-EXAMPLE", "expiry": "2099-01-01T00:00:00.5Z"}"#)
        documents.append(try document("import --dry-run", home.path("tokens"), generic))
        documents.append(try document("import --dry-run", home.path("none"), generic, status: 2))
        documents.append(try document("import --dry-run", "--scan", home.path("tokens")))
        documents.append(try document("import", home.path("tokens"), "--yes"))
        documents.append(try document("import", files[0], "--remove", "--yes"))
        documents.append(try document("restore-file", "claude", "--yes"))
        documents.append(try document("import", generic, home.path("none"), "--name", "t", "--yes", status: 2))
        documents.append(try document("import", generic, "--name", "t"))
        documents.append(try document("list"))
        let list = try home.vault("list", "--json").object()["entries"] as? [[String: Any]] ?? []
        #expect(list.count > 4)
        for name in list.compactMap({ $0["name"] as? String }) {
            documents.append(try document("show", name))
            documents.append(try document("show", name, "--reveal"))
        }
        documents.append(try document("token", "t"))
        documents.append(
            try document("edit", "t", "--confirm", "--program", "/usr/bin/env", "--meta", "a=b", "--host", "h.example")
        )
        #expect(try home.vault("token", "t", "--no-input").status == 10)
        documents.append(try document("audit"))
        documents.append(try document("adopt", "t", "--yes"))
        documents.append(try document("lock"))
        documents.append(try document("agent stop"))
        documents.append(
            try document("export", home.path("b"), "--kdf", "interactive", "--backup-passphrase-file", backupPassphrase)
        )
        documents.append(try document("remove", "t", "--yes"))
        let server = try OAuthServer()
        documents.append(try document("discover", server.base))
        documents.append(try document("discover", "https://127.0.0.1:1/mcp", status: 9))
        let client = ["--issuer", server.base, "--client-id", "basic", "--client-credentials"]
        let secret = try home.write("secret", "a:b%+ é")
        let words = ["s", "--client-secret-file", secret] + client
        let login = try home.run([Sandbox.program, "login"] + words + ["--json"])
        try #require(login.status == 0, "\(login.notes)")
        documents.append(["login", "login.schema.json", try login.object()])
        documents.append(try document("show", "s", "--reveal"))
        documents.append(try document("token", "s", "--refresh"))
        documents.append(try document("logout", "s", "--yes"))
        documents.append(try document("set", "static:b", input: Array("changed".utf8)))
        documents.append(
            try document("restore", home.path("b"), "--backup-passphrase-file", backupPassphrase, status: 2)
        )
        documents.append(try document("key list"))
        documents.append(
            try document(
                "key add",
                "passphrase",
                "--kdf",
                "interactive",
                "--new-passphrase-file",
                home.write("p", "sesame")
            )
        )
        documents.append(try document("key add", "key-file:" + home.path("k2")))
        documents.append(try document("key list"))
        documents.append(try document("status"))
        let slots = try home.vault("key", "list", "--json").object()["slots"] as? [[String: Any]] ?? []
        let second = try #require(slots.last?["id"] as? String)
        documents.append(try document("key change", second, "--key-file", home.path("k3")))
        let third = try #require(
            (try home.vault("key", "list", "--json").object()["slots"] as? [[String: Any]])?.last?["id"] as? String
        )
        documents.append(try document("key remove", third))
        documents.append(try document("key rotate", "--yes", "--no-recovery-code"))
        documents.append(try document("doctor"))
        let log = try home.auditLog()
        try Data(home.read(log).dropLast(1024)).write(to: URL(filePath: log))
        documents.append(try document("audit", "--since", "1d", status: 7))
        documents.append(try document("audit", "--accept"))
        try FileManager.default.removeItem(atPath: home.path("key"))
        documents.append(try document("doctor", status: 3))
        documents.append(try document("status"))
        documents.append(try document("destroy", "--yes"))
        documents += try conflictDocuments()
        documents.append(try document("agent install", "--unlock-at-login", "--dry-run"))
        documents.append(try document("agent install"))
        documents.append(try document("agent install", "--remove"))
        documents.append(try document("doctor", status: 4))
        #expect(try complaints(documents) == [])
        let seen = Set(documents.compactMap { $0[1] as? String })
        #expect(seen == Set(Self.schemas.values.map { $0 + ".schema.json" }))
    }

    @Test func schemasRefuseWhatTheyDoNotKnow() throws {
        let good: [String: Any] = [
            "access_token": "x", "token_type": "Bearer", "expires_at": "2099-01-01T00:00:00Z", "state": "active",
        ]
        let wrong: [[String: Any]] = [
            good.merging(["more": 1]) { $1 }, good.filter { $0.key != "state" }, good.merging(["state": "fine"]) { $1 },
            good.merging(["expires_at": "tomorrow"]) { $1 }, good.merging(["expires_at": 4_070_908_800]) { $1 },
        ]
        let name = "token.schema.json"
        #expect(try complaints([["good", name, good]]) == [])
        for document in wrong { #expect(try complaints([["wrong", name, document]]).count == 1) }
        #expect(try complaints([["none", "none.schema.json", good]]).count == 1)
    }

    @Test func theAgentSpeaksAsItsSchemaSays() throws {
        try #require(
            home.vault("init", "--key", "key-file:" + home.path("key"), "--no-recovery-code").status == 0
        )
        try #require(home.vault("unlock").status == 0)
        try #require(home.vault("set", "static:a", input: Array("sk-EXAMPLE".utf8)).status == 0)
        let file = try home.write("t.json", #"{"access_token": "AT-EXAMPLE", "expiry": "2099-01-01T00:00:00.5Z"}"#)
        try #require(home.vault("import", file, "--name", "t", "--yes").status == 0)
        let calls: [(String, [String: Any])] = [
            ("status", [:]), ("token", ["name": "static:a"]), ("token", ["name": "t", "min_valid": 60]),
            ("authorization", ["name": "t", "method": "GET", "url": "https://api.example/"]), ("list", [:]),
            ("show", ["name": "t"]), ("put", ["name": "static:b", "secret_base64": "c2s="]),
            ("rename", ["name": "static:b", "to": "static:c"]), ("remove", ["name": "static:c"]),
            ("adopt", ["name": "t"]), ("logout", ["name": "t"]), ("lock", [:]), ("stop", [:]),
        ]
        let requests = calls.map { method, params -> [String: Any] in
            let all = params.merging(["protocol": 1, "vault": home.directory]) { $1 }
            return ["jsonrpc": "2.0", "id": 1, "method": method, "params": all]
        }
        let lines = try requests.map { String(decoding: try JSONSerialization.data(withJSONObject: $0), as: UTF8.self) }
        let refused = [#"{"jsonrpc":"2.0","id":"a","method":"none","params":{"protocol":1}}"#, "[]", "{"]
        let socket = home.path("run/vault/agent.sock")
        let asked = refused + lines
        let answers = try home.run(
            [Sandbox.supportFile("agent/ask.py"), socket],
            input: Array(asked.map { $0 + "\n" }.joined().utf8)
        )
        try #require(answers.status == 0 && answers.lines.count == asked.count, "\(answers.notes)")
        let given = try answers.lines.map { line in
            try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
        }
        var documents = given.map { ["an answer", "agent.schema.json", $0] as [Any] }
        documents += requests.map { ["a request", "agent.schema.json", $0] as [Any] }
        for (call, answer) in zip(calls, given.dropFirst(refused.count)) {
            let result = try #require(answer["result"], "\(call.0): \(answer)")
            documents.append([call.0, "agent.schema.json#/$defs/result_\(call.0)", result])
        }
        #expect(try complaints(documents) == [])
        #expect(given.prefix(refused.count).allSatisfy { $0["error"] != nil })
    }
}
