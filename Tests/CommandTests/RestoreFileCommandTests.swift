import Foundation
import Glibc
import TestSupport
import Testing

/// `restore-file`: a grant goes back to its owner's file.
@Suite(.blocking)
struct RestoreFileCommandTests {
    private let home: Sandbox

    init() throws {
        home = try Sandbox()
        try home.make()
    }

    private func take(_ fixture: String, _ place: String, _ name: String) throws -> (bytes: [UInt8], file: String) {
        let file = try home.fixture(fixture, to: place)
        let bytes = try home.read(file)
        try succeed(home.vault("import", file, "--name", name, "--remove", "--yes"))
        return (bytes, file)
    }

    private func state(_ name: String) throws -> String? {
        try home.vault("show", name, "--json").object().text("state")
    }

    @Test func writesTheBytesThatWereImported() throws {
        let (bytes, file) = try take("codex/auth.json", "home/.codex/auth.json", "codex")
        try FileManager.default.removeItem(atPath: home.path("home/.codex"))
        let done = try succeed(home.vault("restore-file", "codex", "--yes", "--json")).object()
        #expect(done.text("outcome") == "written" && done["original"] as? Bool == true)
        #expect(done["held"] as? [String] == ["oauth:codex"])
        #expect(try home.read(file) == bytes)
        #expect(Sandbox.mode(file) & 0o7777 == 0o600)
        #expect(Sandbox.mode(home.path("home/.codex")) & 0o7777 == 0o700)
        #expect(try state("codex") == "held")
        // It is as if it had been imported and left there.
        let again = try succeed(home.vault("import", file, "--json")).object()
        #expect(again.objects("items").compactMap { $0.text("result") } == ["unchanged"])
        let audit = try home.vault("audit", "--json").text
        #expect(audit.contains("\"file\""))
    }

    @Test func saysWhatItDoesAndAsks() throws {
        let (bytes, file) = try take("codex/auth.json", "home/.codex/auth.json", "codex")
        fail(try home.vault("restore-file", "codex"), 3, "--yes")
        #expect(!FileManager.default.fileExists(atPath: file))
        #expect(try state("codex") == "active")
        let done = try succeed(home.vault("restore-file", "codex", "--yes"))
        #expect(done.text.isEmpty && done.notes.contains("the bytes that were imported"), "\(done.notes)")
        let again = try succeed(home.vault("restore-file", "codex", "--yes"))
        #expect(again.notes.contains("there already"), "\(again.notes)")
        #expect(try home.read(file) == bytes)
    }

    @Test func refusesWhatStandsInTheWay() throws {
        let (_, file) = try take("codex/auth.json", "home/.codex/auth.json", "codex")
        try home.write("home/.codex/auth.json", "{\"OPENAI_API_KEY\": \"sk-OTHER\"}")
        fail(try home.vault("restore-file", "codex", "--yes"), 10)
        try FileManager.default.removeItem(atPath: file)
        try FileManager.default.createSymbolicLink(atPath: file, withDestinationPath: home.path("elsewhere"))
        fail(try home.vault("restore-file", "codex", "--yes"), 10)
        #expect(!FileManager.default.fileExists(atPath: home.path("elsewhere")))
        #expect(try state("codex") == "active")
        try home.keep("a", "sk-EXAMPLE")
        fail(try home.vault("restore-file", "static:a", "--yes"), 4)
        fail(try home.vault("restore-file", "none", "--yes"), 4)
    }

    @Test func changesNothingWhereTheFileCannotBeWritten() throws {
        _ = try take("codex/auth.json", "home/.codex/auth.json", "codex")
        try FileManager.default.removeItem(atPath: home.path("home/.codex"))
        // Nobody can make a directory below a file.
        try home.write("home/.codex", "x")
        let outcome = try home.vault("restore-file", "codex", "--yes")
        #expect(outcome.status != 0)
        #expect(try state("codex") == "active")
    }

    @Test func leavesAFileWhoseOwnerHasRefreshedIt() throws {
        let (bytes, file) = try take("codex/auth.json", "home/.codex/auth.json", "codex")
        try succeed(home.vault("restore-file", "codex", "--yes"))
        let newer = String(decoding: bytes, as: UTF8.self).replacingOccurrences(of: "rt-EXAMPLE", with: "rt-OWNER")
        try home.write("home/.codex/auth.json", newer)
        let done = try succeed(home.vault("restore-file", "codex", "--yes", "--json")).object()
        #expect(done.text("outcome") == "owned")
        #expect(try home.read(file) == Array(newer.utf8))
        // And taking it over again takes the owner's newer token.
        try succeed(home.vault("adopt", "codex", "--yes"))
        #expect(try home.vault("show", "codex", "--json", "--reveal").object().text("refresh_token") == "rt-OWNER")
    }

    // MARK: With a server

    /// Gets a grant as a login does, and prints the token endpoint's answer.
    private static let login = """
        import json, sys, urllib.parse, urllib.request as web
        class Stay(web.HTTPRedirectHandler):
            def redirect_request(self, *rest): return None
        base = sys.argv[1]
        redirect = "http://127.0.0.1/callback"
        query = urllib.parse.urlencode(dict(response_type="code", client_id="public", redirect_uri=redirect, scope="read",
            state="s", code_challenge_method="S256", code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"))
        try: web.build_opener(Stay).open(base + "/authorize?" + query)
        except web.HTTPError as answer: location = answer.headers["Location"]
        code = urllib.parse.parse_qs(urllib.parse.urlparse(location).query)["code"][0]
        form = dict(grant_type="authorization_code", client_id="public", redirect_uri=redirect, code=code,
            code_verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        print(web.urlopen(base + "/token", urllib.parse.urlencode(form).encode()).read().decode())
        """

    /// Refreshes with the refresh token of a file, as its owner does, and prints the server's state.
    private static let owner = """
        import json, sys, urllib.parse, urllib.request as web
        base, file = sys.argv[1:]
        token = json.load(open(file))["refresh_token"]
        form = dict(grant_type="refresh_token", client_id="public", refresh_token=token)
        web.urlopen(base + "/token", urllib.parse.urlencode(form).encode()).read()
        print(web.urlopen(base + "/_state").read().decode())
        """

    @Test func theOwnersNextRefreshSucceedsAfterTheVaultsOwn() throws {
        let server = try OAuthServer()
        let login = try home.run(["python3", "-c", Self.login, server.base])
        let grant = try login.object()
        let access = try #require(grant.text("access_token"))
        let refresh = try #require(grant.text("refresh_token"))
        let text = """
            {
              "access_token": "\(access)",  "token_type": "Bearer",
              "refresh_token": "\(refresh)",
              "expiry": "2030-01-02T03:04:05.123456789+02:00"
            }

            """
        let file = try home.write("home/tool/token.json", text)
        try succeed(
            home.vault(
                "import",
                file,
                "--name",
                "t",
                "--remove",
                "--yes",
                "--token-url",
                server.base + "/token",
                "--client-id",
                "public"
            )
        )
        try succeed(home.vault("token", "t", "--refresh"))
        let now = try home.vault("show", "t", "--json", "--reveal").object()
        let newAccess = try #require(now.text("access_token"))
        let newRefresh = try #require(now.text("refresh_token"))
        #expect(newAccess != access && newRefresh != refresh)
        let done = try succeed(home.vault("restore-file", "t", "--yes", "--json")).object()
        #expect(done["original"] as? Bool == false)
        let written = String(decoding: try home.read(file), as: UTF8.self)
        let lines = written.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 6 && lines[1] == "  \"access_token\": \"\(newAccess)\",  \"token_type\": \"Bearer\",")
        #expect(lines[2] == "  \"refresh_token\": \"\(newRefresh)\",")
        #expect(lines[3].wholeMatch(of: #/  "expiry": "....-..-..T..:..:..\.\d{9}\+02:00"/#) != nil, "\(lines[3])")
        // The vault refreshes it no more; the owner does, with the newest token.
        fail(try home.vault("token", "t", "--refresh"), 5)
        let state = try home.run(["python3", "-c", Self.owner, server.base, file])
        try #require(state.status == 0, "\(state.notes)")
        let counts = try state.object()
        #expect(counts["refreshes"] as? Int == 2 && counts["reuses"] as? Int == 0)
    }
}
