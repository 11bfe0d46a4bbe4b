import FoundationEssentials
import Glibc
import Testing

@testable import VaultStorage

/// What lies where a directory store is looked for, and is none or not a safe one.
struct DirectorySafetyTests {
    typealias Obstacle = FileSafetyTests.Obstacle

    private static func entry(_ place: TemporaryDirectory, _ change: ([UInt8]) -> [UInt8]) throws {
        try deliver(change(SealedFile.bytes(of: try record(1, 1))), to: try place.file(1))
    }

    /// What makes the whole store unusable.
    static let obstacles: [Obstacle] = [
        Obstacle("no directory", .absent) { try FileManager.default.removeItem(atPath: $0("vault")) },
        Obstacle("no header", .absent) { try check(unlink($0("vault/header")), "unlink") },
        Obstacle("a link to a directory", .unsafe) { place in
            try check(rename(place("vault"), place("real")), "rename")
            try check(symlink(place("real"), place("vault")), "symlink")
        },
        Obstacle("a wide directory", .unsafe, hint: "chmod 700") { try check(chmod($0("vault"), 0o750), "chmod") },
        Obstacle("a linked header", .unsafe) { place in
            try check(rename(place("vault/header"), place("real")), "rename")
            try check(symlink(place("real"), place("vault/header")), "symlink")
        },
        Obstacle("a FIFO for a header", .unsafe) { place in
            unlink(place("vault/header"))
            try check(mkfifo(place("vault/header"), 0o600), "mkfifo")
        },
        Obstacle("a header others may write", .unsafe, hint: "chmod go-w") {
            try check(chmod($0("vault/header"), 0o620), "chmod")
        },
        Obstacle("a second name of the header", .unsafe) {
            try check(link($0("vault/header"), $0("other name")), "link")
        },
        Obstacle("linked entries", .unsafe) { place in
            try check(rename(place("vault/entries"), place("real")), "rename")
            try check(symlink(place("real"), place("vault/entries")), "symlink")
        },
        Obstacle("entries others may write", .unsafe, hint: "chmod go-w") {
            try check(chmod($0("vault/entries"), 0o777), "chmod")
        },
        Obstacle("an empty header", .damaged) { try write([], to: $0("vault/header")) },
        Obstacle("a cut header", .damaged, hint: "earlier version") { place in
            try write(Array(try bytes(place("vault/header")).dropLast()), to: place("vault/header"))
        },
        Obstacle("a record for a header", .damaged) {
            try write(SealedFile.bytes(of: try record(1, 1)), to: $0("vault/header"))
        },
        Obstacle("1 TiB of header", .damaged) { try check(truncate($0("vault/header"), 1 << 40), "truncate") },
        Obstacle("a merged header", .damaged, hint: "git checkout") {
            try write(Array("<<<<<<< HEAD\nx\n=======\ny\n>>>>>>> other\n".utf8), to: $0("vault/header"))
        },
        Obstacle("a later format", .damaged, hint: "update") { place in
            var bytes = try bytes(place("vault/header"))
            bytes[8] = 2
            try write(bytes, to: place("vault/header"))
        },
    ]

    @Test(arguments: obstacles)
    func refusesAndLeavesAlone(_ obstacle: Obstacle) async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        try await obstacle.make(place)
        let before = try Listing(place.path)
        let error = try await expectRefusal(obstacle.code) { _ = try await place.openDirectoryStore() }
        #expect(try Listing(place.path) == before)
        if let hint = obstacle.hint { #expect(error?.hint?.contains(hint) == true, "\(error?.hint ?? "no hint")") }
    }

    /// What makes one entry unreadable: never taken for an entry that is not there, and no reason to refuse the others.
    static let damages: [Obstacle] = [
        Obstacle("an empty file", .damaged) { try entry($0) { _ in [] } },
        Obstacle("zeros", .damaged) { try entry($0) { [UInt8](repeating: 0, count: $0.count) } },
        Obstacle("zeros at the end", .damaged) { try entry($0) { $0.dropLast(12) + [UInt8](repeating: 0, count: 12) } },
        Obstacle("one byte more", .damaged) { try entry($0) { $0 + [0] } },
        Obstacle("one bit in the sealed bytes", .damaged, hint: "earlier version") {
            try entry($0) { bytes in
                var bytes = bytes
                bytes[54] ^= 1
                return bytes
            }
        },
        Obstacle("another generation than was summed", .damaged) {
            try entry($0) { bytes in
                var bytes = bytes
                bytes[48] += 1
                return bytes
            }
        },
        Obstacle("converted line ends", .damaged) { try entry($0) { $0.filter { $0 != 0x0D } } },
        Obstacle("git's conflict markers", .damaged, hint: "git checkout") {
            try entry($0) { Array("<<<<<<< HEAD\n".utf8) + $0 + Array("\n=======\n".utf8) + $0 }
        },
        Obstacle("a later format", .damaged, hint: "update") {
            try entry($0) { bytes in
                var bytes = bytes
                bytes[8] = 9
                return bytes
            }
        },
        Obstacle("another entry's file", .damaged) {
            try deliver(SealedFile.bytes(of: try record(2, 1)), to: try $0.file(1))
        },
        Obstacle("a header", .damaged) { try deliver(try bytes($0("vault/header")), to: try $0.file(1)) },
    ]

    @Test(arguments: damages)
    func givesTheEntryWithItsFaultAndLeavesItAlone(_ damage: Obstacle) async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit(
            [.put(try record(1, 1), replacing: nil), .put(try record(2, 1), replacing: nil)],
            ifHeaderGeneration: 1
        )
        try await damage.make(place)
        let before = try Listing(place("vault"))
        let found = try await store.record(try recordID(1))
        #expect(try found?.fault != nil && found?.sealed == bytes(place.file(1)))
        if let hint = damage.hint { #expect(found?.fault?.contains(hint) == true, "\(found?.fault ?? "no fault")") }
        #expect(try await store.records(after: nil, limit: 9) == [found, record(2, 1)])
        for change: RecordChange in try [
            .put(record(1, 2), replacing: 1), .put(record(1, 2), replacing: nil), .delete(recordID(1), generation: 1),
        ] {
            try await expectRefusal(.conflict) {
                try await store.commit([.put(try record(3, 1), replacing: nil), change], ifHeaderGeneration: 1)
            }
        }
        #expect(try Listing(place("vault")) == before)
        try await store.commit([.delete(try recordID(1), generation: 0)], ifHeaderGeneration: 1)
        #expect(try await store.records(after: nil, limit: 9) == [record(2, 1)])
    }

    /// What makes one entry unusable because of what its file is.
    static let entries: [Obstacle] = [
        Obstacle("3 MiB", .damaged) { try entry($0) { $0 + [UInt8](repeating: 1, count: 3 << 20) } },
        Obstacle("a link", .unsafe) { place in
            try check(rename(place.file(1), place("real")), "rename")
            try check(symlink(place("real"), place.file(1)), "symlink")
        },
        Obstacle("a directory", .unsafe) { place in
            try check(unlink(place.file(1)), "unlink")
            try check(mkdir(place.file(1), 0o700), "mkdir")
        },
        Obstacle("a FIFO", .unsafe) { place in
            try check(unlink(place.file(1)), "unlink")
            try check(mkfifo(place.file(1), 0o600), "mkfifo")
        },
        Obstacle("a second name", .unsafe) { try check(link($0.file(1), $0("other")), "link") },
        Obstacle("a file the group may write", .unsafe, hint: "chmod go-w") {
            try check(chmod($0.file(1), 0o660), "chmod")
        },
        Obstacle("a linked directory", .unsafe) { place in
            try check(rename(place("vault/entries/01"), place("real")), "rename")
            try check(symlink(place("real"), place("vault/entries/01")), "symlink")
        },
    ]

    @Test(arguments: entries)
    func refusesTheEntryAndLeavesItAlone(_ obstacle: Obstacle) async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit(
            [.put(try record(1, 1), replacing: nil), .put(try record(2, 1), replacing: nil)],
            ifHeaderGeneration: 1
        )
        try await obstacle.make(place)
        let before = try Listing(place("vault"))
        let error = try await expectRefusal(obstacle.code) { _ = try await store.record(try recordID(1)) }
        if let hint = obstacle.hint { #expect(error?.hint?.contains(hint) == true, "\(error?.hint ?? "no hint")") }
        try await expectRefusal(obstacle.code) { _ = try await store.records(after: nil, limit: 9) }
        for change: RecordChange in try [
            .put(record(1, 2), replacing: 1), .put(record(1, 2), replacing: nil), .delete(recordID(1), generation: 1),
        ] {
            try await expectRefusal(obstacle.code) {
                try await store.commit([.put(try record(3, 1), replacing: nil), change], ifHeaderGeneration: 1)
            }
        }
        #expect(try Listing(place("vault")) == before)
        #expect(try await store.record(try recordID(2)) == record(2, 1))
    }

    @Test(.enabled(if: geteuid() == 0, "only root can make a file of another user"))
    func refusesFilesOfAnotherUser() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        try check(chown(place.file(1), 65534, 65534), "chown")
        try await expectRefusal(.unsafe) { _ = try await store.record(try recordID(1)) }
        try check(chown(place("vault/header"), 65534, 65534), "chown")
        try await expectRefusal(.unsafe) { _ = try await place.openDirectoryStore() }
    }
}
