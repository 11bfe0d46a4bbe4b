import Foundation
import Glibc
import PrivateFiles
import Synchronization
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import OAuthFlows
@testable import TokenBroker

/// One grant, and two machines that see the same directory and not each other's locks.
struct DirectoryRefreshTests {
    private let fixture: BrokerFixture
    private let other: Vault
    private let elsewhere: LocalBroker

    init() async throws {
        fixture = try await BrokerFixture(inDirectory: true)
        other = try await fixture.reopened(state: "other-state")
        elsewhere = LocalBroker(
            other,
            http: fixture.server,
            clock: fixture.time.clock,
            backoff: Backoff(jitter: { 1 })
        )
    }

    private func tokenElsewhere(_ name: EntryName, _ need: TokenNeed? = nil) async throws -> String {
        try await elsewhere.ungatedToken(for: name, need ?? fixture.need()).value.revealed
    }

    @Test func refreshesOnOneMachineAlone() async throws {
        let name = try await fixture.insert(age: 0)
        #expect(try await tokenElsewhere(name) == "access-0")
        fixture.time.advance(seconds: 7200)
        let refused = await failure { _ = try await tokenElsewhere(name) }
        #expect(refused?.code == .loginRequired)
        #expect(refused?.message.contains("another machine refreshes it") == true)
        #expect(refused?.hint?.contains("vault adopt work") == true)
        #expect(fixture.server.requests == 0)
        #expect(try await fixture.token(name) == "access-1")
        #expect(try await tokenElsewhere(name) == "access-1")
        #expect(fixture.server.requests == 1)
    }

    @Test func sendsNothingFromElsewhereWhateverIsAsked() async throws {
        let name = try await fixture.insert(age: 0)
        var need = fixture.need()
        need.requiresRefresh = true
        #expect(await failure { _ = try await tokenElsewhere(name, need) }?.code == .loginRequired)
        need = fixture.need()
        need.minimumValidity = 86_400
        let token = try await elsewhere.ungatedToken(for: name, need)
        #expect(token.value.revealed == "access-0")
        #expect(fixture.server.requests == 0)
        let kept = try await fixture.vault.summary(of: name)
        #expect(kept.state == .active && kept.journal == nil && kept.generation == 1)
    }

    @Test func refreshesWhereItWasMovedTo() async throws {
        let name = try await fixture.insert()
        try await other.update(name) { (summary, _) throws(VaultError) in
            summary.state = .active
            try other.claim(&summary)
        }
        #expect(await failure { _ = try await fixture.token(name) }?.code == .loginRequired)
        #expect(fixture.server.requests == 0)
        #expect(try await tokenElsewhere(name) == "access-1")
        #expect(try await fixture.token(name) == "access-1")
        fixture.time.advance(seconds: 7200)
        #expect(try await tokenElsewhere(name) == "access-2")
        #expect(fixture.server.requests == 2)
    }

    /// Of a sync tool that lets the last writer win, and a writer whose version is of before the refresh.
    @Test func sendsNoTokenThatItHasExchanged() async throws {
        let name = try await fixture.insert()
        var location = fixture.location
        let place = location.directory
        (location.directory, location.stateBase) = (place + "-copy", place + "-copy-state")
        try FileManager.default.copyItem(atPath: place, toPath: location.directory)
        #expect(try await fixture.token(name) == "access-1")
        let copy = try await Vault.open(location, with: BrokerFixture.custodians(fixture.directory))
        for number in 0..<5 {
            try await copy.update(name) { (summary, _) throws(VaultError) in summary.account = "account \(number)" }
        }
        try FileManager.default.removeItem(atPath: place + "/entries")
        try FileManager.default.copyItem(atPath: location.directory + "/entries", toPath: place + "/entries")
        fixture.time.advance(seconds: 7200)
        #expect(await failure { _ = try await fixture.token(name) }?.code == .loginRequired)
        #expect(fixture.server.requests == 1)
        #expect(try await fixture.vault.summary(of: name).state == .held(.rolledBack))
    }

    /// The server's answer belongs to the grant that was sent, and to no other that a sync tool has put in its place.
    @Test func keepsBothWhereAnotherGrantArrivesMeanwhile() async throws {
        let name = try await fixture.insert()
        var location = fixture.location
        let place = location.directory
        (location.directory, location.stateBase) = (place + "-copy", place + "-copy-state")
        try FileManager.default.copyItem(atPath: place, toPath: location.directory)
        let copy = try await Vault.open(location, with: BrokerFixture.custodians(fixture.directory))
        try await copy.remove(name)
        var summary = EntrySummary(name: name, createdAt: fixture.time.time)
        summary.tokenEndpoint = "https://other.example/token"
        var secrets = try EntrySecrets()
        try secrets.set(.refreshToken, to: SharedSecret(try SecretBytes(Array("other-0".utf8))))
        try await copy.insert(summary, secrets)
        let from = location.directory
        fixture.server.state.withLock {
            $0.beforeSending = {
                try? FileManager.default.removeItem(atPath: place + "/entries")
                try? FileManager.default.copyItem(atPath: from + "/entries", toPath: place + "/entries")
            }
        }
        // Issued later than the other one, it is what there is until somebody chooses.
        #expect(try await fixture.token(name) == "access-1")
        #expect(try await fixture.vault.summary(of: name).state == .held(.conflict))
        let versions = try await fixture.vault.conflicts().entries.flatMap(\.versions)
        #expect(
            versions.map(\.summary.tokenEndpoint) == ["https://other.example/token", "https://server.example/token"]
        )
        _ = try await fixture.vault.resolve(name, keeping: .named("2"))
        #expect(try await fixture.refreshToken(of: name) == "refresh-1")
        #expect(try await fixture.token(name) == "access-1")
        #expect(fixture.server.requests == 1)
    }

    @Test func sendsNothingWhereItCannotTellWhatItHasExchanged() async throws {
        let name = try await fixture.insert()
        #expect(try await fixture.token(name) == "access-1")
        let file = "\(fixture.location.state(of: fixture.vault.id))/exchanged"
        chmod(file, 0o640)
        fixture.time.advance(seconds: 7200)
        #expect(await failure { _ = try await fixture.token(name) }?.code == .unsafe)
        #expect(fixture.server.requests == 1)
        chmod(file, 0o600)
        #expect(try await fixture.token(name) == "access-2")
    }

    @Test func asksForTheGrantsOfClientsAnywhere() async throws {
        let name = try await fixture.insert { $0.grantType = "client_credentials" }
        #expect(try await tokenElsewhere(name) == "access-1")
        #expect(fixture.server.requests == 1)
    }

    @Test func refreshesNothingOfWhichThereAreTwoVersions() async throws {
        let name = try await fixture.insert(age: 0)
        let files = FileManager.default
        let store = fixture.location.directory + "/entries"
        let place = try #require(try files.subpathsOfDirectory(atPath: store).first { $0.count > 60 })
        let old = try Data(contentsOf: URL(filePath: "\(store)/\(place)"))
        fixture.time.advance(seconds: 3600)
        #expect(try await fixture.token(name) == "access-1")
        try old.write(to: URL(filePath: "\(store)/\(place).orig"), options: .atomic)
        for broker in [fixture.broker, elsewhere] {
            let token = try await broker.ungatedToken(for: name, fixture.need())
            #expect(token.value.revealed == "access-1" && token.summary.state == .held(.conflict))
        }
        fixture.time.advance(seconds: 7200)
        for broker in [fixture.broker, elsewhere] {
            let refused = await failure { _ = try await broker.ungatedToken(for: name, fixture.need()) }
            #expect(refused?.code == .loginRequired && refused?.hint?.contains("vault store resolve") == true)
        }
        #expect(fixture.server.requests == 1)
        _ = try await fixture.vault.resolve(name, keeping: .latest)
        #expect(try await fixture.token(name) == "access-2")
        #expect(fixture.server.requests == 2)
    }
}
