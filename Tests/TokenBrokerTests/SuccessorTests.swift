import Synchronization
import TestSupport
import Testing
import VaultAPI
import VaultCore

@testable import OAuthFlows
@testable import TokenBroker

/// A journal that stands when the lease is taken: somebody died, or locks another file.
struct SuccessorTests {
    /// Leaves a journal as somebody does who may send for 10 s more; `change` makes their place of ours.
    private func journal(
        in fixture: BrokerFixture,
        _ name: EntryName,
        _ change: (inout [UInt8]) -> Void
    ) async throws {
        // The file that is locked is there from the first lease on.
        try await fixture.vault.lease(name).release()
        var place = LeasePlace(of: fixture.vault).bytes
        change(&place)
        let journal = RefreshJournal(
            spent: TokenFingerprint(of: Array("refresh-0".utf8)).bytes,
            startedAt: fixture.time.time,
            sendBefore: fixture.time.clock.bootTime + 10_000,
            boot: place
        )
        try await fixture.vault.update(name) { (summary, _) throws(VaultError) in summary.journal = journal }
    }

    @Test func waitsUntilAHolderElsewhereCanSendNoMore() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        try await journal(in: fixture, name) { $0[15] ^= 1 }
        let began = fixture.time.time
        #expect(try await fixture.token(name) == "access-1")
        #expect((10...11).contains(fixture.time.time.seconds - began.seconds))
    }

    @Test(arguments: [0, nil])
    func waitsForNobodyWhoHeldTheSameLeaseOrIsOfAnotherBoot(_ changed: Int?) async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        try await journal(in: fixture, name) { place in if let changed { place[changed] ^= 1 } }
        #expect(try await fixture.token(name) == "access-1")
        #expect(fixture.time.waitCount == 0)
    }

    @Test func waitsNotAfterARequestWhoseAnswerWasLost() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.server.script(.loseBeforeServer)
        _ = await failure { _ = try await fixture.token(name) }
        fixture.time.advance(seconds: 2)
        let other = try await fixture.reopened(state: "elsewhere")
        let broker = LocalBroker(other, http: fixture.server, clock: fixture.time.clock)
        #expect(try await broker.ungatedToken(for: name, fixture.need()).value.revealed == "access-1")
        #expect(fixture.time.waitCount == 0)
    }

    /// "A holder … stopped before sending and woken after its lease expired".
    @Test func sendsNothingWhenItWakesTooLate() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.server.state.withLock { $0.beforeSending = { fixture.time.advance(seconds: 15) } }
        let error = await failure { _ = try await fixture.token(name) }
        #expect(error?.code == .temporary && error?.message.contains("too much time passed") == true)
        #expect(fixture.server.requests == 0)
        #expect(try await fixture.vault.summary(of: name).journal == nil)
        fixture.time.advance(seconds: 24)
        #expect(try await fixture.token(name) == "access-1")
    }

    @Test func takesWhatASuccessorElsewhereGotWhileItWasStopped() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let other = try await fixture.reopened(state: "elsewhere")
        let successor = LocalBroker(other, http: fixture.server, clock: fixture.time.clock)
        let got = Mutex<String?>(nil)
        fixture.server.state.withLock {
            $0.beforeSending = {
                let token = try? await successor.ungatedToken(for: name, fixture.need()).value.revealed
                got.withLock { $0 = token }
            }
        }
        #expect(try await fixture.token(name) == "access-1")
        #expect(got.withLock { $0 } == "access-1")
        #expect(fixture.server.requests == 1)
        #expect(try await fixture.refreshToken(of: name) == "refresh-1")
        let summary = try await fixture.vault.summary(of: name)
        #expect(summary.state == .active && summary.journal == nil && summary.refreshFailure == nil)
    }

    @Test func takesTheTokenOfAHolderElsewhere() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.time.stopTakingTime()
        let other = try await fixture.reopened(state: "elsewhere")
        let broker = LocalBroker(other, http: fixture.server, clock: fixture.time.clock)
        fixture.server.state.withLock { $0.holdsNext = true }
        let first = Task { try await broker.ungatedToken(for: name, fixture.need()).value.revealed }
        try await eventually("the server is asked") { fixture.server.state.withLock({ $0.hold != nil }) }
        fixture.server.state.withLock { $0.holdsNext = false }
        let second = Task { try await fixture.token(name) }
        try await eventually("the server is asked") { fixture.time.waitCount > 0 || fixture.server.requests > 0 }
        fixture.server.state.withLock { $0.hold?.resume() }
        #expect(try await first.value == "access-1")
        #expect(try await second.value == "access-1")
        #expect(fixture.server.requests == 1)
    }
}
