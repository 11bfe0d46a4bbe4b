import Foundation
import PrivateFiles
import Testing
import VaultAPI
import VaultCrypto

@testable import VaultCore

/// Whatever stands in the files: no crash, no line that was not written, and a log that goes on.
@Suite struct AuditFuzzTests {
    /// How many mutations each test tries; more by `VAULT_FUZZ_ROUNDS`.
    private static let rounds = ProcessInfo.processInfo.environment["VAULT_FUZZ_ROUNDS"].flatMap { Int($0) } ?? 300

    private static func mutate(_ bytes: inout [UInt8], _ random: inout some RandomNumberGenerator) {
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let count = bytes.count
            switch Int.random(in: 0..<6, using: &random) {
            case 0 where count > 0:
                bytes[Int.random(in: 0..<count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            case 1 where count > 0: bytes.removeLast(Int.random(in: 1...count, using: &random))
            case 2 where count > 0:
                let start = Int.random(in: 0..<count, using: &random)
                bytes.removeSubrange(start..<min(count, start + Int.random(in: 1...2048, using: &random)))
            case 3: bytes.append(contentsOf: (0..<Int.random(in: 1...1500, using: &random)).map { UInt8($0 & 255) })
            case 4 where count >= 2048:
                let lines = count / 1024
                let (from, to) = (Int.random(in: 0..<lines, using: &random), Int.random(in: 0..<lines, using: &random))
                let line = Array(bytes[from * 1024..<from * 1024 + 1024])
                bytes.replaceSubrange(to * 1024..<to * 1024 + 1024, with: line)
            default: bytes.insert(0, at: count / 2)
            }
        }
    }

    @Test func anyBytesInTheFilesAreReadAndWrittenAfter() async throws {
        let place = try TemporaryDirectory()
        let key = SharedSecret(try SecretBytes(random: 32))
        let vault = VaultID.random()
        let files = AuditFiles(directory: place.path)
        let caller = Caller(processID: 1, userID: 2, via: .agent, programs: ["/bin/x"])
        func writer() throws -> AuditWriter {
            let head = try AuditWriter.readHead(files, vault: vault, key: key)
            return try AuditWriter(files, vault: vault, key: key, head: head, checkpoint: nil)
        }
        for index in 0..<8 {
            var end = try writer()
            let name = try EntryName(.oauth, "n\(index)")
            try end.append(AuditEvent(.token, name: name, caller: caller), at: Timestamp.systemNow)
        }
        let sound = try ["audit.log", "audit.head"].map { path in
            [UInt8](try Data(contentsOf: URL(filePath: place(path))))
        }
        var random = SystemRandomNumberGenerator()
        for _ in 0..<Self.rounds {
            var contents = sound
            let changed = Int.random(in: 0..<3, using: &random)
            if changed != 1 { Self.mutate(&contents[0], &random) }
            if changed != 0 { Self.mutate(&contents[1], &random) }
            for (name, bytes) in zip(["audit.log", "audit.head"], contents) {
                try bytes.withUnsafeBytes { try PrivateFiles.replace(place(name), contents: $0) }
            }
            func read() throws -> AuditTrail {
                var reader = AuditReader(vault: vault, key: key, watching: []) { _ in true }
                let bytes = [UInt8](try Data(contentsOf: URL(filePath: files.log)))
                for start in stride(from: 0, to: bytes.count - bytes.count % 1024, by: 1024) {
                    reader.read(Array(bytes[start..<start + 1024]), oldest: 1)
                }
                let head = try AuditWriter.readHead(files, vault: vault, key: key)
                reader.finish(head, hasHead: true, checkpoint: nil)
                return reader.trail
            }
            let before = try read()
            #expect(before.lines.allSatisfy { $0.name?.hasPrefix("oauth:n") == true && $0.caller == caller })
            let isChanged = contents[0].prefix(sound[0].count) != sound[0][...] || contents[1] != sound[1]
            let hasForeignLine = contents[0].count / 1024 > 8
            if isChanged || hasForeignLine { #expect(!before.faults.isEmpty) }
            var end = try writer()
            try end.append(
                AuditEvent(.token, name: try EntryName(.oauth, "n9"), caller: caller),
                at: Timestamp.systemNow
            )
            let after = try read()
            #expect(after.lines.last?.name == "oauth:n9" && after.count > before.count)
            // What follows fits: one more line finds nothing new.
            var next = try writer()
            #expect(next.broken == nil)
            try next.append(
                AuditEvent(.token, name: try EntryName(.oauth, "n10"), caller: caller),
                at: Timestamp.systemNow
            )
            #expect(try read().faults.count == after.faults.count)
        }
    }

    @Test func anyBytesInsideTheSealAreReadWithoutATrap() throws {
        let vault = VaultID.random()
        let key = SharedSecret(try SecretBytes(random: 32))
        var line = AuditLine(number: 3, previous: AuditLine.firstLink, time: Timestamp.systemNow, event: "break")
        line.broken = AuditBreak(expected: 4, found: 2, reason: "reason")
        line.caller = Caller(processID: 1, userID: 2, via: .agent, programs: ["/a", "/b"])
        line.acknowledged = [Array(1...16)]
        let sealed = line.sealed(vault: vault, under: key)
        #expect(AuditLine(sealed, vault: vault, under: key) == line)
        let plain = try key.withSecret { try SecretBox.openPublic(sealed[...], under: $0) }
        #expect(AuditLine(plain: plain, vault: vault) == line)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<Self.rounds * 10 {
            var bytes = plain
            Self.mutate(&bytes, &random)
            if let read = AuditLine(plain: bytes, vault: vault) {
                #expect(read.acknowledged.allSatisfy { $0.count == 16 })
            }
            let head = AuditHead(Array(bytes.prefix(AuditHead.sealedBytes)), vault: vault, under: key)
            #expect(head == nil)
        }
    }
}
