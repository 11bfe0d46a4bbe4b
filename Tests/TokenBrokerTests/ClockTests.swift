import Synchronization
import Testing
import VaultAPI
import VaultCore

@testable import OAuthFlows
@testable import TokenBroker

/// Clocks that were wrong, and tokens that run out while somebody waits.
struct ClockTests {
    private static let ahead = 8.0 * 3600

    @Test(arguments: [false, true])
    func aFailureRecordedByAClockThatWasAheadLocksNobodyOut(_ requiresRefresh: Bool) async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.time.advance(seconds: Self.ahead)
        fixture.server.script(.unavailable)
        #expect(await failure { _ = try await fixture.token(name) }?.code == .temporary)
        fixture.time.advance(seconds: 1 - Self.ahead)
        var need = fixture.need()
        need.requiresRefresh = requiresRefresh
        #expect(try await fixture.token(name, need) == "access-1")
        #expect(fixture.server.requests == 2)
    }

    @Test func refusalsAreSpacedThoughTheClockWasAheadAtTheFirst() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.server.script(.bareRefusal, .bareRefusal, .bareRefusal)
        fixture.time.advance(seconds: Self.ahead)
        _ = await failure { _ = try await fixture.token(name) }
        fixture.time.advance(seconds: -Self.ahead)
        for _ in 0..<2 {
            fixture.time.advance(seconds: 25)
            _ = await failure { _ = try await fixture.token(name) }
        }
        #expect(try await fixture.vault.summary(of: name).state == .suspect)
    }

    @Test func aRefreshRecordedByAClockThatWasAheadAnswersNobodyWhoWantsOne() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.time.advance(seconds: Self.ahead)
        #expect(try await fixture.token(name) == "access-1")
        fixture.time.advance(seconds: 1 - Self.ahead)
        var need = fixture.need()
        need.requiresRefresh = true
        #expect(try await fixture.token(name, need) == "access-2")
    }

    @Test func handsOutNoTokenThatRanOutSinceTheCallerAsked() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let patient = fixture.need()
        fixture.time.advance(seconds: 1)
        #expect(try await fixture.token(name) == "access-1")
        fixture.time.advance(seconds: 3601)
        #expect(try await fixture.token(name, patient) == "access-2")
    }

    @Test func asksNotAgainWhereTokensHaveRunOutWhenTheyCome() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.server.state.withLock { $0.lifetime = "0" }
        let patient = fixture.need()
        fixture.time.advance(seconds: 1)
        #expect(try await fixture.token(name) == "access-1")
        fixture.time.advance(seconds: 10)
        #expect(try await fixture.token(name, patient) == "access-1")
        #expect(fixture.server.requests == 1)
    }

    @Test func requirementsServeAnyNumberOfCalls() async throws {
        let fixture = try await BrokerFixture()
        try await fixture.insert()
        var requirements = TokenRequirements()
        requirements.requiresRefresh = true
        for expected in 1...3 {
            fixture.time.advance(seconds: 1)
            #expect(try await fixture.broker.accessToken(for: "work", requirements).value == "access-\(expected)")
        }
    }
}
