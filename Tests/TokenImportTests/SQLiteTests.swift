import Foundation
import StrictJSON
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import TokenImport

/// Databases: gcloud's, GitHub Copilot's and Kiro's, sound and otherwise.
struct SQLiteTests {
    private let directory: TestDirectory
    private let vault = MemoryVault()

    init() throws { directory = try TestDirectory() }

    private var options: ImportOptions { ImportOptions(machine: Machine(home: directory.path, environment: [:])) }

    private func plan(_ path: String, remove: Bool = false) async throws -> ImportPlan {
        var options = options
        options.remove = remove
        return try await ImportPlan.make([path], options: options, for: vault, now: testNow)
    }

    private func run(_ path: String, remove: Bool = false) async throws -> ImportReport {
        try await plan(path, remove: remove).execute(into: vault, now: testNow)
    }

    private func reading(_ path: String) throws -> FileReading {
        try FileReading.of(path, options: options, now: testNow)
    }

    private func gcloud(_ script: String) throws -> String {
        let path = directory.path + "/credentials.db"
        try SQLiteFixture.run(path, SQLiteFixture.gcloudSchema + script)
        return path
    }

    private var twoAccounts: String {
        SQLiteFixture.insert("ada@example.com", SQLiteFixture.user("1//ada-EXAMPLE"))
            + SQLiteFixture.insert("bob@example.com", SQLiteFixture.user("1//bob-EXAMPLE"))
            + SQLiteFixture.insert(
                "robot@example.iam",
                "{\"type\": \"service_account\", \"private_key\": \"pk-EXAMPLE\"}"
            )
    }

    @Test func readsEachAccountOfGcloudAndDeclinesServiceAccounts() async throws {
        let path = try gcloud(twoAccounts)
        let report = try await run(path)
        #expect(report.code == nil, "\(report.lines)")
        #expect(vault.names == ["oauth:gcloud-ada@example.com", "oauth:gcloud-bob@example.com"])
        let ada = try #require(vault.summary("gcloud-ada@example.com"))
        #expect(ada.account == "ada@example.com" && ada.rotation == .never && ada.state == .active)
        #expect(ada.clientID == "32555940559.apps.googleusercontent.com")
        #expect(ada.source?.pointer == "/credentials/ada@example.com" && ada.source?.format == "gcloud")
        #expect(vault.text("gcloud-ada@example.com", .refreshToken) == "1//ada-EXAMPLE")
        #expect(vault.text("gcloud-ada@example.com", .clientSecret) == "public-EXAMPLE")
        let notes = report.outcomes.flatMap(\.item.notes)
        #expect(notes.contains { $0.contains("robot@example.iam") && $0.contains("service_account") })
        #expect(!notes.contains { $0.contains("pk-EXAMPLE") })
        #expect(try await plan(path).items.map(\.action) == [.unchanged, .unchanged])
    }

    @Test func readsAnOlderCredentialWithMoreAndWithLess() throws {
        let path = try gcloud(
            SQLiteFixture.insert(
                "old@example.com",
                SQLiteFixture.user(
                    "1//old-EXAMPLE",
                    ", \"invalid\": false, \"user_agent\": \"gcloud\", \"id_token\": {\"sub\": \"1\"}"
                )
            )
                + SQLiteFixture.insert(
                    "bare@example.com",
                    "{\"type\": \"authorized_user\", \"refresh_token\": \"1//bare-EXAMPLE\"}"
                )
                + SQLiteFixture.insert("text@example.com", "no JSON at all")
        )
        let contents = try reading(path).contents
        #expect(contents.grants.map(\.summary.account) == ["old@example.com", "bare@example.com"])
        #expect(contents.grants[1].summary.clientID == nil)
        #expect(contents.notes.contains { $0.contains("text@example.com") })
    }

    @Test func mentionsAnEndpointThatIsNotGoogles() throws {
        let path = try gcloud(
            SQLiteFixture.insert(
                "ada@example.com",
                SQLiteFixture.user("1//ada-EXAMPLE").replacingOccurrences(
                    of: "https://oauth2.googleapis.com/token",
                    with: "https://evil.example/token"
                )
            )
        )
        let grant = try #require(try reading(path).contents.grants.first)
        #expect(grant.summary.tokenEndpoint == "https://oauth2.googleapis.com/token")
        #expect(grant.notes.contains { $0.contains("evil.example") })
    }

    // MARK: Removal

    @Test func removesOneRowsTokenAndLeavesTheFileAndTheOthers() async throws {
        let path = try gcloud(twoAccounts)
        let inode = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
        let report = try await run(path, remove: true)
        #expect(report.code == nil, "\(report.lines)")
        #expect(report.outcomes.map(\.removal) == [.edited, .edited])
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int == inode)
        let left = try SQLiteFixture.run(
            path,
            "print(json.dumps([r[0] for r in db.execute('SELECT account_id FROM credentials')]), "
                + "db.execute('PRAGMA integrity_check').fetchone()[0])"
        )
        #expect(left == "[\"robot@example.iam\"] ok\n")
        // Nothing of them is left in free pages either.
        let bytes = try Data(contentsOf: URL(filePath: path))
        #expect(bytes.range(of: Data("ada-EXAMPLE".utf8)) == nil && bytes.range(of: Data("bob-EXAMPLE".utf8)) == nil)
        #expect(bytes.range(of: Data("pk-EXAMPLE".utf8)) != nil)
    }

    @Test func leavesAFileThatItsOwnerHasLocked() async throws {
        let path = try gcloud(twoAccounts)
        let before = try Data(contentsOf: URL(filePath: path))
        // A reader that has not finished: what it has read must not change under it.
        let owner = try SQLiteFixture.start(
            path,
            "c = db.cursor(); c.execute('BEGIN'); c.execute('SELECT * FROM credentials').fetchone()\n"
                + "print('ready', flush=True); sys.stdin.read()"
        )
        _ = owner.output.fileHandleForReading.availableData
        let report = try await run(path, remove: true)
        owner.input.fileHandleForWriting.closeFile()
        owner.process.waitUntilExit()
        #expect(report.failures.map(\.error.code) == [.temporary])
        #expect(report.failures.first?.error.hint?.contains("end that program") == true)
        #expect(try Data(contentsOf: URL(filePath: path)) == before)
        #expect(vault.names.count == 2)
        // And once it has gone it works.
        #expect(try await run(path, remove: true).code == nil)
    }

    @Test func leavesARowThatChangedAfterItWasRead() async throws {
        let path = try gcloud(twoAccounts)
        let reading = try reading(path)
        try SQLiteFixture.run(
            path,
            "db.execute('UPDATE credentials SET value = ? WHERE account_id = ?', "
                + "(sqlite3.Binary('''\(SQLiteFixture.user("1//new-EXAMPLE"))'''.encode()), 'ada@example.com'))"
        )
        let editor = try #require(reading.document.editor as? any InPlaceEditor)
        let error = #expect(throws: VaultError.self) {
            try editor.remove(reading.contents.grants.map(\.value), from: reading.file)
        }
        #expect(error?.code == .temporary)
        // All or nothing: bob's is there still.
        let left = try SQLiteFixture.run(path, "print(db.execute('SELECT count(*) FROM credentials').fetchone()[0])")
        #expect(left == "3\n")
    }

    @Test func putsARowBackWithNewerTokens() async throws {
        let path = try gcloud(twoAccounts)
        let sealed = try reading(path)
        #expect(try await run(path, remove: true).code == nil)
        let ada = try #require(sealed.contents.grants.first)
        let token = try #require(ada.token(.refreshToken))
        let newer = Replacement(value: token, text: SharedSecret(try SecretBytes(Array("1//newer\"-EXAMPLE".utf8))))
        let editor = try #require(sealed.document.editor as? any InPlaceEditor)
        try editor.putBack([ada.value], with: [newer], into: try TokenFile.read(path))
        let back = try SQLiteFixture.run(
            path,
            "v = db.execute('SELECT value, typeof(value) FROM credentials WHERE account_id = ?', ('ada@example.com',)).fetchone()\n"
                + "print(json.loads(v[0])['refresh_token'], v[1])"
        )
        #expect(back == "1//newer\"-EXAMPLE blob\n")
        // Into a file of its own, byte for byte but for that.
        let bytes = try sealed.document.editor.replacing([newer])
        let copy = directory.path + "/copy.db"
        try Data(bytes.withUnsafeBytes { Array($0) }).write(to: URL(filePath: copy))
        let all = try SQLiteFixture.run(
            copy,
            "print(db.execute('SELECT count(*) FROM credentials').fetchone()[0], "
                + "db.execute('PRAGMA integrity_check').fetchone()[0])"
        )
        #expect(all == "3 ok\n")
        // Where somebody has logged in again, theirs stays.
        let error = #expect(throws: VaultError.self) {
            try editor.putBack([ada.value], with: [], into: try TokenFile.read(path))
        }
        #expect(error?.code == .temporary)
    }

    // MARK: WAL

    @Test func readsAndEditsAFileInWALModeThatNobodyHasOpen() async throws {
        let path = try gcloud("db.execute('PRAGMA journal_mode = WAL')\n" + twoAccounts)
        #expect(try Data(contentsOf: URL(filePath: path))[18] == 2)
        let report = try await run(path, remove: true)
        #expect(report.code == nil, "\(report.lines)")
        let bytes = try Data(contentsOf: URL(filePath: path))
        #expect(bytes.range(of: Data("ada-EXAMPLE".utf8)) == nil)
        #expect(!directory.exists(path + "-wal"))
        let left = try SQLiteFixture.run(
            path,
            "print(db.execute('SELECT count(*) FROM credentials').fetchone()[0], db.execute('PRAGMA journal_mode').fetchone()[0])"
        )
        #expect(left == "1 wal\n")
    }

    @Test func leavesAFileWhoseOwnerHasChangesInFlight() async throws {
        let path = directory.path + "/credentials.db"
        let owner = try SQLiteFixture.start(
            path,
            "db.execute('PRAGMA journal_mode = WAL')\n" + SQLiteFixture.gcloudSchema + twoAccounts
                + "print('ready', flush=True); sys.stdin.read()"
        )
        _ = owner.output.fileHandleForReading.availableData
        let plan = try await plan(path)
        owner.input.fileHandleForWriting.closeFile()
        owner.process.waitUntilExit()
        #expect(plan.failures.map(\.error.code) == [.temporary])
        #expect(plan.failures.first?.error.message.contains("changes in flight") == true)
        #expect(try await self.plan(path).items.count == 2)
    }

    // MARK: The other two

    @Test func readsCopilotsTokens() async throws {
        let path = directory.path + "/.config/github-copilot/auth.db"
        try FileManager.default.createDirectory(
            atPath: directory.path + "/.config/github-copilot",
            withIntermediateDirectories: true
        )
        try SQLiteFixture.run(
            path,
            """
            db.execute('''CREATE TABLE oauth_tokens (token_id INTEGER PRIMARY KEY, auth_authority TEXT NOT NULL,
              token_ciphertext BLOB NOT NULL, last_used_at INTEGER)''')
            for row in [('github.com', b'ghu_one-EXAMPLE'), ('ghe.example.com', b'gho_two-EXAMPLE'),
                        ('github.com', bytes([1, 255, 3]))]:
                db.execute('INSERT INTO oauth_tokens (auth_authority, token_ciphertext) VALUES (?, ?)', row)
            """
        )
        let report = try await run(path, remove: true)
        #expect(report.code == nil, "\(report.lines)")
        #expect(vault.names == ["oauth:github-copilot-ghe.example.com", "oauth:github-copilot-github.com"])
        #expect(vault.text("github-copilot-github.com", .accessToken) == "ghu_one-EXAMPLE")
        #expect(report.outcomes.first?.item.notes.contains { $0.contains("encrypted") } == true)
        let left = try SQLiteFixture.run(path, "print(db.execute('SELECT token_id FROM oauth_tokens').fetchall())")
        #expect(left == "[(3,)]\n")
    }

    @Test func readsCopilotsTableWithoutOptionalColumns() throws {
        let path = directory.path + "/auth.db"
        try SQLiteFixture.run(
            path,
            "db.execute('CREATE TABLE oauth_tokens (auth_authority TEXT, token_ciphertext TEXT)')\n"
                + "db.execute(\"INSERT INTO oauth_tokens VALUES ('github.com', 'ghu_one-EXAMPLE')\")"
        )
        let grant = try #require(try reading(path).contents.grants.first)
        #expect(grant.summary.metadata["host"] == "github.com" && grant.summary.rotation == .never)
    }

    @Test func readsKirosGrantWithItsClient() async throws {
        let path = directory.path + "/data.sqlite3"
        try SQLiteFixture.run(
            path,
            """
            db.execute('CREATE TABLE auth_kv (key TEXT PRIMARY KEY, value TEXT)')
            db.execute('CREATE TABLE history (id INTEGER PRIMARY KEY, command TEXT)')
            db.execute("INSERT INTO history VALUES (1, 'ls')")
            for key, value in [
              ('kirocli:odic:token', {'access_token': 'aoa-EXAMPLE', 'refresh_token': 'aor-EXAMPLE',
                'expires_at': '2030-01-01T00:00:00.123456Z', 'region': 'us-east-1', 'scopes': ['codewhisperer:completions']}),
              ('kirocli:odic:device-registration', {'client_id': 'cid', 'client_secret': 'cs-EXAMPLE', 'region': 'us-east-1'}),
              ('kirocli:social:token', {'access_token': 'soc-EXAMPLE', 'refresh_token': 'sor-EXAMPLE'})]:
                db.execute('INSERT INTO auth_kv VALUES (?, ?)', (key, json.dumps(value)))
            """
        )
        let report = try await run(path, remove: true)
        #expect(report.code == nil, "\(report.lines)")
        #expect(vault.names == ["oauth:kiro", "oauth:kiro-social"])
        #expect(vault.text("kiro", .clientSecret) == "cs-EXAMPLE")
        #expect(vault.text("kiro-social", .refreshToken) == "sor-EXAMPLE")
        let kiro = try #require(vault.summary("kiro"))
        #expect(kiro.clientID == "cid" && kiro.rotation == .unknown)
        #expect(kiro.expiresAt == Timestamp(rfc3339: "2030-01-01T00:00:00.123456Z"))
        let left = try SQLiteFixture.run(
            path,
            "print(db.execute('SELECT count(*) FROM auth_kv').fetchone(), db.execute('SELECT command FROM history').fetchall())"
        )
        #expect(left == "(0,) [('ls',)]\n")
    }

    @Test func saysWhatIsWrongWithADamagedKiroRow() throws {
        let path = directory.path + "/data.sqlite3"
        try SQLiteFixture.run(
            path,
            "db.execute('CREATE TABLE auth_kv (key TEXT PRIMARY KEY, value TEXT)')\n"
                + "db.execute(\"INSERT INTO auth_kv VALUES ('kirocli:odic:token', '{\\\"access_token\\\": \\\"cut off')\")"
        )
        let error = #expect(throws: VaultError.self) { try reading(path) }
        #expect(error?.code == .damaged)
        #expect(error?.message.contains("cut off") == false)
    }

    // MARK: Hostile

    @Test(arguments: [
        // A view of the expected name.
        "db.execute('CREATE VIEW credentials AS SELECT 1 AS account_id, 2 AS value')",
        // A value that is made up when it is read.
        "db.execute('CREATE TABLE credentials (account_id TEXT PRIMARY KEY, value TEXT AS (hex(zeroblob(100000000))))')\n"
            + "db.execute(\"INSERT INTO credentials VALUES ('x')\")",
        // A value beyond any token.
        "db.execute('CREATE TABLE credentials (account_id TEXT PRIMARY KEY, value BLOB)')\n"
            + "db.execute(\"INSERT INTO credentials VALUES ('x', zeroblob(8000000))\")",
        // More rows than anybody has logins.
        "db.execute('CREATE TABLE credentials (account_id TEXT PRIMARY KEY, value BLOB)')\n"
            + "db.execute('BEGIN'); db.executemany('INSERT INTO credentials VALUES (?, ?)', ((str(i), b'{}') for i in range(20000)))\n"
            + "db.execute('COMMIT')",
        // A virtual table.
        "db.execute('CREATE VIRTUAL TABLE credentials USING fts5(account_id, value)')",
        // Nothing.
        "db.execute('CREATE TABLE other (a)')",
    ])
    func refusesWhatIsNoStoreOfTokens(_ script: String) throws {
        let path = directory.path + "/credentials.db"
        try SQLiteFixture.run(path, script)
        let error = #expect(throws: VaultError.self) { try reading(path) }
        #expect(error?.code == .damaged, "\(String(describing: error))")
    }

    @Test func runsNoTriggerOfTheFile() async throws {
        let path = try gcloud(
            twoAccounts
                + "db.execute('CREATE TABLE loot (value)')\n"
                + "db.execute('CREATE TRIGGER t BEFORE DELETE ON credentials BEGIN INSERT INTO loot VALUES (old.value); END')"
        )
        let report = try await run(path, remove: true)
        #expect(report.failures.map(\.error.code) == [.damaged])
        #expect(report.outcomes.map(\.result) == [.imported, .imported])
        let left = try SQLiteFixture.run(
            path,
            "print(db.execute('SELECT count(*) FROM credentials').fetchone(), db.execute('SELECT count(*) FROM loot').fetchone())"
        )
        #expect(left == "(3,) (0,)\n")
    }

    /// Each byte of the header and of the pages, and each length, changed by a generator that a seed starts.
    @Test(arguments: 0..<8)
    func survivesDamage(_ seed: UInt64) throws {
        let path = try gcloud(twoAccounts)
        let sound = [UInt8](try Data(contentsOf: URL(filePath: path)))
        var state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1
        func random(_ limit: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(limit))
        }
        for round in 0..<150 {
            var bytes = sound
            for _ in 0...random(6) { bytes[random(round % 3 == 0 ? 512 : bytes.count)] = UInt8(random(256)) }
            if round % 5 == 0 { bytes.removeLast(random(bytes.count)) }
            guard bytes.starts(with: Array("SQLite format 3\0".utf8)) else { continue }
            do {
                let secret = SharedSecret(try SecretBytes(bytes))
                let view = try SQLiteView.document(secret, subject: "fuzz")
                let editor = SQLiteEditor(bytes: secret, view: view)
                for row in view.root["credentials"]?.children ?? [] { _ = try editor.removing([row]) }
            } catch let error as VaultError {
                #expect(error.code == .damaged || error.code == .unavailable, "\(error)")
                #expect(!error.message.contains("EXAMPLE"))
            }
        }
    }
}
