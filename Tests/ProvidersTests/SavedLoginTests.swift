import Foundation
import Providers
import Testing
import VaultAPI

struct SavedLoginTests {
    private let home: Scratch

    init() throws { home = try Scratch() }

    private static func full() -> SavedLogin {
        var login = SavedLogin()
        login.resourceURL = "https://mcp.example.org/mcp"
        login.issuer = "https://auth.example.org"
        login.authorizationURL = "https://auth.example.org/authorize"
        login.tokenURL = "https://auth.example.org/token"
        login.deviceURL = "https://auth.example.org/device"
        login.revocationURL = "https://auth.example.org/revoke"
        login.clientID = "my client: \"it's\" #1"
        login.clientAuthentication = "none"
        login.scopes = ["read", "write"]
        login.resource = "https://mcp.example.org"
        login.provider = "gitlab"
        login.parameters = ["host": "gitlab.example.org"]
        return login
    }

    /// What `LoginSettings` makes of it, in the same form.
    private func readBack(_ login: SavedLogin) throws -> SavedLogin {
        let read = try LoginSettings(yaml: login.yaml(), subject: "oauth/x.yaml")
        #expect(read.clientSecret == nil)
        var back = SavedLogin()
        back.resourceURL = read.resourceURL
        back.issuer = read.issuer
        back.authorizationURL = read.authorizationURL
        back.tokenURL = read.tokenURL
        back.deviceURL = read.deviceURL
        back.revocationURL = read.revocationURL
        back.clientID = read.clientID
        back.clientAuthentication = read.clientAuthentication
        back.scopes = read.scopes
        back.resource = read.resource
        back.provider = read.provider
        back.parameters = read.parameters
        return back
    }

    @Test func itIsWrittenInMoatsForm() throws {
        let text = String(decoding: try Self.full().yaml(), as: UTF8.self)
        #expect(
            text == """
                url: "https://mcp.example.org/mcp"
                issuer: "https://auth.example.org"
                auth_url: "https://auth.example.org/authorize"
                token_url: "https://auth.example.org/token"
                device_url: "https://auth.example.org/device"
                revocation_url: "https://auth.example.org/revoke"
                client_id: "my client: \\"it's\\" #1"
                client_auth: "none"
                scopes:
                  - "read"
                  - "write"
                resource: "https://mcp.example.org"
                provider: "gitlab"
                parameters:
                  "host": "gitlab.example.org"

                """
        )
        #expect(try readBack(Self.full()) == Self.full())
    }

    /// Each means something to YAML, or to a reader of it, where it stands unquoted or in the wrong quotes.
    private static let strange = [
        "yes", "no", "null", "~", "true", "12", "0x1F", "1e3", "2026-01-01", ".nan", "a: b", "a #b", "#", "- a", "-",
        "? a", "[a", "{a}", "]", "!!str a", "!a", "&a", "*a", "*", "%TAG", "@a", "`a`", "|", ">", "'a", "\"a", "a\"",
        "\\", "\\n", "a\\", "\\\"", "'\"'", " a", "a ", "---", "...", "<<", "=", "é", "日本", "🔑", "a\"\u{301}b",
        "\\\u{301}", "e\u{301}", "\u{E9}", "\u{A0}", "\u{2010}", String(repeating: "*a ", count: 20),
        "a\", client_secret: \"b", "${HOME}", "{{x}}", "$(calc)",
    ]

    @Test(arguments: strange)
    func whateverAServerSaysIsReadBackAsItWas(text: String) throws {
        var login = SavedLogin()
        login.issuer = text
        login.clientID = text
        login.scopes = [text, text]
        login.provider = text
        login.parameters = ["x": text]
        let back = try readBack(login)
        // Not as texts, of which those are equal that only look equal.
        func bytes(_ login: SavedLogin) -> [[UInt8]] {
            let texts = [login.issuer, login.clientID, login.provider, login.parameters["x"]].map { $0 ?? "" }
            return (texts + (login.scopes ?? [])).map { Array($0.utf8) }
        }
        #expect(bytes(back) == bytes(login) && back == login)
    }

    @Test func whateverIsPrintableIsReadBackAsItWas() throws {
        var random = SystemRandomNumberGenerator()
        let letters = Array("ab \"'\\*&!#:-?[]{},|>%@`~=\u{301}é日🔑\u{A0}/")
        for _ in 0..<500 {
            var login = SavedLogin()
            let fields: [WritableKeyPath<SavedLogin, String?>] = [
                \.resourceURL, \.issuer, \.authorizationURL, \.tokenURL, \.deviceURL, \.revocationURL, \.clientID,
                \.resource, \.provider,
            ]
            func text() -> String {
                let length = Int.random(in: 1...40, using: &random)
                return String((0..<length).map { _ in letters[Int.random(in: letters.indices, using: &random)] })
            }
            for field in fields where Bool.random(using: &random) { login[keyPath: field] = text() }
            login.scopes = (0..<Int.random(in: 0...3, using: &random)).map { _ in text() }
            let shown = String(decoding: try login.yaml(), as: UTF8.self)
            #expect(try readBack(login) == login, "\(shown)")
        }
    }

    @Test(arguments: [
        "a\nclient_secret: x", "a\r\nb", "\u{0}", "\t", "\u{1B}[31m", "a\u{202E}b", "\u{85}", "\u{2028}", "\u{2029}",
        "\u{FEFF}", "\u{E000}", "\u{FFFF}", "\u{7F}", "",
    ])
    func whatNoSettingsFileTakesIsNotWritten(text: String) throws {
        for field in [\SavedLogin.issuer, \.tokenURL, \.clientID] {
            var login = Self.full()
            login[keyPath: field] = text
            let path = home.path("oauth/x.yaml")
            expect(.unsafe) { try login.write(to: path) }
            #expect(!FileManager.default.fileExists(atPath: home.path("oauth")))
        }
        var login = Self.full()
        login.scopes = ["read", text]
        expect(.unsafe) { _ = try login.yaml() }
    }

    @Test func whatIsTooLongOrOfNoMethodIsNotWritten() throws {
        var login = Self.full()
        login.scopes = Array(repeating: String(repeating: "a", count: 1000), count: 70)
        expect(.unsafe, naming: "bytes") { _ = try login.yaml() }
        login.scopes = [String(repeating: "a", count: 5000)]
        #expect(try readBack(login) == login)
        login.clientAuthentication = "basic"
        expect(.unsafe, naming: "client_auth") { _ = try login.yaml() }
    }

    private func mode(_ name: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: home.path(name))[.posixPermissions] as? Int
    }

    @Test func itIsMadeForItsOwnerAlone() throws {
        let path = home.path("config/oauth/x.yaml")
        try Self.full().write(to: path)
        #expect(try mode("config/oauth/x.yaml") == 0o600 && mode("config/oauth") == 0o700)
        #expect(try Data(contentsOf: URL(filePath: path)) == Data(Self.full().yaml()))
        #expect(try LoginSettings.read(path)?.issuer == "https://auth.example.org")
        #expect(try FileManager.default.contentsOfDirectory(atPath: home.path("config/oauth")) == ["x.yaml"])
        try home.setMode(0o755, "config/oauth")
        try Self.full().write(to: home.path("config/oauth/y.yaml"))
        #expect(try mode("config/oauth/y.yaml") == 0o600 && mode("config/oauth") == 0o755)
    }

    @Test func whatIsThereStays() throws {
        let directory = try home.directory("oauth")
        let path = try home.write("oauth/x.yaml", "client_id: mine\n")
        expect(.configuration, naming: "x.yaml") { try Self.full().write(to: path) }
        do { try Self.full().write(to: path) } catch {
            #expect(error.hint?.contains("mv \(path) \(path).old") == true)
        }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "client_id: mine\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["x.yaml"])
    }

    @Test func theSameAgainIsWell() throws {
        let path = home.path("oauth/x.yaml")
        try Self.full().write(to: path)
        let before = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
        try Self.full().write(to: path)
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int == before)
    }

    @Test func ofManyAtOnceOneWritesAndTheOthersAgree() async throws {
        let path = home.path("oauth/x.yaml")
        var other = Self.full()
        other.clientID = "another"
        let logins = [Self.full(), other]
        let written = await withTaskGroup(of: Int?.self) { group in
            for number in 0..<40 {
                group.addTask { (try? logins[number % 2].write(to: path)).map { number % 2 } }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        let winners = Set(written.compactMap { $0 })
        let winner = try #require(winners.first)
        #expect(winners.count == 1 && written.count { $0 == winner } == 20)
        #expect(try Data(contentsOf: URL(filePath: path)) == Data(logins[winner].yaml()))
        #expect(try FileManager.default.contentsOfDirectory(atPath: home.path("oauth")) == ["x.yaml"])
    }

    @Test func whereOthersHaveAHandNothingIsWritten() throws {
        try home.directory("wide")
        try home.setMode(0o777, "wide")
        expect(.unsafe, naming: "wide") { try Self.full().write(to: home.path("wide/x.yaml")) }
        try home.directory("oauth")
        try FileManager.default.createSymbolicLink(
            atPath: home.path("oauth/x.yaml"),
            withDestinationPath: home.path("elsewhere")
        )
        expect(.unsafe, naming: "symbolic link") { try Self.full().write(to: home.path("oauth/x.yaml")) }
        #expect(!FileManager.default.fileExists(atPath: home.path("elsewhere")))
        try home.write("file", "")
        expect(.unavailable) { try Self.full().write(to: home.path("file/x.yaml")) }
    }
}
