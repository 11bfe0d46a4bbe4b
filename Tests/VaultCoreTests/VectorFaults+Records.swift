import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

/// A record put together by hand, so that any piece of it can be wrong while every seal is right.
private struct Pieces {
    var version: UInt16 = 1
    var boxed: [UInt8]
    var summary: [UInt8]
    var secret: [UInt8]

    /// The pieces of a sound record.
    init(_ binding: RecordBinding, fields: [UInt8], secrets: [UInt8]) {
        var box = ByteWriter()
        box.append(binding.vault.bytes)
        box.append(UInt16(binding.name.text.utf8.count))
        box.append(Array(binding.name.text.utf8))
        boxed = box.bytes + [UInt8](repeating: 0, count: 208 - box.bytes.count)
        summary = Self.padded(binding.encoded + fields, to: 216)
        secret = Self.padded(binding.encoded + secrets, to: 472)
    }

    static func padded(_ bytes: [UInt8], to size: Int) -> [UInt8] {
        bytes + [0x80] + [UInt8](repeating: 0, count: size - bytes.count - 1)
    }

    func sealed(_ binding: RecordBinding, under key: DataKey) throws -> [UInt8] {
        var writer = ByteWriter()
        writer.append(version)
        writer.append(UInt16(0))
        writer.append(UInt32(summary.count + SecretBox.overhead))
        writer.append(key.withNamesKey { names in boxed.withUnsafeBytes { SecretBox.seal($0, under: names) } })
        for (part, bytes) in [(RecordPart.summary, summary), (.secret, secret)] {
            let partKey = try key.key(of: part, binding.name, vault: binding.vault)
            writer.append(bytes.withUnsafeBytes { SecretBox.seal($0, under: partKey) })
        }
        return writer.bytes
    }
}

extension VectorMaker {
    private static let text = "oauth:sample"

    private func binding() throws -> RecordBinding {
        RecordBinding(
            vault: header.vault,
            entry: .random(),
            generation: 2,
            name: RecordName(try name(Self.text))
        )
    }

    private func fields() throws -> [UInt8] { try summary(Self.text).encodedFields }

    private func secrets() throws -> [UInt8] {
        try holding([.accessToken: "fake-access-token"]).withEncoded { Array($0) }
    }

    /// The first record with a piece changed before it is sealed.
    private func crafted(_ change: (inout Pieces, RecordBinding) throws -> Void) throws -> [StoredRecord] {
        let binding = try binding()
        var pieces = Pieces(binding, fields: try fields(), secrets: try secrets())
        try change(&pieces, binding)
        let sealed = try pieces.sealed(binding, under: key)
        return [StoredRecord(id: key.recordID(binding.name), generation: 2, sealed: sealed), second]
    }

    func recordFaults() throws -> [(String, Vector)] {
        let zeros = [UInt8](repeating: 0, count: 32)
        func swapping(_ range: Range<Int>) -> [StoredRecord] {
            changed { $0.sealed.replaceSubrange(range, with: second.sealed[range]) }
        }
        var result: [(String, Vector)] = [
            ("record-version-0", vector("record version 0", records: changed { $0.sealed[0] = 0 })),
            ("record-version-257", vector("record version 257", records: changed { $0.sealed[1] = 1 })),
            (
                "record-reserved-high",
                vector("the other reserved byte that is not zero", records: changed { $0.sealed[3] = 1 })
            ),
            (
                "record-summary-128",
                vector("a summary of 128 bytes", records: changed { ($0.sealed[4], $0.sealed[5]) = (128, 0) })
            ),
            (
                "record-summary-whole",
                vector("a summary that leaves no room for secrets", records: changed { $0.sealed[5] = 3 })
            ),
            (
                "record-summary-most",
                vector("a summary of 2 GiB", records: changed { ($0.sealed[5], $0.sealed[7]) = (0, 128) })
            ),
            (
                "record-half-more",
                vector(
                    "a record half as large again",
                    records: changed {
                        $0.sealed += [UInt8](repeating: 0, count: 512)
                    }
                )
            ),
            (
                "record-name-mac",
                vector("the authenticator of the name box", records: changed { $0.sealed[8 + 24] ^= 1 })
            ),
            (
                "record-summary-mac",
                vector("the authenticator of the summary", records: changed { $0.sealed[256 + 24] ^= 1 })
            ),
            (
                "record-secret-mac",
                vector("the authenticator of the secret part", records: changed { $0.sealed[512 + 24] ^= 1 })
            ),
            ("record-name-of-another", vector("the name box of another record", records: swapping(8..<256))),
            ("record-summary-of-another", vector("the summary of another record", records: swapping(256..<512))),
            ("record-secret-of-another", vector("the secret part of another record", records: swapping(512..<1024))),
            (
                "record-id-of-another",
                vector(
                    "a record filed under another's id",
                    records: [
                        StoredRecord(id: second.id, generation: first.generation, sealed: first.sealed)
                    ]
                )
            ),
            (
                "record-id-zero",
                vector("a record filed under zeros", records: try changed { $0.id = try #require(RecordID(zeros)) })
            ),
            (
                "record-copied",
                vector(
                    "a copy of a record under an id of its own",
                    records: [
                        first, second,
                        StoredRecord(
                            id: try #require(RecordID(zeros)),
                            generation: first.generation,
                            sealed: first.sealed
                        ),
                    ]
                )
            ),
            (
                "record-generation-less",
                vector("an earlier generation beside the record", records: changed { $0.generation -= 1 })
            ),
            (
                "record-zeros",
                vector(
                    "a record of zeros",
                    records: changed {
                        $0.sealed = [UInt8](repeating: 0, count: $0.sealed.count)
                    }
                )
            ),
        ]
        let newer = try Self.record(Self.text, .accessToken, "fake", key, header.vault, generation: 3)
        result.append(
            (
                "record-secret-of-later",
                vector(
                    "the secret part of a later generation",
                    records: changed {
                        $0.sealed.replaceSubrange(512..<1024, with: newer.sealed[512..<1024])
                    }
                )
            )
        )
        let cuts = [
            ("head", 7), ("name", 100), ("at-summary", 256), ("summary", 300), ("secret", 700),
        ]
        for (part, count) in cuts {
            result.append(
                (
                    "record-cut-\(part)",
                    vector(
                        "a record of \(count) bytes",
                        records: changed {
                            $0.sealed.removeLast($0.sealed.count - count)
                        }
                    )
                )
            )
        }
        return result
    }

    func bindingFaults() throws -> [(String, Vector)] {
        let other = VaultID.random()
        func rebound(_ change: @escaping (inout RecordBinding) throws -> Void) throws
            -> (summary: [StoredRecord], secret: [StoredRecord])
        {
            let (fields, secrets) = (try fields(), try secrets())
            func make(_ isSummary: Bool) throws -> [StoredRecord] {
                try crafted { pieces, binding in
                    var wrong = binding
                    try change(&wrong)
                    if isSummary {
                        pieces.summary = Pieces.padded(wrong.encoded + fields, to: 216)
                    } else {
                        pieces.secret = Pieces.padded(wrong.encoded + secrets, to: 472)
                    }
                }
            }
            return (try make(true), try make(false))
        }
        var result: [(String, Vector)] = []
        let wrongs: [(String, String, (inout RecordBinding) throws -> Void)] = [
            ("vault", "vault", { $0.vault = other }),
            ("entry", "entry", { $0.entry = .random() }),
            ("generation", "generation", { $0.generation = 3 }),
            ("name", "name", { $0.name = RecordName(try name("oauth:other")) }),
        ]
        for (part, what, change) in wrongs {
            let made = try rebound(change)
            result += [
                ("binding-summary-\(part)", vector("another \(what) within the summary", records: made.summary)),
                ("binding-secret-\(part)", vector("another \(what) within the secret part", records: made.secret)),
            ]
        }
        let box = Array(header.vault.bytes)
        func boxed(_ bytes: [UInt8]) throws -> [StoredRecord] {
            try crafted { pieces, _ in
                pieces.boxed = bytes + [UInt8](repeating: 0, count: 208 - bytes.count)
            }
        }
        result += [
            (
                "binding-summary-version",
                vector(
                    "schema version 2 within the summary",
                    records: try crafted { pieces, _ in
                        pieces.summary[0] = 2
                    }
                )
            ),
            (
                "binding-secret-version",
                vector(
                    "schema version 2 within the secret part",
                    records: try crafted { pieces, _ in
                        pieces.secret[0] = 2
                    }
                )
            ),
            (
                "binding-summary-cut",
                vector(
                    "a summary that ends within its binding",
                    records: try crafted { pieces, _ in
                        pieces.summary = Pieces.padded(Array(pieces.summary.prefix(20)), to: 216)
                    }
                )
            ),
            (
                "binding-secret-cut",
                vector(
                    "a secret part that ends within its binding",
                    records: try crafted { pieces, _ in
                        pieces.secret = Pieces.padded(Array(pieces.secret.prefix(20)), to: 472)
                    }
                )
            ),
            (
                "binding-summary-name-length",
                vector(
                    "a name beyond the end of the summary",
                    records: try crafted { pieces, _ in
                        pieces.summary[43] = 0xFF
                    }
                )
            ),
            (
                "padding-summary",
                vector(
                    "a summary without padding",
                    records: try crafted { pieces, _ in
                        pieces.summary = pieces.summary.map { $0 == 0x80 ? 0x81 : $0 }
                    }
                )
            ),
            (
                "padding-summary-zeros",
                vector(
                    "a summary of zeros",
                    records: try crafted { pieces, _ in
                        pieces.summary = pieces.summary.map { _ in 0 }
                    }
                )
            ),
            (
                "padding-secret-zeros",
                vector(
                    "a secret part of zeros",
                    records: try crafted { pieces, _ in
                        pieces.secret = pieces.secret.map { _ in 0 }
                    }
                )
            ),
            ("name-empty", vector("an empty name in the name box", records: try boxed(box + [0, 0]))),
            ("name-length", vector("a name longer than the name box", records: try boxed(box + [0xFF, 0]))),
            ("name-text", vector("a name that is not UTF-8", records: try boxed(box + [1, 0, 0xFF]))),
            (
                "name-vault",
                vector(
                    "another vault in the name box",
                    records: try boxed(other.bytes + [12, 0] + Array(Self.text.utf8))
                )
            ),
            (
                "name-other",
                vector("another name in the name box", records: try boxed(box + [11, 0] + Array("oauth:other".utf8)))
            ),
        ]
        return result
    }

    func rotationFaults() throws -> [(String, Vector)] {
        let old = try DataKey.random()
        let third = try DataKey.random()
        var rotating = header
        rotating.oldDataKey = try key.seal(old: old)
        let bytes = rotating.encoded(under: key)
        var wrong = header
        wrong.oldDataKey = try key.seal(old: third)
        let vault = header.vault
        let first = try Self.record("oauth:sample", .accessToken, "fake-access-token", old, vault)
        let second = try Self.record("static:sample", .secret, "fake-static-secret", old, vault)
        let stranger = try Self.record("oauth:sample", .accessToken, "fake", third, vault)
        return [
            (
                "ok-rotating-none",
                vector("a rotation broken off before the first record", "ok", header: bytes, records: [first, second])
            ),
            ("ok-rotating-all", vector("a rotation broken off after the last record", "ok", header: bytes)),
            ("ok-rotating-empty", vector("a rotation of no records", "ok", header: bytes, records: [], entries: [:])),
            (
                "rotating-old-key-wrong",
                vector(
                    "an old key that opens, and no record",
                    header: wrong.encoded(under: key),
                    records: [
                        first, self.second,
                    ]
                )
            ),
            (
                "rotating-neither",
                vector("a record under neither key of a rotation", header: bytes, records: [stranger, self.second])
            ),
            (
                "rotating-steady",
                vector("a record under an old key when the rotation is over", records: [first, self.second])
            ),
            (
                "rotating-id",
                vector(
                    "a record under the old key with the new key's id",
                    header: bytes,
                    records: [
                        StoredRecord(id: self.first.id, generation: 2, sealed: first.sealed), self.second,
                    ]
                )
            ),
            (
                "rotating-id-old",
                vector(
                    "a record under the new key with the old key's id",
                    header: bytes,
                    records: [
                        StoredRecord(id: first.id, generation: 2, sealed: self.first.sealed), self.second,
                    ]
                )
            ),
        ]
    }
}
