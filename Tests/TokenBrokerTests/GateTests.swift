import Foundation
import Glibc
import Synchronization
import Testing
import VaultAPI
import VaultCore

@testable import TokenBroker

/// What passes the gate of a broker, and what the log says of it.
@Suite struct GateTests {
    private static let caller = Caller(
        processID: 5,
        userID: 6,
        via: .agent,
        programs: ["/usr/bin/one", "/usr/bin/two"]
    )

    private func broker(_ fixture: BrokerFixture, _ gate: HandOutGate = .askingNobody) -> LocalBroker {
        LocalBroker(fixture.vault, http: fixture.server, clock: fixture.time.clock, caller: Self.caller, gate: gate)
    }

    private func lines(_ fixture: BrokerFixture) async throws -> [AuditLine] {
        try await fixture.vault.auditTrail().lines
    }

    @Test func everyHandOutIsALine() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert()
        let broker = broker(fixture)
        let token = try await broker.accessToken(for: name.description, TokenRequirements())
        _ = try await broker.authorization(
            for: name.description,
            method: "GET",
            url: "https://api.example/",
            TokenRequirements()
        )
        let found = try await lines(fixture)
        #expect(found.map(\.event) == ["token", "authorization"])
        #expect(found.allSatisfy { $0.name == name.description && $0.caller == Self.caller && $0.outcome == "given" })
        #expect(!"\(found)".contains(token.value))
        // Refreshing for nobody is no hand-out.
        _ = try await broker.ungatedToken(for: name, fixture.need())
        #expect(try await lines(fixture).count == 2)
    }

    @Test func aProgramThatIsNotNamedGetsNothing() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert { $0.programs = ["/usr/bin/three"] }
        let broker = broker(fixture)
        let error = await failure { _ = try await broker.accessToken(for: name.description, TokenRequirements()) }
        #expect(error?.code == .unsafe && error?.message.contains("/usr/bin/one") == true)
        // Not even a refresh was begun for it.
        #expect(fixture.server.requests == 0)
        #expect(try await lines(fixture).map(\.event) == ["denied"])
        try await fixture.vault.update(name) { (entry, _) in entry.programs.append("/usr/bin/two") }
        _ = try await broker.accessToken(for: name.description, TokenRequirements())
        #expect(try await lines(fixture).map(\.event) == ["denied", "token"])
        // A name that only looks like it is none.
        for programs in [["/usr/bin/threex"], ["[three]"], [], ["usr/bin/three"]] {
            let other = Caller(processID: 1, userID: 1, via: .agent, programs: programs)
            let handOut = HandOut(other, .askingNobody)
            let entry = try await fixture.vault.summary(of: name)
            #expect(await failure { try await handOut.admit(entry, in: fixture.vault) }?.code == .unsafe)
        }
    }

    @Test func eachUseIsConfirmed() async throws {
        let fixture = try await BrokerFixture()
        let name = try await fixture.insert { $0.confirmsUse = true }
        #expect(
            await failure { _ = try await broker(fixture).accessToken(for: name.description, TokenRequirements()) }?
                .code
                == .locked
        )
        let asked = Mutex<[String]>([])
        let gate = HandOutGate { name, caller throws(VaultError) in
            asked.withLock { $0.append("\(name) \(caller.processID)") }
        }
        let confirming = broker(fixture, gate)
        for _ in 0..<2 { _ = try await confirming.accessToken(for: name.description, TokenRequirements()) }
        #expect(asked.withLock { $0 } == ["\(name) 5", "\(name) 5"])
        #expect(try await lines(fixture).map(\.event) == ["denied", "token", "token"])
        #expect(try await lines(fixture).first?.outcome == "not confirmed")
    }

    @Test func programsOfThisProcessAreFound() throws {
        let own = Caller.own(via: .library)
        #expect(own.processID == getpid() && own.userID == getuid())
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let path = String(decoding: buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
        #expect(own.programs.first == path && own.programs.count <= 5 && own.programs.count > 1)
        // A command's caller is whoever started it.
        #expect(Caller.own(via: .command).programs.first == own.programs[1])
        #expect(Caller.peer(processID: getpid(), userID: 3, via: .agent).programs == own.programs)
        // One that is gone has none.
        #expect(Caller.peer(processID: Int32.max, userID: 3, via: .agent).programs == [])
        #expect(Caller.peer(processID: 0, userID: 3, via: .agent).programs == [])
    }

    @Test func theStatusOfAProcessWithAnOddNameIsRead() throws {
        let fields = (0..<20).map { "\($0 + 100)" }.joined(separator: " ")
        let status = try #require(ProcessStatus(Array("12 (a) (b c) S 7 \(fields)".utf8)))
        #expect(status.name == "a) (b c" && status.parent == 7 && status.startTime == 117)
        for text in ["", "12 (a", "12 a) S 7", "12 (a) S", "12 (a) S x \(fields)", "12 )a( S 7 \(fields)"] {
            #expect(ProcessStatus(Array(text.utf8)) == nil)
        }
    }
}
