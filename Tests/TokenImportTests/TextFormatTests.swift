import Foundation
import StrictJSON
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import TokenImport

/// Formats that are written in YAML, TOML, INI, netrc or bare text: what an entry holds, and what leaves the file.
struct TextFormatTests {
    private let directory: TestDirectory
    private let vault = MemoryVault()
    private let start = Expiry.known(Timestamp(seconds: 1_893_456_000) ?? testNow)

    init() throws { directory = try TestDirectory() }

    private var options: ImportOptions {
        ImportOptions(machine: Machine(home: directory.path, environment: [:]))
    }

    private func read(_ fixture: String, at name: String, _ options: ImportOptions? = nil) throws -> FileReading {
        try FileReading.of(
            try directory.copy(fixture, to: name),
            options: options ?? self.options,
            now: testNow
        )
    }

    private func read(text: String, at name: String) throws -> FileReading {
        try FileReading.of(try directory.write(name, text), options: options, now: testNow)
    }

    private func names(_ reading: FileReading) -> [String] {
        reading.contents.grants.map(\.summary.name.description)
    }

    private func secrets(_ grant: FoundGrant) throws -> [EntrySecrets.Field: String] {
        var texts: [EntrySecrets.Field: String] = [:]
        for (field, value) in grant.secrets {
            texts[field] = try value.secret().withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        }
        return texts
    }

    private func code(_ body: () throws -> FileReading) -> VaultError.Code? {
        do {
            _ = try body()
            return nil
        } catch { return (error as? VaultError)?.code }
    }

    /// Imports with `--remove` and gives what is left of the file, `nil` if nothing is.
    private func removing(_ text: String, at name: String) async throws -> String? {
        let file = try directory.write(name, text)
        var options = options
        options.remove = true
        let plan = try await ImportPlan.make([file], options: options, for: vault, now: testNow)
        let report = await plan.execute(into: vault, now: testNow)
        #expect(report.failures.isEmpty)
        #expect(report.outcomes.allSatisfy { $0.removal != .kept })
        return directory.exists(file) ? try directory.text(file) : nil
    }

    // MARK: - Goose

    @Test func readsGooseSecrets() throws {
        var options = options
        options.host = "https://example.cloud.databricks.com"
        let reading = try read("goose/secrets.yaml", at: ".config/goose/secrets.yaml", options)
        #expect(reading.format.identifier == "goose-secrets")
        let grants = reading.contents.grants
        try #require(grants.count == 4)
        #expect(grants[0].summary.name.description == "static:goose-openai-api-key")
        #expect(try secrets(grants[0]) == [.secret: "sk-EXAMPLE"])
        #expect(grants[0].summary.metadata == ["variable": "OPENAI_API_KEY"])
        #expect(grants[1].summary.name.description == "static:goose-github-copilot-token")
        #expect(grants[2].summary.name.description.hasPrefix("oauth:goose-databricks-"))
        #expect(
            grants[2].summary.expiry
                == .known(try #require(Timestamp(seconds: 1_893_456_000, nanoseconds: 123_456_789)))
        )
        #expect(try secrets(grants[2]) == [.accessToken: "at-EXAMPLE", .refreshToken: "rt-EXAMPLE"])
        let server = grants[3].summary
        #expect(server.name.description == "oauth:goose-example-mcp")
        #expect(server.clientID == "client-EXAMPLE")
        #expect(server.scopes == ["read", "write"])
        #expect(server.issuedAt == Timestamp(seconds: 1_893_452_400))
        #expect(server.expiry == start)
        #expect(server.rotation == .unknown)
        #expect(server.source?.pointer == "/oauth_creds_example-mcp")
    }

    @Test func gooseFindsTheHostInItsConfiguration() throws {
        let host = "https://dbc.example.com"
        let hash = GooseTarget(host: host, clientID: "databricks-cli", scopes: ["all-apis", "offline_access"]).hash
        try directory.write(".config/goose/config.yaml", "DATABRICKS_HOST: \(host)\n")
        let text = "DATABRICKS_OAUTH_\(hash):\n  access_token: a\n  refresh_token: null\n  expires_at: null\n"
        let grant = try #require(try read(text: text, at: ".config/goose/secrets.yaml").contents.grants.first)
        #expect(grant.summary.issuer == host + "/oidc")
        #expect(grant.summary.expiry == .unknown)
        #expect(try secrets(grant) == [.accessToken: "a"])
    }

    @Test func readsOlderGooseSecrets() throws {
        let old =
            "oauth_creds_x:\n  client_id: c\n  token_response:\n    access_token: a\n    token_type: bearer\n"
            + "    expires_in: 60\n    scope: p q\nA_HOST: https://example.com\nODD_KEY: two words\nNESTED:\n  a: b\n"
        let reading = try read(text: old, at: "x/secrets.yaml")
        let grant = try #require(reading.contents.grants.first)
        #expect(reading.contents.grants.count == 1)
        #expect(grant.summary.expiry == .unknown)
        #expect(grant.summary.scopes == ["p", "q"])
        #expect(grant.notes.contains { $0.contains("expiry is unknown") })
        #expect(reading.contents.notes.count == 2)
        #expect(names(try read(text: "A_API_KEY: k\n", at: "goose/secrets.yaml")) == ["static:goose-a-api-key"])
        #expect(code { try read(text: "A_API_KEY: k\n", at: "other/secrets.yaml") } == .damaged)
        let wrong = "oauth_creds_x:\n  token_response:\n    access_token: [a]\n"
        #expect(code { try read(text: wrong, at: "goose/secrets.yaml") } == .damaged)
    }

    @Test func gooseKeepsWhatIsNotImported() async throws {
        let text =
            "# mine\r\nA_API_KEY: k # first\r\nA_HOST: https://example.com\r\noauth_creds_x:\r\n  client_id: c\r\n"
            + "  token_response:\r\n    access_token: a\r\n    token_type: bearer\r\n# last\r\n"
        #expect(
            try await removing(text, at: "goose/secrets.yaml")
                == "# mine\r\nA_HOST: https://example.com\r\n# last\r\n"
        )
        #expect(vault.names == ["oauth:goose-x", "static:goose-a-api-key"])
    }

    // MARK: - gh

    @Test func readsGH() throws {
        let reading = try read("gh/hosts.yml", at: ".config/gh/hosts.yml")
        #expect(reading.format.identifier == "gh")
        #expect(names(reading) == ["oauth:gh-github.com-example-user", "oauth:gh-github.com-second-user"])
        let first = try #require(reading.contents.grants.first)
        #expect(first.copies.map(\.value.pointer) == ["/github.com/oauth_token"])
        #expect(first.summary.account == "example-user")
        #expect(first.summary.rotation == .never)
        #expect(first.summary.expiry == .unknown)
        #expect(try secrets(first) == [.accessToken: "gho_EXAMPLE"])
        #expect(try secrets(reading.contents.grants[1]) == [.accessToken: "gho_EXAMPLE2"])
    }

    @Test func readsOtherFilesOfGH() throws {
        let single = "github.com:\n    user: u\n    oauth_token: gho_A\n    git_protocol: ssh\n"
        #expect(names(try read(text: single, at: "hosts.yml")) == ["oauth:gh-github.com-u"])
        let list = "github.com:\n- oauth_token: gho_A\n  user: u\n"
        #expect(names(try read(text: list, at: "config.yml")) == ["oauth:gh-github.com-u"])
        let active = "ghe.example.com:\n    users:\n        u:\n    user: u\n    oauth_token: ghp_B\n"
        #expect(names(try read(text: active, at: "hosts.yml")) == ["oauth:gh-ghe.example.com-u"])
        let keyring = "github.com:\n    users:\n        u: \"\"\n    user: u\n"
        #expect(code { try read(text: keyring, at: "hosts.yml") } == .notFound)
        #expect(
            code { try read(text: "github.com:\n    oauth_token: [x]\n    users: {}\n", at: "hosts.yml") } == .damaged
        )
        #expect(code { try read(text: "a:\n  oauth_token: x\n", at: "hosts.yml") } == .damaged)
    }

    @Test func ghLosesBothCopiesAndKeepsItsSettings() async throws {
        let text = try Fixture.text("gh/hosts.yml")
        let left = text.replacing("            oauth_token: gho_EXAMPLE\n", with: "")
            .replacing("            oauth_token: gho_EXAMPLE2\n", with: "").replacing(
                "    oauth_token: gho_EXAMPLE\n",
                with: ""
            )
        #expect(!left.contains("gho_"))
        #expect(try await removing(text, at: ".config/gh/hosts.yml") == left)
    }

    // MARK: - Fly

    @Test func readsFly() throws {
        let reading = try read("fly/config.yml", at: ".fly/config.yml")
        #expect(reading.format.identifier == "fly")
        #expect(names(reading) == ["static:fly", "static:fly-metrics"])
        #expect(try secrets(reading.contents.grants[0]) == [.secret: "fm2_EXAMPLE,fm2_EXAMPLE2"])
        let old = try read(text: "access_token: fo1_A\n", at: ".fly/config.yml")
        #expect(names(old) == ["static:fly"])
        #expect(code { try read(text: "access_token: fo1_A\n", at: "other/config.yml") } == .damaged)
        #expect(code { try read(text: "access_token: a b\nmetrics_token: c\n", at: ".fly/config.yml") } == .damaged)
    }

    @Test func flyKeepsItsPrivateKeys() async throws {
        let text = "access_token: \"a,b\"\nwire_guard_state:\n  personal:\n    localprivate: key\nmetrics_token: m\n"
        let reading = try read(text: text, at: "x.yml")
        #expect(reading.contents.notes.contains { $0.contains("WireGuard") })
        #expect(
            try await removing(text, at: "x.yml") == "wire_guard_state:\n  personal:\n    localprivate: key\n"
        )
    }

    // MARK: - Wrangler

    @Test func readsWrangler() throws {
        let reading = try read("wrangler/config/default.toml", at: ".config/.wrangler/config/default.toml")
        #expect(reading.format.identifier == "wrangler")
        let grant = try #require(reading.contents.grants.first)
        #expect(grant.summary.name.description == "oauth:wrangler")
        #expect(grant.summary.scopes == ["account:read", "user:read", "offline_access"])
        #expect(grant.summary.tokenEndpoint == "https://dash.cloudflare.com/oauth2/token")
        #expect(
            grant.summary.expiry == .known(try #require(Timestamp(seconds: 1_893_456_000, nanoseconds: 123_000_000)))
        )
        #expect(try secrets(grant) == [.accessToken: "at-EXAMPLE", .refreshToken: "rt-EXAMPLE"])
    }

    @Test func wranglerWithoutATimeHasRunOut() throws {
        let reading = try read(text: "oauth_token = 'a'\nrefresh_token = 'r'\n", at: "default.toml")
        #expect(reading.contents.grants.first?.summary.expiry == .known(try #require(Timestamp(seconds: 0))))
        let bare = try read(text: "expiration_time = 2030-01-01T00:00:00Z\noauth_token = 'a'\n", at: "default.toml")
        #expect(bare.contents.grants.first?.summary.expiry == start)
        let first = try read(text: "email = 'e'\napi_token = 'k'\n", at: ".wrangler/config/default.toml")
        #expect(names(first) == ["static:wrangler"])
        #expect(code { try read(text: "api_token = 'k'\n", at: "default.toml") } == .damaged)
        #expect(code { try read(text: "oauth_token = 1\nrefresh_token = 'r'\n", at: "default.toml") } == .damaged)
    }

    @Test func wranglersFileGoesWithItsGrant() async throws {
        let text = try Fixture.text("wrangler/config/default.toml")
        #expect(try await removing(text, at: ".wrangler/config/default.toml") == nil)
        #expect(try await removing("# c\nmore = 1\n" + text, at: "b/default.toml") == "# c\nmore = 1\n")
    }

    // MARK: - rclone

    @Test func readsRclone() throws {
        let reading = try read("rclone/rclone.conf", at: ".config/rclone/rclone.conf")
        #expect(reading.format.identifier == "rclone")
        #expect(names(reading) == ["oauth:rclone-gdrive", "oauth:rclone-oldbox"])
        let drive = try #require(reading.contents.grants.first)
        #expect(drive.summary.clientID == "client-EXAMPLE.apps.googleusercontent.com")
        #expect(drive.summary.tokenEndpoint == "https://oauth2.googleapis.com/token")
        #expect(drive.summary.rotation == .never)
        #expect(drive.summary.clientAuthentication == "client_secret_post")
        #expect(
            drive.summary.expiry == .known(try #require(Timestamp(seconds: 1_893_456_000, nanoseconds: 123_456_789)))
        )
        #expect(
            try secrets(drive) == [
                .accessToken: "at-EXAMPLE", .refreshToken: "1//rt-EXAMPLE", .clientSecret: "cs-EXAMPLE",
            ]
        )
        #expect(drive.summary.source?.pointer == "/gdrive/token")
        let box = reading.contents.grants[1]
        #expect(box.summary.expiry == start)
        #expect(box.summary.rotation == .always)
        #expect(box.notes.contains { $0.contains("--client-id") })
        #expect(try secrets(box) == [.accessToken: "at-EXAMPLE", .refreshToken: "rt-EXAMPLE"])
    }

    @Test func rcloneSendsNothingToAForeignEndpoint() throws {
        let token = #"token = {"access_token":"a","refresh_token":"r","expiry":"0001-01-01T00:00:00Z"}"#
        let evil = try read(
            text: "[d]\ntype = drive\ntoken_url = https://evil.example/token\n\(token)\n",
            at: "rclone.conf"
        )
        let grant = try #require(evil.contents.grants.first)
        #expect(grant.summary.tokenEndpoint == nil)
        #expect(grant.summary.rotation == .unknown)
        #expect(grant.summary.expiry == .never)
        #expect(grant.notes.contains { $0.contains("--token-url") })
        let odd = try read(text: "[d]\ntype = hidrive\n\(token)\n", at: "anything")
        #expect(odd.contents.grants.first?.summary.tokenEndpoint == nil)
    }

    @Test func declinesOtherFilesOfRclone() throws {
        let header = "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nAAAA\n"
        #expect(code { try read(text: header, at: ".config/rclone/rclone.conf") } == .failed)
        #expect(code { try read(text: "RCLONE_ENCRYPT_V0:\nAAAA\n", at: "rclone.conf") } == .failed)
        #expect(code { try read(text: "[s]\ntype = s3\n", at: "rclone.conf") } == .failed)
        let broken = "[d]\ntype = drive\ntoken = {\"access_token\":\n"
        #expect(code { try read(text: broken, at: "rclone.conf") } == .failed)
        #expect(code { try read(text: "[d]\ntoken = {\"access_token\":5}\n", at: "rclone.conf") } == .damaged)
    }

    @Test func rcloneKeepsItsRemotes() async throws {
        let text = "; mine\r\n[d]\r\ntype = drive\r\ntoken = {\"access_token\":\"a\"}\r\n\r\n[s]\r\ntype = s3\r\n"
        #expect(
            try await removing(text, at: "rclone.conf") == "; mine\r\n[d]\r\ntype = drive\r\n\r\n[s]\r\ntype = s3\r\n"
        )
    }

    // MARK: - npm, Heroku, Supabase

    @Test func readsNpm() throws {
        let reading = try read("npm/npmrc", at: ".npmrc")
        #expect(reading.format.identifier == "npm")
        #expect(
            names(reading) == [
                "static:npm-registry.npmjs.org", "static:npm-npm.example.com", "static:npm-legacy.example.com-auth",
            ]
        )
        #expect(try secrets(reading.contents.grants[1]) == [.secret: "npm_EXAMPLE2"])
        #expect(reading.contents.grants[0].summary.metadata["registry"] == "https://registry.npmjs.org")
        #expect(reading.contents.notes.contains { $0.contains("names a variable") })
        #expect(names(try read(text: "_authToken=x\n", at: "a/.npmrc")) == ["static:npm"])
        let references = "//r.example/:_authToken=${A}\n//r.example/:_password=pre${B}\n"
        #expect(code { try read(text: references, at: "b/.npmrc") } == .notFound)
        #expect(code { try read(text: "//r.example/:_authToken=a b\n", at: "c/.npmrc") } == .damaged)
        #expect(code { try read(text: "registry=https://r.example/\n", at: "d/.npmrc") } == .damaged)
    }

    @Test func npmKeepsItsFile() async throws {
        let text = try Fixture.text("npm/npmrc")
        let left = text.split(separator: "\n").filter { !$0.contains("npm_EXAMPLE") && !$0.contains("_auth=") }
        #expect(try await removing(text, at: ".npmrc") == left.joined(separator: "\n") + "\n")
        #expect(try await removing("//r.example/:_authToken=only", at: "b/.npmrc") == "")
    }

    @Test func readsHeroku() throws {
        let reading = try read("heroku/netrc", at: ".netrc")
        #expect(reading.format.identifier == "heroku")
        #expect(names(reading) == ["static:heroku"])
        let grant = try #require(reading.contents.grants.first)
        #expect(grant.copies.map(\.value.pointer) == ["/git.heroku.com/password"])
        #expect(grant.summary.account == "user@example.com")
        #expect(try secrets(grant) == [.secret: "HRKU-EXAMPLE"])
        let two = "machine api.heroku.com password a machine git.heroku.com password b\n"
        #expect(names(try read(text: two, at: "a/.netrc")) == ["static:heroku", "static:heroku-git"])
        #expect(names(try read(text: "machine git.heroku.com password b\n", at: "b/.netrc")) == ["static:heroku"])
        #expect(code { try read(text: "machine example.com login a password b\n", at: "c/.netrc") } == .damaged)
        #expect(code { try read(text: "machine api.heroku.com password \"a b\"\n", at: "d/.netrc") } == .damaged)
    }

    @Test func herokuLeavesOtherMachines() async throws {
        let text = try Fixture.text("heroku/netrc")
        #expect(
            try await removing(text, at: ".netrc")
                == "# kept by hand\nmachine example.com login other password pw-EXAMPLE # not ours\n"
        )
    }

    @Test func readsSupabase() async throws {
        let reading = try read("supabase/access-token", at: ".supabase/access-token")
        #expect(reading.format.identifier == "supabase")
        let token = "sbp_" + String(repeating: "0", count: 40)
        #expect(try secrets(try #require(reading.contents.grants.first)) == [.secret: token])
        let newer = "sbp_oauth_" + String(repeating: "af", count: 20)
        #expect(names(try read(text: newer + "\n", at: "a/access-token")) == ["static:supabase"])
        for text in ["", token + "0", token.uppercased(), "sbp_", token + "\n" + token] {
            #expect(code { try read(text: text, at: "b/access-token") } == .damaged)
        }
        #expect(try await removing(token, at: ".supabase/access-token") == nil)
    }
}
