import Foundation
import TestSupport
import Testing

/// A program that links the library, against an authorization server that takes a reused refresh token for theft.
@Suite(.blocking)
struct RefreshingTests {
    private let home: Sandbox
    private let server: AuthorizationServer

    init() throws {
        home = try Sandbox()
        server = try AuthorizationServer()
        let made = try home.vault("init", "--no-recovery-code", "--key", "key-file:" + home.path("key"))
        try #require(made.status == 0, "\(made.notes)")
    }

    /// Puts a grant of the server into the vault, which owns it from then on, and gives its access token.
    private func store(_ name: String, expiry: String? = nil) async throws -> String {
        var grant = try await server.grant()
        grant["expires_in"] = nil
        grant["expiry"] = expiry
        let text = String(decoding: try JSONSerialization.data(withJSONObject: grant), as: UTF8.self)
        let file = try home.write("\(name).json", text)
        let outcome = try home.vault(
            "import",
            file,
            "--name",
            name,
            "--token-url",
            "\(server.base)/token",
            "--client-id",
            "public",
            "--remove",
            "--yes"
        )
        try #require(outcome.status == 0, "\(outcome.notes)")
        return try #require(grant["access_token"] as? String)
    }

    private static let program =
        URL(filePath: Sandbox.program).deletingLastPathComponent().path() + "library-example"

    private func use(_ arguments: String...) throws -> [String] {
        let outcome = try home.run([Self.program] + arguments)
        try #require(outcome.status == 0, "\(outcome.notes)")
        return outcome.text.split(whereSeparator: \.isWhitespace).map(String.init)
    }

    @Test func refreshesATokenThatHasRunOut() async throws {
        let old = try await store("work", expiry: "2001-01-01T00:00:00Z")
        let token = try use("token", "work")
        #expect(token.count == 1 && token != [old] && token != ["error"])
        #expect(try use("token", "work") == token)
        #expect(try await server.refreshes() == [1, 0])
    }

    @Test func refreshesOnceForAHundredTasksWhoseTokenWasRefused() async throws {
        _ = try await store("work", expiry: "2999-01-01T00:00:00Z")
        // Each of them has a token, all have the same one, and it is not the one that was refused.
        #expect(try use("reject", "work", "100") == ["100", "1", "false"])
        #expect(try await server.refreshes() == [1, 0])
    }

    @Test func refreshesOnceForManyProcesses() async throws {
        let old = try await store("work", expiry: "2001-01-01T00:00:00Z")
        let line = "for i in 1 2 3 4 5 6 7 8; do \"$@\" & done; wait"
        let tokens = try home.run(["/bin/sh", "-c", line, "sh", Self.program, "token", "work"]).lines
        #expect(tokens.count == 8 && Set(tokens).count == 1 && tokens.first != old && tokens.first != "error")
        #expect(try await server.refreshes() == [1, 0])
    }

    @Test func repeatsARequestThatTheResourceRefused() async throws {
        _ = try await store("work", expiry: "2999-01-01T00:00:00Z")
        try await server.expire()
        #expect(try use("get", "work", "\(server.base)/resource").first == "200")
        #expect(try await server.resourceOutcomes() == ["invalid_token", "ok"])
        #expect(try await server.refreshes() == [1, 0])
    }

    @Test func opensAVaultThoughTheProxyCannotBeUsed() async throws {
        home.environment["HTTPS_PROXY"] = "socks5://127.0.0.1:1"
        #expect(try home.vault("set", "static:x", input: Array("value".utf8)).status == 0)
        #expect(try use("token", "static:x") == ["value"])
        _ = try await store("work", expiry: "2001-01-01T00:00:00Z")
        let answer = try use("token", "work")
        #expect(answer.prefix(2) == ["error", "9"] && answer.contains("HTTPS_PROXY"))
    }
}
