import Foundation
import KeyCustody
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

/// A backup file before its MAC.
private struct BackupParts {
    var magic = Backup.magic
    var version = Backup.version
    var header: [UInt8]
    var records: [StoredRecord]
    /// The stated count, where it is not the true one.
    var count: UInt64?
    var marker: UInt8 = 0

    var bytes: [UInt8] {
        var writer = ByteWriter()
        writer.append(magic)
        writer.append(version)
        writer.append(UInt32(header.count))
        writer.append(header)
        for record in records {
            writer.append(UInt8(1))
            writer.append(record.generation)
            writer.append(UInt32(record.sealed.count))
            writer.append(record.sealed)
        }
        writer.append(marker)
        writer.append(count ?? UInt64(records.count))
        return writer.bytes
    }
}

extension VectorMaker {
    func backupFaults() throws -> [(String, Vector)] {
        func vector(
            _ comment: String,
            expect: String = "damaged",
            passphrase: String = TestVault.passphrase,
            _ bytes: [UInt8]
        ) -> Vector {
            Vector(
                comment: comment,
                expect: expect,
                passphrase: passphrase,
                backup: Data(bytes),
                entries: expect == "ok" ? Self.entries : nil
            )
        }
        // A backup has a header of generation 1, under a key that is not the vault's; here the sample's stands for it.
        var head = header
        head.generation = 1
        let encoded = head.encoded(under: key)
        let parts = BackupParts(header: encoded, records: [first, second])
        func signed(_ change: (inout BackupParts) throws -> Void) throws -> [UInt8] {
            var parts = parts
            try change(&parts)
            return try signed(bytes: parts.bytes)
        }
        func signed(bytes: [UInt8]) throws -> [UInt8] {
            var mac = try key.backupMAC()
            mac.update(bytes)
            return bytes + mac.finish()
        }
        /// As by somebody without the key: the MAC stays what it was.
        let sound = try signed { _ in }
        let mac = Array(sound.suffix(32))
        func unsigned(_ change: (inout BackupParts) -> Void) -> [UInt8] {
            var parts = parts
            change(&parts)
            return parts.bytes + mac
        }
        func headed(_ change: (inout Header) throws -> Void) throws -> [UInt8] {
            try signed {
                var changed = head
                try change(&changed)
                $0.header = changed.encoded(under: key)
            }
        }
        let (headerStart, record) = (14, 14 + encoded.count)
        let recordBytes = 13 + first.sealed.count
        let end = record + 2 * recordBytes
        let other = try SampleHeader()
        let stranger = try Self.record("oauth:sample", .accessToken, "fake", other.key, header.vault)
        let foreign = try Self.record("oauth:sample", .accessToken, "fake", key, other.header.vault)
        let badSummary = try Self.seal("oauth:sample", [1, 0, 1, 0, 0, 0, 0x78], [], key, header.vault)
        let badSecret = try Self.seal(
            "oauth:sample",
            summary("oauth:sample").encodedFields,
            [1, 0, 9],
            key,
            header.vault
        )
        var forged = encoded
        forged[40] ^= 1
        var wrongVault = encoded
        wrongVault[16] ^= 1
        var vectors: [(String, Vector)] = [
            ("ok-backup", vector("a sound backup", expect: "ok", sound)),
            (
                "ok-backup-order",
                vector(
                    "a backup with its records the other way round",
                    expect: "ok",
                    try signed { $0.records.reverse() }
                )
            ),
            (
                "backup-passphrase",
                vector("another passphrase for the backup", expect: "wrongKey", passphrase: "wrong", sound)
            ),
            ("backup-empty", vector("a backup of no bytes", [])),
            ("backup-magic", vector("another magic of a backup", try signed { $0.magic[7] = 0x6B })),
            ("backup-vault", vector("a vault's header in the place of a backup", encoded)),
            ("backup-version-2", vector("backup version 2", try signed { $0.version = 2 })),
            ("backup-version-0", vector("backup version 0", try signed { $0.version = 0 })),
            (
                "backup-header-length",
                vector(
                    "a backup whose header is longer than it",
                    {
                        var bytes = sound
                        bytes[12] = 0x0F
                        return bytes
                    }()
                )
            ),
            (
                "backup-header-most",
                vector(
                    "a backup whose header is of 4 GiB",
                    {
                        var bytes = sound
                        for index in 10..<14 { bytes[index] = 0xFF }
                        return bytes
                    }()
                )
            ),
            (
                "backup-header-digest",
                vector("one bit of the digest of a backup's header", flipping(sound, bit: 8 * (record - 1)))
            ),
            (
                "backup-header-forged",
                vector(
                    "another time in a backup's header, its digest put right",
                    try signed { $0.header = digested(forged) }
                )
            ),
            (
                "backup-header-vault",
                vector(
                    "another vault's UUID in a backup's header",
                    expect: "wrongKey",
                    try signed { $0.header = digested(wrongVault) }
                )
            ),
            (
                "backup-slots-2",
                vector(
                    "a backup with two slots",
                    try headed {
                        var slot = $0.slots[0].encoded
                        slot[2] ^= 1
                        $0.slots.append(try #require(HeaderSlot(slot)))
                    }
                )
            ),
            (
                "backup-slot-unknown",
                vector(
                    "a backup whose slot is of an unknown kind",
                    try headed {
                        $0.slots = [try #require(HeaderSlot(SampleHeader.unknownSlot))]
                    }
                )
            ),
            ("backup-mac", vector("one bit of a backup's MAC", flipping(sound, bit: sound.count * 8 - 1))),
            ("backup-mac-zero", vector("no MAC of a backup but zeros", parts.bytes + [UInt8](repeating: 0, count: 32))),
            ("backup-longer", vector("a byte behind a backup", sound + [0])),
            (
                "backup-count-more",
                vector("a backup that counts one record more, rightly signed", try signed { $0.count = 3 })
            ),
            (
                "backup-count-less",
                vector("a backup that counts one record less, rightly signed", try signed { $0.count = 1 })
            ),
            ("backup-count-forged", vector("a backup's count changed, and not its MAC", unsigned { $0.count = 5 })),
            (
                "backup-marker",
                vector("a marker that is neither a record's nor the end's", try signed { $0.marker = 2 })
            ),
            (
                "backup-record-missing",
                vector("a record cut out of a backup, and the count put right", unsigned { $0.records.removeLast() })
            ),
            (
                "backup-record-doubled",
                vector(
                    "a record put into a backup twice, and the count put right",
                    unsigned { $0.records.append(first) }
                )
            ),
            (
                "backup-records-swapped",
                vector("two records of a backup that changed places", unsigned { $0.records.reverse() })
            ),
            (
                "backup-record-bit",
                vector("one bit of a backup's record", flipping(sound, bit: 8 * (record + 13 + 600)))
            ),
            (
                "backup-record-length",
                vector(
                    "a record in a backup of a length that none has",
                    {
                        var bytes = sound
                        bytes[record + 12] = 0xFF
                        return bytes
                    }()
                )
            ),
            (
                "backup-record-of-another-key",
                vector("a record of another key in a backup, rightly signed", try signed { $0.records[0] = stranger })
            ),
            (
                "backup-record-of-another-vault",
                vector("a record of another vault in a backup, rightly signed", try signed { $0.records[0] = foreign })
            ),
            (
                "backup-record-generation",
                vector(
                    "another generation beside a backup's record, rightly signed",
                    try signed { $0.records[0].generation += 1 }
                )
            ),
            (
                "backup-record-box",
                vector(
                    "a backup's record that does not open, rightly signed",
                    try signed { $0.records[0].sealed[600] ^= 1 }
                )
            ),
            (
                "backup-record-size",
                vector(
                    "a backup's record of a size that none has, rightly signed",
                    try signed { $0.records[0].sealed.removeLast() }
                )
            ),
            (
                "backup-entry-summary",
                vector("a summary that cannot be read in a backup", try signed { $0.records[0] = badSummary })
            ),
            (
                "backup-entry-secret",
                vector("secrets that cannot be read in a backup", try signed { $0.records[0] = badSecret })
            ),
        ]
        let cuts: [(String, Int)] = [
            ("magic", 5), ("version", 9), ("header-length", 12), ("header", headerStart + 100), ("marker", record),
            ("generation", record + 4), ("length", record + 11), ("sealed", record + 200), ("end", end),
            ("count", end + 4), ("at-mac", end + 9), ("mac", end + 30),
        ]
        for (part, count) in cuts {
            vectors.append(
                (
                    "backup-cut-\(part)",
                    vector(
                        "a backup that ends at \(part.replacing("-", with: " ")), after \(count) bytes",
                        Array(sound.prefix(count))
                    )
                )
            )
        }
        return vectors
    }
}
