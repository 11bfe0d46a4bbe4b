import Foundation
import Glibc
import PrivateFiles
import Synchronization
import TestSupport
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import OAuthFlows
@testable import TokenBroker
@testable import VaultCore

/// A commit that fails after the server has answered.
struct SpillTests {
    @Test func keepsNewTokensWhenTheVaultCannotBeWritten() async throws {
        let (fixture, name) = try await spilled()
        let vault = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-1")
        let summary = try await vault.summary(of: name)
        #expect(summary.journal == nil)
        #expect(summary.state == .active)
        #expect(try fixture.spills().isEmpty)
        #expect(try await fixture.token(name) == "access-1")
    }

    @Test func leavesNoSpillFileBehind() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        #expect(try await fixture.token(name) == "access-1")
        #expect(try fixture.spills().isEmpty)
    }

    @Test func sendsNothingWhereNoSpillCanBePrepared() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let state = fixture.location.state(of: fixture.vault.id)
        for place in ["\(state)/spill", "\(fixture.directory)/run"] {
            try? FileManager.default.removeItem(atPath: place)
            _ = FileManager.default.createFile(atPath: place, contents: nil)
        }
        let error = await failure { _ = try await fixture.token(name) }
        #expect(error?.code == .unsafe || error?.code == .unavailable)
        #expect(error?.message.contains("no room") == true)
        #expect(fixture.server.requests == 0)
        #expect(try await fixture.refreshToken(of: name) == "refresh-0")
    }

    @Test func takesNothingInThatIsOlderThanWhatIsThere() async throws {
        let (fixture, name) = try await spilled()
        let path = try await fixture.spill(of: name)
        let kept = try #require(FileManager.default.contents(atPath: path))
        _ = try await fixture.reopened()
        // A newer refresh, and then the old spill file again.
        fixture.time.advance(seconds: 7200)
        #expect(try await fixture.token(name) == "access-2")
        try fixture.put(kept, at: path)
        let vault = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-2")
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    /// A second login or an import that waited for the refresh to end puts another grant there; the journal may be left.
    @Test func takesNothingInOverAnotherGrant() async throws {
        let (fixture, name) = try await spilled()
        let path = try await fixture.spill(of: name)
        let kept = try #require(FileManager.default.contents(atPath: path))
        let journal = try #require(try await fixture.vault.summary(of: name).journal)
        try await fixture.vault.update(name) { (summary, secrets) throws(VaultError) in
            // Whoever changes an entry sees what the refresh got.
            #expect(secrets.fingerprint(.refreshToken) == TokenFingerprint(of: Array("refresh-1".utf8)))
            summary.journal = journal
            try secrets.set(.refreshToken, to: secret("another-grant"))
        }
        try fixture.put(kept, at: path)
        let vault = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: vault) == "another-grant")
    }

    @Test func takesTokensIntoAVaultThatWasPutBack() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let database = "\(fixture.location.directory)/vault.sqlite"
        let older = try #require(FileManager.default.contents(atPath: database))
        try await fixture.spill(name)
        try fixture.put(older, at: database)
        let vault = try await fixture.reopened(acceptingRollback: true)
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-1")
        #expect(try await vault.summary(of: name).state == .active)
        #expect(try fixture.spills().isEmpty)
    }

    /// What came before the spent token is no reason to throw away what came after it.
    @Test func keepsTokensThatAreAheadOfAVaultThatWasPutBack() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let database = "\(fixture.location.directory)/vault.sqlite"
        let older = try #require(FileManager.default.contents(atPath: database))
        #expect(try await fixture.token(name) == "access-1")
        fixture.time.advance(seconds: 7200)
        try await fixture.spill(name)
        let newer = try #require(FileManager.default.contents(atPath: database))
        try fixture.put(older, at: database)
        let old = try await fixture.reopened(acceptingRollback: true)
        #expect(try await fixture.refreshToken(of: name, in: old) == "refresh-0")
        #expect(old.spillFaults(try await old.list()).map(\.code) == [.unavailable])
        try fixture.put(newer, at: database)
        let vault = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-2")
        #expect(vault.spillFaults(try await vault.list()).isEmpty)
    }

    @Test(arguments: ["mode", "link"])
    func sendsNothingWhileASpillFileCannotBeRead(_ fault: String) async throws {
        let (fixture, name) = try await spilled()
        let path = try await fixture.spill(of: name)
        if fault == "mode" { chmod(path, 0o640) } else { link(path, "\(fixture.directory)/another") }
        let vault = try await fixture.reopened()
        #expect(vault.spillFaults(try await vault.list()).map(\.code) == [.unsafe])
        #expect(await failure { _ = try await fixture.token(name) }?.code == .unsafe)
        #expect(fixture.server.requests == 1)
        if fault == "mode" { chmod(path, 0o600) } else { unlink("\(fixture.directory)/another") }
        #expect(try await fixture.token(name) == "access-1")
        #expect(fixture.server.requests == 1)
    }

    @Test func aNewGrantIsNotLostForASpillFileThatCannotBeRead() async throws {
        let (fixture, name) = try await spilled()
        chmod(try await fixture.spill(of: name), 0o640)
        let leased = try await fixture.vault.lease(name, forNewGrant: true)
        #expect(leased.name == name)
        leased.release()
    }

    /// It may be sealed under the key that the rotation would do away with.
    @Test func aRotationWaitsForASpillFileThatCannotBeRead() async throws {
        let (fixture, name) = try await spilled()
        let path = try await fixture.spill(of: name)
        chmod(path, 0o640)
        #expect(await failure { _ = try await fixture.vault.prepareRotation() }?.code == .unsafe)
        chmod(path, 0o600)
        let prepared = try await fixture.vault.prepareRotation()
        // And one that comes to be unreadable only now: both keys are kept.
        chmod(path, 0o640)
        let error = await failure { try await fixture.vault.rotate(prepared) }
        #expect(error?.code == .unsafe)
        let between = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: between) == "refresh-0")
        chmod(path, 0o600)
        let vault = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-1")
        #expect(try await !ClosedVault.open(fixture.location).isRotating)
    }

    /// Somebody with another state directory sees no spill file, and waits for none.
    @Test(arguments: [1, 2, 16]) func takesTokensInAfterRotationsElsewhere(_ count: Int) async throws {
        let (fixture, name) = try await spilled()
        for _ in 0..<count { try await fixture.reopened(state: "elsewhere").rotate() }
        let vault = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-1")
        #expect(try await vault.summary(of: name).state == .active)
        #expect(try fixture.spills().isEmpty)
        #expect(try await fixture.token(name) == "access-1")
        #expect(fixture.server.requests == 1)
    }

    @Test func keepsTokensOfAKeyThatIsForgotten() async throws {
        let (fixture, name) = try await spilled()
        for _ in 0..<17 { try await fixture.reopened(state: "elsewhere").rotate() }
        let vault = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-0")
        #expect(try fixture.spills().map { $0.hasSuffix(".does-not-open") } == [true])
        #expect(vault.spillFaults(try await vault.list()).map(\.code) == [.damaged])
        // The file tells which token is spent.
        #expect(await failure { _ = try await fixture.token(name) }?.code == .loginRequired)
        #expect(fixture.server.requests == 1)
    }

    /// A vault that was put back for a while, under a key that the file was not sealed for.
    @Test func takesInWhatWasSetAsideOnceItOpens() async throws {
        let (fixture, name) = try await spilled()
        let path = try await fixture.spill(of: name)
        try FileManager.default.moveItem(atPath: path, toPath: "\(path).00000000.does-not-open")
        let vault = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-1")
        #expect(try fixture.spills().isEmpty)
    }

    /// Edits on another machine, which does not see the file, and whose version has overtaken the journal.
    @Test func takesTokensInAndKeepsWhatWasChangedElsewhere() async throws {
        let (fixture, name) = try await spilled()
        let other = try await fixture.reopened(state: "elsewhere")
        for number in 0..<5 {
            try await other.update(name) { (summary, _) throws(VaultError) in
                summary.programs = ["/usr/bin/curl"]
                summary.metadata = ["number": "\(number)"]
                summary.journal = nil
            }
        }
        let vault = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-1")
        let summary = try await vault.summary(of: name)
        #expect(summary.programs == ["/usr/bin/curl"] && summary.metadata == ["number": "4"])
        #expect(summary.state == .active && summary.rotation == .always)
        #expect(try fixture.spills().isEmpty)
    }

    /// Of an earlier data key, only what is waited for: who has that key can seal such a file.
    @Test func takesNothingInOfAnEarlierKeyThatNobodyWaitsFor() async throws {
        let (fixture, name) = try await spilled()
        let other = try await fixture.reopened(state: "elsewhere")
        try await other.update(name) { (summary, _) throws(VaultError) in summary.journal = nil }
        try await other.rotate()
        let vault = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-0")
        #expect(try fixture.spills().count == 1)
        // And what it calls spent is not sent.
        #expect(await failure { _ = try await fixture.token(name) }?.code == .unavailable)
        #expect(fixture.server.requests == 1)
    }

    /// It may be a sync tool's doing, or that of a server which does not show all there is.
    @Test func keepsTokensOfAnEntryThatIsNotThere() async throws {
        let (fixture, name) = try await spilled()
        let database = "\(fixture.location.directory)/vault.sqlite"
        let whole = try #require(FileManager.default.contents(atPath: database))
        let other = try await fixture.reopened(state: "elsewhere")
        try await other.remove(name)
        let without = try await fixture.reopened()
        #expect(try await without.list().entries.isEmpty)
        let faults = without.spillFaults(try await without.list())
        #expect(faults.map(\.code) == [.unavailable] && faults[0].hint?.contains("rm ") == true)
        try fixture.put(whole, at: database)
        let vault = try await fixture.reopened(acceptingRollback: true)
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-1")
        #expect(try fixture.spills().isEmpty)
    }

    /// The spill key of a data key is another key than that one: nobody who has it opens a record.
    @Test func aSpillKeyOpensNoRecord() async throws {
        let fixture = try await BrokerFixture()
        _ = try await fixture.insert()
        let session = fixture.vault.current
        let record = try #require(try await fixture.vault.store.records(after: nil, limit: 1).first)
        let spillKey = try session.key.spillKey()
        #expect(throws: RecordFault.self) { try fixture.vault.identify(record, under: [spillKey]) }
        #expect(throws: Never.self) { try fixture.vault.identify(record, session) }
    }

    /// Somebody with another state directory sees no spill file, and sends the spent token.
    @Test func takesTokensInAfterSomebodyElseWasRefused() async throws {
        let (fixture, name) = try await spilled()
        let other = try await fixture.reopened(state: "elsewhere")
        fixture.time.advance(seconds: 60)
        let broker = LocalBroker(other, http: fixture.server, clock: fixture.time.clock)
        let error = await failure { _ = try await broker.ungatedToken(for: name, fixture.need()) }
        #expect(error?.code == .loginRequired)
        let vault = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-1")
        #expect(try await vault.summary(of: name).state == .active)
    }

    @Test func setsAsideWhatDoesNotOpen() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let path = try await fixture.spill(of: name)
        try PrivateFiles.makeDirectory(PrivateFiles.parentDirectory(of: path))
        let id = try #require(RecordID([UInt8](repeating: 7, count: 32)))
        let record = StoredRecord(id: id, generation: 9, sealed: [UInt8](repeating: 5, count: 2000))
        let planted = Data(SpilledRecord(record: record, spent: [UInt8](repeating: 3, count: 32)).encoded)
        try fixture.put(planted, at: path)
        #expect(try await fixture.token(name) == "access-1")
        let names = try fixture.spills()
        #expect(names.count == 1 && names[0].hasSuffix(".does-not-open"))
        #expect(FileManager.default.contents(atPath: "\(path.dropLast(36))\(names[0])") == planted)
        let faults = fixture.vault.spillFaults(try await fixture.vault.list())
        #expect(faults.map(\.code) == [.damaged])
        #expect(faults.first?.hint?.contains("vault login work") == true)
    }

    @Test func aCopyLeavesTheOriginalsTokensAlone() async throws {
        let (fixture, name) = try await spilled()
        let path = try await fixture.spill(of: name)
        let kept = FileManager.default.contents(atPath: path)
        var location = fixture.location
        location.directory = "\(fixture.directory)/copy"
        try PrivateFiles.makeDirectory(location.directory)
        let database = try #require(FileManager.default.contents(atPath: "\(fixture.location.directory)/vault.sqlite"))
        try fixture.put(database, at: "\(location.directory)/vault.sqlite")
        let copy = try await Vault.open(location, with: BrokerFixture.custodians(fixture.directory))
        #expect(copy.original == fixture.location.directory)
        let broker = LocalBroker(copy, http: fixture.server, clock: fixture.time.clock)
        fixture.time.advance(seconds: 60)
        let sent = fixture.server.requests
        // What it holds is spent.
        #expect(await failure { _ = try await broker.ungatedToken(for: name, fixture.need()) }?.code == .unavailable)
        #expect(fixture.server.requests == sent)
        #expect(copy.spillFaults(try await copy.list()).count == 1)
        #expect(FileManager.default.contents(atPath: path) == kept)
        let vault = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-1")
    }

    private func spilled() async throws -> (BrokerFixture, EntryName) {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        try await fixture.spill(name)
        return (fixture, name)
    }
}

extension BrokerFixture {
    /// Refreshes an entry, and locks the database while the server holds the answer.
    ///
    /// Root may write whatever the modes say, so it takes another program that holds a lock.
    fileprivate func spill(_ name: EntryName) async throws {
        server.state.withLock { $0.holdsNext = true }
        let caller = Task { await failure { _ = try await token(name) } }
        try await eventually("the server is asked") { server.state.withLock({ $0.hold != nil }) }
        let lock = try Locked(database: "\(location.directory)/vault.sqlite")
        server.state.withLock {
            $0.holdsNext = false
            $0.hold?.resume()
            $0.hold = nil
        }
        let error = await caller.value
        lock.release()
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("kept sealed") == true)
    }

    /// Where the tokens of an entry are spilled.
    fileprivate func spill(of name: EntryName) async throws -> String {
        "\(location.state(of: vault.id))/spill/\(try await vault.summary(of: name).id)"
    }

    fileprivate func spills() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(location.state(of: vault.id))/spill")
    }

    fileprivate func put(_ contents: Data, at path: String) throws {
        try contents.withUnsafeBytes { bytes in try PrivateFiles.replace(path, contents: bytes) }
    }
}

/// An exclusive lock on a database, as another program could hold it; the vault waits 10 s for it and gives up.
final class Locked {
    private let program: Program

    init(database: String) throws {
        program = try Program(["sqlite3", database])
        program.write("BEGIN EXCLUSIVE; SELECT 'held';\n")
        guard !program.read(until: { $0.contains(10) }).isEmpty else { throw Broken(what: "sqlite3 does not lock") }
    }

    func release() { program.end() }
}

extension Vault {
    /// A new data key, with cheap slots.
    func rotate(_ prepared: PreparedRotation? = nil) async throws(VaultError) {
        let cheap = PasswordHash(passes: 1, memoryBytes: 8192)
        let prepared = if let prepared { prepared } else { try await prepareRotation() }
        try await rotate(prepared, issuesRecoveryCode: false, derivation: cheap)
    }
}
