import Foundation
import TestSupport
import Testing

/// A grant whose file another program still refreshes: the library takes what that program has refreshed, and asks no
/// server.
@Suite(.blocking)
struct SecondOwnerTests {
    private let home: Sandbox
    private let file: String

    init() throws {
        home = try Sandbox()
        let made = try home.vault("init", "--no-recovery-code", "--key", "key-file:" + home.path("key"))
        try #require(made.status == 0, "\(made.notes)")
        file = try home.write("home/.codex/auth.json", Self.codex("first", end: 1_600_000_000, refreshed: "2020-09-01"))
        let outcome = try home.vault("import", file, "--yes")
        try #require(outcome.status == 0, "\(outcome.notes)")
    }

    /// What Codex writes; the access token is a JWT, whose own claim is the only expiry in the file.
    private static func codex(_ word: String, end: Int, refreshed day: String) -> String {
        """
        {"auth_mode": "chatgpt", "OPENAI_API_KEY": null, "tokens": {"id_token": "\(token("id", end: end))",
        "access_token": "\(token(word, end: end))", "refresh_token": "rt-\(word)", "account_id": "acct-EXAMPLE"},
        "last_refresh": "\(day)T00:00:00Z"}
        """
    }

    private static func token(_ word: String, end: Int) -> String {
        let parts = [#"{"alg":"none"}"#, #"{"sub":"\#(word)","exp":\#(end)}"#, "signature"]
        let encoded = parts.map { Data($0.utf8).base64EncodedString().replacingOccurrences(of: "=", with: "") }
        return encoded.joined(separator: ".")
    }

    private func token() throws -> String {
        let program = URL(filePath: Sandbox.program).deletingLastPathComponent().path() + "library-example"
        let outcome = try home.run([program, "token", "codex"])
        try #require(outcome.status == 0, "\(outcome.notes)")
        return outcome.text
    }

    private func state() throws -> String? {
        try home.vault("show", "codex", "--json").object()["state"] as? String
    }

    @Test func takesTheOwnersNewerToken() async throws {
        // The token endpoint is OpenAI's; whoever asked it would go through this proxy.
        try await LoopbackListener.running { _ in
            "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
        } whileIn: {
            proxy in
            home.environment["HTTPS_PROXY"] = "http://127.0.0.1:\(proxy.port)"
            #expect(try token().hasPrefix("error 5 "))
            try home.write("home/.codex/auth.json", Self.codex("second", end: 4_000_000_000, refreshed: "2026-01-01"))
            #expect(try token() == Self.token("second", end: 4_000_000_000) + "\n")
            #expect(try state() == "held")
            #expect(proxy.requests == [])
        }
    }

    @Test func takesThemAsOftenAsTheOwnerRefreshes() throws {
        try home.write("home/.codex/auth.json", Self.codex("second", end: 4_000_000_000, refreshed: "2026-01-01"))
        #expect(try token() == Self.token("second", end: 4_000_000_000) + "\n")
        // The vault's copy runs out, as an import of one that has run out makes it.
        try home.write("home/.codex/auth.json", Self.codex("out", end: 1_700_000_000, refreshed: "2026-01-02"))
        #expect(try home.vault("import", file, "--yes").status == 0)
        #expect(try token().hasPrefix("error 5 "))
        try home.write("home/.codex/auth.json", Self.codex("third", end: 4_000_000_000, refreshed: "2026-01-03"))
        #expect(try token() == Self.token("third", end: 4_000_000_000) + "\n")
    }

    @Test(arguments: ["gone", "cut", "older", "expired", "other", "link", "directory"])
    func changesNothingWithoutNewerTokens(_ what: String) throws {
        let newer = Self.codex("second", end: 4_000_000_000, refreshed: "2026-01-01")
        try FileManager.default.removeItem(atPath: file)
        switch what {
        case "cut": try home.write("home/.codex/auth.json", String(newer.dropLast(40)))
        case "older":
            let older = Self.codex("second", end: 4_000_000_000, refreshed: "2020-01-01")
            try home.write("home/.codex/auth.json", older)
        case "expired":
            let expired = Self.codex("second", end: 1_700_000_000, refreshed: "2023-01-01")
            try home.write("home/.codex/auth.json", expired)
        case "other": try home.write("home/.codex/auth.json", #"{"access_token": "of something else"}"#)
        case "link":
            let other = try home.write("elsewhere.json", newer)
            try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: other)
        case "directory": try home.makeDirectory("home/.codex/auth.json")
        default: break
        }
        let before = try home.snapshot(home.directory)
        #expect(try token().hasPrefix("error 5 "))
        #expect(try home.snapshot(home.directory) == before)
        #expect(try state() == "held")
    }
}
