import Synchronization
import Testing
import TestSupport
import VaultAPI
import VaultCore

/// What both ways into a vault do, and do alike.
struct ConformanceTests {
    @Test(arguments: Way.allCases)
    func keepsShowsAndGivesAStaticSecret(way: Way) async throws {
        let fixture = try await Fixture(way)
        let name = try EntryName(parsing: "static:key")
        let put = try await fixture.broker.put(name, text("value \"\\\u{1} é"))
        #expect(put.name == name && put.holds == [.secret] && put.expiry == .never)
        #expect(try await fixture.broker.summary(of: name) == put)
        #expect(try await fixture.broker.list().entries == [put])
        #expect(try await fixture.token(name) == "value \"\\\u{1} é")
        let again = try await fixture.broker.put(name, text("other"))
        #expect(again.id == put.id && again.generation == put.generation + 1)
        #expect(try await fixture.token(name) == "other")
        let given = try await fixture.broker.token(for: name, TokenRequirements(), .accessToken)
        #expect(given.type == "Bearer" && given.expiresAt == nil && given.state == "active" && given.notes.isEmpty)
    }

    @Test(arguments: Way.allCases)
    func carriesEveryByteOfASecret(way: Way) async throws {
        let fixture = try await Fixture(way)
        let name = try EntryName(parsing: "static:key")
        let all = String(decoding: (0..<128).map { UInt8($0) }, as: UTF8.self)
        for length in [1, 2, 3, 128, 65_536] {
            let value = String(repeating: all, count: length / 128 + 1).prefix(length)
            _ = try await fixture.broker.put(name, text(String(value)))
            #expect(try await fixture.token(name) == String(value))
        }
    }

    @Test(arguments: Way.allCases)
    func renamesAndRemoves(way: Way) async throws {
        let fixture = try await Fixture(way)
        let (one, two) = (try EntryName(parsing: "static:one"), try EntryName(parsing: "static:two"))
        let put = try await fixture.broker.put(one, text("1"))
        let renamed = try await fixture.broker.rename(one, to: two)
        #expect(renamed.id == put.id && renamed.name == two)
        _ = try await fixture.broker.put(one, text("3"))
        let taken = await failure { _ = try await fixture.broker.rename(one, to: two) }
        #expect(taken?.code == .failed)
        try await fixture.broker.remove(one)
        #expect(try await fixture.broker.list().entries.map(\.name) == [two])
        #expect(await failure { try await fixture.broker.remove(one) }?.code == .notFound)
        #expect(await failure { _ = try await fixture.broker.summary(of: one) }?.code == .notFound)
        #expect(await failure { _ = try await fixture.token(one) }?.code == .notFound)
        #expect(await failure { _ = try await fixture.broker.rename(one, to: two) }?.code == .notFound)
    }

    /// The sentence and the hint of a failure are the same whoever says them.
    @Test func failuresAreToldAlike() async throws {
        var told: [[String]] = []
        for way in Way.allCases {
            let fixture = try await Fixture(way)
            let dead = try await fixture.insert("dead")
            fixture.server.state.withLock { $0.refusals = [400, 400] }
            let grant = try EntryName(parsing: "nothing")
            let failures = [
                await failure { _ = try await fixture.token(grant) },
                await failure { _ = try await fixture.broker.put(grant, text("x")) },
                await failure { _ = try await fixture.token(dead) },
                await failure { _ = try await fixture.token(dead) },
                await failure { _ = try await fixture.broker.accessToken(for: "no name/", TokenRequirements()) },
            ]
            told.append(failures.map { "\($0?.code.exitStatus ?? 0) \($0?.message ?? "") \($0?.hint ?? "")" })
        }
        #expect(told[0] == told[1])
        #expect(told[0].map { $0.prefix(2) } == ["4 ", "64", "5 ", "5 ", "10"])
    }

    @Test(arguments: Way.allCases)
    func refreshesWhatRanOut(way: Way) async throws {
        let fixture = try await Fixture(way)
        let name = try await fixture.insert()
        #expect(try await fixture.token(name) == "access-1")
        #expect(try await fixture.token(name) == "access-1")
        #expect(fixture.server.requests == 1)
        #expect(try await fixture.refreshToken(of: name) == "refresh-1")
        let token = try await fixture.broker.accessToken(for: "work", TokenRequirements())
        #expect(token.value == "access-1" && token.expiresAt != nil)
    }

    @Test(arguments: Way.allCases)
    func heedsWhatIsAskedOfAToken(way: Way) async throws {
        let fixture = try await Fixture(way)
        let name = try await fixture.insert(age: 600)
        #expect(try await fixture.token(name) == "access-0")
        #expect(try await fixture.token(name) { $0.minimumValiditySeconds = 2999 } == "access-0")
        #expect(fixture.server.requests == 0)
        #expect(try await fixture.token(name) { $0.minimumValiditySeconds = 3300 } == "access-1")
        #expect(try await fixture.token(name) { $0.rejected = AccessToken(value: "access-0") } == "access-1")
        #expect(try await fixture.token(name) { $0.rejected = AccessToken(value: "access-1") } == "access-2")
        let began = fixture.time.now
        fixture.time.advance(seconds: 60)
        #expect(try await fixture.token(name) { $0.requiresRefresh = true } == "access-3")
        // Refreshed since: fresh enough for who began to ask before.
        let answered = try await fixture.token(name) { requirements in
            requirements.requiresRefresh = true
            requirements.began = began
        }
        #expect(answered == "access-3")
        #expect(fixture.server.requests == 3)
    }

    @Test(arguments: Way.allCases)
    func aThousandWhoAskMakeOneRequest(way: Way) async throws {
        let fixture = try await Fixture(way)
        let name = try await fixture.insert()
        let given = try await withThrowingTaskGroup(of: String?.self) { group in
            for _ in 0..<1000 { group.addTask { try await fixture.token(name) } }
            return try await group.reduce(into: [String?: Int]()) { $0[$1, default: 0] += 1 }
        }
        #expect(given == ["access-1": 1000])
        #expect(fixture.server.requests == 1)
    }

    @Test(arguments: Way.allCases)
    func givesTheIDToken(way: Way) async throws {
        let fixture = try await Fixture(way)
        let name = try await fixture.insert(age: 0, idToken: "id.token")
        #expect(try await fixture.token(name, .idToken) == "id.token")
        let without = try await fixture.insert("without", age: 0)
        #expect(await failure { _ = try await fixture.token(without, .idToken) }?.code == .notFound)
    }

    @Test(arguments: Way.allCases)
    func aBoundTokenIsNotGivenAlone(way: Way) async throws {
        let fixture = try await Fixture(way)
        let name = try await fixture.insert(age: 0) { $0.tokenType = "DPoP" }
        let alone = await failure { _ = try await fixture.broker.accessToken(for: "work", TokenRequirements()) }
        #expect(alone?.code == .unsafe && alone?.hint?.contains("vault proxy work") == true)
        #expect(try await fixture.broker.token(for: name, TokenRequirements(), .accessToken).type == "DPoP")
    }

    @Test(arguments: Way.allCases)
    func authorizesARequestToTheEntrysHosts(way: Way) async throws {
        let fixture = try await Fixture(way)
        try await fixture.insert(age: 0) { $0.hosts = ["api.example"] }
        let allowed = try await fixture.broker.authorization(
            for: "work",
            method: "GET",
            url: "https://api.example/x",
            TokenRequirements()
        )
        #expect(allowed.fields.map { "\($0.name): \($0.value)" } == ["Authorization: Bearer access-0"])
        #expect(allowed.token.value == "access-0")
        let refused = await failure {
            _ = try await fixture.broker.authorization(
                for: "work",
                method: "GET",
                url: "https://evil.example/",
                TokenRequirements()
            )
        }
        #expect(refused?.code == .unsafe)
    }

    @Test(arguments: Way.allCases)
    func logsOut(way: Way) async throws {
        let fixture = try await Fixture(way)
        let plain = try await fixture.insert("plain")
        let first = try await fixture.broker.logout(plain, deletingAnyway: false)
        #expect(first.revocation.word == "not supported" && first.revocation.reason != nil && first.isDeleted)
        let endpoint = "https://server.example/revoke"
        let kept = try await fixture.insert("kept") { $0.revocationEndpoint = endpoint }
        fixture.server.state.withLock { $0.refusals = [500, 500, 500, 500, 500] }
        let second = try await fixture.broker.logout(kept, deletingAnyway: false)
        #expect(second.revocation.word == "failed" && !second.isDeleted)
        #expect(try await fixture.broker.summary(of: kept).name == kept)
        let third = try await fixture.broker.logout(kept, deletingAnyway: true)
        #expect(third.revocation.word == "failed" && third.isDeleted)
        fixture.server.state.withLock { $0.refusals = [] }
        let revoked = try await fixture.insert("revoked") { $0.revocationEndpoint = endpoint }
        let fourth = try await fixture.broker.logout(revoked, deletingAnyway: false)
        #expect(fourth.revocation == .revoked && fourth.isDeleted)
        #expect(try await fixture.broker.list().entries.isEmpty)
    }

    @Test(arguments: Way.allCases)
    func endsAHold(way: Way) async throws {
        let fixture = try await Fixture(way)
        let name = try await fixture.insert { $0.state = .held(.restored) }
        #expect(await failure { _ = try await fixture.token(name) } != nil)
        #expect(fixture.server.requests == 0)
        guard case .adopted(let entry) = try await fixture.broker.adopt(name, takingOut: false) else {
            Issue.record("not adopted")
            return
        }
        #expect(entry.state == .active)
        #expect(try await fixture.token(name) == "access-1")
    }
}

/// What `body` throws of the vault's own.
func failure(_ body: () async throws -> Void) async -> VaultError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? VaultError
    }
}
