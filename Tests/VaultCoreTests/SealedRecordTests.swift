import Foundation
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

struct SealedRecordTests {
    private static func seal(_ secret: Int, summary: Int = 0) throws -> (
        bytes: [UInt8], key: DataKey, bound: RecordBinding
    ) {
        let key = try DataKey.random()
        let bound = RecordBinding(
            vault: .random(),
            entry: .random(),
            generation: 5,
            name: RecordName(try name("oauth:a"))
        )
        let bytes = try [UInt8](repeating: 0x80, count: secret).withUnsafeBytes {
            try SealedRecord.seal(bound, summary: [UInt8](repeating: 0, count: summary), secret: $0, under: key)
        }
        return (bytes, key, bound)
    }

    @Test(arguments: [(0, 0), (1, 0), (400, 0), (700, 0), (0, 500), (5000, 5000), (1_000_000, 0), (0, 200_000)])
    func hasAPowerOfTwoForASizeAndGivesBothPartsBack(_ secret: Int, _ summary: Int) throws {
        let (bytes, key, bound) = try Self.seal(secret, summary: summary)
        #expect(bytes.count >= 1024)
        #expect(bytes.count.nonzeroBitCount == 1)
        let record = try SealedRecord(bytes)
        let opened = try record.openSummary(of: bound.name, generation: 5, vault: bound.vault, under: key)
        #expect(opened.binding == bound)
        #expect(opened.body == [UInt8](repeating: 0, count: summary))
        let plain = try record.openSecret(bound, under: key)
        #expect(plain.count == secret)
        #expect(record.name(vault: bound.vault, under: key) == bound.name)
    }

    @Test func refusesEveryFlippedBit() throws {
        let (bytes, key, bound) = try Self.seal(20)
        #expect(bytes.count == 1024)
        for bit in 0..<bytes.count * 8 {
            let changed = flipping(bytes, bit: bit)
            let opens =
                (try? {
                    let record = try SealedRecord(changed)
                    guard record.name(vault: bound.vault, under: key) == bound.name else { return false }
                    _ = try record.openSummary(of: bound.name, generation: 5, vault: bound.vault, under: key)
                    return try record.openSecret(bound, under: key).count == 20
                }()) ?? false
            #expect(!opens, "bit \(bit) does not matter")
        }
    }

    @Test func opensAsNothingButWhatItIs() throws {
        let (bytes, key, bound) = try Self.seal(20)
        let record = try SealedRecord(bytes)
        let other = RecordName(try name("oauth:b"))
        #expect(throws: (any Error).self) {
            try record.openSummary(of: other, generation: 5, vault: bound.vault, under: key)
        }
        for generation: UInt64 in [0, 4, 6] {
            #expect(throws: RecordFault.self) {
                try record.openSummary(of: bound.name, generation: generation, vault: bound.vault, under: key)
            }
        }
        #expect(throws: (any Error).self) {
            try record.openSummary(of: bound.name, generation: 5, vault: .random(), under: key)
        }
        let stranger = try DataKey.random()
        #expect(throws: (any Error).self) {
            try record.openSummary(of: bound.name, generation: 5, vault: bound.vault, under: stranger)
        }
        #expect(record.name(vault: .random(), under: key) == nil)
        #expect(record.name(vault: bound.vault, under: stranger) == nil)
        // Every field of the binding is compared with the secret part's.
        for change in 0..<2 {
            var other = bound
            if change == 0 { other.generation = 6 } else { other.entry = .random() }
            #expect(throws: RecordFault.self) { _ = try record.openSecret(other, under: key).count }
        }
    }

    @Test func refusesPartsOfTwoGenerationsPutTogether() throws {
        let (old, key, bound) = try Self.seal(20)
        var later = bound
        later.generation = 6
        let new = try [UInt8](repeating: 1, count: 20).withUnsafeBytes {
            try SealedRecord.seal(later, summary: [], secret: $0, under: key)
        }
        let mixed = try SealedRecord(new.prefix(512) + old.suffix(512))
        let opened = try mixed.openSummary(of: bound.name, generation: 6, vault: bound.vault, under: key)
        #expect(throws: RecordFault.self) { _ = try mixed.openSecret(opened.binding, under: key).count }
    }

    @Test(arguments: [0, 1, 512, 1023, 1025, 1536, 2 << 20])
    func refusesASizeThatNoRecordHas(_ size: Int) {
        #expect(throws: RecordFault.self) {
            try SealedRecord([1, 0, 0, 0, 0, 1, 0, 0] + [UInt8](repeating: 0, count: max(0, size - 8)))
        }
    }
}

/// Records changed, moved and swapped behind the vault's back.
@Suite(.serialized)
struct TamperedRecordTests {
    private static func made() async throws -> (place: TestVault, vault: Vault) {
        let place = try TestVault()
        let vault = try await place.create()
        try await vault.insert("a", token: "token of a")
        try await vault.insert("b", token: "token of b")
        return (place, vault)
    }

    private static func record(_ text: String, _ place: TestVault, _ vault: Vault) throws -> StoredRecord {
        let id = vault.current.key.recordID(RecordName(try name(text)))
        return try #require(try place.records().first { $0.id == id })
    }

    /// That `a` is damaged for every way to it, that `b` is not, and that nothing is changed by looking.
    private static func expectDamaged(
        _ place: TestVault,
        _ vault: Vault,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let before = try place.records()
        #expect(try await vault.list().faults.count == 1, sourceLocation: sourceLocation)
        #expect(try await vault.names() == ["oauth:b"], sourceLocation: sourceLocation)
        #expect(try await vault.verify().faults.count == 1, sourceLocation: sourceLocation)
        for body: () async throws -> Void in [
            { _ = try await vault.token("a") }, { _ = try await vault.summary(of: try name("a")) },
            { try await vault.setToken("a", "x") }, { try await vault.rename(try name("a"), to: try name("c")) },
            { _ = try await vault.export(to: place.place("backup"), passphrase: try secret("x"), derivation: cheap) },
            { _ = try await vault.prepareRotation() },
        ] {
            #expect(await failure(sourceLocation: sourceLocation, body) == .damaged, sourceLocation: sourceLocation)
        }
        #expect(try await vault.token("b") == "token of b", sourceLocation: sourceLocation)
        #expect(!FileManager.default.fileExists(atPath: place.place("backup")), sourceLocation: sourceLocation)
        #expect(try place.records() == before, sourceLocation: sourceLocation)
    }

    @Test(arguments: [0, 3, 4, 8, 100, 255, 256, 300, 511])
    func aChangedHeadNameOrSummaryIsDamage(_ byte: Int) async throws {
        let (place, vault) = try await Self.made()
        var record = try Self.record("a", place, vault)
        record.sealed[byte] ^= 1
        try place.write(record)
        let list = try await vault.list()
        #expect(list.faults.count == 1)
        #expect(list.entries.map(\.name.description) == ["oauth:b"])
        #expect(try await vault.verify().faults.count == 1)
        // It can be given up all the same, and then its name is free again.
        try await vault.remove("a")
        #expect(try await vault.list().faults == [])
        try await vault.insert("a", token: "new")
        #expect(try await vault.token("a") == "new")
    }

    @Test func aFlippedStoredGenerationIsDamage() async throws {
        let (place, vault) = try await Self.made()
        var record = try Self.record("a", place, vault)
        record.generation ^= 2
        try place.write(record)
        try await Self.expectDamaged(place, vault)
    }

    @Test func aFlippedRecordIDIsDamageAndNotAbsence() async throws {
        let (place, vault) = try await Self.made()
        var record = try Self.record("a", place, vault)
        try place.delete(record.id)
        record.id = try #require(RecordID(flipping(record.id.bytes, bit: 77)))
        try place.write(record)
        try await Self.expectDamaged(place, vault)
        // Nor does a name that never was look absent while a record is astray.
        #expect(await failure { _ = try await vault.token("never") } == .damaged)
    }

    // The secret part alone: a list decrypts no token, so it cannot tell; a reader must.
    @Test(arguments: [512, 700, 1023])
    func aDamagedSecretIsNoticedByReadersAndNotByLists(_ byte: Int) async throws {
        let (place, vault) = try await Self.made()
        var record = try Self.record("a", place, vault)
        record.sealed[byte] ^= 1
        try place.write(record)
        #expect(try await vault.list().faults == [])
        #expect(try await vault.summary(of: try name("a")).name.description == "oauth:a")
        #expect(await failure { _ = try await vault.token("a") } == .damaged)
        #expect(await failure { try await vault.setToken("a", "x") } == .damaged)
        #expect(try await vault.verify().faults.count == 1)
        #expect(await failure { _ = try await vault.prepareRotation() } == .damaged)
        #expect(try Self.record("a", place, vault) == record)
        try await vault.remove("a")
        #expect(try await vault.names() == ["oauth:b"])
    }

    @Test func recordsThatChangedPlacesAreDamage() async throws {
        let (place, vault) = try await Self.made()
        var (first, second) = (try Self.record("a", place, vault), try Self.record("b", place, vault))
        (first.id, second.id) = (second.id, first.id)
        try place.write(first)
        try place.write(second)
        for text in ["a", "b"] {
            #expect(await failure { _ = try await vault.token(text) } == .damaged)
            #expect(await failure { _ = try await vault.summary(of: try name(text)) } == .damaged)
        }
        #expect(try await vault.list().faults.count == 2)
    }

    @Test func aRecordFiledUnderAnotherNameIsDamage() async throws {
        let (place, vault) = try await Self.made()
        var record = try Self.record("a", place, vault)
        record.id = vault.current.key.recordID(RecordName(try name("c")))
        try place.write(record)
        #expect(await failure { _ = try await vault.token("c") } == .damaged)
        #expect(try await vault.token("a") == "token of a")
        #expect(try await vault.list().faults.count == 1)
    }

    @Test func anotherVaultsRecordIsDamage() async throws {
        let (place, vault) = try await Self.made()
        let (otherPlace, other) = try await Self.made()
        var foreign = try Self.record("a", otherPlace, other)
        foreign.id = try Self.record("a", place, vault).id
        try place.write(foreign)
        try await Self.expectDamaged(place, vault)
    }

    @Test func anOlderRecordPutBackIsReadableButHeld() async throws {
        let (place, vault) = try await Self.made()
        let old = try Self.record("a", place, vault)
        try await vault.setToken("a", "newer")
        try place.write(old)
        for vault in [vault, try await place.open()] {
            let entry = try await vault.read(try name("a"))
            #expect(entry.summary.state == .held(.rolledBack))
            #expect(entry.secrets.text(.accessToken) == "token of a")
            #expect(try await vault.summary(of: try name("a")).state == .held(.rolledBack))
            #expect(try await vault.list().entries.map(\.state) == [.held(.rolledBack), .active])
        }
        // A write goes above everything seen, and the entry stays held until somebody says otherwise.
        let updated = try await vault.setToken("a", "x")
        #expect(updated.generation == 3)
        #expect(updated.state == .held(.rolledBack))
    }
}
