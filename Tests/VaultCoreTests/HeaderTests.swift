import KeyCustody
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

/// A header of its own making, with the key that authenticates it.
struct SampleHeader {
    let key: DataKey
    let header: Header

    init(
        slots kinds: [SlotKind] = [.passphrase],
        unknown: Bool = false,
        generation: UInt64 = 3,
        rotating: Bool = false
    ) throws {
        let key = try DataKey.random()
        let vault = VaultID.random()
        let slots = try kinds.map { kind in
            let description = SlotDescription(newOf: kind, derivation: cheap)
            let root = try PassphraseCustodian(
                asking: { _ throws(CustodyError) in try secret("x") },
                limits: cheapLimits
            )
            .enroll(
                SlotDescription(id: description.id, kind: .passphrase, derivation: cheap, salt: description.salt),
                using: try secret(TestVault.passphrase)
            )
            let path = kind == .keyFile ? "/media/ü/key" : ""
            return try key.wrap(under: root, as: description, vault: vault, createdAt: noon, path: path)
        }
        var header = Header(vault: vault, generation: generation, createdAt: noon.seconds, slots: slots)
        if unknown {
            header.slots.insert(try #require(HeaderSlot(Self.unknownSlot)), at: 0)
            header.unknownFields = Self.unknownFields
            header.minor = 9
        }
        header.isSynced = unknown
        if rotating {
            header.oldDataKey = try key.seal(old: try DataKey.random())
            header.spillKeys = [try key.seal(spill: try DataKey.random()), try key.seal(spill: try DataKey.random())]
        }
        self.key = key
        self.header = header
    }

    /// A slot of kind 77: number, id, and what only a newer version reads.
    static let unknownSlot: [UInt8] = [77, 0] + [UInt8](repeating: 0xEE, count: 16) + Array("from the future".utf8)
    static let unknownFields = [
        Field(tag: 500, bytes: [1, 2, 3]), Field(tag: 3, bytes: []), Field(tag: 500, bytes: [4]),
    ]

    var bytes: [UInt8] { header.encoded(under: key) }
}

/// Puts the unkeyed digest right again, as a forger would.
func digested(_ bytes: [UInt8]) -> [UInt8] {
    let body = Array(bytes.dropLast(32))
    return body + Header.digest(of: body)
}

struct HeaderTests {
    private static func fault(_ bytes: [UInt8]) -> HeaderFault? {
        do throws(HeaderFault) { _ = try Header(bytes) } catch { return error }
        return nil
    }

    @Test(arguments: [false, true], [false, true])
    func bringsEverythingBack(_ unknown: Bool, _ rotating: Bool) throws {
        let kinds: [SlotKind] = [.secretService, .passphrase, .secretServiceAndPassphrase, .recoveryCode, .keyFile]
        let sample = try SampleHeader(slots: kinds, unknown: unknown, rotating: rotating)
        let read = try Header(sample.bytes)
        #expect(read.vault == sample.header.vault)
        #expect(read.generation == 3)
        #expect(read.createdAt == noon.seconds)
        #expect(read.minor == (unknown ? 9 : 0))
        #expect(read.slots == sample.header.slots)
        #expect(read.slots.count == (unknown ? 6 : 5))
        #expect(read.knownSlots.map(\.description.kind) == kinds)
        #expect(read.knownSlots.last?.path == "/media/ü/key")
        #expect(read.isSynced == unknown)
        #expect(read.oldDataKey == sample.header.oldDataKey)
        #expect(read.spillKeys == sample.header.spillKeys && read.spillKeys.count == (rotating ? 2 : 0))
        #expect(read.phase == (rotating ? .rotating : .steady))
        #expect(read.unknownFields == (unknown ? SampleHeader.unknownFields : []))
        #expect(read.encoded(under: sample.key) == sample.bytes)
        #expect(Header.isAuthentic(sample.bytes, under: sample.key))
    }

    @Test func refusesEveryFlippedBit() throws {
        let sample = try SampleHeader(unknown: true)
        for bit in 0..<sample.bytes.count * 8 {
            #expect(Self.fault(flipping(sample.bytes, bit: bit)) == (bit < 64 ? .foreign : .damaged))
        }
    }

    // With the unkeyed digest put right, most flips give some other header; none of them has a valid MAC.
    @Test func authenticatesNoFlippedBitOfAForger() throws {
        let sample = try SampleHeader(unknown: true)
        for bit in 0..<(sample.bytes.count - 32) * 8 {
            let forged = digested(flipping(sample.bytes, bit: bit))
            #expect(!Header.isAuthentic(forged, under: sample.key))
        }
        #expect(!Header.isAuthentic(sample.bytes, under: try DataKey.random()))
    }

    @Test func refusesEveryOtherLength() throws {
        let sample = try SampleHeader()
        for count in 0..<sample.bytes.count {
            #expect(Self.fault(Array(sample.bytes[..<count])) == (count < 8 ? .foreign : .damaged))
        }
        #expect(Self.fault(sample.bytes + [0]) == .damaged)
        #expect(Self.fault(digested(sample.bytes + [0])) == .damaged)
    }

    @Test(arguments: [0, 2, 3, 0x101, UInt16.max])
    func refusesAnotherMajorVersion(_ version: UInt16) throws {
        var bytes = try SampleHeader().bytes
        bytes[8] = UInt8(version & 255)
        bytes[9] = UInt8(version >> 8)
        #expect(Self.fault(bytes) == .damaged)
        #expect(Self.fault(digested(bytes)) == .version(version))
    }

    @Test func takesSixtyFourSlotsAndNoMore() throws {
        let kinds = [SlotKind](repeating: .keyFile, count: 64)
        #expect(Self.fault(try SampleHeader(slots: kinds).bytes) == nil)
        #expect(Self.fault(try SampleHeader(slots: kinds + [.keyFile]).bytes) == .tooManySlots)
        #expect(Self.fault(try SampleHeader(slots: kinds, unknown: true).bytes) == .tooManySlots)
    }

    @Test func takesEightPassphrasesAndNoMore() throws {
        let eight =
            [SlotKind](repeating: .passphrase, count: 4) + [SlotKind](repeating: .secretServiceAndPassphrase, count: 4)
        #expect(Self.fault(try SampleHeader(slots: eight + [.keyFile]).bytes) == nil)
        #expect(Self.fault(try SampleHeader(slots: eight + [.passphrase]).bytes) == .tooManySlots)
    }

    @Test func takesOneMebibyteAndNoMore() throws {
        let sample = try SampleHeader()
        // A field costs its tag and its length beside its bytes.
        let spare = RecordLimits.headerBytes - sample.bytes.count - 6
        var header = sample.header
        header.unknownFields = [Field(tag: 500, bytes: [UInt8](repeating: 1, count: spare))]
        #expect(Self.fault(header.encoded(under: sample.key)) == nil)
        header.unknownFields = [Field(tag: 500, bytes: [UInt8](repeating: 1, count: spare + 1))]
        #expect(Self.fault(header.encoded(under: sample.key)) == .tooLarge)
    }

    /// Faults that someone who can write a digest, or even the MAC, could write on purpose.
    enum Fault: CaseIterable {
        case noSlot, slotTwice, twoOldKeys, shortOldKey, shortSlot, pathNotText, otherAlgorithm,
            algorithmWithoutPassphrase
        case phaseWithoutKey, keyWithoutPhase, phaseTwo, lengthOfAnother, fieldBeyondTheEnd
    }

    @Test(arguments: Fault.allCases)
    func refusesWhatNoHeaderHas(_ fault: Fault) throws {
        let sample = try SampleHeader(slots: [.passphrase, .keyFile])
        var header = sample.header
        let phase = 8 + 2 + 2 + 4 + 16 + 8 + 8
        var bytes = sample.bytes
        switch fault {
        case .noSlot: header.slots = []
        case .slotTwice: header.slots.append(header.slots[0])
        case .twoOldKeys:
            header.oldDataKey = [UInt8](repeating: 1, count: 72)
            header.unknownFields = [Field(tag: 2, bytes: [UInt8](repeating: 2, count: 72))]
        case .shortOldKey: header.oldDataKey = [UInt8](repeating: 1, count: 71)
        case .shortSlot: header.unknownFields = [Field(tag: 1, bytes: Array(header.slots[0].encoded.dropLast()))]
        case .pathNotText:
            header.unknownFields = [
                Field(
                    tag: 1,
                    bytes: [5, 0] + Array(repeating: 9, count: 16) + header.slots[1].encoded.dropFirst(18).dropLast(3)
                        + [0xFF]
                )
            ]
        case .otherAlgorithm, .algorithmWithoutPassphrase:
            var encoded = header.slots[fault == .otherAlgorithm ? 0 : 1].encoded
            encoded[2] ^= 1
            encoded[26] = fault == .otherAlgorithm ? 1 : 2
            header.unknownFields = [Field(tag: 1, bytes: encoded)]
        case .phaseWithoutKey: bytes[phase] = 1
        case .keyWithoutPhase:
            header.oldDataKey = [UInt8](repeating: 1, count: 72)
            bytes = header.encoded(under: sample.key)
            bytes[phase] = 0
        case .phaseTwo: bytes[phase] = 2
        case .lengthOfAnother: bytes[12] ^= 1
        case .fieldBeyondTheEnd: bytes[phase + 3] ^= 0x40
        }
        if bytes == sample.bytes { bytes = header.encoded(under: sample.key) }
        #expect(bytes != sample.bytes)
        #expect(Self.fault(digested(bytes)) == .damaged)
    }
}
