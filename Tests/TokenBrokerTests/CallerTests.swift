import Synchronization
import TestSupport
import Testing
import VaultAPI
import VaultCore

@testable import OAuthFlows
@testable import TokenBroker

/// Many callers, one request.
struct CallerTests {
    @Test(arguments: [1, 10, 100])
    func makesOneRequestForAllWhoAskAtOnce(_ callers: Int) async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let tokens = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<callers { group.addTask { try await fixture.token(name) } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(tokens == ["access-1"])
        #expect(fixture.server.requests == 1)
    }

    @Test func makesOneRequestForAllWhoReportTheSameTokenRefused() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert(age: 60)
        var need = fixture.need()
        need.rejected = TokenFingerprint(of: Array("access-0".utf8))
        let wanted = need
        let tokens = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<100 { group.addTask { try await fixture.token(name, wanted) } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(tokens == ["access-1"])
        #expect(fixture.server.requests == 1)
    }

    @Test func makesOneRequestForAllBrokersThatWantARefreshAtOnce() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert(age: 60)
        var need = fixture.need()
        need.requiresRefresh = true
        let wanted = need
        var brokers: [LocalBroker] = []
        for _ in 0..<20 {
            let vault = try await fixture.reopened()
            brokers.append(LocalBroker(vault, http: fixture.server, clock: fixture.time.clock))
        }
        let all = brokers
        let tokens = try await withThrowingTaskGroup(of: String.self) { group in
            for broker in all { group.addTask { try await broker.ungatedToken(for: name, wanted).value.revealed } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(tokens == ["access-1"])
        #expect(fixture.server.requests == 1)
    }

    @Test func refreshesAgainForWhoeverAsksLater() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert(age: 60)
        for expected in 1...3 {
            fixture.time.advance(seconds: 0.002)
            var need = fixture.need()
            need.requiresRefresh = true
            fixture.time.advance(seconds: 0.002)
            #expect(try await fixture.token(name, need) == "access-\(expected)")
        }
    }

    @Test func goesOnWhenTheCallerGoesAway() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.server.state.withLock { $0.holdsNext = true }
        let caller = Task { try await fixture.token(name) }
        try await eventually("the server is asked") { fixture.server.state.withLock({ $0.hold != nil }) }
        caller.cancel()
        fixture.server.state.withLock {
            $0.holdsNext = false
            $0.hold?.resume()
        }
        _ = try? await caller.value
        #expect(try await fixture.token(name) == "access-1")
        #expect(try await fixture.refreshToken(of: name) == "refresh-1")
        #expect(fixture.server.requests == 1)
    }

    @Test func capsWhatIsAskedForAtWhatTheServerGrants() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert(age: 600)
        var need = fixture.need()
        need.minimumValidity = 86_400
        let token = try await fixture.broker.ungatedToken(for: name, need)
        #expect(token.value.revealed == "access-1")
        #expect(token.notes.contains { $0.contains("less than was asked for") })
        // Fresh by all means there are: asking again makes no request.
        fixture.time.advance(seconds: 10)
        need.began = fixture.time.time
        need.minimumValidity = 3500
        let again = try await fixture.broker.ungatedToken(for: name, need)
        #expect(again.value.revealed == "access-1")
        #expect(fixture.server.requests == 1)
    }

    @Test func seesWhatAnotherRemovedAtTheNextCall() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert(age: 60)
        #expect(try await fixture.token(name) == "access-0")
        try await fixture.reopened().remove(name)
        #expect(await failure { _ = try await fixture.token(name) }?.code == .notFound)
    }

    @Test func distrustsAClockThatReadsEarlierThanTheIssue() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert(age: -86_400)
        #expect(try await fixture.token(name) == "access-0")
    }

    @Test func usesATokenOfUnknownExpiryUntilItIsRefused() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert { $0.expiry = .unknown }
        #expect(try await fixture.token(name) == "access-0")
        fixture.time.advance(seconds: 1)
        var need = fixture.need()
        need.rejected = TokenFingerprint(of: Array("access-0".utf8))
        #expect(try await fixture.token(name, need) == "access-1")
    }

    @Test func refreshesNoGrantThatAnotherProgramOwns() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert { summary in
            summary.state = .held(.secondOwner)
            summary.source = EntrySource(
                path: "/home/ada/.codex/auth.json",
                sha256: [UInt8](repeating: 7, count: 32),
                pointer: "/tokens",
                format: "codex"
            )
        }
        let error = await failure { _ = try await fixture.token(name) }
        #expect(error?.code == .loginRequired)
        #expect(error?.hint?.contains("vault adopt work") == true)
        #expect(fixture.server.requests == 0)
    }

    @Test func takesTheOwnersNewerTokens() async throws {
        let fixture = try await BrokerFixture(
            secondOwner: SecondOwner { (vault, summary, _) throws(VaultError) in
                try await vault.update(summary.name) { (summary, secrets) throws(VaultError) in
                    summary.expiry = .unknown
                    try secrets.set(.accessToken, to: try secret("owners-token"))
                }
            }
        )
        let name = try await fixture.insert { $0.state = .held(.secondOwner) }
        #expect(try await fixture.token(name) == "owners-token")
        #expect(fixture.server.requests == 0)
    }

    @Test(arguments: [([String](), "scope=read+write"), (["comma_separated_scope"], "scope=read%2Cwrite")])
    func asksForClientCredentialsAnewWithTheirScope(_ quirks: [String], _ scope: String) async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert { summary in
            summary.grantType = "client_credentials"
            summary.scopes = ["read", "write"]
            summary.quirks = quirks
        }
        #expect(try await fixture.token(name) == "access-1")
        let form = try #require(fixture.server.state.withLock { $0.forms.first })
        #expect(form.split(separator: "&").contains { $0.replacing("%20", with: "+") == scope }, "\(form)")
        // No refresh token is shown to a server that was not asked with it.
        #expect(fixture.server.state.withLock { $0.sent } == [""])
        #expect(try await fixture.refreshToken(of: name) == "refresh-0")
    }

    @Test func believesARefusalOfClientCredentialsThoughTheEntryHoldsARefreshToken() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert { $0.grantType = "client_credentials" }
        fixture.server.state.withLock { $0.isRevoked = true }
        #expect(await failure { _ = try await fixture.token(name) }?.code == .loginRequired)
        #expect(await failure { _ = try await fixture.token(name) }?.code == .loginRequired)
        #expect(fixture.server.requests == 1)
    }

    /// Whoever joins a refresh that fails for somebody with greater needs is content with what there is.
    @Test func givesWhoeverJoinedWhatIsEnoughForThem() async throws {
        let fixture = try await BrokerFixture()
        // 30 s are left of an hour, within the margin.
        let name = try await fixture.insert(lifetime: 3600, age: 3570)
        fixture.server.script(.unavailable)
        fixture.server.state.withLock { $0.holdsNext = true }
        let strict = Task {
            var need = fixture.need()
            need.requiresRefresh = true
            return try await fixture.token(name, need)
        }
        try await eventually("the server is asked") { fixture.server.state.withLock({ $0.hold != nil }) }
        let others = (0..<20).map { _ in Task { try await fixture.broker.ungatedToken(for: name, fixture.need()) } }
        // Those that come too late to join are told the same.
        for _ in 0..<1000 { await Task.yield() }
        fixture.server.state.withLock {
            $0.holdsNext = false
            $0.hold?.resume()
        }
        #expect(await failure { _ = try await strict.value }?.code == .temporary)
        for other in others {
            let token = try await other.value
            #expect(token.value.revealed == "access-0")
            #expect(token.notes.contains { $0.contains("still valid") })
        }
        #expect(fixture.server.requests == 1)
    }
}
