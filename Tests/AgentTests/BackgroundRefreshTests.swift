import Providers
import Synchronization
import Testing
import TestSupport
import VaultAPI
import VaultCore

@testable import TokenBroker
@testable import VaultAgent

/// Which tokens are refreshed before anybody asks, and when.
struct BackgroundRefreshTests {
    private func summary(lifetime: Int64, left: Int64, now: Timestamp) throws -> EntrySummary {
        var entry = EntrySummary(name: try EntryName(parsing: "work"), createdAt: now)
        entry.issuedAt = Timestamp(seconds: now.seconds + left - lifetime)
        entry.expiry = .known(try #require(Timestamp(seconds: now.seconds + left)))
        entry.holds = [.accessToken, .refreshToken]
        return entry
    }

    /// Lifetime, seconds left, and whether it is time: always from the lead on, never before one and a half of it.
    @Test(arguments: [
        (3600, 299, true), (3600, 451, false), (3600, 0, true), (3600, -10, true), (86_400, 451, false),
        (600, 149, true), (600, 226, false), (60, 14, true), (60, 23, false), (59, 1, false), (10, 0, false),
    ])
    func theLeadIsAQuarterOfTheLifetimeOrFiveMinutes(lifetime: Int64, left: Int64, isTime: Bool) throws {
        let now = ManualClock().now
        for _ in 0..<100 {
            let entry = try summary(lifetime: lifetime, left: left, now: now)
            #expect((BackgroundRefresh.lead(of: entry, now: now) != nil) == isTime)
        }
    }

    @Test func entriesOfTheSameSecondAreSpread() throws {
        let now = ManualClock().now
        let leads = try (0..<200).compactMap { _ in
            BackgroundRefresh.lead(of: try summary(lifetime: 3600, left: 0, now: now), now: now)
        }
        #expect(leads.count == 200 && leads.allSatisfy { (300...450).contains($0) })
        #expect(Set(leads).count > 50)
        var entry = try summary(lifetime: 3600, left: 0, now: now)
        let generations = (0..<50 as Range<UInt64>).compactMap { generation -> Int64? in
            entry.generation = generation
            return BackgroundRefresh.lead(of: entry, now: now)
        }
        #expect(Set(generations).count > 10, "each refresh has another share of the jitter")
    }

    @Test func whatCannotOrMayNotBeRefreshedIsLeftAlone() throws {
        let now = ManualClock().now
        let changes: [(inout EntrySummary) -> Void] = [
            { $0.state = .held(.secondOwner) }, { $0.state = .reauthorizationRequired("x") },
            { $0.holds = [.accessToken] }, { $0.expiry = .unknown }, { $0.expiry = .never },
            { entry in
                guard let later = Timestamp(seconds: now.seconds + 60) else { return }
                entry.refreshFailure = RefreshFailure(at: now, retryAt: later, count: 1, kind: .busy, reason: "busy")
            },
        ]
        for change in changes {
            var entry = try summary(lifetime: 3600, left: 10, now: now)
            #expect(BackgroundRefresh.lead(of: entry, now: now) != nil)
            change(&entry)
            #expect(BackgroundRefresh.lead(of: entry, now: now) == nil)
        }
    }

    @Test func whatIsInUseIsRefreshedInTime() async throws {
        let fixture = try await Fixture()
        let background = background(fixture)
        let used = try await fixture.insert(age: 0)
        try await fixture.insert("unused", age: 0)
        fixture.held.handedOut(used)
        #expect(await background.round())
        #expect(fixture.server.requests == 0)
        fixture.time.advance(seconds: 3301)
        #expect(await background.round())
        #expect(fixture.server.requests == 1)
        #expect(try await fixture.refreshToken(of: used) == "refresh-1")
        // It is not due again.
        #expect(await background.round())
        #expect(fixture.server.requests == 1)
    }

    @Test func whatNobodyUsedForTooLongRunsOut() async throws {
        let fixture = try await Fixture()
        let background = background(fixture)
        fixture.held.handedOut(try await fixture.insert(age: 0))
        fixture.time.advance(seconds: 86_401)
        #expect(await background.round())
        #expect(fixture.server.requests == 0)
    }

    @Test func aServerInTroubleIsLeftInPeace() async throws {
        let fixture = try await Fixture()
        let background = background(fixture)
        let name = try await fixture.insert()
        fixture.held.handedOut(name)
        fixture.server.state.withLock { $0.refusals = [503] }
        #expect(await background.round())
        let failure = try #require(try await fixture.vault.summary(of: name).refreshFailure)
        let asked = fixture.server.requests
        #expect(asked >= 1)
        for _ in 0..<10 { #expect(await background.round()) }
        #expect(fixture.server.requests == asked, "asked again before \(failure.retryAt)")
        fixture.time.advance(seconds: failure.retryAt.seconds - fixture.time.now.seconds + 1)
        #expect(await background.round())
        #expect(fixture.server.requests == asked + 1)
        #expect(try await fixture.vault.summary(of: name).refreshFailure == nil)
    }

    @Test func itEndsWithTheVault() async throws {
        let fixture = try await Fixture()
        fixture.held.handedOut(try await fixture.insert())
        await fixture.held.drain()
        #expect(await !background(fixture).round())
        #expect(fixture.server.requests == 0)
    }

    private func background(_ fixture: Fixture) -> BackgroundRefresh {
        BackgroundRefresh(of: fixture.held, clock: fixture.time.clock, notices: LoginNotices(nil, environment: [:]))
    }
}
