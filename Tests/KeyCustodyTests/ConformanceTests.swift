import KeyCustody
import Synchronization
import Testing
import VaultCrypto
import VaultTestKit

struct PassphraseConformanceTests {
    @Test(arguments: KeyCustodianConformance.cases)
    func conforms(_ conformance: KeyCustodianConformance.Case) async throws {
        try await conformance.run(
            CustodianUnderTest(kind: .passphrase) { number in
                PassphraseCustodian(asking: typing("passphrase \(number)"), limits: cheapLimits)
            }
        )
    }

    // Two slots under one passphrase still have roots of their own: their salts differ.
    @Test(arguments: KeyCustodianConformance.cases)
    func conformsWithOnePassphraseForAllSlots(_ conformance: KeyCustodianConformance.Case) async throws {
        try await conformance.run(
            CustodianUnderTest(kind: .passphrase) { _ in
                PassphraseCustodian(asking: typing("one for all"), limits: cheapLimits)
            }
        )
    }
}

struct RecoveryCodeConformanceTests {
    @Test(arguments: KeyCustodianConformance.cases)
    func conforms(_ conformance: KeyCustodianConformance.Case) async throws {
        let paper = Paper()
        try await conformance.run(
            CustodianUnderTest(kind: .recoveryCode) { number in
                RecoveryCodeCustodian(
                    reading: { () throws(CustodyError) in try paper.read(number) },
                    showing: { code throws(CustodyError) in paper.note(number, code) }
                )
            }
        )
    }

    /// Where codes are written down.
    private final class Paper: Sendable {
        private let codes = Mutex<[Int: SharedSecret]>([:])

        func note(_ number: Int, _ code: SharedSecret) { codes.withLock { $0[number] = code } }

        func read(_ number: Int) throws(CustodyError) -> SharedSecret {
            guard let code = codes.withLock({ $0[number] }) else { throw CustodyError(.locked, "no code") }
            return code
        }
    }
}

struct KeyFileConformanceTests {
    @Test(arguments: KeyCustodianConformance.cases)
    func conforms(_ conformance: KeyCustodianConformance.Case) async throws {
        let place = try TemporaryDirectory()
        try await conformance.run(
            CustodianUnderTest(kind: .keyFile, path: { place("key-\($0)") }) { number in
                KeyFileCustodian(path: place("key-\(number)"))
            }
        )
    }
}

/// The suite is worth something if it fails where it should.
struct ConformanceOfBadCustodiansTests {
    /// Gives every slot of every vault the same root, and never forgets.
    private struct OneRoot: KeyCustodian {
        func enroll(_ slot: SlotDescription, vault: [UInt8]) async throws(CustodyError) -> SharedSecret {
            do throws(CryptoError) { return SharedSecret(try SecretBytes(zeroed: 32)) } catch {
                throw CustodyError(.unavailable, error.message)
            }
        }

        func roots(for slot: KeySlot, vault: [UInt8]) async throws(CustodyError) -> [SharedSecret] {
            [try await enroll(slot.description, vault: vault)]
        }
    }

    @Test func failsACustodianOfOneRoot() async throws {
        let place = CustodianUnderTest(kind: .secretService, keepsSecrets: true) { _ in OneRoot() }
        var failed: Set<String> = []
        for conformance in KeyCustodianConformance.cases {
            do { try await conformance.run(place) } catch is ConformanceFailure { failed.insert(conformance.name) }
        }
        let expected: Set = [
            "makesAnotherRootForEachSlot", "opensEachOfTwoSlotsWithItsOwnRoot", "forgetsWhatItKeptAndNothingElse",
            "forgetsTwiceAsOnce",
        ]
        #expect(failed == expected)
    }
}
