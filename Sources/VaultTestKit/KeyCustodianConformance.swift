internal import VaultAPI
internal import KeyCustody
internal import VaultCrypto

/// What every `KeyCustodian` must do, as a list of cases that need no test library.
///
/// Run each of them from the tests of your custodian, every one with a place of its own:
///
/// ```swift
/// @Test(arguments: KeyCustodianConformance.cases)
/// func conforms(_ conformance: KeyCustodianConformance.Case) async throws {
///     let place = try TemporaryPlace()
///     try await conformance.run(
///         CustodianUnderTest(kind: .keyFile, path: { place("key-\($0)") }) { number in
///             KeyFileCustodian(path: place("key-\(number)"))
///         }
///     )
/// }
/// ```
///
/// A case that fails throws a `ConformanceFailure`, which says what was expected, or the custodian's own error.
public struct KeyCustodianConformance {
    /// One behaviour.
    public struct Case: Sendable, CustomStringConvertible {
        /// What the custodian does, such as `opensTheSlotItEnrolled`.
        public let name: String
        /// Throws unless the custodians made in that place behave so.
        public let run: @Sendable (CustodianUnderTest) async throws -> Void

        /// The name.
        public var description: String { name }
    }

    /// All cases.
    public static let cases: [Case] = [
        Case(name: "givesRootsOfThirtyTwoBytes") { place in
            let made = try await enroll(0, in: place)
            try expectEqual(made.root.count, 32, "the size of the root")
            for root in try await place.make(0).roots(for: made.slot, vault: vault) {
                try expectEqual(root.count, 32, "the size of a root")
            }
        },
        Case(name: "opensTheSlotItEnrolled") { place in
            let made = try await enroll(0, in: place)
            try expect(try await opens(made.slot, with: place.make(0)), "the slot does not open with what was enrolled")
        },
        Case(name: "opensTheSlotAsOftenAsItIsAsked") { place in
            let made = try await enroll(0, in: place)
            let custodian = try await place.make(0)
            for attempt in 1...3 {
                try expect(try await opens(made.slot, with: custodian), "the slot does not open at attempt \(attempt)")
            }
        },
        Case(name: "opensEachOfTwoSlotsWithItsOwnRoot") { place in
            let first = try await enroll(0, in: place)
            let second = try await enroll(1, in: place)
            try expect(try await opens(first.slot, with: place.make(0)), "the first slot does not open any more")
            try expect(try await opens(second.slot, with: place.make(1)), "the second slot does not open")
            try expect(!unwraps(first.slot, second.root), "the second slot's root opens the first slot")
            try expect(!unwraps(second.slot, first.root), "the first slot's root opens the second slot")
        },
        Case(name: "makesAnotherRootForEachSlot") { place in
            let first = try await enroll(0, in: place)
            let second = try await enroll(1, in: place)
            try expect(!equal(first.root, second.root), "two enrolments gave the same root")
        },
        Case(name: "opensNoSlotOfAnotherVault") { place in
            let made = try await enroll(0, in: place)
            try expect(
                try await !opens(made.slot, with: place.make(0), vault: otherVault),
                "the slot opens as another vault's"
            )
        },
        Case(name: "opensNoSlotUnderAnotherID") { place in
            let made = try await enroll(0, in: place)
            let renamed = KeySlot(
                description: SlotDescription(
                    id: randomBytes(16),
                    kind: made.slot.description.kind,
                    derivation: made.slot.description.derivation,
                    salt: made.slot.description.salt
                ),
                commitment: made.slot.commitment,
                wrapped: made.slot.wrapped,
                createdAt: made.slot.createdAt,
                path: made.slot.path
            )
            try expect(try await !opens(renamed, with: place.make(0)), "the slot opens under another id")
        },
        Case(name: "forgetsWhatItKeptAndNothingElse") { place in
            let first = try await enroll(0, in: place)
            let second = try await enroll(1, in: place)
            try await place.make(0).forget(first.slot.description, vault: vault)
            let isOpen = try await opens(first.slot, with: place.make(0))
            try expectEqual(isOpen, !place.keepsSecrets, "whether the forgotten slot opens")
            try expect(try await opens(second.slot, with: place.make(1)), "the other slot was forgotten too")
        },
        Case(name: "forgetsTwiceAsOnce") { place in
            let made = try await enroll(0, in: place)
            let custodian = try await place.make(0)
            for _ in 0..<2 { try await custodian.forget(made.slot.description, vault: vault) }
            try expectEqual(try await opens(made.slot, with: custodian), !place.keepsSecrets, "whether the slot opens")
        },
        Case(name: "forgetsWhatWasNeverThere") { place in
            let description = SlotDescription(newOf: place.kind, derivation: place.derivation)
            try await place.make(0).forget(description, vault: vault)
        },
    ]

    private static let vault: [UInt8] = (0..<16).map { $0 }
    private static let otherVault: [UInt8] = (0..<16).map { $0 + 1 }

    /// A slot and the root it was made with.
    private struct Made {
        let slot: KeySlot
        let root: SharedSecret
    }

    private static func enroll(_ number: Int, in place: CustodianUnderTest) async throws -> Made {
        let description = SlotDescription(newOf: place.kind, derivation: place.derivation)
        let root = try await place.make(number).enroll(description, vault: vault)
        let dataKey = SharedSecret(try SecretBytes(random: 32))
        let slot = try dataKey.withSecret { (dataKey) throws(CryptoError) in
            try root.withSecret { (root) throws(CryptoError) in
                try KeySlot.wrap(
                    dataKey,
                    under: root,
                    as: description,
                    vault: vault,
                    createdAt: 0,
                    path: place.path(number)
                )
            }
        }
        return Made(slot: slot, root: root)
    }

    /// Whether one of the custodian's roots opens the slot.
    ///
    /// Having none is as good a refusal as a wrong one.
    private static func opens(
        _ slot: KeySlot,
        with custodian: any KeyCustodian,
        vault: [UInt8] = vault
    ) async throws -> Bool {
        do {
            return try await custodian.roots(for: slot, vault: vault).contains { unwraps(slot, $0, vault: vault) }
        } catch {
            guard error.code == .absent || error.code == .wrongKey else { throw error }
            return false
        }
    }

    private static func unwraps(_ slot: KeySlot, _ root: SharedSecret, vault: [UInt8] = vault) -> Bool {
        root.withSecret { root in
            (try? slot.unwrap(under: root, vault: vault).count) == 32
        }
    }

    private static func equal(_ left: SharedSecret, _ right: SharedSecret) -> Bool {
        left.withSecret { left in right.withSecret { $0.equals(left) } }
    }
}
