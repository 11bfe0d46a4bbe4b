import KeyCustody
import Testing
import VaultAPI
import VaultCrypto

@testable import VaultCore

/// Where things stand in the sample's header: the fixed head, then one slot.
private enum Offset {
    static let (major, minor, length, vault, generation) = (8, 10, 12, 16, 32)
    static let (created, phase, fields) = (40, 48, 49)
    static let slot = fields + 6
    /// Within the slot.
    static let (slotCreated, algorithm, passes, memory, salt) = (18, 26, 30, 34, 42)
    static let (commitment, wrapped, path) = (58, 90, 162)
}

extension VectorMaker {
    /// The bytes of the header after a change that may alter their number; length, MAC and digest are put right.
    private func resized(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
        signed { bytes in
            change(&bytes)
            guard bytes.count >= Offset.vault else { return }
            let length = UInt32(bytes.count + 64)
            for index in 0..<4 { bytes[Offset.length + index] = UInt8(truncatingIfNeeded: length >> (8 * index)) }
        }
    }

    /// The header after a change of its one slot, whose length may alter, rightly signed.
    private func slotted(_ change: (inout [UInt8]) -> Void) throws -> [UInt8] {
        var slot = header.slots[0].encoded
        change(&slot)
        return try authentic {
            $0.slots = []
            $0.unknownFields = [Field(tag: Header.Tag.slot, bytes: slot)]
        }
    }

    private func unknownSlot(_ number: UInt8) throws -> HeaderSlot {
        try #require(HeaderSlot([77, 0] + [UInt8](repeating: number, count: 16)))
    }

    func headerFaults() throws -> [(String, Vector)] {
        let bytes = header.encoded(under: key)
        let other = try DataKey.random()
        var foreign = Array(bytes.dropLast(64))
        foreign += other.headerMAC(foreign)
        foreign += Header.digest(of: foreign)
        var result: [(String, Vector)] = [
            ("ok-minor", vector("the greatest minor version", "ok", header: try authentic { $0.minor = .max })),
            ("ok-created", vector("made before 1970", "ok", header: try authentic { $0.createdAt = -1 })),
            (
                "ok-fields-first",
                vector(
                    "unknown fields before the slot",
                    "ok",
                    header: try authentic {
                        $0.slots = []
                        $0.unknownFields =
                            SampleHeader.unknownFields
                            + [Field(tag: Header.Tag.slot, bytes: header.slots[0].encoded)]
                    }
                )
            ),
            (
                "ok-tag-0",
                vector(
                    "a field of tag 0",
                    "ok",
                    header: try authentic { $0.unknownFields = [Field(tag: 0, bytes: [1])] }
                )
            ),
            (
                "ok-tag-65535",
                vector(
                    "a field of tag 65535",
                    "ok",
                    header: try authentic { $0.unknownFields = [Field(tag: .max, bytes: [1])] }
                )
            ),
            (
                "ok-slots-64",
                vector(
                    "as many slots as there may be",
                    "ok",
                    header: try authentic { header in
                        header.slots += try (0..<63).map { try unknownSlot($0) }
                    }
                )
            ),
            (
                "ok-passphrases-8",
                vector(
                    "as many passphrase slots as there may be, seven of which do not open",
                    "ok",
                    header: try authentic { header in
                        header.slots += try (1..<8).map { number in
                            var encoded = header.slots[0].encoded
                            encoded[2] ^= UInt8(number)
                            return try #require(HeaderSlot(encoded))
                        }
                    }
                )
            ),
            (
                "header-passphrases-keyring",
                vector(
                    "eight passphrase slots, and one that needs the keyring too",
                    header: try authentic { header in
                        header.slots += try (1..<9).map { number in
                            var encoded = header.slots[0].encoded
                            encoded[2] ^= UInt8(number)
                            if number == 8 { encoded[0] = 3 }
                            return try #require(HeaderSlot(encoded))
                        }
                    }
                )
            ),
            (
                "header-unknown-slot-twice",
                vector(
                    "an unknown slot twice",
                    header: try authentic { $0.slots += [try unknownSlot(1), try unknownSlot(1)] }
                )
            ),
            (
                "header-unknown-slot-known-id",
                vector(
                    "an unknown slot with the known one's id",
                    header: try authentic { header in
                        header.slots.append(try #require(HeaderSlot([77, 0] + header.slots[0].id)))
                    }
                )
            ),
            (
                "header-unknown-slot-short",
                vector(
                    "an unknown slot without a whole id",
                    header: try authentic {
                        $0.unknownFields = [Field(tag: 1, bytes: [77, 0] + [UInt8](repeating: 1, count: 15))]
                    }
                )
            ),
            (
                "header-slot-empty",
                vector("a slot of no bytes", header: try authentic { $0.unknownFields = [Field(tag: 1, bytes: [])] })
            ),
            (
                "header-mac-zero",
                vector(
                    "no MAC but zeros",
                    header: forged { bytes in
                        for index in bytes.count - 64..<bytes.count - 32 { bytes[index] = 0 }
                    }
                )
            ),
            ("header-mac-of-another-key", vector("a MAC of another vault's key", header: foreign)),
            (
                "header-digest-zero",
                vector("no digest but zeros", header: bytes.dropLast(32) + [UInt8](repeating: 0, count: 32))
            ),
            ("header-body-bit", vector("one bit of the slot, the digest left", header: flipping(bytes, bit: 8 * 100))),
            (
                "header-length-less",
                vector("a stated length that is one too small", header: signed { $0[Offset.length] -= 1 })
            ),
            (
                "header-length-0",
                vector(
                    "a stated length of 0",
                    header: signed {
                        for index in 0..<4 { $0[Offset.length + index] = 0 }
                    }
                )
            ),
            (
                "header-length-most",
                vector(
                    "the greatest stated length",
                    header: signed {
                        for index in 0..<4 { $0[Offset.length + index] = 0xFF }
                    }
                )
            ),
            ("header-major-257", vector("major version 257", header: signed { $0[Offset.major + 1] = 1 })),
            ("header-phase-255", vector("phase 255", header: signed { $0[Offset.phase] = 255 })),
            ("header-generation-less", vector("stored under an earlier generation", generation: 2)),
            (
                "header-generation-inside",
                vector("another generation inside, rightly signed", header: signed { $0[Offset.generation] += 1 })
            ),
            (
                "header-minor-forged",
                vector("another minor version, the digest put right", header: forged { $0[Offset.minor] ^= 1 })
            ),
            ("header-field-cut", vector("a field's head that ends after its tag", header: resized { $0 += [44, 1] })),
            (
                "header-field-without-bytes",
                vector("a field that lacks its last byte", header: resized { $0 += [44, 1, 2, 0, 0, 0, 7] })
            ),
            (
                "header-field-most",
                vector("a field of the greatest length", header: resized { $0 += [44, 1, 255, 255, 255, 255] })
            ),
            ("header-zeros", vector("zeros before the MAC", header: resized { $0 += [0, 0, 0] })),
        ]
        let cuts = [
            ("magic", 4), ("version", 9), ("vault", 20), ("generation", 36), ("created", 44),
            ("slot", Offset.slot + 70),
        ]
        for (part, count) in cuts {
            result.append(
                (
                    "header-cut-\(part)",
                    vector(
                        "a header that ends within \(part), rightly signed",
                        header: resized {
                            $0.removeLast($0.count - count)
                        }
                    )
                )
            )
        }
        return result
    }

    func slotFaults() throws -> [(String, Vector)] {
        var result: [(String, Vector)] = [
            (
                "ok-slot-path",
                vector("a passphrase slot with a path", "ok", header: try slotted { $0 += Array("/key".utf8) })
            ),
            (
                "slot-kind-secret-service",
                vector("the slot named one of the keyring", header: signed { $0[Offset.slot] = 1 })
            ),
            (
                "slot-kind-recovery-code",
                vector("the slot named one of a recovery code", header: signed { $0[Offset.slot] = 4 })
            ),
            ("slot-kind-key-file", vector("the slot named one of a key file", header: signed { $0[Offset.slot] = 5 })),
            (
                "slot-algorithm-none",
                vector("a passphrase without a derivation", header: signed { $0[Offset.slot + Offset.algorithm] = 0 })
            ),
            (
                "slot-algorithm-258",
                vector("key derivation 258", header: signed { $0[Offset.slot + Offset.algorithm + 1] = 1 })
            ),
            (
                "slot-passes-most",
                vector(
                    "the most passes",
                    header: signed { bytes in
                        for index in 0..<4 { bytes[Offset.slot + Offset.passes + index] = 0xFF }
                    }
                )
            ),
            (
                "slot-memory-least",
                vector(
                    "a byte less memory than is accepted",
                    header: signed { bytes in
                        (bytes[Offset.slot + Offset.memory], bytes[Offset.slot + Offset.memory + 1]) = (0xFF, 0x1F)
                    }
                )
            ),
            (
                "slot-memory-most",
                vector(
                    "the most memory",
                    header: signed { bytes in
                        for index in 0..<8 { bytes[Offset.slot + Offset.memory + index] = 0xFF }
                    }
                )
            ),
            (
                "slot-created",
                vector(
                    "another time in the slot, the digest put right",
                    header: forged {
                        $0[Offset.slot + Offset.slotCreated] ^= 1
                    }
                )
            ),
            (
                "slot-wrapped-mac",
                vector(
                    "the authenticator of the wrapped key",
                    "wrongKey",
                    header: forged {
                        $0[Offset.slot + Offset.wrapped + 24] ^= 1
                    }
                )
            ),
            (
                "slot-wrapped-key",
                vector(
                    "the wrapped key itself",
                    "wrongKey",
                    header: forged {
                        $0[Offset.slot + Offset.wrapped + 40] ^= 1
                    }
                )
            ),
        ]
        // A slot that ends within each of its parts, rightly signed.
        let cuts = [
            ("kind", 1), ("id", 10), ("created", 20), ("algorithm", 28), ("passes", 32), ("memory", 38), ("salt", 50),
            ("wrapped", Offset.path - 1),
        ]
        for (part, count) in cuts {
            result.append(
                (
                    "slot-cut-\(part)",
                    vector(
                        "a slot that ends within \(part)",
                        header: try slotted {
                            $0.removeLast($0.count - count)
                        }
                    )
                )
            )
        }
        return result
    }

    func keyFaults() throws -> [(String, Vector)] {
        let old = try key.seal(old: try DataKey.random())
        let audit = try key.seal(audit: SharedSecret(try SecretBytes(random: 32)))
        let spill = try key.seal(spill: try DataKey.random())
        return [
            (
                "ok-spill-keys",
                vector(
                    "as many spill keys as there may be, one of which does not open",
                    "ok",
                    header: try authentic {
                        $0.spillKeys = [[UInt8](repeating: 1, count: 72)] + [[UInt8]](repeating: spill, count: 15)
                    }
                )
            ),
            (
                "header-spill-keys-many",
                vector(
                    "one spill key too many",
                    header: try authentic { $0.spillKeys = [[UInt8]](repeating: spill, count: 17) }
                )
            ),
            (
                "header-spill-key-short",
                vector("a spill key that is too short", header: try authentic { $0.spillKeys = [spill.dropLast()] })
            ),
            (
                "header-spill-key-long",
                vector("a spill key that is too long", header: try authentic { $0.spillKeys = [spill, spill + [0]] })
            ),
            (
                "header-synced-zero",
                vector(
                    "a synchronised directory's mark that is none",
                    header: try authentic { $0.unknownFields = [Field(tag: 8, bytes: [0])] }
                )
            ),
            (
                "header-synced-twice",
                vector(
                    "two marks of a synchronised directory",
                    header: try authentic {
                        $0.isSynced = true
                        $0.unknownFields = [Field(tag: 8, bytes: [1])]
                    }
                )
            ),
            (
                "header-spill-key-empty",
                vector("a spill key of no bytes", header: try authentic { $0.spillKeys = [[]] })
            ),
            (
                "key-space-behind",
                vector("a space behind the passphrase", "wrongKey", passphrase: TestVault.passphrase + " ")
            ),
            (
                "ok-audit-key-foreign",
                vector(
                    "an audit key that does not open: a version that knew of none rotated the data key",
                    "ok",
                    header: try authentic { $0.auditKey = [UInt8](repeating: 1, count: 72) }
                )
            ),
            (
                "header-audit-key-long",
                vector("an audit key that is too long", header: try authentic { $0.auditKey = audit + [0] })
            ),
            ("header-audit-key-empty", vector("an audit key of no bytes", header: try authentic { $0.auditKey = [] })),
            (
                "header-old-key-long",
                vector("an old key that is too long", header: try authentic { $0.oldDataKey = old + [0] })
            ),
            ("header-old-key-empty", vector("an old key of no bytes", header: try authentic { $0.oldDataKey = [] })),
            (
                "header-old-key-bit",
                vector(
                    "one bit of the old key",
                    header: try authentic {
                        $0.oldDataKey = flipping(old, bit: 8 * 40)
                    }
                )
            ),
            (
                "header-old-key-audit",
                vector("the audit key in the old key's place", header: try authentic { $0.oldDataKey = audit })
            ),
            (
                "header-old-key-steady",
                vector(
                    "an old key in a steady vault",
                    header: {
                        var rotating = header
                        rotating.oldDataKey = old
                        var bytes = Array(rotating.encoded(under: key).dropLast(64))
                        bytes[Offset.phase] = 0
                        bytes += key.headerMAC(bytes)
                        return bytes + Header.digest(of: bytes)
                    }()
                )
            ),
        ]
    }
}
