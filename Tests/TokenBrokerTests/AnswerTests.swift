import Synchronization
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import OAuthFlows
@testable import TokenBroker

/// The table "What each answer means", row by row.
struct AnswerTests {
    @Test func handsOutAValidTokenWithoutAskingTheServer() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert(age: 60)
        #expect(try await fixture.token(name) == "access-0")
        #expect(fixture.server.requests == 0)
    }

    @Test func replacesBothTokensAndCountsExpiryFromTheRequest() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        #expect(try await fixture.token(name) == "access-1")
        #expect(try await fixture.refreshToken(of: name) == "refresh-1")
        let summary = try await fixture.vault.summary(of: name)
        #expect(summary.journal == nil)
        #expect(summary.refreshFailure == nil)
        #expect(summary.expiry == .known(try #require(Timestamp(seconds: fixture.time.time.seconds + 3600))))
        #expect(summary.rotation == .always)
    }

    @Test func keepsTheOldRefreshTokenWhereTheAnswerHasNone() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert { $0.scopes = ["read"] }
        fixture.server.script(.keep)
        #expect(try await fixture.token(name) == "access-1")
        #expect(try await fixture.refreshToken(of: name) == "refresh-0")
        #expect(try await fixture.vault.summary(of: name).scopes == ["read"])
    }

    @Test func keepsANarrowerScopeThatIsGranted() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert { $0.scopes = ["read", "write"] }
        fixture.server.state.withLock { $0.scope = "read" }
        #expect(try await fixture.token(name) == "access-1")
        #expect(try await fixture.vault.summary(of: name).scopes == ["read"])
    }

    @Test func keepsTheRefreshTokenAndRefusesAnAccessTokenOfAnUnknownType() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.server.state.withLock { $0.tokenType = "mac" }
        for _ in 0..<2 {
            let error = await failure { _ = try await fixture.token(name) }
            #expect(error?.code == .configuration)
            #expect(error?.message.contains("type mac") == true)
        }
        #expect(try await fixture.refreshToken(of: name) == "refresh-1")
        #expect(fixture.server.requests == 1)
    }

    @Test func refusesATokenThatIsNotBoundToTheKeyThatWasSent() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        try await fixture.vault.update(name) { (_, secrets) throws(VaultError) in
            try secrets.set(.dpopKey, to: try DPoPKey().exported())
        }
        for _ in 0..<2 {
            let error = await failure { _ = try await fixture.token(name) }
            #expect(error?.code == .configuration)
            #expect(error?.message.contains("bound to a key") == true)
        }
        #expect(try await fixture.refreshToken(of: name) == "refresh-1")
        #expect(fixture.server.requests == 1)
        // Nor is it what there is to fall back on.
        fixture.time.advance(seconds: 3570)
        fixture.server.script(.unavailable)
        #expect(await failure { _ = try await fixture.token(name) }?.code == .temporary)
        fixture.time.advance(seconds: 25)
        fixture.server.state.withLock { $0.tokenType = "DPoP" }
        #expect(try await fixture.token(name) == "access-2")
    }

    @Test(arguments: [
        (Behaviour.neverSend, VaultError.Code.temporary, RefreshFailure.Kind.unsent),
        (.loseBeforeServer, .temporary, .lost), (.unavailable, .temporary, .lost), (.captivePortal, .temporary, .lost),
        (.redirect, .temporary, .lost), (.truncated, .temporary, .lost), (.tooMany, .temporary, .busy),
        (.temporarilyUnavailable, .temporary, .busy), (.invalidClient, .configuration, .misconfigured),
        (.invalidScope, .configuration, .misconfigured), (.invalidRequest, .temporary, .unclear),
        (.bareRefusal, .temporary, .unclear),
    ])
    func keepsTheGrantWhateverFails(
        _ behaviour: Behaviour,
        _ code: VaultError.Code,
        _ kind: RefreshFailure.Kind
    ) async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.server.script(behaviour)
        let error = await failure { _ = try await fixture.token(name) }
        #expect(error?.code == code)
        #expect(error?.hint?.contains("vault") == true)
        let summary = try await fixture.vault.summary(of: name)
        #expect(summary.refreshFailure?.kind == kind)
        // "journal stays" for what may have been carried out, and for nothing else.
        #expect((summary.journal != nil) == (kind == .lost))
        #expect(try await fixture.refreshToken(of: name) == "refresh-0")
        #expect(summary.state == .active)
    }

    @Test func givesTheOldTokenWhileItIsValidAndSaysWhy() async throws {
        let fixture = try await BrokerFixture()
        // 30 s are left of an hour, within the margin.
        let name = try await fixture.insert(lifetime: 3600, age: 3570)
        fixture.server.script(.unavailable)
        let token = try await fixture.broker.ungatedToken(for: name, fixture.need())
        #expect(token.value.revealed == "access-0")
        #expect(token.notes.contains { $0.contains("lost") })
    }

    @Test func reportsALostRotationAsJustThat() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.server.script(.rotateAndLose)
        let lost = await failure { _ = try await fixture.token(name) }
        #expect(lost?.code == .temporary)
        #expect(lost?.message.contains("lost") == true)
        fixture.time.advance(seconds: 25)
        let dead = await failure { _ = try await fixture.token(name) }
        #expect(dead?.code == .loginRequired)
        #expect(dead?.message.contains("lost") == true)
        #expect(try await fixture.vault.summary(of: name).state == .reauthorizationRequired("rotationResponseLost"))
        #expect(try await fixture.refreshToken(of: name) == "refresh-0")
        // "the spent token is sent twice at most in all, however many callers"
        fixture.time.advance(seconds: 3600)
        for _ in 0..<5 { _ = await failure { _ = try await fixture.token(name) } }
        #expect(fixture.server.requests == 2)
    }

    @Test func takesAPlainRefusalForWhatItIs() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.server.state.withLock { $0.isRevoked = true }
        let error = await failure { _ = try await fixture.token(name) }
        #expect(error?.code == .loginRequired)
        #expect(error?.message.contains("lost") == false)
        #expect(error?.hint == "vault login work")
        #expect(try await fixture.vault.summary(of: name).state == .reauthorizationRequired("invalid_grant"))
    }

    @Test func suspectsAGrantAfterThreeSpacedRefusalsWithoutAReasonAndTriesOn() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.server.script(.bareRefusal, .bareRefusal, .invalidRequest)
        for attempt in 1...3 {
            let error = await failure { _ = try await fixture.token(name) }
            #expect(error?.code == (attempt == 3 ? .loginRequired : .temporary))
            fixture.time.advance(seconds: 25)
        }
        #expect(try await fixture.vault.summary(of: name).state == .suspect)
        #expect(try await fixture.token(name) == "access-1")
        #expect(try await fixture.vault.summary(of: name).state == .active)
    }

    @Test func doesNotCountRefusalsThatCutTheBackOffShort() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        for _ in 0..<5 {
            fixture.server.script(.bareRefusal)
            fixture.time.advance(seconds: 0.01)
            var need = fixture.need()
            need.requiresRefresh = true
            _ = await failure { _ = try await fixture.token(name, need) }
        }
        #expect(fixture.server.requests == 5)
        #expect(try await fixture.vault.summary(of: name).state == .active)
    }

    @Test func asksATroubledServerOnlyAfterItsBackOff() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.server.script(.tooMany)
        _ = await failure { _ = try await fixture.token(name) }
        fixture.time.advance(seconds: 2)
        #expect(await failure { _ = try await fixture.token(name) }?.code == .temporary)
        #expect(fixture.server.requests == 1)
        fixture.time.advance(seconds: 2)
        #expect(try await fixture.token(name) == "access-1")
    }

    @Test func asksAHealthyServerAgainWithin25Seconds() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        for _ in 0..<12 {
            fixture.server.script(.unavailable)
            fixture.time.advance(seconds: 25)
            _ = await failure { _ = try await fixture.token(name) }
        }
        #expect(fixture.server.requests == 12)
        fixture.time.advance(seconds: 25)
        #expect(try await fixture.token(name) == "access-1")
    }

    @Test(arguments: ["0", "-5", "1e400", "99999999999999999999", "\"soon\"", "\"3600\""])
    func keepsTheNewRefreshTokenWhateverExpiresInSays(_ lifetime: String) async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        fixture.server.state.withLock { $0.lifetime = lifetime }
        #expect(try await fixture.token(name) == "access-1")
        #expect(try await fixture.refreshToken(of: name) == "refresh-1")
    }

    @Test func sendsNothingOnceItsWindowHasPassed() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let slow = LateExchange(server: fixture.server, time: fixture.time)
        let broker = LocalBroker(fixture.vault, http: slow, clock: fixture.time.clock)
        let error = await failure { _ = try await broker.ungatedToken(for: name, fixture.need()) }
        #expect(error?.code == .temporary)
        #expect(fixture.server.requests == 0)
        #expect(try await fixture.vault.summary(of: name).journal == nil)
    }
}

/// Wakes long after the journal was written, as a machine that slept does.
struct LateExchange: HTTPExchange {
    let server: ScriptedServer
    let time: ManualClock

    func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
        time.advance(seconds: 60)
        return try await server.send(request)
    }
}
