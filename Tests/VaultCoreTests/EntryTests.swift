import Foundation
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

// One at a time: every open vault holds secrets, and a process may hold 1,024.
@Suite(.serialized)
struct EntryTests {
    @Test func givesBackWhatWasInserted() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        var full = try SummaryCodingTests.full()
        let held = try holding([.accessToken: "a", .secret: "b"])
        let inserted = try await vault.insert(full, held)
        full.generation = 1
        #expect(inserted == full)
        // By the same instance, and by another process's.
        for vault in [vault, try await place.open()] {
            let entry = try await vault.read(full.name)
            #expect(entry.summary == full)
            #expect(entry.secrets.text(.accessToken) == "a")
            #expect(entry.secrets.text(.secret) == "b")
            #expect(try await vault.summary(of: full.name) == full)
            #expect(try await vault.list().entries == [full])
            #expect(try await vault.verify().faults == [])
        }
    }

    @Test func openingAndReadingChangesNoByte() async throws {
        let place = try TestVault()
        try await place.create().insert("a")
        let before = try place.files()
        let vault = try await place.open()
        _ = try await vault.list()
        _ = try await vault.token("a")
        _ = await failure { _ = try await vault.token("b") }
        #expect(try place.files() == before)
    }

    @Test func refusesATakenNameAndKeepsWhatIsThere() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        try await vault.insert("a", token: "first")
        #expect(await failure { try await vault.insert("a", token: "second") } == .failed)
        try await vault.insert("b")
        #expect(await failure { try await vault.rename(try name("b"), to: try name("a")) } == .failed)
        #expect(try await vault.token("a") == "first")
        #expect(try await vault.names() == ["oauth:a", "oauth:b"])
    }

    @Test func putsInPlaceOfWhatHasTheName() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        let first = try await vault.insert("a", token: "first")
        var second = try summary("a")
        second.provider = "p"
        let held = try holding([.refreshToken: "second"])
        let put = try await vault.put(second, held)
        #expect(put.id == first.id)
        #expect(put.generation == 2)
        #expect(put.holds == [.refreshToken])
        #expect(try await vault.token("a") == nil)
        let other = try await vault.put(try summary("b"), held)
        #expect(other.generation == 1)
    }

    @Test func changesNothingIfTheChangeThrows() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        try await vault.insert("a", token: "kept")
        let before = try place.files()
        let code = await failure {
            try await vault.update(try name("a")) { (summary, secrets) throws(VaultError) in
                summary.provider = "other"
                throw VaultError(.temporary, "no answer")
            }
        }
        #expect(code == .temporary)
        // A lease was taken, which leaves its file.
        let after = try place.files()
        for (path, bytes) in before { #expect(after[path] == bytes) }
        #expect(try await vault.token("a") == "kept")
    }

    @Test func keepsTheUUIDThroughRenamingAndUpdates() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        let first = try await vault.insert("a", token: "t")
        let renamed = try await vault.rename(try name("a"), to: try name("b"))
        let updated = try await vault.setToken("b", "u")
        #expect(renamed.id == first.id && updated.id == first.id)
        #expect(updated.generation == 3)
        #expect(await failure { _ = try await vault.token("a") } == .notFound)
        #expect(try await vault.token("b") == "u")
        #expect(await failure { try await vault.rename(try name("b"), to: try name("static:b")) } == .usage)
        #expect(await failure { try await vault.rename(try name("x"), to: try name("y")) } == .notFound)
    }

    @Test func saysNotFoundOfWhatIsNotThere() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        try await vault.insert("a")
        try await vault.remove("a")
        for attempt in 0..<2 {
            _ = attempt
            #expect(await failure { try await vault.remove("a") } == .notFound)
            #expect(await failure { _ = try await vault.read(try name("a")) } == .notFound)
            #expect(await failure { _ = try await vault.summary(of: try name("a")) } == .notFound)
            #expect(await failure { try await vault.setToken("a", "x") } == .notFound)
        }
        #expect(try await vault.names() == [])
    }

    // Generations never fall, so that an old record of that name is known for what it is.
    @Test func anEntryMadeAnewGoesOnCounting() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        try await vault.insert("a")
        try await vault.setToken("a", "x")
        try await vault.remove("a")
        // One was left out for the removal, so that the removed record is older than what was seen.
        #expect(try await vault.insert("a").generation == 4)
    }

    @Test func losesNoneOfManyConcurrentUpdates() async throws {
        let place = try TestVault()
        let vaults = [try await place.create(), try await place.open(), try await place.open()]
        var entry = try summary("count")
        entry.account = "0"
        try await vaults[0].insert(entry, try holding([:]))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<9 {
                group.addTask {
                    for _ in 0..<4 {
                        try await vaults[number % 3].update(try name("count")) { (summary, _) throws(VaultError) in
                            summary.account = String((Int(summary.account ?? "") ?? 0) + 1)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        let end = try await place.open().summary(of: try name("count"))
        #expect(end.account == "36")
        #expect(end.generation == 37)
    }

    @Test func oneOfManyInsertsOfANameWins() async throws {
        let place = try TestVault()
        let vaults = [try await place.create(), try await place.open(), try await place.open()]
        let won = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<12 {
                group.addTask {
                    do {
                        try await vaults[number % 3].insert("a", token: String(number))
                        return true
                    } catch { return false }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(won == 1)
        #expect(try await vaults[0].verify().faults == [])
        #expect(try await vaults[0].names() == ["oauth:a"])
    }

    // A reader between a writer's commit and its note of it must not take what it sees for a rollback.
    @Test func readersDuringWritesNeverSeeARollback() async throws {
        let place = try TestVault()
        let writer = try await place.create()
        try await writer.insert("a", token: "0")
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { for number in 1...40 { try await writer.setToken("a", String(number)) } }
            for _ in 0..<3 {
                group.addTask {
                    for _ in 0..<15 {
                        let reader = try await place.open()
                        #expect(try await reader.summary(of: try name("a")).state == .active)
                        #expect(try await reader.list().faults == [])
                        _ = try await reader.token("a")
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try await writer.token("a") == "40")
    }

    @Test(arguments: [65_536, 100_000])
    func refusesTextsThatTheFormatHasNoRoomFor(_ count: Int) async throws {
        let place = try TestVault()
        let vault = try await place.create()
        let long = String(repeating: "x", count: count)
        var pointer = try summary("a")
        pointer.source = EntrySource(path: "/a", sha256: [UInt8](repeating: 0, count: 32), pointer: long, format: "f")
        var path = pointer
        path.source = EntrySource(path: long, sha256: [UInt8](repeating: 0, count: 32), pointer: "", format: "f")
        var key = try summary("a")
        key.metadata = [long: ""]
        for entry in [pointer, path, key] {
            #expect(await failure { try await vault.insert(entry, try holding([:])) } == .unsafe)
        }
        #expect(try await vault.names() == [])
    }

    // What could not be read back is not written.
    @Test func refusesADescriptionThatWouldNotReadBack() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        var digest = try summary("a")
        digest.source = EntrySource(path: "/a", sha256: [1, 2, 3], pointer: "", format: "f")
        var reason = try summary("a")
        reason.state = .reauthorizationRequired("")
        for entry in [digest, reason] {
            #expect(await failure { try await vault.insert(entry, try holding([:])) } == .unsafe)
        }
        #expect(try await vault.verify().faults == [])
    }

    @Test func takesEntriesUpToOneMebibyteAndNoLarger() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        try await vault.insert("a", token: String(repeating: "x", count: 1_000_000))
        #expect(try await vault.token("a")?.utf8.count == 1_000_000)
        #expect(
            await failure { try await vault.insert("b", token: String(repeating: "x", count: 1_048_576)) } == .unsafe
        )
        #expect(await failure { try await vault.setToken("a", String(repeating: "x", count: 1_048_576)) } == .unsafe)
        #expect(try await vault.token("a")?.utf8.count == 1_000_000)
    }
}

/// In a process of its own, since it takes all memory for secrets.
struct ExhaustedMemoryTests {
    @Test func havingNoMemoryForSecretsIsNoDamage() async {
        await #expect(processExitsWith: .success) {
            let place = try TestVault()
            let vault = try await place.create()
            try await vault.insert("a", token: "kept")
            var hoard: [SharedSecret] = []
            while let one = try? SecretBytes(zeroed: 1) { hoard.append(SharedSecret(one)) }
            #expect(hoard.count > 500)
            #expect(await failure { _ = try await vault.token("a") } == .unavailable)
            #expect(await failure { _ = try await vault.list() } == .unavailable)
            #expect(await failure { _ = try await vault.verify() } == .unavailable)
            hoard.removeAll()
            #expect(try await vault.token("a") == "kept")
        }
    }
}
