import Foundation
import Glibc
import PrivateFiles
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

/// A log of a few lines, its files, and what is done to them behind the vault's back.
private struct Log {
    static let line = AuditLine.sealedBytes
    let test: TestVault
    let vault: Vault

    var directory: String { test.location.state(of: vault.id) }
    var file: String { directory + "/audit.log" }
    var head: String { directory + "/audit.head" }

    init(lines: Int = 6) async throws {
        test = try TestVault()
        vault = try await test.create()
        for index in 0..<lines { try await write("line-\(index + 1)") }
    }

    @discardableResult
    func write(_ name: String = "more", in other: Vault? = nil) async throws -> String? {
        let vault = other ?? vault
        return await vault.record(try Self.event(name))
    }

    static func event(_ name: String) throws -> AuditEvent {
        AuditEvent(.token, name: try EntryName(.oauth, name), entry: EntryID.random(), caller: caller)
    }

    static let caller = Caller(processID: 7, userID: 8, via: .command, programs: ["/bin/a", "[b]"])

    func bytes() throws -> [UInt8] { try Self.bytes(file) }

    static func bytes(_ path: String) throws -> [UInt8] {
        [UInt8](try #require(FileManager.default.contents(atPath: path)))
    }

    /// Changes the log in place.
    func change(_ body: (inout [[UInt8]]) -> Void) throws {
        let all = try bytes()
        var lines = stride(from: 0, to: all.count, by: Self.line).map {
            Array(all[$0..<min($0 + Self.line, all.count)])
        }
        body(&lines)
        try Self.write(lines.flatMap { $0 }, to: file)
    }

    static func write(_ bytes: [UInt8], to path: String) throws {
        let handle = try FileHandle(forWritingTo: URL(filePath: path))
        try handle.truncate(atOffset: 0)
        try handle.write(contentsOf: Data(bytes))
        try handle.close()
    }

    /// The faults that are reported, as the line after which each stands and the line that is expected.
    func faults() async throws -> [[UInt64]] {
        try await vault.auditTrail().open.map { [$0.after, $0.expected] }
    }

    /// Expects that one more line and its acceptance leave a log that is sound, and none that was sound lost.
    func expectMendable(sound: UInt64, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        #expect(try await vault.auditTrail().count == sound, sourceLocation: sourceLocation)
        #expect(try await write("after") == nil, sourceLocation: sourceLocation)
        #expect(try await !vault.auditTrail().open.isEmpty, sourceLocation: sourceLocation)
        #expect(try await !vault.acceptAudit(caller: Self.caller).isEmpty, sourceLocation: sourceLocation)
        let trail = try await vault.auditTrail()
        #expect(trail.open == [] && !trail.faults.isEmpty, sourceLocation: sourceLocation)
        #expect(trail.lines.contains { $0.name == "oauth:after" }, sourceLocation: sourceLocation)
        #expect(trail.count > sound, sourceLocation: sourceLocation)
        // What was accepted is no leave for what comes later.
        try await write("later")
        let last = try #require(try await vault.auditTrail().lines.last).number
        try change { $0.removeLast() }
        #expect(try await vault.auditTrail().open.map(\.expected) == [last], sourceLocation: sourceLocation)
    }
}

@Suite struct AuditTests {
    @Test func linesSayWhatHappenedAndFollowEachOther() async throws {
        let log = try await Log(lines: 3)
        let trail = try await log.vault.auditTrail()
        #expect(trail.lines.map(\.number) == [1, 2, 3] && trail.faults == [] && trail.unwritten == 0)
        let line = try #require(trail.lines.last)
        #expect(line.name == "oauth:line-3" && line.event == "token" && line.outcome == "given")
        #expect(line.caller == Log.caller && line.entry != nil)
        #expect(line.previous != trail.lines[1].previous)
        // Nothing of it can be read, and no line is longer than another.
        let bytes = try log.bytes()
        #expect(bytes.count == 3 * Log.line)
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(!text.contains("line-") && !text.contains("token") && !text.contains("/bin/a"))
        // Another opening goes on with the same chain.
        try await log.write(in: try await log.test.open())
        #expect(try await log.vault.auditTrail().count == 4)
        #expect(try await log.vault.auditTrail { $0.number == 2 }.lines.map(\.number) == [2])
    }

    @Test func longNamesAndPathsFitIntoALine() async throws {
        let log = try await Log(lines: 0)
        let name = try EntryName(.oauth, String(repeating: "n", count: 128))
        let long = (0..<5).map { "/" + String(repeating: "ü", count: 300) + "/program-\($0)" }
        let caller = Caller(processID: 1, userID: 2, via: .forwarded, programs: long)
        let event = AuditEvent(
            .denied,
            outcome: String(repeating: "why ", count: 200),
            name: name,
            entry: EntryID.random(),
            caller: caller
        )
        #expect(await log.vault.record(event) == nil)
        let line = try #require(try await log.vault.auditTrail().lines.first)
        #expect(line.name == name.description && line.outcome.hasPrefix("why why"))
        #expect(line.caller?.programs.count == 5)
        #expect(line.caller?.programs.last?.hasSuffix("/program-4") == true)
        #expect(try log.bytes().count == Log.line)
    }

    @Test func aRotationKeepsTheChain() async throws {
        let log = try await Log(lines: 2)
        let prepared = try await log.vault.prepareRotation()
        try await log.vault.rotate(prepared, issuesRecoveryCode: false, derivation: cheap)
        try await log.write()
        #expect(try await log.vault.auditTrail().count == 3)
        #expect(try await log.faults() == [])
        let other = try await log.test.open()
        try await log.write(in: other)
        #expect(try await other.auditTrail().lines.map(\.number) == [1, 2, 3, 4])
        #expect(try await other.auditTrail().open == [])
    }

    @Test func aVaultWithoutAnAuditKeyGetsOne() async throws {
        let test = try TestVault()
        let vault = try await test.create()
        var header = vault.current.header
        header.auditKey = nil
        header.generation += 1
        let stored = StoredHeader(generation: header.generation, bytes: header.encoded(under: vault.current.key))
        try test.write(stored)
        // Many at once give it one.
        let opened = try await withThrowingTaskGroup(of: Vault.self) { group in
            for _ in 0..<8 { group.addTask { try await test.open() } }
            return try await group.reduce(into: [Vault]()) { $0.append($1) }
        }
        for vault in opened { #expect(await vault.record(try Log.event("x")) == nil) }
        let last = try await test.open()
        #expect(last.keepsAuditLog && last.current.header.generation == header.generation + 1)
        #expect(try await last.auditTrail().count == 8)
        #expect(try await last.auditTrail().faults == [])
    }

    @Test func aBackupHoldsNoPlaceInTheLog() async throws {
        let log = try await Log(lines: 2)
        await log.vault.flushAudit()
        #expect(try log.test.records().count == 1)
        let count = try await log.vault.export(
            to: log.test.place("backup"),
            passphrase: try secret("backup"),
            derivation: cheap
        )
        #expect(count == 0)
        let other = try TestVault()
        let restored = try await other.create()
        _ = try await restored.restore(
            from: log.test.place("backup"),
            passphrase: try secret("backup"),
            limits: cheapLimits
        )
        #expect(try other.records().isEmpty)
    }

    @Test func destroyingRemovesTheLog() async throws {
        let log = try await Log(lines: 1)
        _ = try await ClosedVault.open(log.test.location).destroy(log.test.custodians())
        for path in [log.file, log.head] { #expect(access(path, F_OK) != 0) }
    }

    // MARK: - What somebody did to it

    @Test func aCutTailIsNoticed() async throws {
        let log = try await Log()
        try log.change { $0.removeLast(2) }
        #expect(try await log.faults() == [[4, 5]])
        try await log.expectMendable(sound: 4)
        // Numbers are not used twice.
        #expect(
            Set(try await log.vault.auditTrail().lines.map(\.number)).count
                == Int(try await log.vault.auditTrail().count)
        )
    }

    @Test(arguments: [0, 2, 4]) func aChangedLineIsNoticed(index: Int) async throws {
        let log = try await Log()
        try log.change { $0[index][500] ^= 1 }
        #expect(try await log.faults() == [[UInt64(index), UInt64(index) + 1]])
        try await log.expectMendable(sound: 5)
    }

    @Test func aChangedLastLineIsNoticed() async throws {
        let log = try await Log()
        try log.change { $0[5][1023] ^= 0x80 }
        #expect(try await log.faults() == [[5, 6]])
        try await log.expectMendable(sound: 5)
    }

    @Test func swappedLinesAreNoticed() async throws {
        let log = try await Log()
        try log.change { $0.swapAt(2, 3) }
        let faults = try await log.faults()
        #expect(faults.first == [2, 3] && faults.count >= 2)
        try await log.expectMendable(sound: 6)
    }

    @Test func aRemovedMiddleIsNoticed() async throws {
        let log = try await Log()
        try log.change { $0.removeSubrange(1...3) }
        let trail = try await log.vault.auditTrail()
        // Five lines are expected to stand before the fifth.
        #expect(trail.open.first?.after == 1 && trail.open.first?.expected == 2 && trail.open.first?.found == 5)
        try await log.expectMendable(sound: 3)
    }

    @Test func aRemovedBeginningIsNoticed() async throws {
        let log = try await Log()
        try log.change { $0.removeFirst(2) }
        #expect(try await log.faults().first == [0, 1])
    }

    @Test(arguments: [["audit.log"], ["audit.head"], ["audit.log", "audit.head"]])
    func removedFilesAreNoticed(names: [String]) async throws {
        let log = try await Log()
        await log.vault.flushAudit()
        for name in names { #expect(unlink("\(log.directory)/\(name)") == 0) }
        #expect(try await !log.faults().isEmpty)
        try await log.expectMendable(sound: names == ["audit.head"] ? 6 : 0)
    }

    @Test func theLogOfAnotherVaultIsNoticed() async throws {
        let (log, other) = (try await Log(), try await Log())
        for (from, to) in [(other.file, log.file), (other.head, log.head)] {
            try Log.write(try Log.bytes(from), to: to)
        }
        #expect(try await !log.faults().isEmpty)
        try await log.expectMendable(sound: 0)
    }

    @Test func anOlderCopyOfBothFilesIsNoticed() async throws {
        let log = try await Log()
        let copies = (try log.bytes(), try Log.bytes(log.head))
        for _ in 0..<3 { try await log.write() }
        await log.vault.flushAudit()
        try Log.write(copies.0, to: log.file)
        try Log.write(copies.1, to: log.head)
        #expect(try await log.faults() == [[6, 9]])
        // Lines that go on from the older copy do not hide it, and the next look at the store writes it down.
        for _ in 0..<5 { try await log.write("later") }
        #expect(try await log.faults() == [[11, 9]])
        await log.vault.flushAudit()
        let trail = try await log.vault.auditTrail()
        #expect(trail.lines.last?.broken?.reason.contains("line 9") == true)
        #expect(trail.open.count == 1)
        try await log.expectMendable(sound: trail.count)
    }

    @Test func aLinePutInTwiceIsNoticed() async throws {
        let log = try await Log()
        try log.change { $0.append($0[3]) }
        #expect(try await !log.faults().isEmpty)
        try log.change { $0[6] = $0[5] }
        #expect(try await !log.faults().isEmpty)
        try await log.expectMendable(sound: 7)
    }

    // MARK: - What a kill or a full disk did to it

    @Test func aLineTheHeadDoesNotKnowIsTakenOver() async throws {
        let log = try await Log(lines: 3)
        let head = try Log.bytes(log.head)
        try await log.write("fourth")
        try Log.write(head, to: log.head)
        #expect(try await log.faults() == [])
        try await log.write("fifth")
        let trail = try await log.vault.auditTrail()
        #expect(trail.lines.map(\.number) == [1, 2, 3, 4, 5] && trail.faults == [])
    }

    @Test func theFirstLineWithoutAHeadIsTakenOver() async throws {
        let log = try await Log(lines: 0)
        let writer = try AuditWriter(
            log.vault.auditFiles,
            vault: log.vault.id,
            key: try #require(log.vault.current.auditKey),
            head: nil,
            checkpoint: nil
        )
        var first = writer
        try first.append(try Log.event("first"), at: Timestamp.systemNow)
        #expect(unlink(log.head) == 0)
        #expect(try await log.faults() == [])
        try await log.write("second")
        #expect(try await log.vault.auditTrail().lines.map(\.number) == [1, 2])
        #expect(try await log.faults() == [])
    }

    @Test(arguments: [1, 40, 1023]) func aTornLineIsCutOffAndNoted(count: Int) async throws {
        let log = try await Log(lines: 3)
        try log.change { $0.append([UInt8](repeating: 0x5A, count: count)) }
        #expect(try await log.faults() == [])
        try await log.write("fourth")
        let trail = try await log.vault.auditTrail()
        #expect(trail.lines.last?.torn == UInt32(count) && trail.faults == [])
        #expect(try log.bytes().count == 4 * Log.line)
        try await log.write("fifth")
        #expect(try await log.vault.auditTrail().lines.last?.torn == 0)
    }

    @Test func usesThatCouldNotBeWrittenAreCounted() async throws {
        let log = try await Log(lines: 2)
        // A log that cannot be written stops nothing.
        let aside = log.file + ".aside"
        #expect(rename(log.file, aside) == 0 && mkdir(log.file, 0o700) == 0)
        for _ in 0..<3 { #expect(try await log.write("lost")?.contains("audit.log") == true) }
        #expect(rmdir(log.file) == 0 && rename(aside, log.file) == 0)
        #expect(try await log.write("kept") == nil)
        let trail = try await log.vault.auditTrail()
        #expect(trail.lines.map(\.unwritten) == [0, 0, 3] && trail.faults == [])
    }

    @Test func logsRotateAndTheChainGoesOnAcrossFiles() async throws {
        let log = try await Log(lines: 0)
        var files = log.vault.auditFiles
        files.fullBytes = UInt64(2 * Log.line)
        let key = try #require(log.vault.current.auditKey)
        func write(_ count: Int) throws {
            for _ in 0..<count {
                let head = try AuditWriter.readHead(files, vault: log.vault.id, key: key)
                var writer = try AuditWriter(files, vault: log.vault.id, key: key, head: head, checkpoint: nil)
                #expect(writer.broken == nil)
                try writer.append(try Log.event("x"), at: Timestamp.systemNow)
            }
        }
        try write(9)
        #expect(files.olderFiles.count == 4)
        #expect(try await log.vault.auditTrail().lines.map(\.number) == Array(1...9))
        // A kill as the files were being renamed leaves a gap, or no newest file.
        #expect(rename(files.old(2), files.old(3) + ".x") == 0 && rename(files.old(3), files.old(8)) == 0)
        #expect(rename(files.old(3) + ".x", files.old(3)) == 0)
        #expect(rename(files.old(4), files.old(7)) == 0 && rename(files.old(8), files.old(6)) == 0)
        #expect(rename(files.old(7), files.old(8)) == 0)
        #expect(try await log.faults() == [])
        try write(1)
        #expect(rename(files.old(1), files.old(2)) == 0 && rename(files.log, files.old(1)) == 0)
        #expect(try await log.faults() == [])
        try write(1)
        #expect(try await log.vault.auditTrail().lines.map(\.number) == Array(1...11))
        try write(20)
        let trail = try await log.vault.auditTrail()
        #expect(trail.faults == [] && files.olderFiles.count == AuditFiles.kept)
        #expect(trail.lines.first?.number == trail.lines.compactMap(\.oldest).last)
        #expect(trail.lines.last?.number == 31 && trail.count == UInt64(2 * AuditFiles.kept + 1))
        // A file that is missing is not one that was dropped.
        #expect(unlink(files.old(AuditFiles.kept)) == 0)
        #expect(try await !log.faults().isEmpty)
    }

    @Test func manyTasksAndOpeningsLoseNoLine() async throws {
        let log = try await Log(lines: 0)
        let others = [log.vault, try await log.test.open(), try await log.test.open()]
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<60 {
                group.addTask { #expect(await others[index % 3].record(try! Log.event("task-\(index)")) == nil) }
            }
        }
        let trail = try await log.vault.auditTrail()
        #expect(trail.lines.map(\.number) == Array(1...60) && trail.faults == [])
        #expect(Set(trail.lines.compactMap(\.name)).count == 60)
    }
}
