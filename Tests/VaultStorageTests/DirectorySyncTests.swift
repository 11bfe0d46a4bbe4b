import FoundationEssentials
import Glibc
import Testing

@testable import VaultStorage

/// What sync tools do to a store that is open.
struct DirectorySyncTests {
    /// What another machine does: the same store in another directory.
    private func other(_ place: TemporaryDirectory) async throws -> DirectoryStore {
        try FileManager.default.copyItem(atPath: place("vault"), toPath: place("other"))
        return try await DirectoryStore.open(in: place("other"), locks: place("other-locks"))
    }

    @Test func seesWhatAnotherMachineDidAtOnce() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        var counter = try await store.changeCounter()
        let file = try place.file(1)
        // Many times: two changes often fall into one tick of the clock that stamps files.
        for generation in 2...40 as ClosedRange<UInt64> {
            let new = try record(1, generation)
            try deliver(SealedFile.bytes(of: new), to: file)
            #expect(try await store.record(new.id) == new)
            #expect(try await store.records(after: nil, limit: 9) == [new])
            let now = try await store.changeCounter()
            #expect(now > counter, "generation \(generation)")
            #expect(try await store.changeCounter() == now)
            counter = now
            if generation.isMultiple(of: 3) {
                try await store.commit([.put(try record(2, generation), replacing: nil)], ifHeaderGeneration: 1)
                try await store.commit([.delete(try recordID(2), generation: generation)], ifHeaderGeneration: 1)
                counter += 2
                #expect(try await store.changeCounter() == counter)
            }
        }
        try check(unlink(file), "unlink")
        #expect(try await store.record(try recordID(1)) == nil)
        #expect(try await store.changeCounter() == counter + 1)
        try FileManager.default.removeItem(atPath: place("vault/entries"))
        #expect(try await store.records(after: nil, limit: 9) == [])
        #expect(try await store.changeCounter() == counter + 2)
        try deliver(SealedFile.bytes(of: StoredHeader(generation: 2, bytes: [9])), to: place("vault/header"))
        #expect(try await store.header() == StoredHeader(generation: 2, bytes: [9]))
        #expect(try await store.changeCounter() == counter + 3)
        try await expectRefusal(.headerMoved) { try await store.commit([], ifHeaderGeneration: 1) }
    }

    @Test func tellsTwoChangesWithinOneTickOfTheClock() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        var tick = timespec()
        clock_gettime(CLOCK_REALTIME, &tick)
        var counter = try await store.changeCounter()
        for generation in 2...4 as ClosedRange<UInt64> {
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            // A change of long ago is told by its time alone; a machine that is busy may have come to be so late.
            if now.tv_sec - tick.tv_sec > 1 { tick = now }
            try deliver(SealedFile.bytes(of: try record(1, generation)), to: try place.file(1))
            try check(utimensat(AT_FDCWD, place("vault/entries/01"), [tick, tick], 0), "utimensat")
            let counted = try await store.changeCounter()
            #expect(counted == counter + 1)
            counter = counted
        }
    }

    @Test func readsWhatGitCheckedOut() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        try check(chmod(place.file(1), 0o644), "chmod")
        try check(chmod(place("vault/header"), 0o644), "chmod")
        try check(chmod(place("vault/entries"), 0o755), "chmod")
        try check(chmod(place("vault/entries/01"), 0o755), "chmod")
        let opened = try await place.openDirectoryStore()
        #expect(try await opened.record(try recordID(1)) == record(1, 1))
        try await opened.commit([.put(try record(1, 2), replacing: 1)], ifHeaderGeneration: 1)
        #expect(try mode(of: place.file(1)) == 0o600)
    }

    @Test func takesWhatTwoMachinesChangedInDifferentEntries() async throws {
        let place = try TemporaryDirectory()
        let here = try await place.makeDirectoryStore()
        try await here.commit(
            [.put(try record(1, 1), replacing: nil), .put(try record(2, 1), replacing: nil)],
            ifHeaderGeneration: 1
        )
        let there = try await other(place)
        try await here.commit([.put(try record(1, 2), replacing: 1)], ifHeaderGeneration: 1)
        try await there.commit([.put(try record(2, 2), replacing: 1)], ifHeaderGeneration: 1)
        try await there.commit([.put(try record(3, 1), replacing: nil)], ifHeaderGeneration: 1)
        for first in [2, 3] as [UInt8] {
            let theirs = DirectoryLayout(place("other")).file(of: try recordID(first))
            try deliver(try bytes(theirs), to: try place.file(first))
        }
        #expect(try await here.records(after: nil, limit: 9).map(\.generation) == [2, 2, 1])
        #expect(try await here.conflicts() == [])
    }

    struct Copy: Sendable, CustomTestStringConvertible {
        let name: String
        let isFound: Bool
        var testDescription: String { name }
    }

    private static let hex = "01" + String(repeating: "0", count: 62)
    static let copies: [Copy] =
        [
            "entries/01/\(hex).sync-conflict-20260102-030405-ABCDEFG", "entries/01/\(hex) (conflicted copy 2026-01-02)",
            "entries/01/\(hex) (Anna's conflicted copy)", "entries/01/\(hex).orig", "entries/01/\(hex)~HEAD",
            "entries/01/\(hex)_REMOTE_123", "entries/01/\(hex)~", "entries/01/\(hex).conflict", "entries/01/\(hex).txt",
            "entries/01/\(hex.uppercased())A", "entries/02/\(hex)", "entries/\(hex)", "entries/whatever", "copy",
            "header.sync-conflict-20260102-030405-ABCDEFG",
        ].map { Copy(name: $0, isFound: true) }
        + [
            "entries/01/.syncthing.\(hex).tmp", "entries/01/~syncthing~\(hex).tmp", "entries/01/.goutputstream-ABC",
            "entries/01/.\(hex).swp", "set-aside/\(hex)", ".vault-making/\(hex).abc", ".git/objects/\(hex)",
            "folder/\(hex)",
        ].map { Copy(name: $0, isFound: false) }

    @Test(arguments: copies) func tellsASecondVersionByWhatIsInIt(_ copy: Copy) async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit([.put(try record(1, 3), replacing: nil)], ifHeaderGeneration: 1)
        #expect(try await store.conflicts() == [])
        let second = try record(1, 3, [8, 8])
        try deliver(SealedFile.bytes(of: second), to: place("vault/\(copy.name)"))
        let expected = copy.isFound ? [ConflictCopy(file: copy.name, kind: .record(second))] : []
        #expect(try await store.conflicts() == expected)
        #expect(try await store.records(after: nil, limit: 9) == [record(1, 3)])

        try deliver(Array("a note of somebody's".utf8), to: place("vault/\(copy.name)"))
        #expect(try await store.conflicts() == [])
        #expect(try await store.records(after: nil, limit: 9) == [record(1, 3)])
    }

    @Test func findsHeadersAndWhatCannotBeRead() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        let header = StoredHeader(generation: 1, bytes: [5])
        let whole = SealedFile.bytes(of: header)
        try deliver(whole, to: place("vault/header~HEAD"))
        try deliver(Array(whole.dropLast()), to: place("vault/header~cut"))
        try deliver(whole, to: place("vault/header~wide"))
        try check(chmod(place("vault/header~wide"), 0o666), "chmod")
        try deliver(whole + [UInt8](repeating: 0, count: 2 << 20), to: place("vault/header~long"))
        try check(symlink(place("vault/header"), place("vault/header~link")), "symlink")
        try check(mkfifo(place("vault/header~fifo"), 0o600), "mkfifo")
        #expect(
            try await store.conflicts() == [
                ConflictCopy(file: "header~HEAD", kind: .header(header)),
                ConflictCopy(file: "header~cut", kind: .unreadable),
                ConflictCopy(file: "header~long", kind: .unreadable),
                ConflictCopy(file: "header~wide", kind: .unreadable),
            ]
        )
    }

    @Test func setsAsideWhatWasSettledAndLosesNothing() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        let name = "\(try place.file(1)).orig"
        for round in 0..<3 as Range<UInt8> {
            let version = SealedFile.bytes(of: try record(1, 2, [round / 2]))
            try deliver(version, to: name)
            let copies = try await store.conflicts()
            #expect(copies.count == 1)
            let counter = try await store.changeCounter()
            try await store.settle(copies)
            #expect(try await store.conflicts() == [])
            #expect(try await store.changeCounter() > counter)
            // Another machine was as fast.
            try await store.settle(copies)
            let kept = try names(in: place("vault/set-aside")).map { try bytes(place("vault/set-aside/\($0)")) }
            #expect(kept.count == Int(round) + 1)
            #expect(kept.contains(version))
        }
        #expect(try mode(of: place("vault/set-aside")) == 0o700)
        #expect(try await store.records(after: nil, limit: 9) == [record(1, 1)])
    }

    @Test func settlesNothingButWhatWasFound() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        try deliver(SealedFile.bytes(of: try record(1, 2)), to: "\(try place.file(1)).orig")
        let found = try await store.conflicts()
        try deliver(SealedFile.bytes(of: try record(1, 3)), to: "\(try place.file(1)).orig")
        try write(SealedFile.bytes(of: try record(1, 2)), to: place("outside"))
        let before = try Listing(place("vault"))
        try await expectRefusal(.conflict) { try await store.settle(found) }
        for name in ["../outside", "header", "entries/01/\(Self.hex)"] {
            let copy = ConflictCopy(file: name, kind: .record(try record(1, 2)))
            try await expectRefusal(.conflict) { try await store.settle([copy]) }
        }
        #expect(try Listing(place("vault")) == before)
    }

    @Test func tidiesUpWhatKilledProcessesLeft() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit([.put(try record(1, 5), replacing: nil)], ifHeaderGeneration: 1)
        let making = place("vault/.vault-making")
        let left: [(String, [UInt8])] = [
            ("old", SealedFile.bytes(of: try record(1, 4))),
            ("same", SealedFile.bytes(of: try record(1, 5))),
            ("cut", Array(SealedFile.bytes(of: try record(1, 6)).dropLast(3))),
            ("rival", SealedFile.bytes(of: try record(1, 5, [9]))),
            ("deleted", SealedFile.bytes(of: try record(2, 1))),
            ("header", SealedFile.bytes(of: StoredHeader(generation: 1, bytes: [7]))),
        ]
        for (name, bytes) in left { try write(bytes, to: "\(making)/\(name)") }
        _ = try await store.conflicts()
        #expect(try names(in: making).count == left.count, "what may still be in use was taken away")
        var clock = timespec()
        clock_gettime(CLOCK_REALTIME, &clock)
        try DirectoryTidying(layout: DirectoryLayout(place("vault")), now: Int(clock.tv_sec) + 4000).run()
        #expect(try names(in: making) == [])
        let kept = try names(in: place("vault/set-aside")).map { $0.split(separator: ".")[0] }
        #expect(kept == ["deleted", "header", "rival"])
    }
}
