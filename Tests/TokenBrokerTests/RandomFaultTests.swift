import Foundation
import Synchronization
import Testing
import VaultAPI
import VaultCore

@testable import OAuthFlows
@testable import TokenBroker

/// Random sequences of the table's rows.
///
/// "The refresh token in the vault is lost only if the server consumed it and the answer never arrived, and then it is
/// reported as such." `VAULT_FAULT_SEQUENCES` asks for more, `VAULT_FAULT_SEED` for the same again.
struct RandomFaultTests {
    static var sequences: Int {
        ProcessInfo.processInfo.environment["VAULT_FAULT_SEQUENCES"].flatMap { Int($0) } ?? 3_000
    }
    static var seed: UInt64 {
        ProcessInfo.processInfo.environment["VAULT_FAULT_SEED"].flatMap { UInt64($0) } ?? .random(in: 0 ... .max)
    }

    @Test(arguments: 0..<4)
    func losesAGrantOnlyWithItsAnswer(_ part: Int) async throws {
        let seed = Self.seed &+ UInt64(part)
        var random = SeededGenerator(state: seed)
        var fixture = try await BrokerFixture()
        for sequence in 0..<Self.sequences / 4 {
            // One vault for many sequences: a vault costs more than a refresh.
            if sequence > 0, sequence % 250 == 0 { fixture = try await BrokerFixture() }
            let length = Int.random(in: 1...4, using: &random)
            let behaviours = (0..<length).compactMap { _ in Behaviour.allCases.randomElement(using: &random) }
            try await run(behaviours, "entry\(sequence % 250)", in: fixture, seed: seed)
        }
    }

    private func run(_ behaviours: [Behaviour], _ name: String, in fixture: BrokerFixture, seed: UInt64) async throws {
        let comment = Comment(rawValue: "seed \(seed), \(name), \(behaviours)")
        fixture.server.state.withLock { state in
            state = ScriptedServer.State()
            state.script = behaviours
        }
        let name = try await fixture.insert(name)
        for _ in behaviours {
            let before = fixture.server.state.withLock { $0 }
            let error = await failure { _ = try await fixture.token(name) }
            let state = fixture.server.state.withLock { $0 }
            let kept = try await fixture.refreshToken(of: name)
            let summary = try await fixture.vault.summary(of: name)
            if kept != state.current {
                // Lost: the server has consumed it, and its answer never arrived…
                #expect(state.answersLost > 0, comment)
                #expect(kept.map { state.spent.contains($0) } == true, comment)
                // …and it is reported: while nobody can know, by the journal, and then by the state.
                let isReported =
                    summary.journal != nil || summary.state == .reauthorizationRequired("rotationResponseLost")
                #expect(isReported, comment)
                #expect(
                    error?.message.contains("lost") == true || error?.code == .configuration
                        || summary.refreshFailure?.kind != .lost,
                    comment
                )
            } else if error == nil {
                #expect(summary.state == .active, comment)
                #expect(summary.journal == nil, comment)
            }
            if case .reauthorizationRequired = summary.state {
                #expect(state.answersLost > 0, comment)
                #expect(state.sent.filter { $0 == kept }.count >= 2 || before.answersLost > 0, comment)
            }
            fixture.time.advance(seconds: 7200)
        }
    }
}

/// SplitMix64: the same sequence for the same seed.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
