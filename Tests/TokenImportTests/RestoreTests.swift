import Foundation
import StrictJSON
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import TokenImport

/// Files that are handed back, in a real vault.
struct RestoreTests {
    private let directory: TestDirectory
    private let machine: Machine

    init() throws {
        directory = try TestDirectory()
        machine = Machine(home: directory.path, environment: [:])
    }

    // MARK: Every fixture

    @Test(arguments: try Fixture.all())
    func anImportedAndRemovedFileComesBackByteForByte(fixture: String) async throws {
        let vault = try await vault()
        let file = try directory.copyBytes(fixture)
        let before = try directory.bytes(file)
        let names = try await take(file, into: vault)
        guard let name = names.first else { return }
        if try directory.existing(file) == before {
            Issue.record("\(fixture): nothing was removed")
        }
        let done = try await FileRestoration.run(name, in: vault, machine: machine, now: testNow)
        #expect(try directory.bytes(file) == before)
        #expect(done.outcome == .written && done.isOriginal && Set(done.names) == Set(names))
        #expect(try mode(file) == 0o600)
        for name in names {
            let entry = try await vault.summary(of: name)
            let mayRotate = entry.holds.contains(.refreshToken) && entry.rotation != .never
            #expect((entry.state == .held(.secondOwner)) == (mayRotate && done.held.contains(name)))
        }
        let again = try await FileRestoration.run(name, in: vault, machine: machine, now: testNow)
        #expect(again.outcome == .present)
        #expect(try directory.bytes(file) == before)
    }

    @Test(arguments: try Fixture.all())
    func aRefreshedGrantComesBackWithItsNewTokensAndNothingElseChanged(fixture: String) async throws {
        let vault = try await vault()
        let file = try directory.copyBytes(fixture)
        let before = try directory.bytes(file)
        let names = try await take(file, into: vault)
        guard let name = names.first else { return }
        let end = try #require(Timestamp(seconds: 2_000_000_000, nanoseconds: 123_456_789))
        var isRenewed = false
        for name in names where try await refresh(name, in: vault, until: end) { isRenewed = true }
        // Static keys alone are never refreshed.
        guard isRenewed else { return }
        let old = try text(before, file, await vault.summary(of: name))
        let done = try await FileRestoration.run(name, in: vault, machine: machine, now: testNow)
        #expect(!done.isOriginal)
        let after = try directory.bytes(file)
        let new = try text(after, file, await vault.summary(of: name))
        #expect(new.contents.grants.map(\.value.pointer) == old.contents.grants.map(\.value.pointer))
        var tokens = 0
        for (then, now) in zip(old.contents.grants, new.contents.grants) {
            let pointer = then.value.pointer
            let owner = try await vault.list().entries.first {
                $0.source?.pointer == pointer && names.contains($0.name)
            }
            guard let owner else { continue }
            for (field, value) in now.secrets + now.copies where field.isRenewed {
                #expect(try plain(value) == "NEW-\(owner.name.name)-\(field.word)")
                tokens += 1
            }
            #expect(then.times.count == now.times.count)
            for time in now.times {
                let read = try #require(try time.value.instant(as: time.form))
                #expect(end.seconds - read.seconds <= 1 && read <= end, "\(read)")
            }
        }
        #expect(tokens > 0)
        #expect(try Self.masked(new, after) == Self.masked(old, before))
        // What was written reads as what the vault has: importing it changes nothing.
        let plan = try await ImportPlan.make([file], options: options(), for: vault, now: testNow)
        #expect(plan.items.filter { names.contains($0.name) }.allSatisfy { $0.action == .unchanged })
    }

    // MARK: What stands in the way

    @Test func leavesAFileOfSomebodyElseAlone() async throws {
        let vault = try await vault()
        let file = try directory.copy("codex/auth.json")
        let name = try #require(try await take(file, into: vault).first)
        try directory.write("codex/auth.json", #"{"OPENAI_API_KEY": "sk-OTHER"}"#)
        let before = try directory.bytes(file)
        let error = await #expect(throws: VaultError.self) {
            try await FileRestoration.run(name, in: vault, machine: machine, now: testNow)
        }
        #expect(error?.code == .unsafe)
        #expect(try directory.bytes(file) == before)
        #expect(try await vault.summary(of: name).state == .active)
    }

    @Test func putsTheGrantBackIntoWhatTheRemovalLeft() async throws {
        let vault = try await vault()
        let text = #"{"claudeAiOauth":{"accessToken":"AT-EXAMPLE","refreshToken":"RT-EXAMPLE","expiresAt":1},"z": 1 }"#
        let file = try directory.write(".claude/.credentials.json", text)
        let name = try #require(try await take(file, into: vault).first)
        #expect(try directory.text(file) == #"{"z": 1 }"#)
        _ = try await FileRestoration.run(name, in: vault, machine: machine, now: testNow)
        #expect(try directory.text(file) == text)
    }

    @Test func refusesWhatTheOwnerChangedSinceTheRemoval() async throws {
        let vault = try await vault()
        let text = #"{"claudeAiOauth":{"accessToken":"AT-EXAMPLE","refreshToken":"RT-EXAMPLE","expiresAt":1},"z": 1 }"#
        let file = try directory.write(".claude/.credentials.json", text)
        let name = try #require(try await take(file, into: vault).first)
        try directory.write(".claude/.credentials.json", #"{"z": 2 }"#)
        await #expect(throws: VaultError.self) {
            try await FileRestoration.run(name, in: vault, machine: machine, now: testNow)
        }
        #expect(try directory.text(file) == #"{"z": 2 }"#)
    }

    @Test func holdsEveryEntryOfTheFileWhicheverWasNamed() async throws {
        let vault = try await vault()
        let file = try directory.copy("claude/.credentials.json", to: ".claude/.credentials.json")
        let names = try await take(file, into: vault)
        #expect(names.count == 2)
        let done = try await FileRestoration.run(names[1], in: vault, machine: machine, now: testNow)
        #expect(Set(done.held) == Set(names))
        for name in names { #expect(try await vault.summary(of: name).state == .held(.secondOwner)) }
    }

    @Test func waitsForTheOwnersLock() async throws {
        let vault = try await vault()
        let file = try directory.copy("claude/.credentials.json", to: ".claude/.credentials.json")
        let name = try #require(try await take(file, into: vault).first)
        let left = try directory.existing(file)
        let lock = directory.path + "/.claude/.storage-write"
        try FileManager.default.createDirectory(atPath: lock, withIntermediateDirectories: false)
        let error = await #expect(throws: VaultError.self) {
            try await FileRestoration.run(name, in: vault, machine: machine, now: testNow)
        }
        #expect(error?.code == .temporary)
        #expect(try directory.existing(file) == left)
        #expect(try await vault.summary(of: name).state == .active)
        try FileManager.default.removeItem(atPath: lock)
        _ = try await FileRestoration.run(name, in: vault, machine: machine, now: testNow)
        #expect(try directory.bytes(file) != left)
    }

    @Test func givesNoGrantToAnotherClient() async throws {
        let vault = try await vault()
        let file = try directory.copy("codex/auth.json")
        let name = try #require(try await take(file, into: vault).first)
        try await vault.update(name) { (summary, _) throws(VaultError) in summary.clientID = "another" }
        let error = await #expect(throws: VaultError.self) {
            try await FileRestoration.run(name, in: vault, machine: machine, now: testNow)
        }
        #expect(error?.code == .unsafe && !directory.exists(file))
    }

    @Test func keepsARefreshTokenThatTheFileHasNoPlaceFor() async throws {
        let vault = try await vault()
        let file = try directory.write("t.json", #"{"access_token": "AT-EXAMPLE", "expiry": "2099-01-01T00:00:00Z"}"#)
        let name = try #require(try await take(file, into: vault).first)
        try await refresh(name, in: vault, until: testNow)
        try await vault.update(name) { (_, secrets) throws(VaultError) in
            do { try secrets.set(.refreshToken, to: try SecretBytes(Array("RT".utf8))) } catch {
                throw VaultError(.failed, "\(error)")
            }
        }
        let done = try await FileRestoration.run(name, in: vault, machine: machine, now: testNow)
        #expect(done.held.isEmpty && done.notes.count == 1)
        #expect(try await vault.summary(of: name).state == .active)
    }

    @Test func saysThatThereIsNoFile() async throws {
        let vault = try await vault()
        let name = try EntryName(parsing: "oauth:made")
        let secrets = try EntrySecrets()
        _ = try await vault.insert(EntrySummary(name: name, createdAt: testNow), secrets)
        let error = await #expect(throws: VaultError.self) {
            try await FileRestoration.run(name, in: vault, machine: machine, now: testNow)
        }
        #expect(error?.code == .notFound)
    }

    // MARK: Times

    @Test(arguments: [
        (TimeForm.seconds, "1700000000", "2000000000"), (.seconds, "1700000000.5", "2000000000.1"),
        (.seconds, "1.7e9", "2000000000"), (.quotedSeconds, "1700000000.123456", "2000000000.123456"),
        (.milliseconds, "1700000000000", "2000000000123"), (.milliseconds, "1700000000000.0", "2000000000123.4"),
        (.rfc3339, "2023-11-14T22:13:20Z", "2033-05-18T03:33:20Z"),
        (.rfc3339, "2023-11-14 22:13:20.5UTC", "2033-05-18 03:33:20.1UTC"),
        (.rfc3339, "2023-11-14T22:13:20.123456789+02:00", "2033-05-18T05:33:20.123456789+02:00"),
        (.rfc3339, "2023-11-14T22:13:20,12-05:30", "2033-05-17T22:03:20,12-05:30"),
        (.rfc3339, "2023-11-14T22:13:20.1234567890z", "2033-05-18T03:33:20.1234567890z"),
        (.utc, "2023-11-14T22:13:20.000000", "2033-05-18T03:33:20.123456"),
        (.utc, "2023-11-14T22:13:20", "2033-05-18T03:33:20"),
    ])
    func writesATimeAsItStands(form: TimeForm, old: String, new: String) throws {
        let instant = try #require(Timestamp(seconds: 2_000_000_000, nanoseconds: 123_456_789))
        #expect(form.text(for: instant, like: old) == new)
    }

    @Test(arguments: [
        (#""expiry": "0001-01-01T00:00:00Z""#, #""expiry": "2033-05-18T03:33:20Z""#),
        (#""expires_at": 0"#, #""expires_at": 2000000000"#),
        (#""issued_at": 0, "expires_at": 0"#, #""issued_at": 2000000000, "expires_at": 2000000000"#),
        (#""expiresAt": "0""#, #""expiresAt": "2000000000""#),
        // There is nothing here that would say how to write one.
        (#""expiry": """#, #""expiry": """#), (#""expiry": null"#, #""expiry": null"#),
        (#""expiry": "0001-01-01T00:00:00""#, #""expiry": "0001-01-01T00:00:00""#),
    ])
    func writesATimeWhereTheFileSaidThatThereIsNone(old: String, new: String) async throws {
        let vault = try await vault()
        let file = try directory.write("t.json", #"{"access_token": "AT", "refresh_token": "RT", \#(old)}"#)
        let name = try #require(try await take(file, into: vault).first)
        try await refresh(name, in: vault, until: try #require(Timestamp(seconds: 2_000_000_000)))
        _ = try await FileRestoration.run(name, in: vault, machine: machine, now: testNow)
        let tokens = #""access_token": "NEW-t-access_token", "refresh_token": "NEW-t-refresh_token""#
        #expect(try directory.text(file) == "{\(tokens), \(new)}")
    }

    @Test func leavesTheZeroOfAKeyThatDoesNotEnd() async throws {
        let text =
            #"{"version": 1, "profiles": {"p:q": {"type": "token", "provider": "p", "token": "T", "expires": 0}}}"#
        let file = try directory.write(".openclaw/agents/main/agent/auth-profiles.json", text)
        let summary = EntrySummary(name: try EntryName(parsing: "static:p"), createdAt: testNow)
        let grants = try self.text(try directory.bytes(file), file, summary).contents.grants
        #expect(grants.map(\.summary.name.kind) == [.static])
        for grant in grants { #expect(grant.times.isEmpty) }
    }

    @Test func writesALocalTimeThatReadsAsTheSameInstant() throws {
        let instant = try #require(Timestamp(seconds: 2_000_000_000, nanoseconds: 500_000_000))
        let text = TimeForm.local.text(for: instant, like: "2023-11-14T22:13:20.0")
        #expect(LocalTime.instant(text) == instant)
    }

    // MARK: -

    private func options() -> ImportOptions {
        var options = ImportOptions(machine: machine)
        options.host = "https://dbc.example"
        return options
    }

    /// A vault that opens with a key file.
    private func vault() async throws -> Vault {
        try await TestVault.make(in: directory)
    }

    /// Imports a file and takes its grants out of it; the entries' names, none where the file is not read yet.
    private func take(_ file: String, into vault: Vault) async throws -> [EntryName] {
        var options = options()
        options.remove = true
        let plan = try await ImportPlan.make([file], options: options, for: vault, now: testNow)
        let report = await plan.execute(into: vault, now: testNow)
        return report.outcomes.filter { $0.result == .imported && $0.removal != .kept }.map(\.item.name)
    }

    /// Leaves an entry as a refresh leaves it, and says whether there was anything to refresh.
    @discardableResult
    private func refresh(_ name: EntryName, in vault: Vault, until end: Timestamp) async throws -> Bool {
        guard try await vault.summary(of: name).holds.contains(where: \.isRenewed) else { return false }
        try await vault.update(name) { (summary, secrets) throws(VaultError) in
            do {
                for field in EntrySecrets.Field.allCases where field.isRenewed && secrets.has(field) {
                    try secrets.set(field, to: try SecretBytes(Array("NEW-\(name.name)-\(field.word)".utf8)))
                }
            } catch { throw VaultError(.failed, "\(error)") }
            summary.expiry = .known(end)
            summary.issuedAt = end
            summary.refreshedAt = end
        }
        return true
    }

    private func text(_ bytes: [UInt8], _ file: String, _ entry: EntrySummary) throws -> FileText {
        let secret = SharedSecret(try SecretBytes(bytes))
        return try FileText.of(
            secret,
            sha256: [],
            at: file,
            format: entry.source?.format,
            options: options(),
            now: testNow,
            modified: testNow
        )
    }

    private func plain(_ value: JSONValue) throws -> String {
        try value.secret().withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    private func mode(_ file: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        return try #require(attributes[.posixPermissions] as? Int)
    }

    /// The bytes with a mark in the place of everything that a refresh changes.
    private static func masked(_ text: FileText, _ bytes: [UInt8]) throws -> [UInt8] {
        let mark = SharedSecret(try SecretBytes(Array("0".utf8)))
        let values = text.contents.grants.flatMap { grant in
            (grant.secrets + grant.copies).filter(\.field.isRenewed).map(\.value) + grant.times.map(\.value)
        }
        let masked = try text.document.editor.replacing(values.map { Replacement(value: $0, text: mark) })
        return masked.withUnsafeBytes { Array($0) }
    }
}

extension SecretField {
    /// Whether a refresh brings another.
    fileprivate var isRenewed: Bool { self == .accessToken || self == .refreshToken }
}

extension Fixture {
    /// All sample files.
    static func all() throws -> [String] {
        let root = try #require(Bundle.module.resourceURL).appendingPathComponent("Fixtures").path
        return try FileManager.default.subpathsOfDirectory(atPath: root).sorted().filter { name in
            var isDirectory: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(root)/\(name)", isDirectory: &isDirectory)
                && !isDirectory.boolValue
        }
    }

    static func bytes(_ name: String) throws -> [UInt8] {
        let root = try #require(Bundle.module.resourceURL)
        return Array(try Data(contentsOf: root.appendingPathComponent("Fixtures/\(name)")))
    }
}

extension TestDirectory {
    /// Copies a fixture where its tool keeps it, more or less: to the same place with a dot before it.
    func copyBytes(_ fixture: String) throws -> String {
        let file = try write("." + fixture, "")
        try Data(try Fixture.bytes(fixture)).write(to: URL(fileURLWithPath: file))
        return file
    }

    func bytes(_ file: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: file))) }

    func existing(_ file: String) throws -> [UInt8]? { exists(file) ? try bytes(file) : nil }
}
