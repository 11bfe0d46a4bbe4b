import Foundation
import PrivateFiles
import StrictJSON
import Testing
import VaultAPI
import VaultCore

@testable import TokenImport

/// What a token file leaves out and other files of the machine say; and what its owner holds while it writes.
struct AgentCompanionTests {
    private let reader: AgentReader

    init() throws { reader = try AgentReader() }

    private static let hash = "494d19bc05f3885edf847e391b7f9153"
    private static let place = ".mcp-auth/mcp-remote-v1/\(hash)"

    private func copyTokens(to place: String = AgentCompanionTests.place) throws -> String {
        let path = try reader.directory.copy(
            "mcp-auth/mcp-remote-v1/\(Self.hash)_tokens.json",
            to: "\(place)_tokens.json"
        )
        let written = Date(timeIntervalSince1970: 1_893_452_400.75)
        try FileManager.default.setAttributes([.modificationDate: written], ofItemAtPath: path)
        return path
    }

    private func copyClient() throws {
        try reader.directory.copy(
            "mcp-auth/mcp-remote-v1/\(Self.hash)_client_info.json",
            to: "\(Self.place)_client_info.json"
        )
    }

    // MARK: mcp-remote

    @Test(arguments: [
        (
            ".claude.json",
            #"{"projects":{"/x":{"mcpServers":{"e":{"command":"npx","args":["-y","mcp-remote","URL"]}}}}}"#
        ),
        (".cursor/mcp.json", #"{"mcpServers":{"e":{"command":"npx","args":["mcp-remote@latest","URL","3334"]}}}"#),
        (
            ".codeium/windsurf/mcp_config.json",
            #"{"mcpServers":{"e":{"command":"npx","args":["mcp-remote","URL","--header","X-Key: ${KEY}"]}}}"#
        ),
        (
            ".config/Claude/claude_desktop_config.json",
            #"{"mcpServers":{"o":{"command":"npx","args":["mcp-remote","https://o.example"]},"e":{"command":"/usr/bin/mcp-remote","args":["URL"]}}}"#
        ),
        (
            ".config/Code/User/mcp.json",
            #"{"servers":{"e":{"type":"stdio","command":"npx","args":["mcp-remote","URL"]}}}"#
        ),
        (
            ".config/opencode/opencode.json",
            #"{"mcp":{"e":{"type":"local","command":["npx","-y","mcp-remote","URL"]}}}"#
        ),
        (".gemini/settings.json", #"{"mcpServers":{"e":{"command":"npx","args":["mcp-remote@0.1.37","URL"]}}}"#),
    ])
    func findsTheServerWhereItIsConfigured(_ place: String, _ text: String) async throws {
        let path = try copyTokens()
        try copyClient()
        try reader.directory.write(place, text.replacing("URL", with: "https://mcp.example.com/sse"))
        #expect(
            try await reader.lines(path) == [
                "oauth:mcp-remote-mcp.example.com  expires=2030-01-01T00:00:00Z accessToken=at-EXAMPLE "
                    + "refreshToken=rt-EXAMPLE held"
            ]
        )
        let grant = try #require(try reader.reading(path).contents.grants.first)
        #expect(grant.summary.resource == "https://mcp.example.com/sse")
        #expect(grant.summary.clientID == "client-EXAMPLE")
        #expect(grant.summary.clientAuthentication == "none")
        #expect(grant.summary.scopes == ["read"])
        #expect(grant.summary.tokenEndpoint == nil)
        #expect(grant.notes.isEmpty)
    }

    /// MD5 of `https://mcp.example.com/sse|https://api.example.com` and of the URL with `{"A":"1","B":"say \"x\""}`.
    @Test(arguments: [
        ("3a0aae071e741bc9cdf736d414d5b2a3", #""--resource","https://api.example.com""#),
        ("14b485e3c808683c23ee5f7e679616f2", #""--header","B:say \"x\"","--header","A: 1""#),
    ])
    func hashesWhatItIsStartedWith(_ hash: String, _ arguments: String) throws {
        let path = try copyTokens(to: ".mcp-auth/mcp-remote-0.1.37/\(hash)")
        try reader.directory.write(
            ".cursor/mcp.json",
            #"{"mcpServers":{"e":{"command":"npx","args":["mcp-remote","https://mcp.example.com/sse",ARGS]}}}"#
                .replacing("ARGS", with: arguments)
        )
        let grant = try #require(try reader.reading(path).contents.grants.first)
        #expect(grant.summary.resource == "https://mcp.example.com/sse")
    }

    @Test func takesNoServerThatTheHashDenies() throws {
        let path = try copyTokens()
        for place in [".cursor/mcp.json", ".claude.json"] {
            try reader.directory.write(
                place,
                #"{"mcpServers":{"e":{"command":"npx","args":["mcp-remote","https://evil.example/sse"]}}}"#
            )
        }
        let grant = try #require(try reader.reading(path).contents.grants.first)
        #expect(grant.summary.resource == nil)
        #expect(grant.summary.name.description == "oauth:mcp-remote-494d19bc")
        #expect(grant.notes.contains { $0.contains("--resource") })
        #expect(grant.notes.contains { $0.contains("--client-id") })
    }

    @Test func takesTheServerThatIsNamed() throws {
        let path = try copyTokens()
        var options = reader.options
        options.resource = "https://mcp.example.com/sse"
        let reading = try FileReading.of(path, options: options, now: testNow)
        #expect(reading.contents.grants.first?.summary.name.description == "oauth:mcp-remote-mcp.example.com")
    }

    /// The time of a copy is that of the copying.
    @Test func doesNotTakeTheTimeOfACopy() throws {
        let path = try copyTokens(to: "backup/\(Self.hash)")
        let grant = try #require(try reader.reading(path).contents.grants.first)
        #expect(grant.summary.expiry == .unknown)
        #expect(grant.summary.issuedAt == nil)
        #expect(grant.notes.contains { $0.contains("unknown") })
    }

    @Test(arguments: [
        (#"{"access_token":"at-EXAMPLE","token_type":"Bearer"}"#, nil),
        (#"{"access_token":"at-EXAMPLE","expires_in":0}"#, nil),
        (#"{"access_token":"at-EXAMPLE","expires_in":-5}"#, nil),
        (#"{"access_token":"at-EXAMPLE","expires_in":9223372036854775807}"#, nil),
        (#"{"access_token":"at-EXAMPLE","expires_in":3600,"id_token":"it-EXAMPLE","new":1}"#, Int64(3600)),
        (#"{"access_token":"at-EXAMPLE","expires_in":"3600"}"#, Int64(-1)),
        (#"{"access_token":["x"]}"#, Int64(-1)), (#"{"access_token":"at-EXAMPLE","access_token":"x"}"#, Int64(-1)),
        (#"{"access_token":"at-EXAM"#, Int64(-1)),
    ])
    func readsALifetimeOrRefusesIt(_ text: String, _ lifetime: Int64?) throws {
        let path = try reader.directory.write("\(Self.place)_tokens.json", text)
        guard lifetime != -1 else {
            let error = #expect(throws: VaultError.self) { try reader.reading(path, as: "mcp-remote") }
            #expect(error?.code == .damaged)
            return
        }
        let reading = try reader.reading(path)
        let expected = lifetime.flatMap { Timestamp(seconds: reading.file.modified.seconds + $0) }
        #expect(reading.contents.grants.first?.summary.expiry == expected.map { .known($0) } ?? .unknown)
    }

    /// The secret stands in a file that is not the grant's: it is taken in, and the file stays.
    @Test func takesTheClientsSecretFromItsFile() async throws {
        let path = try copyTokens()
        let client = try reader.directory.write(
            "\(Self.place)_client_info.json",
            #"{"client_id":"client-EXAMPLE","client_secret":"cs-EXAMPLE","redirect_uris":[],"client_secret_expires_at":1893456000}"#
        )
        var options = reader.options
        options.remove = true
        let vault = MemoryVault()
        let plan = try await ImportPlan.make([path], options: options, for: vault, now: testNow)
        let report = await plan.execute(into: vault, now: testNow)
        #expect(report.code == nil, "\(report.lines)")
        #expect(vault.text("mcp-remote-494d19bc", .clientSecret) == "cs-EXAMPLE")
        #expect(vault.summary("mcp-remote-494d19bc")?.clientID == "client-EXAMPLE")
        #expect(vault.summary("mcp-remote-494d19bc")?.clientSecretExpiresAt == Timestamp(seconds: 1_893_456_000))
        #expect(!reader.directory.exists(path))
        #expect(try reader.directory.text(client).contains("cs-EXAMPLE"))
    }

    // MARK: Accounts

    @Test func takesClaudesAccountFromItsSettings() throws {
        let path = try reader.directory.copy("claude/.credentials.json", to: ".claude/.credentials.json")
        #expect(try reader.reading(path).contents.grants.first?.summary.account == nil)
        try reader.directory.write(".claude.json", #"{"oauthAccount":{"emailAddress":"user@example.com"}}"#)
        #expect(try reader.reading(path).contents.grants.first?.summary.account == "user@example.com")
        let copy = try reader.directory.copy("claude/.credentials.json", to: "backup/.credentials.json")
        #expect(try reader.reading(copy).contents.grants.first?.summary.account == nil)
    }

    @Test func takesGeminisAccountFromItsFileOfAccounts() throws {
        let path = try reader.directory.write(
            ".gemini/oauth_creds.json",
            #"{"access_token":"at-EXAMPLE","expiry_date":1893456000000}"#
        )
        try reader.directory.write(".gemini/google_accounts.json", #"{"active":"user@example.com","old":[]}"#)
        #expect(try reader.reading(path).contents.grants.first?.summary.account == "user@example.com")
    }

    // MARK: Locks

    /// A file is left alone while its owner writes; elsewhere it has no owner.
    @Test(arguments: [
        ("claude/.credentials.json", ".claude/.credentials.json", ".claude/.storage-write"),
        ("claude/.credentials.json", ".claude/.credentials.json", ".claude/.oauth_refresh.lock"),
        ("claude/.credentials.json", ".claude/.credentials.json", ".claude.lock"),
        ("gemini/oauth_creds.json", ".qwen/oauth_creds.json", ".qwen/oauth_creds.lock"),
    ])
    func waitsForItsOwner(_ fixture: String, _ place: String, _ lock: String) throws {
        var text = try Fixture.text(fixture)
        if place.contains("qwen") { text = text.replacing("googleapis", with: "example") }
        let path = try reader.directory.write(place, text)
        let held = "\(reader.directory.path)/\(lock)"
        try PrivateFiles.makeDirectory(held)
        let reading = try reader.reading(path)
        let pointers = Set(reading.contents.grants.map(\.value.pointer))
        let removal = TokenRemoval(reading: reading, machine: reader.options.machine)
        let error = #expect(throws: VaultError.self) { try removal.remove(pointers) }
        #expect(error?.code == .temporary)
        #expect(try reader.directory.text(path) == text)
        try FileManager.default.removeItem(atPath: held)
        _ = try removal.remove(pointers)
        #expect(!reader.directory.exists(held))
    }
}
