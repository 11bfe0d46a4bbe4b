import Foundation
import Glibc
import PrivateFiles
import Synchronization
import TestSupport
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import OAuthFlows
@testable import TokenBroker

/// A commit that fails after the server has answered.
struct SpillTests {
    /// Takes the write permission of the database away while the server holds the answer.
    ///
    /// Root may write all the same, so the file is replaced by a directory of that name for SQLite's journal.
    @Test func keepsNewTokensWhenTheVaultCannotBeWritten() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.server.state.withLock { $0.holdsNext = true }
        let caller = Task { await failure { _ = try await fixture.token(name) } }
        while fixture.server.state.withLock({ $0.hold == nil }) { await Task.yield() }
        let lock = try Locked(database: "\(fixture.location.directory)/vault.sqlite")
        fixture.server.state.withLock {
            $0.holdsNext = false
            $0.hold?.resume()
        }
        let error = await caller.value
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("kept sealed") == true)
        lock.release()

        let vault = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-1")
        let summary = try await vault.summary(of: name)
        #expect(summary.journal == nil)
        #expect(summary.state == .active)
        let spills = try FileManager.default.contentsOfDirectory(
            atPath: "\(fixture.location.state(of: vault.id))/spill"
        )
        #expect(spills.isEmpty)
        #expect(try await fixture.token(name) == "access-1")
    }

    @Test func leavesNoSpillFileBehind() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        #expect(try await fixture.token(name) == "access-1")
        let spills = try FileManager.default.contentsOfDirectory(
            atPath: "\(fixture.location.state(of: fixture.vault.id))/spill"
        )
        #expect(spills.isEmpty)
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
        #expect(fixture.server.requests == 0)
        #expect(try await fixture.refreshToken(of: name) == "refresh-0")
    }

    @Test func takesNothingInThatIsOlderThanWhatIsThere() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.server.state.withLock { $0.holdsNext = true }
        let caller = Task { await failure { _ = try await fixture.token(name) } }
        while fixture.server.state.withLock({ $0.hold == nil }) { await Task.yield() }
        let lock = try Locked(database: "\(fixture.location.directory)/vault.sqlite")
        fixture.server.state.withLock {
            $0.holdsNext = false
            $0.hold?.resume()
        }
        _ = await caller.value
        lock.release()
        let id = try await fixture.vault.summary(of: name).id
        let path = "\(fixture.location.state(of: fixture.vault.id))/spill/\(id)"
        let spilled = try #require(FileManager.default.contents(atPath: path))
        _ = try await fixture.reopened()
        // A newer refresh, and then the old spill file again.
        fixture.time.advance(seconds: 7200)
        #expect(try await fixture.token(name) == "access-2")
        _ = FileManager.default.createFile(atPath: path, contents: spilled, attributes: [.posixPermissions: 0o600])
        let vault = try await fixture.reopened()
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-2")
        #expect(!FileManager.default.fileExists(atPath: path))
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
