import VaultAPI
import KeyCustody
import Synchronization
import Testing
import VaultCrypto

struct DerivationLimitsTests {
    private static func slot(_ passes: UInt32, _ memory: UInt64, id: UInt8 = 0) -> KeySlot {
        KeySlot(
            description: SlotDescription(
                id: [UInt8](repeating: id, count: 16),
                kind: .passphrase,
                derivation: PasswordHash(passes: passes, memoryBytes: memory),
                salt: [UInt8](repeating: 0, count: 16)
            ),
            commitment: [],
            wrapped: [],
            createdAt: 0,
            path: ""
        )
    }

    @Test(
        arguments: [
            (0, 0), (0, 64 << 20), (1, 64 << 20), (2, 0), (2, 1), (2, 8192), (2, 64 << 20 - 1), (2, 1 << 30 + 1),
            (2, 4 << 40), (5, 1 << 30), (65, 64 << 20), (UInt32.max, 64 << 20), (UInt32.max, UInt64.max),
            (2, UInt64.max),
            (2, 1 << 63), (1 << 31, 1 << 33), (UInt32.max, 1 << 32), (17, 256 << 20),
        ] as [(UInt32, UInt64)]
    )
    func refusesADerivationOutOfBoundsWithoutAskingOrDeriving(_ passes: UInt32, _ memory: UInt64) async throws {
        let asked = Mutex(0)
        let custodian = PassphraseCustodian(asking: { _ throws(CustodyError) in
            asked.withLock { $0 += 1 }
            throw CustodyError(.locked, "asked")
        })
        let slot = Self.slot(passes, memory)
        let time = await ContinuousClock().measure {
            #expect(await custodyFailure { _ = try await custodian.roots(for: slot, vault: vault) } == .damaged)
            #expect(
                await custodyFailure { _ = try await custodian.passphrase(opening: slot, vault: vault) } == .damaged
            )
        }
        #expect(time < .seconds(1))
        #expect(asked.withLock { $0 } == 0)
        // Nor is a slot made that could not be opened again.
        let typist = PassphraseCustodian(asking: typing("x"))
        #expect(await custodyFailure { _ = try await typist.enroll(slot.description, vault: vault) } == .damaged)
    }

    @Test(
        arguments: [(2, 64 << 20), (3, 256 << 20), (4, 1 << 30), (64, 64 << 20), (16, 256 << 20)] as [(UInt32, UInt64)]
    )
    func allowsWhatIsWithinThem(_ passes: UInt32, _ memory: UInt64) throws {
        var limits = DerivationLimits()
        limits.allowsMemoryPressure = true
        let slot = Self.slot(passes, memory)
        try limits.check(slot.description.derivation, of: slot.description)
    }

    // Whatever the bounds and the parameters are, checking them is only a comparison.
    @Test func boundsOfAnySizeAreCompared() async throws {
        let numbers: [UInt64] = [0, 1, 2, 8192, 1 << 32, UInt64.max]
        for memory in numbers.dropFirst() {
            for passes in [0, 1, UInt32.max] {
                for bound in numbers {
                    var limits = DerivationLimits(minimum: PasswordHash(passes: 0, memoryBytes: 0))
                    limits.maximumMemoryBytes = UInt64.max
                    limits.maximumCost = bound
                    limits.allowsMemoryPressure = true
                    let slot = Self.slot(passes, memory)
                    let (cost, overflows) = memory.multipliedReportingOverflow(by: UInt64(passes))
                    let check = { try limits.check(slot.description.derivation, of: slot.description) }
                    if overflows || cost > bound {
                        #expect(throws: CustodyError.self) { try check() }
                    } else {
                        #expect(throws: Never.self) { try check() }
                    }
                }
            }
        }
    }

    @Test func refusesMoreThanHalfOfTheMemoryUnlessToldSo() throws {
        // No machine has 2^62 bytes at hand.
        var limits = DerivationLimits(minimum: cheap)
        limits.maximumMemoryBytes = UInt64.max
        limits.maximumCost = UInt64.max
        let slot = Self.slot(1, 1 << 62)
        let error = #expect(throws: CustodyError.self) {
            try limits.check(slot.description.derivation, of: slot.description)
        }
        #expect(error?.code == .excessive)
        limits.allowsMemoryPressure = true
        try limits.check(slot.description.derivation, of: slot.description)
    }

    @Test func refusesAPassphraseSlotWithoutADerivation() async throws {
        let slot = KeySlot(
            description: SlotDescription(id: vault, kind: .passphrase, derivation: nil, salt: []),
            commitment: [],
            wrapped: [],
            createdAt: 0,
            path: ""
        )
        let custodian = PassphraseCustodian(asking: typing("x"), limits: cheapLimits)
        #expect(await custodyFailure { _ = try await custodian.roots(for: slot, vault: vault) } == .damaged)
    }

    // Eight slots of 4 GiB each: nobody is asked about the third, since two fill what one command may spend.
    @Test func refusesSlotsThatTogetherCostTooMuch() async throws {
        var limits = DerivationLimits()
        limits.allowsMemoryPressure = true
        let custodian = PassphraseCustodian(asking: nobody, limits: limits)
        let time = await ContinuousClock().measure {
            for number in 0..<8 as Range<UInt8> {
                let slot = Self.slot(16, 256 << 20, id: number)
                let expected: CustodyError.Code = number < 2 ? .locked : .excessive
                #expect(await custodyFailure { _ = try await custodian.roots(for: slot, vault: vault) } == expected)
            }
        }
        #expect(time < .seconds(1))
    }

    @Test func countsASlotOnceHoweverOftenItIsTried() async throws {
        var limits = cheapLimits
        limits.maximumTotalCost = 2 * 8192
        let custodian = PassphraseCustodian(asking: typing("x"), limits: limits)
        for _ in 0..<5 { _ = try await custodian.roots(for: Self.slot(1, 8192, id: 1), vault: vault) }
        _ = try await custodian.roots(for: Self.slot(1, 8192, id: 2), vault: vault)
        #expect(
            await custodyFailure {
                _ = try await custodian.roots(for: Self.slot(1, 8192, id: 3), vault: vault)
            } == .excessive
        )
    }

    @Test func hasTheBoundsThatAreWrittenDown() {
        let limits = DerivationLimits()
        #expect(limits.minimum == .interactive)
        #expect(limits.maximumMemoryBytes == 1 << 30)
        #expect(limits.maximumCost == 4 << 30)
        #expect(limits.maximumTotalCost == 8 << 30)
        #expect(!limits.allowsMemoryPressure)
    }
}

struct PassphraseCustodianTests {
    private static let description = SlotDescription(newOf: .passphrase, derivation: cheap)

    private static func slot(_ root: SharedSecret) throws -> KeySlot {
        let key = try SecretBytes(random: 32)
        return try root.withSecret { root in
            try KeySlot.wrap(key, under: root, as: description, vault: vault, createdAt: 0)
        }
    }

    /// Gives one answer after the other, and counts.
    private final class Typist: Sendable {
        private let answers: Mutex<[String]>
        let asked = Mutex<[String]>([])

        init(_ answers: [String]) { self.answers = Mutex(answers) }

        var source: PassphraseSource {
            { [self] purpose throws(CustodyError) in
                asked.withLock { $0.append("\(purpose)") }
                guard let answer = answers.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else {
                    throw CustodyError(.locked, "no more answers")
                }
                return try await typing(answer)(purpose)
            }
        }
    }

    @Test func asksOnceForAllSlots() async throws {
        let typist = Typist(["right"])
        let custodian = PassphraseCustodian(asking: typist.source, limits: cheapLimits)
        let enrolled = try await PassphraseCustodian(asking: typing("right"), limits: cheapLimits)
            .enroll(Self.description, vault: vault)
        let slot = try Self.slot(enrolled)
        for _ in 0..<3 {
            #expect(try await custodian.roots(for: slot, vault: vault).map(\.revealed) == [enrolled.revealed])
        }
        #expect(typist.asked.withLock { $0 } == ["open"])
    }

    @Test func refusesAnEmptyNewPassphrase() async throws {
        let typist = Typist([""])
        let custodian = PassphraseCustodian(asking: typist.source, limits: cheapLimits)
        #expect(await custodyFailure { _ = try await custodian.enroll(Self.description, vault: vault) } == .malformed)
        #expect(typist.asked.withLock { $0 } == ["enroll"])
    }

    @Test func asksAgainForASlotOfAnotherPassphrase() async throws {
        let root = try await PassphraseCustodian(asking: typing("second"), limits: cheapLimits)
            .enroll(Self.description, vault: vault)
        let slot = try Self.slot(root)
        let typist = Typist(["first", "second", "third"])
        let custodian = PassphraseCustodian(asking: typist.source, limits: cheapLimits)
        #expect(try await custodian.passphrase(opening: slot, vault: vault).text == "second")
        // What opened this slot alone does not become what was typed for all.
        #expect(try await custodian.passphrase().text == "first")
        let stubborn = PassphraseCustodian(asking: typing("first"), limits: cheapLimits)
        #expect(await custodyFailure { _ = try await stubborn.passphrase(opening: slot, vault: vault) } == .wrongKey)
        let other = PassphraseCustodian(asking: Typist(["a", "b"]).source, limits: cheapLimits)
        #expect(await custodyFailure { _ = try await other.passphrase(opening: slot, vault: vault) } == .wrongKey)
    }

    @Test func takesEveryByteOfAPassphrase() async throws {
        // A NUL, invalid UTF-8 and trailing spaces are part of it.
        var roots: Set<[UInt8]> = []
        let passphrases: [[UInt8]] = [[97], [97, 0], [97, 0, 98], [97, 32], [0xFF], [0xFF, 0xFE]]
        for passphrase in passphrases {
            let root = try PassphraseCustodian(asking: nobody, limits: cheapLimits)
                .enroll(Self.description, using: try shared(passphrase))
            roots.insert(root.revealed)
        }
        #expect(roots.count == passphrases.count)
    }
}
