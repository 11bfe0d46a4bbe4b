import Foundation
import OAuthFlows
import Providers
import TestSupport
import Testing
import VaultAPI

struct ServerCatalogTests {
    /// Those that `vault login NAME` has to know, whatever else it knows.
    private static let promised = [
        "asana": "https://mcp.asana.com/mcp", "betterstack": "https://mcp.betterstack.com",
        "cloudflare": "https://mcp.cloudflare.com/mcp", "hubspot": "https://mcp.hubspot.com",
        "linear": "https://mcp.linear.app/mcp", "notion": "https://mcp.notion.com/mcp",
        "posthog": "https://mcp.posthog.com/mcp", "sentry": "https://mcp.sentry.dev/mcp",
        "stripe": "https://mcp.stripe.com",
    ]

    private let home: Scratch

    init() throws { home = try Scratch() }

    private func document() throws -> [[String: Any]] {
        let file = Sandbox.supportFile("../../Sources/Providers/servers.json")
        let servers = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: file))) as? [String: Any]
        return try #require(servers?["servers"] as? [[String: Any]])
    }

    @Test func thePromisedServersAreKnown() throws {
        let catalog = try ServerCatalog()
        for (name, url) in Self.promised {
            let server = try #require(catalog.server(name))
            #expect(server.url == url && server.kind == .oauth && server.name == name)
        }
        #expect(catalog.server("none") == nil)
    }

    @Test func everyServerIsWhatItsSchemaSays() throws {
        let servers = try document()
        let names = servers.compactMap { $0["name"] as? String }
        #expect(try ServerCatalog().names == names.sorted() && Set(names).count == servers.count)
        #expect(names == names.sorted())
        let documents = servers.map { [$0["name"] as? String ?? "", "known-server.schema.json", $0] as [Any] }
        #expect(try home.complaints(documents) == [])
    }

    @Test func everyServerCanBeAskedAndNamesWhereItIsFrom() throws {
        let catalog = try ServerCatalog()
        for name in catalog.names {
            let server = try #require(catalog.server(name))
            #expect(try EndpointURL(server.url, as: name).scheme == "https")
            #expect(server.title != name && server.notes.allSatisfy { $0.hasSuffix(".") }, "\(name)")
            #expect(Self.promised[name] != nil || server.source?.hasPrefix("https://") == true, "\(name)")
            #expect(server.kind == .oauth || server.keyPage != nil || !server.notes.isEmpty, "\(name)")
        }
    }

    @Test func aUsersServerTakesThePlaceOfOurs() throws {
        let directory = try home.directory("servers")
        try home.write("servers/linear.yaml", "url: http://127.0.0.1:9400/mcp?x=1\nscopes: [read]\n")
        try home.write(
            "servers/acme.yaml",
            "name: acme\nkind: api-key\nurl: https://acme.example\nheader: X-Key\nkey_page: https://acme.example/#keys\n"
        )
        try home.write("servers/notes.txt", "not a server")
        let catalog = try ServerCatalog(userDirectory: directory)
        let linear = try #require(catalog.server("linear"))
        #expect(linear.url == "http://127.0.0.1:9400/mcp?x=1" && linear.scopes == ["read"])
        #expect(linear.kind == .oauth && linear.title == "linear")
        let acme = try #require(catalog.server("acme"))
        #expect(acme.kind == .apiKey && acme.header == "X-Key" && acme.keyPage == "https://acme.example/#keys")
        let ours = try ServerCatalog().names
        #expect(catalog.names == (ours + ["acme"]).sorted())
        #expect(try ServerCatalog(userDirectory: directory + "-none").names == ours)
    }

    private static let mistakes = [
        ("url: https://a\nscope: read\n", "line 2: scope"), ("title: x\n", "line 1: url: is missing"),
        ("name: other\nurl: https://a\n", "line 1: name"), ("url: https://a\nkind: mcp\n", "line 2: kind"),
        ("url: https://a\nkind: api-key\nscopes: [x]\n", "line 3: scopes"),
        ("url: https://a\nkey_page: https://b\n", "line 2: key_page"),
        ("kind: api-key\nurl: https://a\nheader: \"X Key\"\n", "line 3: header"),
        ("kind: api-key\nurl: https://a\nheader: \"X:\"\n", "line 3: header"),
        ("kind: api-key\nurl: https://a\nkey_page: javascript:x\n", "line 3: key_page"),
        ("url: https://a\nsource: ftp://b\n", "line 2: source"), ("url: https://a\nnotes: x\n", "line 2: notes"),
        ("url: https://a\nurl: https://b\n", "twice"), ("url: [\n", "not well-formed"), ("", "is empty"),
    ]

    @Test(arguments: mistakes)
    func aUsersMistakeIsNamedWithItsLine(text: String, place: String) throws {
        let directory = try home.directory("servers")
        try home.write("servers/acme.yaml", text)
        expect(.configuration, naming: place) { _ = try ServerCatalog(userDirectory: directory) }
        expect(.configuration, naming: "acme.yaml") { _ = try ServerCatalog(userDirectory: directory) }
    }

    @Test(arguments: [
        "http://acme.example", "http://localhost.evil", "http://127.0.0.1@evil", "http://0x7f.1", "https://u:p@a",
        "https://a/#x", "https://a/../b", "https://a/%2e%2e/b", "https://a\\\\@b", "file:///etc/passwd", "acme.example",
        "https://", "https://a b", "https://ä", "https://a:0", "javascript:x", "smb://a",
    ])
    func anAddressThatLeadsElsewhereIsRefused(url: String) throws {
        let directory = try home.directory("servers")
        try home.write("servers/acme.yaml", "url: \"\(url)\"\n")
        expect(.configuration, naming: "line 1: url: is no URL") { _ = try ServerCatalog(userDirectory: directory) }
    }

    @Test func aKeyInAnAddressIsNotRepeated() throws {
        let directory = try home.directory("servers")
        try home.write("servers/acme.yaml", "url: https://a/?key=hunter2#x\n")
        do {
            _ = try ServerCatalog(userDirectory: directory)
            Issue.record("nothing was thrown")
        } catch {
            #expect(!"\(error)".contains("hunter2"))
        }
    }

    @Test func theSchemaRefusesWhatTheProgramRefuses() throws {
        let bad: [[String: Any]] = [
            ["title": "x"], ["url": "https://a", "scope": "x"], ["url": "https://a", "kind": "mcp"],
            ["url": "https://a", "key_page": "https://b"], ["url": "http://a"], ["url": "https://a#x"],
            ["url": "https://a", "kind": "api-key", "scopes": ["x"]], ["url": "https://u@a"],
            ["url": "https://a", "kind": "api-key", "header": "X Key"], ["url": "https://a", "name": "A"],
        ]
        let good: [[String: Any]] = [
            ["url": "https://a"], ["url": "http://localhost:1/x?y", "kind": "oauth", "scopes": ["x"]],
            ["url": "https://a", "kind": "api-key", "header": "X-Key", "key_page": "https://b/#c"],
        ]
        let directory = try home.directory("servers")
        func read(_ document: [String: Any]) throws {
            let text = String(decoding: try JSONSerialization.data(withJSONObject: document), as: UTF8.self)
            try home.write("servers/acme.yaml", text.replacing("\\/", with: "/"))
            _ = try ServerCatalog(userDirectory: directory)
        }
        func complaints(_ document: [String: Any]) throws -> Int {
            try home.complaints([["x", "known-server.schema.json", document]]).count
        }
        for document in good {
            try read(document)
            #expect(try complaints(document) == 0)
        }
        for document in bad {
            expect(.configuration) { try read(document) }
            #expect(try complaints(document) > 0, "\(document)")
        }
    }

    @Test func whatOthersCouldHaveAHandInIsRefused() throws {
        let directory = try home.directory("servers")
        try home.write("servers/acme.yaml", "url: https://a\n", mode: 0o620)
        expect(.unsafe, naming: "acme.yaml") { _ = try ServerCatalog(userDirectory: directory) }
        try home.setMode(0o600, "servers/acme.yaml")
        #expect(try ServerCatalog(userDirectory: directory).server("acme") != nil)
        try home.setMode(0o770, "servers")
        expect(.unsafe) { _ = try ServerCatalog(userDirectory: directory) }
    }

    @Test func aFileThatIsNotCalledAsAServerIsNotPassedOver() throws {
        for name in ["Acme.yaml", "acme.yml", "-x.yaml"] {
            let home = try Scratch()
            let directory = try home.directory("servers")
            try home.write("servers/" + name, "url: https://a\n")
            expect(.configuration, naming: name) { _ = try ServerCatalog(userDirectory: directory) }
        }
    }
}
