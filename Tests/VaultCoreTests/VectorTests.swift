import Foundation
import KeyCustody
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

/// One file of `Vectors`: a vault as a store keeps it, and what opening and reading all of it must give.
struct Vector: Codable {
    struct Record: Codable {
        var id: Data
        var generation: UInt64
        var sealed: Data
    }

    /// The one fault, in words.
    var comment: String
    /// `ok`, `damaged`, `wrongKey` or `locked`.
    var expect: String
    /// What is typed; `null` where nobody can be asked.
    var passphrase: String?
    /// The stored header and the generation beside it, and the records; absent where there is a backup.
    var headerGeneration: UInt64?
    var header: Data?
    var records: [Record]?
    /// A backup file, in the place of a vault.
    var backup: Data?
    /// The access tokens or static secrets of a sound vault, by name, all of them fake.
    var entries: [String: String]?
    /// The kept files that the entries of a sound vault came from, by SHA-256.
    var originals: [String: Data]?

    static func all() throws -> [(name: String, vector: Vector)] {
        let root = try #require(Bundle.module.resourceURL).appendingPathComponent("Vectors")
        return try FileManager.default.contentsOfDirectory(atPath: root.path).filter { $0.hasSuffix(".json") }.sorted()
            .map {
                ($0, try JSONDecoder().decode(Vector.self, from: Data(contentsOf: root.appendingPathComponent($0))))
            }
    }

    /// What was read of a vault or a backup.
    struct Outcome {
        var word = "ok"
        var entries: [String: String] = [:]
        var originals: [String: Data] = [:]
    }

    /// Opens the vault or restores the backup, reads every entry, and says how that went.
    func outcome() async throws -> Outcome {
        var outcome = Outcome()
        do {
            let vault = if let backup { try await restored(backup) } else { try await opened() }
            let listing = try await vault.verify()
            try listing.requireSound()
            for summary in listing.entries {
                let entry = try await vault.read(summary.name)
                outcome.entries[summary.name.description] =
                    entry.secrets.text(.accessToken) ?? entry.secrets.text(.secret)
                guard let sha256 = summary.source?.sha256 else { continue }
                outcome.originals[hexadecimal(sha256)] = try await vault.original(sha256: sha256).map {
                    Data($0.revealed)
                }
            }
        } catch let error as VaultError {
            let names: [VaultError.Code: String] = [.damaged: "damaged", .wrongKey: "wrongKey", .locked: "locked"]
            return Outcome(word: names[error.code] ?? "exit \(error.code.exitStatus)")
        }
        return outcome
    }

    /// A vault of its own with what the backup brings into it.
    private func restored(_ backup: Data) async throws -> Vault {
        let test = try TestVault()
        let vault = try await test.create()
        let file = test.place("backup")
        try backup.write(to: URL(filePath: file))
        let passphrase = try secret(try #require(passphrase))
        _ = try await vault.restore(from: file, passphrase: passphrase, limits: cheapLimits, adopting: true)
        return vault
    }

    private func opened() async throws -> Vault {
        let test = try TestVault()
        let (header, headerGeneration) = (try #require(header), try #require(headerGeneration))
        let store = try await SQLiteStore.create(
            in: test.location.directory,
            locks: test.place("locks"),
            header: StoredHeader(generation: headerGeneration, bytes: [UInt8](header))
        )
        let changes = try (records ?? []).map { record in
            RecordChange.put(
                StoredRecord(
                    id: try #require(RecordID([UInt8](record.id))),
                    generation: record.generation,
                    sealed: [UInt8](record.sealed)
                ),
                replacing: nil
            )
        }
        try await store.commit(changes, ifHeaderGeneration: headerGeneration)
        return try await test.open(passphrase)
    }
}

@Suite(.serialized)
struct VectorTests {
    @Test func everyVectorGivesWhatItSays() async throws {
        for (name, vector) in try Vector.all() {
            let found = try await vector.outcome()
            #expect(found.word == vector.expect, "\(name): \(vector.comment)")
            if let entries = vector.entries { #expect(found.entries == entries, "\(name)") }
            if let originals = vector.originals { #expect(found.originals == originals, "\(name)") }
        }
    }

    @Test func thereAreEnoughOfThemAndNoneTwice() throws {
        let all = try Vector.all()
        #expect(all.count >= 150)
        var comments: [String: String] = [:]
        var states: [Data: String] = [:]
        for (name, vector) in all {
            var state = vector
            state.comment = ""
            state.expect = ""
            state.entries = nil
            state.originals = nil
            let before = states.updateValue(name, forKey: try VectorFiles.encoder.encode(state))
            #expect(before == nil, "\(name) holds what \(before ?? "") holds")
            let same = comments.updateValue(name, forKey: vector.comment)
            #expect(same == nil, "\(name) has the fault of \(same ?? "")")
        }
        #expect(all.contains { $0.name == "ok-sample.json" && $0.vector.expect == "ok" })
        #expect(Set(all.map(\.vector.expect)) == ["ok", "damaged", "wrongKey", "locked"])
        for (name, vector) in all { #expect(name.hasPrefix("ok-") == (vector.expect == "ok"), "\(name)") }
    }

    @Test func theTableNamesEachOfThem() throws {
        let readme = try String(contentsOf: VectorFiles.readme, encoding: .utf8)
        let rows = readme.split(separator: "\n").filter { $0.hasPrefix("| `") && $0.contains(".json` |") }
        #expect(rows.map(String.init) == (try Vector.all().map(VectorFiles.row)))
    }

    /// Writes those that are missing: `VAULT_WRITE_VECTORS=DIR swift test --filter writesTheVectors`.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["VAULT_WRITE_VECTORS"] != nil))
    func writesTheVectors() async throws {
        let directory = try #require(ProcessInfo.processInfo.environment["VAULT_WRITE_VECTORS"])
        let present = try Set(FileManager.default.contentsOfDirectory(atPath: directory))
        // All are of one vault; one that is there already goes on.
        var maker = try VectorMaker()
        if let sample = FileManager.default.contents(atPath: "\(directory)/ok-sample.json") {
            maker = try VectorMaker(of: try JSONDecoder().decode(Vector.self, from: sample))
        }
        let all = try maker.all()
        #expect(Set(all.map(\.0)).count == all.count)
        for (name, vector) in all where !present.contains("\(name).json") {
            try (try VectorFiles.encoder.encode(vector) + Data([10]))
                .write(to: URL(filePath: "\(directory)/\(name).json"))
        }
        let readme = URL(filePath: "\(directory)/README.md")
        let text = try String(contentsOf: readme, encoding: .utf8)
        let kept = text.split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.contains(".json` |") }
        let rows = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix(".json") }
            .sorted().map { name in
                let data = try Data(contentsOf: URL(filePath: "\(directory)/\(name)"))
                return VectorFiles.row((name, try JSONDecoder().decode(Vector.self, from: data)))
            }
        let head = try #require(kept.lastIndex(of: "|---|---|---|")) + 1
        let lines = kept[..<head].map(String.init) + rows + kept[head...].map(String.init)
        try Data(lines.joined(separator: "\n").utf8).write(to: readme)
    }
}

/// How the vectors stand in their directory.
enum VectorFiles {
    static let readme = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Vectors/README.md")

    static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    /// Its line of the table.
    static func row(_ file: (name: String, vector: Vector)) -> String {
        "| `\(file.name)` | \(file.vector.comment) | \(file.vector.expect) |"
    }
}

/// Makes the vectors out of one sound vault, one fault each.
struct VectorMaker {
    let key: DataKey
    let header: Header
    let first: StoredRecord
    let second: StoredRecord

    init() throws {
        let sample = try SampleHeader(generation: 3)
        key = sample.key
        header = sample.header
        first = try Self.record("oauth:sample", .accessToken, "fake-access-token", key, header.vault)
        second = try Self.record("static:sample", .secret, "fake-static-secret", key, header.vault)
    }

    /// Goes on with the vault of a sound vector.
    init(of sample: Vector) throws {
        header = try Header([UInt8](try #require(sample.header)))
        let slot = try #require(header.knownSlots.first)
        let custodian = PassphraseCustodian(
            asking: { _ throws(CustodyError) in try secret(TestVault.passphrase) },
            limits: cheapLimits
        )
        let root = try custodian.enroll(slot.description, using: try secret(TestVault.passphrase))
        let vault = header.vault
        key = try root.withSecret { (root) throws(CryptoError) in
            try DataKey(try Unlocking.unwrap(slot, root, vault))
        }
        let records = try #require(sample.records).map { record in
            StoredRecord(
                id: try #require(RecordID([UInt8](record.id))),
                generation: record.generation,
                sealed: [UInt8](record.sealed)
            )
        }
        let id = key.recordID(RecordName(try name("oauth:sample")))
        first = try #require(records.first { $0.id == id })
        second = try #require(records.first { $0.id != id })
    }

    static func record(
        _ text: String,
        _ field: EntrySecrets.Field,
        _ value: String,
        _ key: DataKey,
        _ vault: VaultID,
        generation: UInt64 = 2
    ) throws -> StoredRecord {
        var entry = try summary(text)
        entry.holds = [field]
        entry.issuer = "https://issuer.example"
        let held = try holding([field: value])
        return try seal(text, entry.encodedFields, held.withEncoded { Array($0) }, key, vault, generation: generation)
    }

    static func seal(
        _ text: String,
        _ fields: [UInt8],
        _ secrets: [UInt8],
        _ key: DataKey,
        _ vault: VaultID,
        generation: UInt64 = 2
    ) throws -> StoredRecord {
        let name = RecordName(try name(text))
        let binding = RecordBinding(vault: vault, entry: .random(), generation: generation, name: name)
        let sealed = try secrets.withUnsafeBytes {
            try SealedRecord.seal(binding, summary: fields, secret: $0, under: key)
        }
        return StoredRecord(id: key.recordID(name), generation: generation, sealed: sealed)
    }

    static let entries = ["oauth:sample": "fake-access-token", "static:sample": "fake-static-secret"]

    func vector(
        _ comment: String,
        _ expect: String = "damaged",
        passphrase: String? = TestVault.passphrase,
        generation: UInt64? = nil,
        header bytes: [UInt8]? = nil,
        records: [StoredRecord]? = nil,
        entries: [String: String]? = nil
    ) -> Vector {
        Vector(
            comment: comment,
            expect: expect,
            passphrase: passphrase,
            headerGeneration: generation ?? header.generation,
            header: Data(bytes ?? header.encoded(under: key)),
            records: (records ?? [first, second]).map {
                Vector.Record(id: Data($0.id.bytes), generation: $0.generation, sealed: Data($0.sealed))
            },
            entries: expect == "ok" ? (entries ?? Self.entries) : nil
        )
    }

    /// One machine's place in the audit log.
    private func auditRecord() throws -> StoredRecord {
        let name = RecordName(audit: Array(1...16))
        let binding = RecordBinding(vault: header.vault, entry: EntryID.random(), generation: 2, name: name)
        let sealed = try AuditCheckpoint(number: 64, link: Array(1...32)).encoded.withUnsafeBytes {
            try SealedRecord.seal(binding, summary: [], secret: $0, under: key)
        }
        return StoredRecord(id: key.recordID(name), generation: 2, sealed: sealed)
    }

    /// The header after a change, under the right MAC and digest.
    func authentic(_ change: (inout Header) throws -> Void) throws -> [UInt8] {
        var changed = header
        try change(&changed)
        return changed.encoded(under: key)
    }

    /// The bytes of the header after a change, MAC and digest put right by who holds the key.
    func signed(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes = Array(header.encoded(under: key).dropLast(64))
        change(&bytes)
        bytes += key.headerMAC(bytes)
        return bytes + Header.digest(of: bytes)
    }

    /// The bytes of the header after a change, its digest put right by a forger who has no key.
    func forged(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
        var bytes = header.encoded(under: key)
        change(&bytes)
        return digested(bytes)
    }

    /// The first record after a change.
    func changed(_ change: (inout StoredRecord) throws -> Void) rethrows -> [StoredRecord] {
        var record = first
        try change(&record)
        return [record, second]
    }

    func all() throws -> [(String, Vector)] {
        let bytes = header.encoded(under: key)
        // Where things stand: the fixed head, then the one slot.
        let (phase, slot) = (48, 49 + 6)
        let other = try SampleHeader()
        let known = header.slots[0]
        var result: [(String, Vector)] = [
            ("ok-sample", vector("a sound vault of format 1.0", "ok")),
            (
                "ok-unknown",
                vector(
                    "a slot and fields of a newer minor version",
                    "ok",
                    header: try authentic {
                        $0.slots.append(try #require(HeaderSlot(SampleHeader.unknownSlot)))
                        $0.unknownFields = SampleHeader.unknownFields
                        $0.minor = 9
                    }
                )
            ),
            (
                "ok-audit",
                vector(
                    "a key of the audit log, and what the store remembers of one",
                    "ok",
                    header: try authentic {
                        $0.auditKey = try key.seal(audit: SharedSecret(try SecretBytes(random: 32)))
                    },
                    records: [first, second, try auditRecord()]
                )
            ),
            ("ok-empty", vector("no records", "ok", records: [], entries: [:])),
            ("key-wrong-passphrase", vector("another passphrase", "wrongKey", passphrase: "wrong")),
            ("key-nobody", vector("nobody to type the passphrase", "locked", passphrase: nil)),
            (
                "key-unknown-slots",
                vector(
                    "only a slot of an unknown kind",
                    "locked",
                    header: try authentic {
                        $0.slots = [try #require(HeaderSlot(SampleHeader.unknownSlot))]
                    }
                )
            ),
            ("header-empty", vector("an empty header", header: [])),
            ("header-truncated", vector("the header's last byte is missing", header: Array(bytes.dropLast()))),
            ("header-longer", vector("a byte behind the header", header: bytes + [0])),
            ("header-magic", vector("another magic", header: signed { $0[0] = 0x76 })),
            ("header-digest", vector("one bit of the digest", header: flipping(bytes, bit: bytes.count * 8 - 1))),
            (
                "header-mac",
                vector("one bit of the MAC, the digest put right", header: forged { $0[$0.count - 40] ^= 1 })
            ),
            ("header-major-2", vector("major version 2", header: signed { $0[8] = 2 })),
            ("header-major-0", vector("major version 0", header: signed { $0[8] = 0 })),
            ("header-length", vector("a stated length that is one too large", header: signed { $0[12] += 1 })),
            ("header-generation", vector("stored under another generation", generation: 4)),
            (
                "header-created",
                vector("another time of creation, the digest put right", header: forged { $0[40] ^= 1 })
            ),
            ("header-phase-2", vector("phase 2", header: signed { $0[phase] = 2 })),
            ("header-phase-without-key", vector("rotating without an old key", header: signed { $0[phase] = 1 })),
            ("header-no-slots", vector("no slots", header: try authentic { $0.slots = [] })),
            ("header-slot-twice", vector("one slot twice", header: try authentic { $0.slots.append(known) })),
            (
                "header-slots-65",
                vector(
                    "65 slots",
                    header: try authentic { header in
                        header.slots += try (0..<64).map {
                            try #require(HeaderSlot([77, 0] + [UInt8](repeating: UInt8($0), count: 16)))
                        }
                    }
                )
            ),
            (
                "header-passphrases-9",
                vector(
                    "nine passphrase slots",
                    header: try authentic { header in
                        header.slots += try (0..<8).map { number in
                            var encoded = known.encoded
                            encoded[2] ^= UInt8(number + 1)
                            return try #require(HeaderSlot(encoded))
                        }
                    }
                )
            ),
            (
                "header-old-key-size",
                vector(
                    "an old key that is too short",
                    header: try authentic {
                        $0.oldDataKey = [UInt8](repeating: 1, count: 71)
                    }
                )
            ),
            (
                "header-old-key-twice",
                vector(
                    "two old keys",
                    header: try authentic {
                        $0.oldDataKey = try key.seal(old: other.key)
                        $0.unknownFields = [Field(tag: 2, bytes: try key.seal(old: other.key))]
                    }
                )
            ),
            (
                "header-old-key-foreign",
                vector(
                    "an old key that does not open",
                    header: try authentic {
                        $0.oldDataKey = [UInt8](repeating: 1, count: 72)
                    }
                )
            ),
            (
                "header-audit-key-size",
                vector(
                    "an audit key that is too short",
                    header: try authentic {
                        $0.auditKey = [UInt8](repeating: 1, count: 71)
                    }
                )
            ),
            (
                "header-audit-key-twice",
                vector(
                    "two audit keys",
                    header: try authentic {
                        let audit = SharedSecret(try SecretBytes(random: 32))
                        $0.auditKey = try key.seal(audit: audit)
                        $0.unknownFields = [Field(tag: 4, bytes: try key.seal(audit: audit))]
                    }
                )
            ),
            ("header-field-length", vector("a field beyond the end", header: signed { $0[phase + 3] = 0xFF })),
            (
                "slot-short",
                vector(
                    "a slot that is too short",
                    header: try authentic {
                        $0.unknownFields = [Field(tag: 1, bytes: Array(known.encoded.prefix(100)))]
                    }
                )
            ),
            (
                "slot-path",
                vector(
                    "a path that is not UTF-8",
                    header: try authentic {
                        $0.slots = []
                        $0.unknownFields = [Field(tag: 1, bytes: known.encoded + [0xFF])]
                    }
                )
            ),
            ("slot-algorithm", vector("another key derivation", header: signed { $0[slot + 26] = 1 })),
            ("slot-passes-0", vector("no passes", header: signed { $0[slot + 30] = 0 })),
            ("slot-memory-4-tib", vector("4 TiB of memory", header: signed { $0[slot + 39] = 4 })),
            ("slot-memory-0", vector("no memory", header: signed { $0[slot + 35] = 0 })),
        ]
        let bound = [
            ("id", 2), ("passes", 30), ("memory", 34), ("salt", 42), ("commitment", 58), ("wrapped", 90),
        ]
        for (name, offset) in bound {
            let wrong = forged { $0[slot + offset] ^= name == "passes" ? 2 : 1 }
            result.append(("slot-\(name)", vector("another \(name) in the slot", "wrongKey", header: wrong)))
        }
        result.append(("slot-vault", vector("another vault's UUID", "wrongKey", header: forged { $0[16] ^= 1 })))
        result += try records(other)
        result += try headerFaults() + slotFaults() + keyFaults()
        result += try recordFaults() + bindingFaults() + rotationFaults()
        result += try summaryFaults() + secretFaults() + originalFaults() + backupFaults()
        return result
    }

    private func records(_ other: SampleHeader) throws -> [(String, Vector)] {
        let text = "oauth:sample"
        let vault = header.vault
        let held = try holding([.accessToken: "fake"]).withEncoded { Array($0) }
        let fields = try summary(text).encodedFields
        func sealed(_ fields: [UInt8], _ secrets: [UInt8]) throws -> [StoredRecord] {
            [try Self.seal(text, fields, secrets, key, vault), second]
        }
        func badField(_ tag: UInt16, _ bytes: [UInt8]) -> [UInt8] {
            var writer = ByteWriter()
            writer.append(Field(tag: tag, bytes: bytes))
            return writer.bytes
        }
        var swapped = [first, second]
        (swapped[0].sealed, swapped[1].sealed) = (second.sealed, first.sealed)
        let newer = try Self.record(text, .accessToken, "fake", key, vault, generation: 3)
        let foreign = try Self.record(text, .accessToken, "fake", key, other.header.vault)
        let stranger = try Self.record(text, .accessToken, "fake", other.key, vault)
        let half = Array(newer.sealed.prefix(512) + first.sealed.suffix(512))
        var rotating = header
        rotating.oldDataKey = try key.seal(old: other.key)
        let old = try Self.record("oauth:sample", .accessToken, "fake-access-token", other.key, vault)
        return [
            ("record-version", vector("record version 2", records: changed { $0.sealed[0] = 2 })),
            ("record-reserved", vector("a reserved byte that is not zero", records: changed { $0.sealed[2] = 1 })),
            ("record-summary-0", vector("a summary of no length", records: changed { $0.sealed[5] = 0 })),
            (
                "record-summary-odd",
                vector("a summary length that is no power of two", records: changed { $0.sealed[4] = 1 })
            ),
            ("record-summary-large", vector("a summary beyond the end", records: changed { $0.sealed[5] = 4 })),
            ("record-truncated", vector("a record cut short", records: changed { $0.sealed.removeLast() })),
            ("record-halved", vector("the first half of a record", records: changed { $0.sealed.removeLast(512) })),
            ("record-empty", vector("a record of no bytes", records: changed { $0.sealed = [] })),
            (
                "record-doubled",
                vector(
                    "a record with as many zeros behind it",
                    records: changed { $0.sealed += [UInt8](repeating: 0, count: 1024) }
                )
            ),
            ("record-name-nonce", vector("the nonce of the name box", records: changed { $0.sealed[8] ^= 1 })),
            ("record-name-box", vector("the name box", records: changed { $0.sealed[255] ^= 1 })),
            ("record-summary-nonce", vector("the nonce of the summary", records: changed { $0.sealed[256] ^= 1 })),
            ("record-summary-box", vector("the summary", records: changed { $0.sealed[511] ^= 1 })),
            ("record-secret-nonce", vector("the nonce of the secret part", records: changed { $0.sealed[512] ^= 1 })),
            ("record-secret-box", vector("the secret part", records: changed { $0.sealed[1023] ^= 1 })),
            (
                "record-id",
                vector(
                    "one bit of a record's id",
                    records: try changed {
                        $0.id = try #require(RecordID(flipping($0.id.bytes, bit: 9)))
                    }
                )
            ),
            (
                "record-generation",
                vector("another generation beside the record", records: changed { $0.generation += 1 })
            ),
            ("record-swapped", vector("two records that changed places", records: swapped)),
            ("record-of-another-vault", vector("a record bound to another vault", records: [foreign, second])),
            ("record-of-another-key", vector("a record under another key", records: [stranger, second])),
            (
                "record-two-generations",
                vector(
                    "parts of two generations in one record",
                    records: changed {
                        $0 = StoredRecord(id: newer.id, generation: newer.generation, sealed: half)
                    }
                )
            ),
            (
                "entry-state",
                vector("a state that no version has", records: try sealed(fields + badField(1, [0x78]), held))
            ),
            ("entry-text", vector("a text that is not UTF-8", records: try sealed(fields + badField(3, [0xFF]), held))),
            (
                "entry-time",
                vector(
                    "a time of eleven bytes",
                    records: try sealed(fields + badField(8, [UInt8](repeating: 0, count: 11)), held)
                )
            ),
            (
                "entry-source",
                vector(
                    "a source without a path",
                    records: try sealed(fields + badField(18, [UInt8](repeating: 0, count: 34)), held)
                )
            ),
            (
                "entry-summary-cut",
                vector("a summary that ends within a field", records: try sealed(Array(fields.dropLast()), held))
            ),
            (
                "entry-secret-cut",
                vector("secrets that end within a field", records: try sealed(fields, Array(held.dropLast())))
            ),
            ("entry-secret-twice", vector("one secret twice", records: try sealed(fields, held + held))),
            (
                "ok-rotating",
                vector(
                    "a rotation broken off with one record moved",
                    "ok",
                    header: rotating.encoded(under: key),
                    records: [old, second]
                )
            ),
            (
                "rotating-both",
                vector(
                    "a record under the old key and the new one",
                    header: rotating.encoded(under: key),
                    records: [first, second, old]
                )
            ),
        ]
    }
}
