import VaultAPI
import KeyCustody
import Testing
import VaultCrypto

struct KeySlotTests {
    private static let salt: [UInt8] = (32..<48).map { $0 }
    private static let passphrase = SlotDescription(
        id: (16..<32).map { $0 },
        kind: .passphrase,
        derivation: .moderate,
        salt: salt
    )

    private static func slot(_ description: SlotDescription = passphrase) throws -> (slot: KeySlot, root: SharedSecret)
    {
        let root = try shared((0..<32).map { $0 })
        let key = try SecretBytes([UInt8](repeating: 7, count: 32))
        let slot = try root.withSecret { root in
            try KeySlot.wrap(key, under: root, as: description, vault: vault, createdAt: 5, path: "p")
        }
        return (slot, root)
    }

    private static func unwrap(_ slot: KeySlot, _ root: SharedSecret, vault: [UInt8] = vault) throws -> [UInt8] {
        try root.withSecret { root in
            let key = try slot.unwrap(under: root, vault: vault)
            return key.withUnsafeBytes { Array($0) }
        }
    }

    @Test func givesBackTheDataKey() throws {
        let (slot, root) = try Self.slot()
        #expect(slot.wrapped.count == KeySlot.wrappedBytes)
        #expect(slot.commitment.count == KeySlot.commitmentBytes)
        #expect(try Self.unwrap(slot, root) == [UInt8](repeating: 7, count: 32))
        #expect(slot.createdAt == 5 && slot.path == "p")
    }

    // hashlib's BLAKE2b-512 over the label and the fixed-width fields, keyed by the root. The last 32 bytes commit.
    @Test func commitsToTheHashOfEveryField() throws {
        #expect(
            hex(try Self.slot().slot.commitment) == "3a0f7c15bd121beee2ed710e87d68440c642edd04e4a92214790bbe2358c7571"
        )
        let file = SlotDescription(
            id: Self.passphrase.id,
            kind: .keyFile,
            derivation: nil,
            salt: [UInt8](repeating: 0, count: 16)
        )
        let slot = try Self.slot(file).slot
        #expect(hex(slot.commitment) == "5115cf7d6306621dc985d921ed6b94c8861e1a302a6d43ab4aabffe8968c5701")
    }

    @Test func sealsUnderTheOtherHalfOfThatHash() throws {
        let slot = try Self.slot().slot
        let half: [UInt8] = [
            0x3b, 0x7c, 0x0b, 0xe2, 0x9d, 0x89, 0xf4, 0x4b, 0x16, 0x36, 0x59, 0x58, 0x39, 0x62, 0xcd, 0x33, 0x4d, 0xbb,
            0xf7, 0x1f, 0xc0, 0x2a, 0x73, 0xd9, 0x87, 0x6e, 0x1d, 0x76, 0xb6, 0x14, 0x04, 0x45,
        ]
        let key = try SecretBytes(half)
        #expect(try SecretBox.openPublic(slot.wrapped[...], under: key) == [UInt8](repeating: 7, count: 32))
    }

    /// Every other value a field can be forged to have.
    enum Forgery: CaseIterable {
        case id, salt, vault, commitment, wrapped, passes, memory, kind
        var bits: Int {
            switch self {
            case .id, .salt, .vault: 128
            case .commitment, .passes: self == .passes ? 32 : 256
            case .wrapped: KeySlot.wrappedBytes * 8
            case .memory: 64
            case .kind: 16
            }
        }
    }

    @Test(arguments: Forgery.allCases)
    func refusesEveryBitOfEveryBoundFieldLikeAWrongKey(_ forgery: Forgery) throws {
        let (slot, root) = try Self.slot()
        let wrong = try shared([UInt8](repeating: 9, count: 32))
        for bit in 0..<forgery.bits {
            func flipped(_ bytes: [UInt8], _ field: Forgery) -> [UInt8] {
                guard forgery == field else { return bytes }
                var bytes = bytes
                bytes[bit / 8] ^= 1 << (bit % 8)
                return bytes
            }
            let old = slot.description
            let passes = PasswordHash.moderate.passes ^ (forgery == .passes ? 1 << bit : 0)
            let memory = PasswordHash.moderate.memoryBytes ^ (forgery == .memory ? 1 << bit : 0)
            let forged = KeySlot(
                description: SlotDescription(
                    id: flipped(old.id, .id),
                    kind: SlotKind(rawValue: old.kind.rawValue ^ (forgery == .kind ? 1 << bit : 0)),
                    derivation: PasswordHash(passes: passes, memoryBytes: memory),
                    salt: flipped(old.salt, .salt)
                ),
                commitment: flipped(slot.commitment, .commitment),
                wrapped: flipped(slot.wrapped, .wrapped),
                createdAt: slot.createdAt,
                path: slot.path
            )
            let asked = flipped(vault, .vault)
            let error = #expect(throws: CustodyError.self) { try Self.unwrap(forged, root, vault: asked) }
            let ofWrongKey = #expect(throws: CustodyError.self) { try Self.unwrap(forged, wrong, vault: asked) }
            #expect(error?.code == .wrongKey)
            // Nothing tells a forged slot from a mistyped passphrase.
            #expect(error?.message == ofWrongKey?.message)
            #expect(error?.hint == ofWrongKey?.hint)
            #expect(error?.underlying == nil)
        }
    }

    @Test func refusesADerivationThatWasTakenAway() throws {
        let (slot, root) = try Self.slot()
        let forged = KeySlot(
            description: SlotDescription(
                id: slot.description.id,
                kind: slot.description.kind,
                derivation: nil,
                salt: slot.description.salt
            ),
            commitment: slot.commitment,
            wrapped: slot.wrapped,
            createdAt: 5,
            path: ""
        )
        let error = #expect(throws: CustodyError.self) { try Self.unwrap(forged, root) }
        #expect(error?.code == .wrongKey)
    }

    @Test(arguments: [0, 39, 40, 71, 73, 104])
    func refusesAWrappedKeyOfAnotherSize(_ size: Int) throws {
        let (slot, root) = try Self.slot()
        let wrapped = Array((slot.wrapped + slot.wrapped).prefix(size))
        let forged = KeySlot(
            description: slot.description,
            commitment: slot.commitment,
            wrapped: wrapped,
            createdAt: 5,
            path: ""
        )
        let error = #expect(throws: CustodyError.self) { try Self.unwrap(forged, root) }
        #expect(error?.code == .wrongKey)
    }

    // Whoever knows the root may seal what they like; a key of another size is still none.
    @Test(arguments: [0, 16, 31, 33])
    func refusesADataKeyOfAnotherSize(_ size: Int) throws {
        let root = try SecretBytes(random: 32)
        let short = try SecretBytes(zeroed: size)
        let slot = try KeySlot.wrap(short, under: root, as: Self.passphrase, vault: vault, createdAt: 0)
        var code: CustodyError.Code?
        do throws(CustodyError) { _ = try slot.unwrap(under: root, vault: vault) } catch { code = error.code }
        #expect(code == .wrongKey)
    }

    @Test func describesKindsAsOptionsSpellThem() {
        let names = [
            1: "secret-service", 2: "passphrase", 3: "secret-service+passphrase", 4: "recovery-code", 5: "key-file",
        ]
        for (number, name) in names {
            let kind = SlotKind(rawValue: UInt16(number))
            #expect(kind.isKnown)
            #expect(kind.description == name)
            #expect(SlotKind(name: name) == kind)
        }
        #expect(SlotKind(rawValue: 0).description == "unknown-0")
        #expect(!SlotKind(rawValue: 6).isKnown)
        #expect(SlotKind(name: "unknown-6") == nil)
    }

    @Test func makesEachDescriptionAnew() {
        let first = SlotDescription(newOf: .passphrase, derivation: cheap)
        let second = SlotDescription(newOf: .passphrase, derivation: cheap)
        #expect(first.id != second.id)
        #expect(first.salt != second.salt)
        #expect(first.derivation == cheap)
        #expect(SlotDescription(newOf: .keyFile, derivation: cheap).derivation == nil)
        #expect(SlotDescription(newOf: .secretServiceAndPassphrase, derivation: cheap).derivation == cheap)
        #expect(
            SlotDescription(id: [0x0a, 0xff, 0, 0x10, 9], kind: .keyFile, derivation: nil, salt: []).shortID
                == "0aff0010"
        )
    }
}
