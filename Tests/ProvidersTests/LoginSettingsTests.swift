import Foundation
import Providers
import Testing
import VaultAPI
import VaultCrypto

struct LoginSettingsTests {
    private let home: Scratch

    init() throws { home = try Scratch() }

    private func settings(_ text: String) throws -> LoginSettings {
        try LoginSettings(yaml: Array(text.utf8), subject: "oauth/x.yaml")
    }

    private static let moat = """
        auth_url: https://auth.example.com/authorize
        token_url: https://auth.example.com/token
        client_id: "my-client"
        client_secret: 'a:b%+ é'
        scopes:
          - read
          - write

        """

    @Test func moatsFileIsRead() throws {
        let path = try home.write("linear.yaml", Self.moat)
        let read = try #require(try LoginSettings.read(path))
        #expect(read.authorizationURL == "https://auth.example.com/authorize")
        #expect(read.tokenURL == "https://auth.example.com/token" && read.clientID == "my-client")
        #expect(read.scopes == ["read", "write"] && read.provider == nil && read.parameters.isEmpty)
        let secret = read.clientSecret?.withSecret { $0.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
        #expect(secret == "a:b%+ é")
        #expect(!"\(read)".contains("a:b%") && !String(reflecting: read).contains("a:b%"))
    }

    @Test func everyFieldOfOursIsRead() throws {
        let read = try settings(
            """
            provider: gitlab
            parameters: {host: gitlab.example.org}
            issuer: https://a
            device_url: https://a/device
            revocation_url: https://a/revoke
            resource: https://a/r
            client_auth: client_secret_post
            scope_separator: ","
            url: https://a/mcp
            client_metadata_url: https://c/client.json
            register_auth: client_secret_basic
            """
        )
        #expect(read.provider == "gitlab" && read.parameters == ["host": "gitlab.example.org"])
        #expect(read.issuer == "https://a" && read.deviceURL == "https://a/device")
        #expect(read.revocationURL == "https://a/revoke")
        #expect(read.resource == "https://a/r" && read.clientAuthentication == "client_secret_post")
        #expect(read.scopeSeparator == "," && read.resourceURL == "https://a/mcp")
        #expect(read.clientMetadataURL == "https://c/client.json")
        #expect(read.registrationAuthentication == "client_secret_basic")
    }

    @Test func theSchemaSaysTheSame() throws {
        let good: [[String: Any]] = [
            [
                "auth_url": "https://a", "token_url": "https://b", "client_id": "c", "client_secret": "d",
                "scopes": ["e"],
            ],
            ["provider": "gitlab", "parameters": ["host": "a"], "client_auth": "none", "scope_separator": ","],
            ["url": "https://a", "client_metadata_url": "https://b", "register_auth": "none"],
        ]
        let bad: [[String: Any]] = [
            ["authurl": "x"], ["scopes": "read write"], ["client_id": 5], ["client_auth": "basic"], ["issuer": ""],
            ["parameters": ["a": "b"]], ["url": ""], ["client_secret": "x"], ["register_auth": "basic"],
        ]
        func text(_ document: [String: Any]) throws -> String {
            String(decoding: try JSONSerialization.data(withJSONObject: document), as: UTF8.self)
        }
        for document in good { _ = try settings(text(document)) }
        for document in bad { expect(.configuration) { _ = try settings(text(document)) } }
        func complaints(_ document: [String: Any]) throws -> Int {
            try home.complaints([["x", "login-settings.schema.json", document]]).count
        }
        for document in good { #expect(try complaints(document) == 0) }
        for document in bad { #expect(try complaints(document) > 0, "\(document)") }
    }

    @Test func whereThereIsNoFileThereAreNoSettings() throws {
        #expect(try LoginSettings.read(home.path("none.yaml")) == nil)
    }

    @Test(arguments: [
        ("client_id: x\nscope: read\n", "line 2: scope: is no field"),
        ("client_id: 12\n", "line 1: client_id: is a number"),
        ("url: [https://a]\n", "line 1: url: is a list"), ("client_secret: x\n", "client_id is missing"),
        ("register_auth: basic\n", "line 1: register_auth"),
        ("client_id: yes\n", "line 1: client_id: is true or false"), ("client_id:\n", "line 1: client_id: is empty"),
        ("client_id: \"\"\n", "line 1: client_id: is empty"), ("scopes: read\n", "line 1: scopes: is a text"),
        ("a: b\na: c\n", "twice"), ("- a\n", "line 1: is a list"), ("just text\n", "line 1: is a text"),
        ("", "is empty"),
        ("# nothing\n", "is empty"), ("client_id: [x\n", "not well-formed YAML"),
        ("client_id: \"x\n", "not well-formed"),
        ("client_id: \"a\\nb\"\n", "control character"), ("client_id: \"a\\u202eb\"\n", "control character"),
        ("? [a]\n: b\n", "a field's name"), ("client_id: x\n---\nclient_id: y\n", "not well-formed"),
        ("client_auth: basic\n", "line 1: client_auth"), ("parameters: {a: b}\n", "line 1: parameters"),
        ("scopes: [read, [write]]\n", "line 1: scopes: is a list"), ("client_id: 2026-01-01\n", "is a date"),
    ])
    func aMistakeIsNamedWithFileAndLine(text: String, place: String) {
        expect(.configuration, naming: place) { _ = try settings(text) }
        expect(.configuration, naming: "oauth/x.yaml") { _ = try settings(text) }
    }

    @Test func anErrorQuotesNothingOfTheFile() {
        for text in ["client_secret: hunter2 \"\nx: [", "client_secret: [hunter2\n", "client_secret: {hunter2: 1}\n"] {
            do {
                _ = try settings(text)
                Issue.record("nothing was thrown")
            } catch {
                #expect(!"\(error)".contains("hunter2"))
            }
        }
    }

    @Test(arguments: ["a: &x b\n", "a: *x\n", "a: [&x b, *x]\n", "<<: *x\n", "a: !!str b\n", "- &a\n", "&a a: b\n"])
    func anchorsAliasesAndTagsAreRefused(text: String) {
        expect(.configuration, naming: "an anchor, alias or tag") { _ = try settings(text) }
    }

    @Test func anAmpersandInsideATextIsNone() throws {
        let read = try settings(
            "device_url: https://a/?x&y=*z!\nclient_id: x\nclient_secret: '&a *b !c' # &comment\nissuer: a & b\n"
        )
        #expect(read.deviceURL == "https://a/?x&y=*z!" && read.issuer == "a & b")
    }

    @Test func aBombIsRefusedBeforeItIsBuilt() {
        var bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        for level in 1..<30 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ",")
            bomb += "a\(level): &a\(level) [\(aliases)]\n"
        }
        expect(.configuration, naming: "line 1") { _ = try settings(bomb) }
        expect(.configuration) { _ = try settings("a: " + String(repeating: "[", count: 60_000)) }
        expect(.configuration) { _ = try settings(String(repeating: "- ", count: 30_000) + "a") }
        expect(.configuration) { _ = try settings(String(repeating: "? ", count: 30_000) + "a") }
        expect(.configuration) { _ = try settings("\u{FEFF}[a") }
        expect(.configuration) { _ = try LoginSettings(yaml: [0xFF, 0xFE, 0x00], subject: "x") }
        expect(.configuration) { _ = try settings("client_id: \0\n") }
    }

    @Test(
        arguments: [
            ("issuer: https://a\n", "https://b", nil), ("issuer: https://a\n", "https://a/", nil),
            ("token_url: https://a/t\n", "https://b", nil), ("provider: google\n", "https://b", nil),
            ("provider: google\n", nil, "github"), ("auth_url: https://a/a\ntoken_url: https://a/t\n", nil, "github"),
            ("provider: gitlab\nparameters: {host: a.example}\n", nil, nil),
        ] as [(String, String?, String?)]
    )
    func endpointsClientAndSecretGoToTheFilesServerOnly(text: String, issuer: String?, provider: String?) throws {
        var read = try settings(
            text + "client_id: x\nclient_secret: y\nclient_auth: client_secret_post\nscopes: [read]\n"
        )
        let isOther = read.leaveOutOtherServer(issuer: issuer, provider: provider, parameters: ["host": "b.example"])
        #expect(isOther)
        #expect(read.clientID == nil && read.clientSecret == nil && read.clientAuthentication == nil)
        #expect(read.tokenURL == nil && read.authorizationURL == nil && read.issuer == nil && read.scopes == ["read"])
        #expect((read.provider == nil) == (issuer != nil || provider != nil))
    }

    @Test(
        arguments: [
            ("issuer: https://a\n", "https://a", nil), ("issuer: https://a\n", nil, nil), ("", "https://b", nil),
            ("provider: github\n", nil, "github"), ("", nil, "github"), ("provider: databricks\n", nil, nil),
        ] as [(String, String?, String?)]
    )
    func settingsForThatServerAreKept(text: String, issuer: String?, provider: String?) throws {
        var read = try settings(text + "client_id: x\nclient_secret: y\n")
        let isOther = read.leaveOutOtherServer(issuer: issuer, provider: provider, parameters: ["host": "b.example"])
        #expect(!isOther)
        #expect(read.clientID == "x" && read.clientSecret != nil)
    }

    @Test(arguments: [
        "url: https://a/mcp\n", "url: https://a/mcp/\n", "url: https://A/mcp\n", "url: https://b/m\u{E9}\n",
        "issuer: https://a\n", "provider: google\n", "token_url: https://a/t\n",
    ])
    func aClientOfAnotherResourceIsLeftOut(text: String) throws {
        var read = try settings(
            text + "client_id: x\nclient_secret: y\nclient_metadata_url: https://c\nregister_auth: none\n"
                + "resource: https://r\nscopes: [read]\n"
        )
        let url = text.contains("https://b") ? "https://b/me\u{301}" : "https://b/mcp"
        let isOther = read.leaveOutOtherServer(issuer: nil, provider: nil, resourceURL: url)
        #expect(isOther && read.clientID == nil && read.clientSecret == nil && read.clientMetadataURL == nil)
        #expect(read.registrationAuthentication == nil && read.resourceURL == nil && read.resource == nil)
        #expect(read.issuer == nil && read.provider == nil && read.tokenURL == nil && read.scopes == ["read"])
    }

    @Test(
        arguments: [
            ("url: https://a/mcp\nissuer: https://i\n", "https://a/mcp", nil), ("url: https://a/mcp\n", nil, nil),
            ("", "https://b", nil), ("client_metadata_url: https://c\n", "https://b", nil),
            ("url: https://a/mcp\nissuer: https://i\n", "https://a/mcp", "https://i"),
            ("url: https://a/mcp\nissuer: https://i\n", nil, "https://i"),
        ] as [(String, String?, String?)]
    )
    func aClientOfThatResourceIsKept(text: String, url: String?, issuer: String?) throws {
        var read = try settings(text + "client_id: x\nclient_secret: y\n")
        let before = read.resourceURL
        let isOther = read.leaveOutOtherServer(issuer: issuer, provider: nil, resourceURL: url)
        #expect(!isOther && read.clientID == "x" && read.clientSecret != nil && read.resourceURL == before)
    }

    @Test func aFileThatNamesAResourceIsOfNoOtherServer() throws {
        for (issuer, provider) in [("https://b", nil), (nil, "github")] as [(String?, String?)] {
            var read = try settings("url: https://a/mcp\nclient_id: x\nclient_secret: y\nresource: https://r\n")
            let isOther = read.leaveOutOtherServer(issuer: issuer, provider: provider)
            #expect(isOther && read.clientSecret == nil && read.resourceURL == nil && read.resource == "https://r")
        }
    }

    /// Each hides the anchors and aliases of a bomb from one who does not read as the parser does.
    @Test(arguments: [
        "# x\r", "# x\u{85}", "# x\u{2028}", "# x\u{2029}", "k: \"a\\\" '\"\n", "k: \"a\\\n\" '\n", "k: 'a'' '\n",
        "k: \"a\\\\\" '\n", "k: {\"a\":&z 1,b,&y c: 1}\n", "k: {?&z a: 1}\n", "k: a'\n", "k: a #'\n",
    ])
    func noPrefixHidesABomb(prefix: String) {
        var bomb = prefix + "? &a0 [x,x]\n: x\n"
        for level in 1..<40 { bomb += "? &a\(level) [*a\(level - 1),*a\(level - 1)]\n: x\n" }
        let start = ContinuousClock.now
        expect(.configuration) { _ = try settings(bomb) }
        expect(.configuration) { _ = try settings(bomb.replacing("\n", with: "\r")) }
        expect(.configuration) { _ = try settings(prefix + bomb + "'\"\n") }
        #expect(ContinuousClock.now - start < .seconds(60))
    }

    @Test(arguments: ["\n", "\r\n"])
    func quotesWithinQuotesAndBothLineEndsAreRead(end: String) throws {
        let text = "client_secret: \"a\\\" &b *c \\\\\"\(end)client_id: 'it''s *d &e'\(end)"
        let read = try settings(text)
        let secret = read.clientSecret?.withSecret { $0.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
        #expect(secret == "a\" &b *c \\")
        #expect(read.clientID == "it's *d &e")
    }

    @Test func whatIsNoFileIsRefused() throws {
        expect(.configuration, naming: "directory") { _ = try LoginSettings.read(try home.directory("d.yaml")) }
        try #require(mkfifo(home.path("f.yaml"), 0o600) == 0)
        expect(.configuration, naming: "FIFO") { _ = try LoginSettings.read(home.path("f.yaml")) }
        try home.write("long.yaml", "")
        try #require(truncate(home.path("long.yaml"), 1 << 30) == 0)
        expect(.configuration, naming: "long.yaml") { _ = try LoginSettings.read(home.path("long.yaml")) }
    }

    @Test func whatOthersCouldHaveAHandInIsRefused() throws {
        try home.write("a.yaml", "client_id: x\n")
        try FileManager.default.createSymbolicLink(
            atPath: home.path("l.yaml"),
            withDestinationPath: home.path("a.yaml")
        )
        expect(.unsafe, naming: "symbolic link") { _ = try LoginSettings.read(home.path("l.yaml")) }
        for mode in [0o620, 0o602, 0o666] {
            try home.setMode(mode, "a.yaml")
            expect(.unsafe, naming: "a.yaml") { _ = try LoginSettings.read(home.path("a.yaml")) }
        }
        try home.setMode(0o644, "a.yaml")
        #expect(try LoginSettings.read(home.path("a.yaml"))?.clientID == "x")
        try home.write("s.yaml", "client_id: x\nclient_secret: x\n", mode: 0o644)
        expect(.unsafe, naming: "client secret") { _ = try LoginSettings.read(home.path("s.yaml")) }
    }
}
