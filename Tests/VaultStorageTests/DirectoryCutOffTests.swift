import FoundationEssentials
import Glibc
import Testing

@testable import VaultStorage

/// A commit of several changes that was cut off after any of its steps.
struct DirectoryCutOffTests {
    /// A store with records 1, 2 and 3, and a commit that changes, deletes and adds one.
    private static func prepare(_ place: TemporaryDirectory) async throws -> DirectoryStore {
        let store = try await place.makeDirectoryStore()
        try await store.commit(
            try (1...3).map { .put(try record($0, 1), replacing: nil) },
            ifHeaderGeneration: 1
        )
        return store
    }

    private static let before = try? [record(1, 1), record(2, 1), record(3, 1)]
    private static let after = try? [record(1, 2), record(3, 1), record(4, 1)]

    /// The commit as files, and its redo decided.
    private static func decide(_ place: TemporaryDirectory) throws -> (steps: [FileStep], redo: DirectoryRedo) {
        let layout = DirectoryLayout(place("vault"))
        func file(_ first: UInt8, _ generation: UInt64) throws -> [UInt8] {
            SealedFile.bytes(of: try record(first, generation))
        }
        let wanted: [(UInt8, new: [UInt8]?, old: [UInt8]?)] = [
            (1, try file(1, 2), try file(1, 1)), (2, nil, try file(2, 1)), (4, try file(4, 1), nil),
        ]
        let steps = try wanted.map { first, new, old in
            (id: try recordID(first), step: layout.step(try place.file(first), new: new, old: old))
        }
        for (id, step) in steps {
            try step.prepare()
            try layout.makeShard(of: id)
        }
        let redo = DirectoryRedo(layout: layout, locks: place("locks"))
        try redo.write(steps, counter: 2)
        return (steps.map(\.step), redo)
    }

    @Test(arguments: 0...3) func isFinishedAfterItWasDecided(_ done: Int) async throws {
        let place = try TemporaryDirectory()
        let store = try await Self.prepare(place)
        #expect(try await store.changeCounter() == 1)
        let (steps, redo) = try Self.decide(place)
        for step in steps.prefix(done) { try step.perform() }
        // As long as a killed process leaves them.
        defer { withExtendedLifetime(steps) {} }
        // A reader is the first to come by.
        #expect(try await store.record(try recordID(4)) == record(4, 1))
        #expect(try await store.records(after: nil, limit: 9) == Self.after)
        #expect(try !redo.isThere)
        #expect(try await store.changeCounter() == 2)
        #expect(try await store.conflicts() == [])
        try await store.commit([.put(try record(1, 3), replacing: 2)], ifHeaderGeneration: 1)
        #expect(try await store.changeCounter() == 3)
    }

    @Test(arguments: 0...3) func isUndoneExactly(_ done: Int) async throws {
        let place = try TemporaryDirectory()
        let store = try await Self.prepare(place)
        let listing = try Listing(place("vault/entries"))
        let (steps, redo) = try Self.decide(place)
        for step in steps.prefix(done) { try step.perform() }
        for step in steps.reversed() { try step.undo() }
        try redo.remove()
        #expect(try await store.records(after: nil, limit: 9) == Self.before)
        rmdir(place("vault/entries/04"))
        #expect(try Listing(place("vault/entries")) == listing)
    }

    @Test func isUndoneAroundWhatAnotherMachineWrote() async throws {
        let place = try TemporaryDirectory()
        let store = try await Self.prepare(place)
        let (steps, redo) = try Self.decide(place)
        for step in steps { try step.perform() }
        let theirs = try [record(1, 3, [1]), record(2, 2, [2]), record(4, 2, [4])]
        for theirs in theirs { try deliver(SealedFile.bytes(of: theirs), to: try place.file(theirs.id.bytes[0])) }
        for step in steps.reversed() { try step.undo() }
        try redo.remove()
        #expect(try await store.records(after: nil, limit: 9) == [theirs[0], theirs[1], record(3, 1), theirs[2]])
    }

    @Test func isNotThereBeforeItWasDecided() async throws {
        let place = try TemporaryDirectory()
        let store = try await Self.prepare(place)
        let redo = DirectoryRedo(layout: DirectoryLayout(place("vault")), locks: place("locks")).path
        do {
            _ = try Self.decide(place)
            try check(rename(redo, "\(redo).abc.tmp"), "rename")
        }
        #expect(try await store.records(after: nil, limit: 9) == Self.before)
        try await store.commit(
            [.put(try record(5, 1), replacing: nil), .put(try record(6, 1), replacing: nil)],
            ifHeaderGeneration: 1
        )
        #expect(try names(in: place("locks")) == ["directory"])
    }

    /// A backup that was put back, a clone, a file system that was mounted under another number.
    @Test func isFinishedInWhatIsAtItsPathByNow() async throws {
        let place = try TemporaryDirectory()
        do {
            _ = try await Self.prepare(place)
            let (steps, _) = try Self.decide(place)
            try steps[0].perform()
            try FileManager.default.copyItem(atPath: place("vault"), toPath: place("copy"))
            withExtendedLifetime(steps) {}
        }
        try FileManager.default.removeItem(atPath: place("vault"))
        try check(rename(place("copy"), place("vault")), "rename")
        let store = try await DirectoryStore.open(in: place("vault"), locks: place("locks"))
        #expect(try await store.records(after: nil, limit: 9) == Self.after)
        #expect(try names(in: place("locks")) == ["directory"])
    }

    /// Somebody looks at a copy of the directory first, which counts its changes with the same counter.
    @Test(arguments: [false, true]) func isFinishedThoughACopyIsLookedAtFirst(writes: Bool) async throws {
        let place = try TemporaryDirectory()
        let store = try await Self.prepare(place)
        try FileManager.default.copyItem(atPath: place("vault"), toPath: place("copy"))
        let (steps, _) = try Self.decide(place)
        try steps[0].perform()
        defer { withExtendedLifetime(steps) {} }
        let copy = try await DirectoryStore.open(in: place("copy"), locks: place("locks"))
        if writes {
            try await copy.commit([.put(try record(9, 1), replacing: nil)], ifHeaderGeneration: 1)
        } else {
            #expect(try await copy.changeCounter() > 1)
        }
        #expect(try await copy.records(after: nil, limit: 3) == Self.before)
        #expect(try await store.records(after: nil, limit: 9) == Self.after)
        #expect(try await store.conflicts() == [] && names(in: place("locks")) == ["directory"])
    }

    @Test func isNotDoneAgain() async throws {
        let place = try TemporaryDirectory()
        let store = try await Self.prepare(place)
        let (steps, _) = try Self.decide(place)
        let redo = DirectoryRedo(layout: DirectoryLayout(place("vault")), locks: place("locks")).path
        let bytes = try bytes(redo)
        for step in steps { try step.perform() }
        #expect(try await store.records(after: nil, limit: 9) == Self.after)
        try await store.commit([.put(try record(1, 3), replacing: 2)], ifHeaderGeneration: 1)
        // A power failure brings the name back, which was removed without a sync.
        try write(bytes, to: redo)
        #expect(try await store.record(try recordID(1)) == record(1, 3))
        #expect(try await store.conflicts() == [])
        #expect(try names(in: place("locks")) == ["directory"])
    }

    @Test func keepsWhatAnotherMachineChangedMeanwhile() async throws {
        let place = try TemporaryDirectory()
        let store = try await Self.prepare(place)
        let (steps, _) = try Self.decide(place)
        let theirs = try [record(1, 2, [1]), record(2, 2, [2]), record(4, 1, [4])]
        try withExtendedLifetime(steps) {
            for theirs in theirs { try deliver(SealedFile.bytes(of: theirs), to: try place.file(theirs.id.bytes[0])) }
        }
        #expect(try await store.records(after: nil, limit: 9) == [theirs[0], theirs[1], record(3, 1), theirs[2]])
        let kinds = try await store.conflicts().map(\.kind)
        #expect(kinds == [.record(try record(1, 2)), .record(try record(4, 1))])
    }

    @Test func writesWhatAnotherMachineDeletedMeanwhile() async throws {
        let place = try TemporaryDirectory()
        let store = try await Self.prepare(place)
        let (steps, _) = try Self.decide(place)
        try withExtendedLifetime(steps) {
            try FileManager.default.removeItem(atPath: place("vault/entries"))
            try FileManager.default.removeItem(atPath: place("vault/.vault-making"))
        }
        #expect(try await store.records(after: nil, limit: 9) == [record(1, 2), record(4, 1)])
    }

    @Test func setsDamageAside() async throws {
        let place = try TemporaryDirectory()
        let store = try await Self.prepare(place)
        let (steps, _) = try Self.decide(place)
        try withExtendedLifetime(steps) { try deliver([0, 0], to: try place.file(1)) }
        #expect(try await store.records(after: nil, limit: 9) == Self.after)
        #expect(try names(in: place("vault/set-aside")).count == 1)
    }

    @Test func refusesARedoThatIsDamaged() async throws {
        let place = try TemporaryDirectory()
        let store = try await Self.prepare(place)
        let (steps, _) = try Self.decide(place)
        let redo = DirectoryRedo(layout: DirectoryLayout(place("vault")), locks: place("locks")).path
        var damaged = try bytes(redo)
        damaged[60] ^= 1
        try write(damaged, to: redo)
        let before = try Listing(place("vault/entries"))
        defer { withExtendedLifetime(steps) {} }
        let error = try await expectRefusal(.damaged) { _ = try await store.record(try recordID(1)) }
        #expect(error?.hint?.contains("mv ") == true)
        #expect(try Listing(place("vault/entries")) == before)
    }

    /// A sync tool that is as fast as a commit: its file is there when ours is to be put in its place.
    @Test func overwritesNothingInTheSameMoment() async throws {
        let place = try TemporaryDirectory()
        _ = try await Self.prepare(place)
        let layout = DirectoryLayout(place("vault"))
        let (mine, old) = (SealedFile.bytes(of: try record(1, 2)), SealedFile.bytes(of: try record(1, 1)))
        let theirs = SealedFile.bytes(of: try record(1, 2, [9]))
        for (new, expected) in [(mine, old), (nil, old), (mine, nil)] as [([UInt8]?, [UInt8]?)] {
            let step = layout.step(try place.file(1), new: new, old: expected)
            try step.prepare()
            try deliver(theirs, to: try place.file(1))
            try await expectRefusal(.conflict) { try step.perform() }
            #expect(try bytes(try place.file(1)) == theirs)
        }
        #expect(try names(in: place("vault/.vault-making")) == [])
        let step = layout.step(try place.file(1), new: mine, old: theirs)
        try step.prepare()
        try check(unlink(place.file(1)), "unlink")
        try await expectRefusal(.conflict) { try step.perform() }
        #expect(try names(in: place("vault/entries/01")) == [])
    }
}

@Suite(.enabled(if: SmallDisk.isPossible, "needs to mount a tmpfs"))
struct DirectoryDiskTests {
    private func create(_ disk: SmallDisk) async throws -> DirectoryStore {
        try await DirectoryStore.create(in: disk("vault"), locks: disk("locks"), header: firstHeader)
    }

    private func open(_ disk: SmallDisk) async throws -> DirectoryStore {
        try await DirectoryStore.open(in: disk("vault"), locks: disk("locks"))
    }

    @Test func readsOnReadOnlyMedia() async throws {
        let disk = try SmallDisk(bytes: 4 << 20)
        let made = try await create(disk)
        try await made.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        try disk.setReadOnly(true)
        let before = try Listing(disk.path)
        let store = try await open(disk)
        #expect(store.isReadOnly)
        #expect(try await store.header() == firstHeader)
        #expect(try await store.record(try recordID(1)) == record(1, 1))
        #expect(try await store.records(after: nil, limit: 9) == [record(1, 1)])
        #expect(try await store.changeCounter() == 1)
        #expect(try await store.conflicts() == [])
        let error = try await expectRefusal(.unavailable) {
            try await store.commit([.put(try record(2, 1), replacing: nil)], ifHeaderGeneration: 1)
        }
        #expect(error?.message.contains("read-only") == true)
        try await expectRefusal(.unavailable) {
            try await store.replaceHeader(StoredHeader(generation: 2, bytes: []), ifGeneration: 1)
        }
        try await expectRefusal(.unavailable) { _ = try await store.tryLease(try leaseName(1)) }
        // One that was opened before the media turned.
        try await expectRefusal(.unavailable) {
            try await made.commit([.put(try record(2, 1), replacing: nil)], ifHeaderGeneration: 1)
        }
        let elsewhere = store.leasing(in: disk("nowhere"))
        #expect(try await elsewhere.records(after: nil, limit: 9) == [record(1, 1)])
        let counter = try await elsewhere.changeCounter()
        #expect(try await elsewhere.changeCounter() == counter)
        #expect(try Listing(disk.path) == before)
    }

    @Test func keepsTheOldStateOnAFullDisk() async throws {
        let disk = try SmallDisk(bytes: 1 << 20)
        let store = try await create(disk)
        let old = try record(1, 1, [UInt8](repeating: 1, count: 60_000))
        try await store.commit([.put(old, replacing: nil)], ifHeaderGeneration: 1)
        let counter = try await store.changeCounter()
        try disk.fill()
        let new = try record(1, 2, [UInt8](repeating: 2, count: 120_000))
        let refused: [[RecordChange]] = try [
            [.put(new, replacing: 1)],
            [.put(new, replacing: 1), .put(record(2, 1), replacing: nil)],
            [.delete(recordID(1), generation: 1), .put(record(2, 1), replacing: nil)],
        ]
        for changes in refused {
            let error = try await expectRefusal(.unavailable) {
                try await store.commit(changes, ifHeaderGeneration: 1)
            }
            #expect(error?.message.contains("No space") == true, "\(error?.message ?? "")")
        }
        try await expectRefusal(.unavailable) {
            let header = StoredHeader(generation: 2, bytes: [UInt8](repeating: 1, count: 50_000))
            try await store.replaceHeader(header, ifGeneration: 1)
        }
        for store in [store, try await open(disk)] {
            #expect(try await store.header() == firstHeader)
            #expect(try await store.records(after: nil, limit: 9) == [old])
            #expect(try await store.changeCounter() == counter)
        }
        #expect(try names(in: disk("vault/.vault-making")) == [])
        try disk.unfill()
        try await store.commit([.put(new, replacing: 1)], ifHeaderGeneration: 1)
        #expect(try await store.changeCounter() == counter + 1)
    }

    @Test func makesNothingOnAFullDisk() async throws {
        let disk = try SmallDisk(bytes: 1 << 20)
        try check(mkdir(disk("vault"), 0o700), "mkdir")
        try disk.fill()
        try await expectRefusal(.unavailable) { _ = try await create(disk) }
        try await expectRefusal(.absent) { _ = try await open(disk) }
        try disk.unfill()
        #expect(try await create(disk).header() == firstHeader)
    }
}
