import Foundation
import Synchronization
import TestSupport
import Testing
import VaultAPI
@testable import VaultCore
import VaultStorage

@testable import OAuthFlows
@testable import TokenBroker

/// Refreshing on a store whose leases can end before their holder does.
struct FencedRefreshTests {
    /// A holder that sleeps between its journal and its request, for longer than its lease lasts and shorter than its
    /// own window, sends nothing and says so; with nobody else about it takes its journal back.
    @Test func sendsNothingOnceItsLeaseIsOver() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let cluster = fixture.cluster(lifetimeSeconds: 5)
        let holder = try await fixture.machine("a", on: cluster)
        fixture.server.state.withLock { $0.beforeSending = { fixture.time.advance(seconds: 6) } }
        let error = await failure { _ = try await holder.revealed(name, fixture.need()) }
        #expect(error?.code == .temporary)
        #expect(fixture.server.requests == 0)
        #expect(try await fixture.vault.summary(of: name).journal == nil)
        #expect(try await holder.revealed(name, fixture.need()) == "access-1")
        #expect(fixture.server.requests == 1)
    }

    @Test func leavesTheJournalOfItsSuccessorAlone() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let cluster = fixture.cluster(lifetimeSeconds: 5)
        let holder = try await fixture.machine("a", on: cluster)
        let successor = try await fixture.machine("b", on: cluster)
        let got = Mutex<String?>(nil)
        fixture.server.state.withLock {
            $0.beforeSending = {
                // The holder is stopped for so long that its journal is no reason to wait any more.
                fixture.time.advance(seconds: 130)
                let token = try? await successor.revealed(name, fixture.need())
                got.withLock { $0 = token }
            }
        }
        #expect(try await holder.revealed(name, fixture.need()) == "access-1")
        #expect(got.withLock { $0 } == "access-1")
        #expect(fixture.server.requests == 1)
        let summary = try await fixture.vault.summary(of: name)
        #expect(summary.state == .active && summary.journal == nil && summary.refreshFailure == nil)
    }

    @Test func handsOutTheOldTokenWhereTheLeaseEndedAndItIsValidStill() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert(lifetime: 3600, age: 3500)
        let holder = try await fixture.machine("a", on: fixture.cluster(lifetimeSeconds: 5))
        fixture.server.state.withLock { $0.beforeSending = { fixture.time.advance(seconds: 6) } }
        var need = fixture.need()
        need.minimumValidity = 600
        let token = try await holder.ungatedToken(for: name, need)
        #expect(token.value.revealed == "access-0" && token.notes.first?.contains("lease ended") == true)
        #expect(fixture.server.requests == 0)
    }

    /// The commit of a holder that was stopped while the server answered is refused; what it was given goes into the
    /// spill file, from there into the entry under a new lease, and to the caller.
    @Test func bringsInWhatItWasGivenAfterItsLeaseWasLost() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let cluster = fixture.cluster()
        let holder = try await fixture.machine("a", on: cluster)
        let successor = try await fixture.machine("b", on: cluster)
        fixture.server.state.withLock { $0.holdsNext = true }
        let first = Task { try await holder.revealed(name, fixture.need()) }
        try await eventually("the server is asked") { fixture.server.state.withLock({ $0.hold != nil }) }
        fixture.server.state.withLock { $0.holdsNext = false }
        fixture.time.advance(seconds: 46)
        let error = await failure { _ = try await successor.revealed(name, fixture.need()) }
        #expect(error?.code == .temporary && error?.message.contains("another machine") == true)
        #expect(error?.hint == "ask again in 74 s")
        fixture.server.state.withLock { $0.hold?.resume() }
        #expect(try await first.value == "access-1")
        #expect(try await fixture.refreshToken(of: name) == "refresh-1")
        #expect(try await fixture.vault.summary(of: name).journal == nil)
        #expect(try await successor.revealed(name, fixture.need()) == "access-1")
        #expect(fixture.server.requests == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.spills("a")).isEmpty)
    }

    /// A login on another machine does not wait for a holder that sleeps.
    @Test func givesTheGrantThatCameMeanwhile() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let cluster = fixture.cluster()
        let holder = try await fixture.machine("a", on: cluster)
        let other = try await fixture.machine("b", on: cluster).vault
        fixture.server.state.withLock { $0.holdsNext = true }
        let first = Task { try await holder.revealed(name, fixture.need()) }
        try await eventually("the server is asked") { fixture.server.state.withLock({ $0.hold != nil }) }
        fixture.server.state.withLock { $0.holdsNext = false }
        fixture.time.advance(seconds: 46)
        try await other.update(name) { (summary, secrets) throws(VaultError) in
            summary.journal = nil
            summary.issuedAt = fixture.time.time
            summary.expiry = .unknown
            try secrets.set(.accessToken, to: secret("another-token"))
            try secrets.set(.refreshToken, to: secret("another-grant"))
        }
        fixture.server.state.withLock { $0.hold?.resume() }
        #expect(try await first.value == "another-token")
        #expect(try await fixture.refreshToken(of: name) == "another-grant")
        #expect(fixture.server.requests == 1)
    }

    @Test func aForcedRefreshWaitsForTheOtherMachineToo() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        try await fixture.journal(of: name, boot: [UInt8](repeating: 9, count: 16))
        let successor = try await fixture.machine("b", on: fixture.cluster())
        var need = fixture.need()
        need.requiresRefresh = true
        #expect(await failure { _ = try await successor.revealed(name, need) }?.code == .temporary)
        #expect(fixture.server.requests == 0)
    }

    /// Seconds by which the journal is older than the successor's clock says; a negative one is of a clock that is ahead.
    @Test(arguments: [(119, false), (121, true), (-119, false), (-899, false), (-901, true)])
    func waitsForADeadHolderNoLongerThanIsOfUse(_ age: Double, sends: Bool) async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let cluster = fixture.cluster()
        let writer = try await fixture.machine("a", on: cluster)
        try await fixture.journal(of: name, boot: [UInt8](repeating: 9, count: 16), in: writer.vault)
        fixture.time.advance(seconds: age)
        let successor = try await fixture.machine("b", on: cluster)
        if sends {
            #expect(try await successor.revealed(name, fixture.need()) == "access-1")
        } else {
            #expect(await failure { _ = try await successor.revealed(name, fixture.need()) }?.code == .temporary)
        }
        #expect(fixture.server.requests == (sends ? 1 : 0))
    }

    /// Whoever locks the same file as the journal's writer knows that that one is dead.
    @Test func waitsForNoProcessOfItsOwnMachine() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let broker = try await fixture.machine("a", on: fixture.cluster())
        try await broker.vault.lease(name).release()
        try await fixture.journal(of: name, boot: LeasePlace(of: broker.vault).bytes, in: broker.vault)
        #expect(try await broker.revealed(name, fixture.need()) == "access-1")
    }

    @Test func waitsNotAfterARequestThatIsOver() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let cluster = fixture.cluster()
        let first = try await fixture.machine("a", on: cluster)
        fixture.server.script(.loseBeforeServer)
        #expect(await failure { _ = try await first.revealed(name, fixture.need()) }?.code == .temporary)
        fixture.time.advance(seconds: 2)
        let second = try await fixture.machine("b", on: cluster)
        #expect(try await second.revealed(name, fixture.need()) == "access-1")
    }

    @Test func refreshesNothingWithoutTheStore() async throws {
        let fixture = try await BrokerFixture()
        let expired = try await fixture.insert("expired")
        let valid = try await fixture.insert("valid", lifetime: 3600, age: 3500)
        let cluster = fixture.cluster()
        let broker = try await fixture.machine("a", on: cluster)
        // What can be read is read from a cache.
        cluster.isUnreachable(for: .leasing, .committing)
        let error = await failure { _ = try await broker.revealed(expired, fixture.need()) }
        #expect(error?.code == .temporary && error?.message.contains("cannot be reached, so nothing was") == true)
        var need = fixture.need()
        need.minimumValidity = 600
        let token = try await broker.ungatedToken(for: valid, need)
        #expect(token.value.revealed == "access-0" && token.notes.first?.contains("cannot be reached") == true)
        #expect(fixture.server.requests == 0)
        cluster.isUnreachable()
        #expect(try await broker.revealed(expired, fixture.need()) == "access-1")
    }

    @Test func sendsNothingWhereTheJournalCannotBeWritten() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let cluster = fixture.cluster()
        let broker = try await fixture.machine("a", on: cluster)
        cluster.isUnreachable(for: .committing)
        #expect(await failure { _ = try await broker.revealed(name, fixture.need()) }?.code == .temporary)
        #expect(fixture.server.requests == 0)
    }

    @Test func keepsWhatCameWhileTheStoreWentAway() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let cluster = fixture.cluster()
        let broker = try await fixture.machine("a", on: cluster)
        fixture.server.state.withLock {
            $0.beforeSending = { cluster.isUnreachable(for: .reading, .committing, .leasing) }
        }
        let error = await failure { _ = try await broker.revealed(name, fixture.need()) }
        #expect(error?.code == .unavailable && error?.message.contains("kept sealed") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.spills("a")).count == 1)
        cluster.isUnreachable()
        #expect(try await broker.revealed(name, fixture.need()) == "access-1")
        #expect(try await fixture.refreshToken(of: name) == "refresh-1")
        #expect(fixture.server.requests == 1)
    }

    /// What is read from a cache may be older than the lease.
    @Test func sendsNoTokenThatOnlyTheCacheHolds() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let cluster = fixture.cluster()
        let (first, second) = (try await fixture.machine("a", on: cluster), try await fixture.machine("b", on: cluster))
        let old = try #require(try await fixture.vault.store.records(after: nil, limit: 1).first)
        #expect(try await first.revealed(name, fixture.need()) == "access-1")
        cluster.showsUntilTheNextCommit(old)
        #expect(try await second.revealed(name, fixture.need()) == "access-1")
        #expect(fixture.server.requests == 1)
        let summary = try await fixture.vault.summary(of: name)
        #expect(summary.journal == nil && summary.state == .active)
    }

    /// The machine that was cut off does not know of the new key, and opens the vault only with it.
    @Test func takesInWhatWasSpilledBeforeTheKeyWasRotatedElsewhere() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let cluster = fixture.cluster()
        let broker = try await fixture.machine("a", on: cluster)
        fixture.server.state.withLock {
            $0.beforeSending = { cluster.isUnreachable(for: .reading, .committing, .leasing) }
        }
        let error = await failure { _ = try await broker.revealed(name, fixture.need()) }
        #expect(error?.message.contains("kept sealed") == true)
        // Its lease ends, and who reaches the store has it to himself.
        fixture.time.advance(seconds: 46)
        cluster.isUnreachable()
        try await fixture.machine("b", on: cluster).vault.rotate()
        let vault = try await fixture.reopened(state: "a")
        #expect(try await fixture.refreshToken(of: name, in: vault) == "refresh-1")
        #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.spills("a")).isEmpty)
    }

    /// A sleeper that wakes up has no say over an entry that somebody else has changed meanwhile.
    @Test func removesNothingUnderALeaseThatIsOver() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let broker = try await fixture.machine("a", on: fixture.cluster())
        let leased = try await broker.vault.lease(name)
        fixture.time.advance(seconds: 46)
        #expect(!leased.isHeld(at: fixture.time.clock.bootTime))
        #expect(await failure { try await leased.remove() }?.isLeaseLost == true)
        #expect(try await fixture.refreshToken(of: name) == "refresh-0")
    }
}

extension LocalBroker {
    fileprivate nonisolated func revealed(_ name: EntryName, _ need: TokenNeed) async throws -> String {
        try await ungatedToken(for: name, need).value.revealed
    }
}

extension BrokerFixture {
    fileprivate func spills(_ machine: String) -> String { "\(directory)/\(machine)/\(vault.id)/spill" }

    /// Leaves a journal as a holder does who has not been heard of since.
    fileprivate func journal(of name: EntryName, boot: [UInt8], in vault: Vault? = nil) async throws {
        let journal = RefreshJournal(
            spent: TokenFingerprint(of: Array("refresh-0".utf8)).bytes,
            startedAt: time.time,
            sendBefore: time.clock.bootTime + 15_000,
            boot: boot
        )
        let machine = try await machine("writer", on: cluster()).vault
        try await (vault ?? machine).update(name) { (summary, _) throws(VaultError) in summary.journal = journal }
    }
}
