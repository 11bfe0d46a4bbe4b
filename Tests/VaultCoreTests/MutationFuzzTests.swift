import Foundation
import KeyCustody
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

/// Random numbers that are the same in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

/// Whatever the bytes are, the answer is an error that callers know, and never a trap.
@Suite(.serialized)
struct MutationFuzzTests {
    private static func mutated(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            guard !bytes.isEmpty else { break }
            let position = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes[position] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
            case 2: bytes.removeSubrange(position..<min(bytes.count, position + Int.random(in: 1...64, using: &random)))
            case 3: bytes.insert(contentsOf: bytes[..<min(position, 40)], at: position)
            case 4: bytes.removeLast(min(bytes.count, Int.random(in: 1...100, using: &random)))
            default: for index in position..<min(bytes.count, position + 4) { bytes[index] = 0xFF }
            }
        }
        return bytes
    }

    // Signed by whoever holds the key, so that every mutation gets past digest and MAC.
    @Test func headersOfAnyBytes() throws {
        var random = SeededGenerator(state: 1)
        let sample = try SampleHeader(slots: [.passphrase, .keyFile], unknown: true, rotating: true)
        let body = Array(sample.bytes.dropLast(64))
        var read = 0
        for _ in 0..<10_000 {
            var bytes = Self.mutated(body, &random)
            bytes += sample.key.headerMAC(bytes)
            bytes += Header.digest(of: bytes)
            guard let header = try? Header(bytes) else { continue }
            read += 1
            // What was read is written back as something that reads the same.
            #expect(try Header(header.encoded(under: sample.key)).slots == header.slots)
        }
        #expect(read > 100)
    }

    // The plaintexts are mutated before they are sealed, so that every mutation gets past the seal.
    @Test func summariesAndSecretsOfAnyBytes() throws {
        var random = SeededGenerator(state: 2)
        let entry = try SummaryCodingTests.full()
        let held = try holding([.accessToken: "a", .refreshToken: "b"]).withEncoded { Array($0) }
        var read = 0
        for _ in 0..<10_000 {
            let fields = Self.mutated(entry.encodedFields, &random)
            if let summary = EntrySummary(id: entry.id, name: entry.name, generation: 1, encodedFields: fields) {
                read += 1
                #expect(summary.isWritable)
            }
            let secrets = try SecretBytes(Self.mutated(held, &random))
            if let decoded = EntrySecrets(encoded: secrets) { _ = decoded.fields }
        }
        #expect(read > 100)
    }

    @Test func recordsOfAnyBytes() throws {
        var random = SeededGenerator(state: 3)
        let maker = try VectorMaker()
        let name = RecordName(try name("oauth:sample"))
        for _ in 0..<5_000 {
            let bytes = Self.mutated(maker.first.sealed, &random)
            guard bytes != maker.first.sealed else { continue }
            let stored = StoredRecord(id: maker.first.id, generation: 2, sealed: bytes)
            #expect(throws: VaultError.self) {
                let raw = try RawRecord(stored, name: name, vault: maker.header.vault, key: maker.key)
                // The name box is looked at by those who come from the record, not by those who come from the name.
                if try SealedRecord(bytes).name(vault: maker.header.vault, under: maker.key) != name {
                    throw VaultError(.damaged, "the name box of \(raw.binding.name.text)")
                }
            }
        }
    }

    @Test func backupsOfAnyBytes() async throws {
        var random = SeededGenerator(state: 4)
        let place = try TestVault()
        let vault = try await place.create()
        try await vault.insert("a", token: "fake")
        let file = place.place("backup")
        _ = try await vault.export(to: file, passphrase: try secret("x"), derivation: cheap)
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: file)))
        try await vault.remove("a")
        for _ in 0..<500 {
            let changed = Self.mutated(bytes, &random)
            guard changed != bytes else { continue }
            try Data(changed).write(to: URL(filePath: file))
            let code = await failure {
                _ = try await vault.restore(from: file, passphrase: try secret("x"), limits: cheapLimits)
            }
            #expect(code == .damaged)
        }
        #expect(try await vault.names() == [])
    }
}
