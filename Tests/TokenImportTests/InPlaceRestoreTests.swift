import Foundation
import KeyCustody
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import TokenImport

/// Grants that are handed back to a database, which stays the file that its owner has open.
struct InPlaceRestoreTests {
    private let directory: TestDirectory
    private let machine: Machine

    init() throws {
        directory = try TestDirectory()
        machine = Machine(home: directory.path, environment: [:])
    }

    @Test func putsTheRowsBackAndLeavesWhatTheOwnerWroteMeanwhile() async throws {
        let vault = try await TestVault.make(in: directory)
        let file = try gcloud()
        let before = try rows(file)
        let inode = try inode(file)
        let names = try await take(file, into: vault)
        #expect(names.count == 2)
        try SQLiteFixture.run(file, SQLiteFixture.insert("eve@example.com", SQLiteFixture.user("1//eve-EXAMPLE")))
        let done = try await FileRestoration.run(names[0], in: vault, machine: machine, now: testNow)
        #expect(done.outcome == .written && done.names == names)
        let after = try rows(file)
        #expect(after.filter { !$0.contains("eve@") } == before)
        #expect(after.contains { $0.contains("1//eve-EXAMPLE") } && after.count == before.count + 1)
        #expect(try self.inode(file) == inode)
        #expect(try SQLiteFixture.run(file, "print(db.execute('PRAGMA integrity_check').fetchone()[0])") == "ok\n")
        let again = try await FileRestoration.run(names[0], in: vault, machine: machine, now: testNow)
        #expect(again.outcome == .present)
        #expect(try rows(file) == after)
    }

    @Test func putsTheVaultsNewTokensIntoTheRows() async throws {
        let vault = try await TestVault.make(in: directory)
        let file = try gcloud()
        let names = try await take(file, into: vault)
        let ada = try #require(names.first { $0.name.contains("ada") })
        try await renew(ada, in: vault)
        let done = try await FileRestoration.run(ada, in: vault, machine: machine, now: testNow)
        #expect(done.outcome == .written && !done.isOriginal)
        let after = try rows(file)
        #expect(
            after.contains { $0.contains("ada@") && $0.contains("NEW-refresh_token") && $0.contains("cloud-platform") }
        )
        #expect(after.contains { $0.contains("1//bob-EXAMPLE") } && !after.contains { $0.contains("1//ada-EXAMPLE") })
        // Once more with newer ones: what stands there is what was written.
        try await renew(ada, in: vault, "NEWER")
        let newer = try await FileRestoration.run(ada, in: vault, machine: machine, now: testNow)
        #expect(newer.outcome == .written)
        #expect(try rows(file).contains { $0.contains("ada@") && $0.contains("NEWER-refresh_token") })
    }

    @Test func leavesARowThatItsOwnerMadeAnew() async throws {
        let vault = try await TestVault.make(in: directory)
        let file = try gcloud()
        let names = try await take(file, into: vault)
        try SQLiteFixture.run(file, SQLiteFixture.insert("ada@example.com", SQLiteFixture.user("1//login-EXAMPLE")))
        let before = try directory.bytes(file)
        let error = await #expect(throws: VaultError.self) {
            try await FileRestoration.run(names[0], in: vault, machine: machine, now: testNow)
        }
        #expect(error?.code == .unsafe)
        #expect(try directory.bytes(file) == before)
    }

    @Test func leavesAFileThatIsNoDatabaseAnyMore() async throws {
        let vault = try await TestVault.make(in: directory)
        let file = try gcloud()
        let names = try await take(file, into: vault)
        try directory.write("credentials.db", "something else")
        let error = await #expect(throws: VaultError.self) {
            try await FileRestoration.run(names[0], in: vault, machine: machine, now: testNow)
        }
        #expect(error?.code == .unsafe)
        #expect(try directory.text(file) == "something else")
    }

    @Test func writesTheWholeDatabaseWhereItIsGone() async throws {
        let vault = try await TestVault.make(in: directory)
        let file = try gcloud()
        let before = try directory.bytes(file)
        let names = try await take(file, into: vault)
        try FileManager.default.removeItem(atPath: file)
        let done = try await FileRestoration.run(names[0], in: vault, machine: machine, now: testNow)
        #expect(done.outcome == .written && done.isOriginal)
        #expect(try directory.bytes(file) == before)
    }

    @Test func holdsTheEntryBeforeTheDatabaseHasTheGrant() async throws {
        let vault = try await TestVault.make(in: directory)
        let file = directory.path + "/data.sqlite3"
        try SQLiteFixture.run(
            file,
            """
            db.execute('CREATE TABLE auth_kv (key TEXT PRIMARY KEY, value TEXT)')
            db.execute('INSERT INTO auth_kv VALUES (?, ?)', ('kirocli:social:token',
              json.dumps({'access_token': 'soc-EXAMPLE', 'refresh_token': 'sor-EXAMPLE'})))
            """
        )
        let name = try #require(try await take(file, into: vault).first)
        let before = try await vault.summary(of: name)
        #expect(before.state == .active)
        let left = try directory.bytes(file)
        let owner = try SQLiteFixture.start(
            file,
            "db.execute('BEGIN IMMEDIATE')\nprint('ready', flush=True); sys.stdin.read()"
        )
        _ = owner.output.fileHandleForReading.availableData
        let error = await #expect(throws: VaultError.self) {
            try await FileRestoration.run(name, in: vault, machine: machine, now: testNow)
        }
        owner.input.fileHandleForWriting.closeFile()
        owner.process.waitUntilExit()
        #expect(error?.code == .temporary)
        #expect(try directory.bytes(file) == left)
        // The hold was written, and taken back since nobody has the grant: two changes of the entry, and none of the file.
        let after = try await vault.summary(of: name)
        #expect(after.state == .active && after.generation == before.generation + 2)
        #expect(after.source == before.source)
        let done = try await FileRestoration.run(name, in: vault, machine: machine, now: testNow)
        #expect(done.outcome == .written && done.held == [name])
        #expect(try await vault.summary(of: name).state == .held(.secondOwner))
        let text = try SQLiteFixture.run(file, "print(db.execute('SELECT value FROM auth_kv').fetchall())")
        #expect(text.contains("sor-EXAMPLE"))
        // Its owner's now.
        #expect(try await FileRestoration.run(name, in: vault, machine: machine, now: testNow).outcome == .owned)
        // And it can be taken out again.
        #expect(try await take(file, into: vault) == [name])
        #expect(try await vault.summary(of: name).state == .active)
    }

    // MARK: -

    private func gcloud() throws -> String {
        let file = directory.path + "/credentials.db"
        try SQLiteFixture.run(
            file,
            SQLiteFixture.gcloudSchema
                + SQLiteFixture.insert("ada@example.com", SQLiteFixture.user("1//ada-EXAMPLE"))
                + SQLiteFixture.insert("bob@example.com", SQLiteFixture.user("1//bob-EXAMPLE"))
        )
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        return file
    }

    private func rows(_ file: String) throws -> [String] {
        try SQLiteFixture.run(
            file,
            "for r in db.execute('SELECT account_id, typeof(value), value FROM credentials ORDER BY 1'): print(r)"
        ).split(separator: "\n").map(String.init)
    }

    private func inode(_ file: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: file)[.systemFileNumber] as? Int
    }

    private func take(_ file: String, into vault: Vault) async throws -> [EntryName] {
        var options = ImportOptions(machine: machine)
        options.remove = true
        let plan = try await ImportPlan.make([file], options: options, for: vault, now: testNow)
        let report = await plan.execute(into: vault, now: testNow)
        #expect(report.code == nil, "\(report.lines)")
        return report.outcomes.filter { $0.removal == .edited }.map(\.item.name).sorted()
    }

    private func renew(_ name: EntryName, in vault: Vault, _ word: String = "NEW") async throws {
        _ = try await vault.update(name) { (summary, secrets) throws(VaultError) in
            do {
                for field in [EntrySecrets.Field.accessToken, .refreshToken] where secrets.has(field) {
                    try secrets.set(field, to: try SecretBytes(Array("\(word)-\(field.word)".utf8)))
                }
            } catch { throw VaultError(.failed, "\(error)") }
            summary.refreshedAt = testNow
        }
    }
}

/// A vault that opens with a key file.
enum TestVault {
    static func make(in directory: TestDirectory) async throws -> Vault {
        let place = directory.path + "/vault"
        return try await Vault.create(
            VaultLocation(
                directory: place + "/data",
                stateBase: place + "/state",
                configuration: place + "/config"
            ),
            slots: [NewSlot(.keyFile, keyFile: directory.path + "/key")],
            custodians: CustodianSet(
                asking: { _ throws(CustodyError) in throw CustodyError(.locked, "nobody can be asked") },
                keyring: KeyringClient(program: place + "/no-keyring", environment: [:]),
                isInteractive: false,
                limits: DerivationLimits(),
                showRecoveryCode: { (_) throws(CustodyError) in }
            )
        )
    }
}
