import AgentClient
import Providers
import Synchronization
import Testing
import TestSupport
import VaultAPI
import VaultCore

@testable import TokenBroker
@testable import VaultAgent

/// For how long an agent holds a vault, and how it lets go.
struct HeldVaultTests {
    private func settings(lifetime: Int64? = nil, idle: Int64? = nil) -> AgentSettings {
        var settings = AgentSettings()
        settings.lifetime = lifetime.map { .seconds($0) }
        settings.idle = idle.map { .seconds($0) }
        return settings
    }

    @Test func aLifetimeEndsWhateverIsDone() async throws {
        let fixture = try await Fixture(.agent, settings: settings(lifetime: 60))
        let name = try await fixture.insert(age: 0)
        for _ in 0..<59 {
            fixture.time.advance(seconds: 1)
            #expect(try await fixture.token(name) == "access-0")
        }
        #expect(await fixture.agent.status(of: fixture.location.directory).holds == true)
        fixture.time.advance(seconds: 1)
        // Nobody has wiped anything yet: time alone decides.
        let error = await failure { _ = try await fixture.token(name) }
        #expect(error?.code == .locked && error?.hint == "vault unlock")
        #expect(await fixture.agent.status(of: fixture.location.directory).holds == false)
        #expect(await fixture.agent.status(of: nil).vaults.isEmpty)
    }

    @Test func whatIsIdleIsLockedAndWhatIsUsedIsNot() async throws {
        let fixture = try await Fixture(.agent, settings: settings(idle: 60))
        let name = try await fixture.insert(age: 0)
        for _ in 0..<10 {
            fixture.time.advance(seconds: 59)
            #expect(try await fixture.token(name) == "access-0")
        }
        fixture.time.advance(seconds: 60)
        #expect(await failure { _ = try await fixture.token(name) }?.code == .locked)
    }

    @Test func aRefreshAheadOfNeedIsNoUse() async throws {
        let fixture = try await Fixture(settings: settings(idle: 60))
        fixture.time.advance(seconds: 59)
        try await fixture.held.use(countsAsUse: false) { (_) async throws(VaultError) in }
        fixture.time.advance(seconds: 1)
        #expect(fixture.held.isDue)
    }

    @Test func whatIsInUseIsNotIdle() async throws {
        let fixture = try await Fixture(.agent, settings: settings(idle: 60))
        let name = try await fixture.insert()
        fixture.server.state.withLock { $0.isHolding = true }
        async let token = fixture.token(name)
        try await eventually("a request that is held") { fixture.server.state.withLock { !$0.held.isEmpty } }
        fixture.time.advance(seconds: 600)
        #expect(!fixture.held.isDue)
        fixture.server.release()
        #expect(try await token == "access-1")
        fixture.time.advance(seconds: 60)
        #expect(fixture.held.isDue)
    }

    /// The key is gone with the broker: nothing else has it.
    @Test func lockingLetsGoOfTheKey() async throws {
        let fixture = try await Fixture(.agent)
        weak var broker: LocalBroker?
        try await fixture.held.use { (found) async throws(VaultError) in broker = found }
        // The broker of a fixture that goes through the agent is held by nobody else.
        #expect(broker != nil)
        #expect(await fixture.agent.lock() == [fixture.location.directory])
        try await eventually("the broker to be let go") { broker == nil }
        #expect(await fixture.agent.lock().isEmpty)
    }

    @Test func lockingWaitsForARefreshAndKeepsItsToken() async throws {
        let fixture = try await Fixture(.agent)
        let name = try await fixture.insert()
        fixture.server.state.withLock { $0.isHolding = true }
        async let token = fixture.token(name)
        try await eventually("a request that is held") { fixture.server.state.withLock { !$0.held.isEmpty } }
        async let locked = fixture.agent.lock()
        // From the moment that it is to be locked nobody else gets in.
        let directory = fixture.location.directory
        try await eventually("the vault to be locked") { await fixture.agent.status(of: directory).holds == false }
        #expect(await failure { _ = try await fixture.token(name) }?.code == .locked)
        fixture.server.release()
        #expect(await locked == [fixture.location.directory])
        #expect(try await token == "access-1")
        #expect(try await fixture.refreshToken(of: name) == "refresh-1")
        #expect(fixture.server.requests == 1)
    }

    @Test func nobodyHasToAnswerAQuestionBeforeAVaultIsLocked() async throws {
        let fixture = try await Fixture()
        let held = fixture.held
        let (asked, tell) = AsyncStream.makeStream(of: Void.self)
        let (never, end) = AsyncStream.makeStream(of: Void.self)
        async let answer: VaultError? = failure {
            try await held.use { (_) async throws(VaultError) in
                try await held.answer(try EntryName(parsing: "asked"), 1) { () async throws(VaultError) in
                    tell.finish()
                    for await _ in never {}
                }
            }
        }
        for await _ in asked {}
        await held.drain()
        #expect(await answer?.code == .locked)
        end.finish()
    }
}
