import Foundation
import KeyCustody
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

@Suite(.serialized)
struct BackupTests {
    private static let passphrase = "of the backup"

    /// A vault with a grant, a static secret and a kept original, and its backup.
    private static func made() async throws -> (place: TestVault, file: String, bytes: [UInt8]) {
        let place = try TestVault()
        let vault = try await place.create()
        let original = try shared(Array("{\"access_token\":\"canary-original\"}".utf8))
        let digest = original.revealed.withUnsafeBytes { sha256($0) }
        try await vault.keepOriginal(original, sha256: digest)
        var entry = try summary("a")
        entry.source = EntrySource(path: "/home/canary-path", sha256: digest, pointer: "", format: "f")
        entry.issuer = "https://canary-issuer.example"
        try await vault.insert(entry, try holding([.accessToken: "canary-a", .refreshToken: "canary-r"]))
        try await vault.insert(try summary("static:b"), try holding([.secret: "canary-b"]))
        let file = place.place("backup")
        #expect(try await vault.export(to: file, passphrase: try secret(passphrase), derivation: cheap) == 2)
        return (place, file, [UInt8](try Data(contentsOf: URL(filePath: file))))
    }

    private static func restore(
        _ vault: Vault,
        _ file: String,
        _ typed: String = passphrase,
        adopting: Bool = false
    ) async throws -> RestoreReport {
        try await vault.restore(from: file, passphrase: try secret(typed), limits: cheapLimits, adopting: adopting)
    }

    @Test(arguments: [false, true])
    func bringsEverythingIntoAnotherVault(_ adopting: Bool) async throws {
        let (source, file, _) = try await Self.made()
        defer { withExtendedLifetime(source) {} }
        let place = try TestVault()
        let vault = try await place.create()
        let report = try await Self.restore(vault, file, adopting: adopting)
        #expect(report.restored.map(\.name.description).sorted() == ["oauth:a", "static:b"])
        #expect(report.skipped == [] && report.unchanged == [])
        let grant = try await vault.read(try name("a"))
        #expect(grant.summary.state == (adopting ? .active : .held(.restored)))
        #expect(grant.secrets.text(.refreshToken) == "canary-r")
        // A static secret has no grant that a second use could end.
        #expect(try await vault.summary(of: try name("static:b")).state == .active)
        let digest = try #require(grant.summary.source?.sha256)
        #expect(try await vault.original(sha256: digest)?.count == 34)
        #expect(try await vault.verify().faults == [])
        // The last entry takes the original with it, here too.
        try await vault.remove("a")
        #expect(try await vault.original(sha256: digest) == nil)
    }

    @Test func leavesAloneWhatIsThere() async throws {
        let (place, file, _) = try await Self.made()
        let vault = try await place.open()
        let again = try await Self.restore(vault, file)
        #expect(again.unchanged.map(\.description).sorted() == ["oauth:a", "static:b"])
        #expect(again.restored == [] && again.skipped == [])
        #expect(try await vault.summary(of: try name("a")).state == .active)
        try await vault.setToken("a", "changed")
        try await vault.remove("static:b")
        try await vault.insert("static:b", token: "another")
        let third = try await Self.restore(vault, file)
        #expect(third.skipped.map(\.description).sorted() == ["oauth:a", "static:b"])
        #expect(try await vault.token("a") == "changed")
        #expect(try await vault.token("static:b") == "another")
    }

    @Test func aWrongPassphraseIsSaidToBeOne() async throws {
        let (place, file, _) = try await Self.made()
        let vault = try await place.open()
        for wrong in ["", "x", TestVault.passphrase] {
            #expect(await failure { _ = try await Self.restore(vault, file, wrong) } == .wrongKey)
        }
    }

    @Test func refusesEveryTruncation() async throws {
        let (source, file, bytes) = try await Self.made()
        let place = try TestVault()
        defer { withExtendedLifetime((source, place)) {} }
        let vault = try await place.create()
        let counts = Set(
            Array(0..<400) + Array(stride(from: 400, to: bytes.count, by: 41)) + (bytes.count - 80..<bytes.count)
        )
        for count in counts {
            try Data(bytes[..<count]).write(to: URL(filePath: file))
            #expect(await failure { _ = try await Self.restore(vault, file) } == .damaged, "\(count) bytes")
        }
        try Data(bytes + [0]).write(to: URL(filePath: file))
        #expect(await failure { _ = try await Self.restore(vault, file) } == .damaged)
        #expect(try await vault.names() == [])
    }

    @Test func refusesEveryChangedByte() async throws {
        let (source, file, bytes) = try await Self.made()
        let place = try TestVault()
        defer { withExtendedLifetime((source, place)) {} }
        let vault = try await place.create()
        // All of the head and the tail, and some of the records, where the MAC sees to all alike.
        let positions = Set(
            Array(0..<400) + Array(stride(from: 400, to: bytes.count, by: 29)) + (bytes.count - 80..<bytes.count)
        )
        for position in positions {
            var changed = bytes
            changed[position] ^= UInt8(1 << (position % 8))
            try Data(changed).write(to: URL(filePath: file))
            #expect(await failure { _ = try await Self.restore(vault, file) } == .damaged, "byte \(position)")
        }
        #expect(try await vault.names() == [])
        try Data(bytes).write(to: URL(filePath: file))
        #expect(try await Self.restore(vault, file).restored.count == 2)
    }

    @Test func refusesRecordsCutOutDoubledOrMoved() async throws {
        let (source, file, bytes) = try await Self.made()
        let place = try TestVault()
        defer { withExtendedLifetime((source, place)) {} }
        let vault = try await place.create()
        let head = 14 + Int(bytes[10]) + Int(bytes[11]) << 8
        var records: [[UInt8]] = []
        var position = head
        while bytes[position] == 1 {
            let length = 13 + Int(bytes[position + 9]) + Int(bytes[position + 10]) << 8
            records.append(Array(bytes[position..<position + length]))
            position += length
        }
        #expect(records.count == 3)
        let tail = Array(bytes[position...])
        var counted = tail
        counted[1] -= 1
        let variants: [([[UInt8]], [UInt8])] = [
            (Array(records.dropLast()), tail), (Array(records.dropFirst()), counted), (records + [records[0]], tail),
            ([records[1], records[0], records[2]], tail), ([], tail), (records, counted),
        ]
        for (records, tail) in variants {
            try Data(Array(bytes[..<head]) + records.flatMap { $0 } + tail).write(to: URL(filePath: file))
            #expect(await failure { _ = try await Self.restore(vault, file) } == .damaged)
        }
        #expect(try await vault.names() == [])
    }

    @Test func overwritesNoFile() async throws {
        let (place, file, bytes) = try await Self.made()
        let vault = try await place.open()
        #expect(
            await failure { _ = try await vault.export(to: file, passphrase: try secret("x"), derivation: cheap) }
                != nil
        )
        #expect([UInt8](try Data(contentsOf: URL(filePath: file))) == bytes)
    }

    @Test func refusesAForeignFile() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        for bytes in [[], Array("VAULTHDR".utf8), [UInt8](repeating: 0, count: 5000)] as [[UInt8]] {
            try Data(bytes).write(to: URL(filePath: place.place("x")))
            #expect(await failure { _ = try await Self.restore(vault, place.place("x")) } == .damaged)
        }
        #expect(await failure { _ = try await Self.restore(vault, place.place("none")) } == .notFound)
    }

    @Test func holdsNoPlaintext() async throws {
        let (_, _, bytes) = try await Self.made()
        #expect(bytes.firstRange(of: Array("canary".utf8)) == nil)
        #expect(bytes.firstRange(of: Array("oauth:".utf8)) == nil)
    }
}

@Suite(.serialized)
struct CanaryTests {
    // Tokens, names, issuers and paths, on the disk at every moment of an entry's life.
    @Test func nothingOfAnEntryIsEverOnTheDisk() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        let original = try shared(Array("original canary-0".utf8))
        let digest = original.revealed.withUnsafeBytes { sha256($0) }
        var entry = try summary("canary-1")
        entry.issuer = "https://canary-2.example"
        entry.account = "canary-3@example.com"
        entry.metadata = ["canary-4": "canary-5"]
        entry.source = EntrySource(path: "/home/canary-6", sha256: digest, pointer: "/canary-7", format: "canary-8")
        let steps: [() async throws -> Void] = [
            { try await vault.keepOriginal(original, sha256: digest) },
            { try await vault.insert(entry, try holding([.accessToken: "canary-9", .clientSecret: "canary-10"])) },
            { try await vault.setToken("canary-1", "canary-11") },
            { try await vault.rename(try name("canary-1"), to: try name("canary-12")) },
            {
                _ = try await vault.export(
                    to: place.place("backup"),
                    passphrase: try secret("canary-13"),
                    derivation: cheap
                )
            },
            { try await vault.rotate() }, { try await vault.remove("canary-12") },
        ]
        let needles = [Array("canary".utf8), Array(TestVault.passphrase.utf8), digest, Array(hexadecimal(digest).utf8)]
        for step in steps {
            try await step()
            let files = try place.files()
            #expect(files.keys.contains("vault/vault.sqlite"))
            for (path, bytes) in files {
                for needle in needles { #expect(bytes.firstRange(of: needle) == nil, "in \(path)") }
            }
        }
    }

    @Test func noErrorNamesASecret() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        try await vault.insert("a", token: "canary-token")
        var record = try #require(try place.records().first)
        record.sealed[600] ^= 1
        try place.write(record)
        let error = await #expect(throws: VaultError.self) { _ = try await vault.token("a") }
        var dumped = ""
        dump(error, to: &dumped)
        #expect(!dumped.contains("canary-token"))
    }
}

@Suite(.serialized)
struct OriginalTests {
    private static let chunk = 512 * 1024 - 1024

    @Test(arguments: [0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk, 16 << 20])
    func comesBackByteForByte(_ count: Int) async throws {
        let place = try TestVault()
        let vault = try await place.create()
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            for index in 0..<count { buffer[index] = UInt8(truncatingIfNeeded: index &* 31 &+ index >> 9) }
            initialized = count
        }
        let digest = bytes.withUnsafeBytes { sha256($0) }
        try await vault.keepOriginal(try shared(bytes), sha256: digest)
        let records = try place.records()
        #expect(records.count == max(1, (count + Self.chunk - 1) / Self.chunk))
        #expect(records.allSatisfy { $0.sealed.count.nonzeroBitCount == 1 && $0.sealed.count <= 1 << 20 })
        #expect(try await vault.original(sha256: digest)?.revealed == bytes)
        // Kept once.
        try await vault.keepOriginal(try shared(bytes), sha256: digest)
        #expect(try place.records() == records)
        #expect(try await vault.names() == [])
        #expect(try await vault.verify().faults == [])
    }

    @Test func refusesMoreThanItCanKeep() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        let bytes = try shared([UInt8](repeating: 0, count: 33 * Self.chunk + 1))
        #expect(
            await failure { try await vault.keepOriginal(bytes, sha256: [UInt8](repeating: 0, count: 32)) } == .unsafe
        )
        #expect(try place.records() == [])
    }

    @Test func goesWithTheLastEntryThatCameFromIt() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        let bytes = [UInt8](repeating: 7, count: Self.chunk + 5)
        let digest = bytes.withUnsafeBytes { sha256($0) }
        try await vault.keepOriginal(try shared(bytes), sha256: digest)
        for text in ["a", "b", "c"] {
            var entry = try summary(text)
            entry.source = EntrySource(path: "/f", sha256: digest, pointer: "/\(text)", format: "f")
            try await vault.insert(entry, try holding([.accessToken: text]))
        }
        try await vault.remove("a")
        try await vault.rename(try name("b"), to: try name("renamed"))
        try await vault.rotate()
        #expect(try await vault.original(sha256: digest)?.revealed == bytes)
        // One loses it by removal, one by getting another source.
        try await vault.remove("renamed")
        #expect(try await vault.original(sha256: digest)?.revealed == bytes)
        try await vault.update(try name("c")) { (summary, _) throws(VaultError) in summary.source = nil }
        #expect(try await vault.original(sha256: digest) == nil)
        #expect(try place.records().count == 1)
    }

    @Test func damageOfAKeptFileIsDamageAndKeepsNoEntry() async throws {
        for (chunk, byte) in [(0, 300), (0, 5000), (1, 400)] {
            let place = try TestVault()
            let vault = try await place.create()
            let bytes = [UInt8](repeating: 7, count: Self.chunk + 5)
            let digest = bytes.withUnsafeBytes { sha256($0) }
            try await vault.keepOriginal(try shared(bytes), sha256: digest)
            var entry = try summary("a")
            entry.source = EntrySource(path: "/f", sha256: digest, pointer: "", format: "f")
            try await vault.insert(entry, try holding([.accessToken: "t"]))
            let id = vault.current.key.recordID(RecordName(original: digest, chunk: chunk))
            var record = try #require(try place.records().first { $0.id == id })
            record.sealed[byte] ^= 1
            try place.write(record)
            let code = await failure { _ = try await vault.original(sha256: digest) }
            #expect(code == .damaged)
            #expect(try await vault.verify().faults.count == 1)
            #expect(try await vault.token("a") == "t")
            try await vault.remove("a")
            #expect(try await vault.names() == [])
        }
    }

    @Test func aMissingChunkIsDamage() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        let bytes = [UInt8](repeating: 7, count: Self.chunk * 2 + 5)
        let digest = bytes.withUnsafeBytes { sha256($0) }
        try await vault.keepOriginal(try shared(bytes), sha256: digest)
        try place.delete(vault.current.key.recordID(RecordName(original: digest, chunk: 1)))
        #expect(await failure { _ = try await vault.original(sha256: digest) } == .damaged)
        #expect(try await vault.original(sha256: [UInt8](repeating: 1, count: 32)) == nil)
    }
}
