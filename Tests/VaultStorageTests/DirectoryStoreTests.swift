import FoundationEssentials
import Glibc
import Synchronization
import Testing

@testable import VaultStorage

extension TemporaryDirectory {
    func makeDirectoryStore() async throws -> DirectoryStore {
        try await DirectoryStore.create(in: self("vault"), locks: self("locks"), header: firstHeader)
    }

    func openDirectoryStore() async throws -> DirectoryStore {
        try await DirectoryStore.open(in: self("vault"), locks: self("locks"))
    }

    /// The file of the record whose id begins with that byte.
    func file(_ first: UInt8) throws -> String { DirectoryLayout(self("vault")).file(of: try recordID(first)) }
}

/// Puts a file in its place as sync tools do: whole, by a rename.
func deliver(_ bytes: [UInt8], to path: String) throws {
    let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try write(bytes, to: "\(directory)/.syncthing.delivery.tmp", mode: 0o644)
    try check(rename("\(directory)/.syncthing.delivery.tmp", path), "rename")
}

struct DirectoryStoreTests {
    @Test func keepsAFileForEachEntryUnderItsID() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit(
            [.put(try record(0xAB, 1), replacing: nil), .put(try record(0x0C, 1), replacing: nil)],
            ifHeaderGeneration: 1
        )
        #expect(try names(in: place("vault")) == [".gitattributes", ".vault-making", "entries", "header"])
        #expect(try names(in: place("vault/entries")) == ["0c", "ab"])
        #expect(try names(in: place("vault/entries/ab")) == ["ab" + String(repeating: "0", count: 62)])
        #expect(try names(in: place("vault/.vault-making")) == [])
        #expect(try mode(of: place.file(0xAB)) == 0o600)
        #expect(try mode(of: place("vault/entries/ab")) == 0o700)
        #expect(try mode(of: place("vault/header")) == 0o600)
        #expect(try names(in: place("locks")) == ["directory"])
    }

    @Test func touchesNeitherTheHeaderNorOtherEntries() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        func inodes() throws -> [UInt64] {
            try [place("vault/header"), place.file(1)].map {
                var status = stat()
                try check(lstat($0, &status), "lstat")
                return UInt64(status.st_ino)
            }
        }
        let before = try inodes()
        try await store.commit([.put(try record(2, 1), replacing: nil)], ifHeaderGeneration: 1)
        try await store.commit([.put(try record(2, 2), replacing: 1)], ifHeaderGeneration: 1)
        try await store.commit([.delete(try recordID(2), generation: 2)], ifHeaderGeneration: 1)
        #expect(try inodes() == before)
        #expect(try await store.changeCounter() == 4)
    }

    @Test func makesAStoreOnlyWhereThereIsNothingElse() async throws {
        for name in ["vault.sqlite", "entries", "notes.txt", "header", "header.sync-conflict-1"] {
            let place = try TemporaryDirectory()
            try place.makeEmptyVaultDirectory()
            try write([1], to: place("vault/\(name)"))
            let before = try Listing(place.path)
            try await expectRefusal(.exists) { _ = try await place.makeDirectoryStore() }
            #expect(try Listing(place.path) == before)
        }
        let place = try TemporaryDirectory()
        try place.makeEmptyVaultDirectory()
        for name in [".git", ".stfolder"] { try check(mkdir(place("vault/\(name)"), 0o755), "mkdir") }
        for name in [".gitignore", ".stignore", "README.md"] { try write([], to: place("vault/\(name)")) }
        _ = try await place.makeDirectoryStore()
        try await expectRefusal(.exists) { _ = try await place.makeDirectoryStore() }
        #expect(try bytes(place("vault/.gitattributes")) == Array("* binary\n".utf8))
    }

    @Test func keepsTheAttributesThatAreThere() async throws {
        let place = try TemporaryDirectory()
        try place.makeEmptyVaultDirectory()
        try write(Array("* -text\n".utf8), to: place("vault/.gitattributes"))
        _ = try await place.makeDirectoryStore()
        #expect(try bytes(place("vault/.gitattributes")) == Array("* -text\n".utf8))
    }

    @Test func removesWhatItMadeAndNothingElse() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        try deliver(try bytes(place.file(1)), to: "\(try place.file(1)).orig")
        try deliver(try bytes(place("vault/header")), to: place("vault/header (copy)"))
        try write([1], to: place("vault/README.md"))
        try DirectoryStore.remove(in: place("vault"))
        #expect(try names(in: place("vault")) == [".gitattributes", "README.md"])
        try await expectRefusal(.absent) { _ = try await store.header() }
        try await expectRefusal(.absent) { _ = try await store.record(try recordID(1)) }
        try await expectRefusal(.absent) { _ = try await store.records(after: nil, limit: 1) }
        try await expectRefusal(.absent) { _ = try await store.changeCounter() }
        try await expectRefusal(.absent) { try DirectoryStore.remove(in: place("vault")) }
        unlink(place("vault/README.md"))
        _ = try await place.makeDirectoryStore()
        try DirectoryStore.remove(in: place("vault"))
        #expect(try names(in: place.path) == ["locks"])
    }

    @Test func writesNothingWhereItIsOnlyLookedAt() async throws {
        let place = try TemporaryDirectory()
        let made = try await place.makeDirectoryStore()
        try await made.commit([.put(try record(1, 1), replacing: nil)], ifHeaderGeneration: 1)
        let opened = try await DirectoryStore.open(in: place("vault/"), locks: place("state"))
        #expect(try await opened.header() == firstHeader)
        #expect(try !names(in: place.path).contains("state"))
        let placed = opened.leasing(in: place("locks"))
        #expect(placed.path == place("vault"))
        #expect(try await placed.changeCounter() == 1)
        let lease = try #require(try await placed.tryLease(try leaseName(1)))
        #expect(try await made.tryLease(try leaseName(1)) == nil)
        lease.release()
        #expect(try !names(in: place.path).contains("state"))
    }

    @Test func listsManyInOrder() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        var random = SystemRandomNumberGenerator()
        let records = try (0..<1280).map { _ in
            let id = try #require(RecordID((0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }))
            return StoredRecord(id: id, generation: 1, sealed: [1, 2, 3])
        }
        for start in stride(from: 0, to: records.count, by: 64) {
            let changes = records[start..<start + 64].map { RecordChange.put($0, replacing: nil) }
            try await store.commit(changes, ifHeaderGeneration: 1)
        }
        var found: [StoredRecord] = []
        while true {
            let page = try await store.records(after: found.last?.id, limit: 64)
            if page.isEmpty { break }
            found += page
        }
        #expect(found == records.sorted { $0.id < $1.id })
        #expect(try await store.conflicts() == [])
        #expect(try await store.changeCounter() == 20)
    }

    /// Each process counts up a shared record and one of its own, in one commit; a page of both is consistent when
    /// they add up.
    @Test func losesNoUpdateOfManyProcesses() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit([.put(try record(0, 1), replacing: nil)], ifHeaderGeneration: 1)
        await withTaskGroup(of: Void.self) { group in
            for process in 1...8 as ClosedRange<UInt8> {
                group.addTask {
                    await #expect(processExitsWith: .success) {
                        [path = place.path as String, process = process as UInt8] in
                        let store = try await DirectoryStore.open(in: "\(path)/vault", locks: "\(path)/locks")
                        for _ in 1...25 {
                            try await increment(store, own: process)
                            try await expectSums(store)
                        }
                    }
                }
            }
        }
        #expect(try await store.record(try recordID(0))?.generation == 1 + 8 * 25)
        for process in 1...8 as ClosedRange<UInt8> {
            #expect(try await store.record(try recordID(process))?.generation == 25)
        }
        #expect(try await store.changeCounter() == 1 + 8 * 25)
    }

    /// Processes killed at any instant leave commits whole or undone, and nobody waits for them.
    @Test func survivesKilledProcesses() async throws {
        let place = try TemporaryDirectory()
        let store = try await place.makeDirectoryStore()
        try await store.commit([.put(try record(0, 1), replacing: nil)], ifHeaderGeneration: 1)
        let counter = Mutex<UInt64>(1)
        for _ in 0..<8 {
            await withTaskGroup(of: Void.self) { group in
                for process in 1...3 as ClosedRange<UInt8> {
                    group.addTask {
                        await #expect(processExitsWith: .signal(SIGKILL)) {
                            [path = place.path as String, process = process as UInt8] in
                            let store = try await DirectoryStore.open(in: "\(path)/vault", locks: "\(path)/locks")
                            var timer = itimerval()
                            timer.it_value.tv_usec = Int.random(in: 1000...60_000)
                            signal(SIGALRM) { _ in kill(getpid(), SIGKILL) }
                            setitimer(__itimer_which_t(0), &timer, nil)
                            while true { try await increment(store, own: process) }
                        }
                    }
                }
            }
            try await expectSums(store)
            let now = try await store.changeCounter()
            let last = counter.withLock { last in
                defer { last = now }
                return last
            }
            #expect(now >= last)
            #expect(try await store.conflicts() == [])
        }
        try await increment(store, own: 9)
        #expect(
            !FileManager.default.fileExists(
                atPath: DirectoryRedo(layout: DirectoryLayout(place("vault")), locks: place("locks")).path
            )
        )
    }
}

private func expectSums(_ store: DirectoryStore) async throws {
    let all = try await store.records(after: nil, limit: 99)
    let own = all.dropFirst().reduce(0) { $0 + $1.generation }
    #expect(all.first?.generation == 1 + own, "a page shows half of a commit: \(all.map(\.generation))")
}

private func increment(_ store: DirectoryStore, own: UInt8) async throws {
    while true {
        let page = try await store.records(after: nil, limit: 99)
        let shared = try #require(page.first)
        let id = try recordID(own)
        let mine = page.first { $0.id == id }?.generation
        let changes: [RecordChange] = [
            .put(try record(own, (mine ?? 0) + 1), replacing: mine),
            .put(try record(0, shared.generation + 1), replacing: shared.generation),
        ]
        do {
            return try await store.commit(changes, ifHeaderGeneration: 1)
        } catch {
            guard error.code == .conflict else { throw error }
        }
    }
}
