import Foundation
import KeyCustody
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

/// Which machine refreshes an entry, where two share a directory.
struct RefresherTests {
    @Test func holdsElsewhereWhatOneMachineWasGiven() async throws {
        let shared = try await SharedDirectory()
        let a = try await shared.a.open()
        try await a.insertGrant("work")
        try await a.insert("plain")
        try await a.insertGrant("robot") { $0.grantType = "client_credentials" }
        try shared.copy()
        let b = try await shared.b.open()
        #expect(try await a.list().entries.map(\.state) == [.active, .active, .active])
        #expect(try await b.state("work") == .held(.otherMachine))
        #expect(try await b.state("plain") == .active)
        #expect(try await b.state("robot") == .active)
        #expect(try await b.list().entries.map(\.state) == [.active, .active, .held(.otherMachine)])
        let read = try await b.read(try name("work"))
        #expect(read.summary.state == .held(.otherMachine) && read.secrets.text(.accessToken) == "access-0")
        #expect(try await b.verify().entries.contains { $0.state == .held(.otherMachine) })
    }

    @Test(arguments: [EntryState.active, .suspect, .held(.secondOwner)])
    func neverSealsWhereItWasLookedAt(state: EntryState) async throws {
        let shared = try await SharedDirectory()
        let a = try await shared.a.open()
        try await a.insertGrant("work") { $0.state = state }
        try shared.copy()
        let before = try shared.a.files()
        let b = try await shared.b.open()
        try await b.update(try name("work")) { (summary, _) throws(VaultError) in
            #expect(summary.state == .held(.otherMachine))
            summary.hosts = ["api.example"]
        }
        try await b.rename(try name("work"), to: try name("job"))
        try shared.sync(since: before)
        let seen = try await a.summary(of: try name("job"))
        #expect(seen.state == state && seen.hosts == ["api.example"])
        #expect(try await b.state("job") == .held(.otherMachine))
        try await a.rename(try name("job"), to: try name("work"))
        #expect(try await a.state("work") == state)
    }

    @Test(arguments: ["held otherMachine", "held conflict"])
    func refusesASealedStateThatFollowsFromTheLook(text: String) throws {
        #expect(EntryState(encoded: text) == nil)
        #expect(EntryState(encoded: "held restored") == .held(.restored))
    }

    @Test(arguments: [EntryState.held(.restored), .reauthorizationRequired("invalid_grant")])
    func leavesWorseAsItIs(state: EntryState) async throws {
        let shared = try await SharedDirectory()
        try await shared.a.open().insertGrant("work") { $0.state = state }
        try shared.copy()
        #expect(try await shared.b.open().state("work") == state)
    }

    @Test func movesWithANewGrantAndWithNothingElse() async throws {
        let shared = try await SharedDirectory()
        let a = try await shared.a.open()
        try await a.insertGrant("work")
        let mark = try await a.summary(of: try name("work")).refresher
        #expect(mark?.count == 16)
        try shared.copy()
        var before = try shared.a.files()
        let b = try await shared.b.open()
        try await b.setToken("work", "another access token")
        try await b.rename(try name("work"), to: try name("job"))
        #expect(try await b.summary(of: try name("job")).refresher == mark)
        try await b.renew("job", 1, issued: 10)
        try shared.sync(since: before)
        #expect(try await b.state("job") == .active)
        #expect(try await a.state("job") == .held(.otherMachine))
        before = try shared.a.files()
        try await a.update(try name("job")) { (summary, _) throws(VaultError) in try a.claim(&summary) }
        try shared.sync(since: before)
        #expect(try await a.summary(of: try name("job")).refresher == mark)
        #expect(try await a.state("job") == .active)
        #expect(try await b.state("job") == .held(.otherMachine))
    }

    @Test func survivesANewDataKey() async throws {
        let shared = try await SharedDirectory()
        let a = try await shared.a.open()
        try await a.insertGrant("work")
        try await a.rotate(try await a.prepareRotation(), issuesRecoveryCode: false, derivation: cheap)
        #expect(try await a.state("work") == .active)
        try shared.copy()
        #expect(try await shared.b.open().state("work") == .held(.otherMachine))
    }

    @Test func namesNobodyWhereALeaseIsEnough() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        let made = try await vault.insertGrant("work")
        #expect(made.refresher == nil && !vault.isRefreshedElsewhere(made))
        try await vault.renew("work", 1, issued: 1)
        #expect(try await vault.summary(of: try name("work")).refresher == nil)
        #expect(try await vault.claimUnnamed() == 0)
    }

    @Test func claimsWhatNobodyIsNamedFor() async throws {
        let shared = try await SharedDirectory()
        let a = try await shared.a.open()
        try await a.insertGrant("work")
        try await a.insertGrant("home", refresh: "other")
        try await a.update(try name("work")) { (summary, _) throws(VaultError) in summary.refresher = nil }
        #expect(try await a.state("work") == .held(.otherMachine))
        #expect(try await a.claimUnnamed() == 1)
        #expect(try await a.state("work") == .active)
        #expect(try await a.claimUnnamed() == 0)
    }
}

/// What two machines do to one vault between two meetings.
struct DirectoryMergeTests {
    @Test func mergesChangesToDifferentEntries() async throws {
        let shared = try await SharedDirectory()
        let a = try await shared.a.open()
        for text in ["one", "two", "three"] { try await a.insert(text) }
        try shared.copy()
        let before = try shared.a.files()
        let b = try await shared.b.open()
        try await a.setToken("one", "from a")
        try await b.setToken("two", "from b")
        try await b.insert("four", token: "new")
        try await a.remove("three")
        #expect(try shared.sync(since: before).isEmpty)
        for vault in [a, b] {
            #expect(try await vault.names() == ["oauth:four", "oauth:one", "oauth:two"])
            #expect(try await vault.token("one") == "from a")
            #expect(try await vault.token("two") == "from b")
            #expect(try await vault.list().faults.isEmpty)
            #expect(try await vault.conflicts().isEmpty)
        }
        #expect(try await shared.a.open().state("one") == .active)
    }

    @Test func keepsAChangeThatMeetsADeletion() async throws {
        let shared = try await SharedDirectory()
        let a = try await shared.a.open()
        try await a.insert("one")
        try shared.copy()
        let before = try shared.a.files()
        let b = try await shared.b.open()
        try await a.remove("one")
        try await b.setToken("one", "kept")
        try shared.sync(since: before)
        #expect(try await a.token("one") == "kept")
        #expect(try await b.token("one") == "kept")
        #expect(try await a.conflicts().isEmpty)
    }

    /// Who may write the directory has no key, and can make another kind of store of what is in it.
    @Test func refusesADatabaseThatWasPutInItsPlace() async throws {
        let shared = try await SharedDirectory()
        let a = try await shared.a.open()
        try await a.insertGrant("work")
        try shared.copy()
        let place = shared.b.location.directory
        let database = try await SQLiteStore.create(
            in: place,
            locks: shared.b.place,
            header: try await a.store.header()
        )
        let records = try await a.store.records(after: nil, limit: 64)
        try await database.commit(records.map { .put($0, replacing: nil) }, ifHeaderGeneration: 1)
        #expect(await failure { _ = try await shared.b.open() } == .unsafe)
        for name in try FileManager.default.contentsOfDirectory(atPath: place) where name.hasPrefix("vault.sqlite") {
            try FileManager.default.removeItem(atPath: shared.b.path(name))
        }
        #expect(try await shared.b.open().state("work") == .held(.otherMachine))
    }

    @Test func saysWhatAChangeUnderAReplacedKeyIs() async throws {
        let shared = try await SharedDirectory()
        let a = try await shared.a.open()
        try await a.insert("one")
        try await a.insert("two")
        try shared.copy()
        let before = try shared.a.files()
        let b = try await shared.b.open()
        try await a.rotate(try await a.prepareRotation(), issuesRecoveryCode: false, derivation: cheap)
        try await b.setToken("two", "under the old key")
        try shared.sync(since: before)
        for vault in [a, try await shared.b.open()] {
            let listing = try await vault.verify()
            #expect(listing.entries.map(\.name.name) == ["one", "two"])
            #expect(listing.faults.count == 1)
            #expect(listing.faults.first?.contains("sealed under another data key") == true)
            #expect(try await vault.token("two") == "not-a-token")
        }
        let old = try #require(try shared.a.files().keys.first { before[$0] != nil && $0.hasPrefix("entries/") })
        #expect(try shared.b.files()[old] == shared.a.files()[old])
        // It may be the last of its kind.
        let bytes = try #require(try shared.a.files()[old])
        try await a.discard(String(old.suffix(64).prefix(12)))
        #expect(try shared.a.setAside() == [bytes] && shared.a.files()[old] == nil)
    }
}

/// Two versions of one entry.
struct DirectoryConflictTests {
    /// Two machines that have both changed the entry, and have met since; the second one's tokens were issued later.
    private func conflict(
        _ text: String = "work"
    ) async throws -> (shared: SharedDirectory, a: Vault, b: Vault, copy: String) {
        let shared = try await SharedDirectory()
        let a = try await shared.a.open()
        try await a.insertGrant(text)
        try await a.insert("quiet")
        try shared.copy()
        let before = try shared.a.files()
        let b = try await shared.b.open()
        try await a.renew(text, 1, issued: 100)
        try await a.setToken(text, "access-1")
        try await b.renew(text, 2, issued: 200)
        let copies = try shared.sync(since: before)
        try #require(copies.count == 1)
        return (shared, a, b, copies[0])
    }

    @Test func noticesAndShowsBoth() async throws {
        let (shared, a, b, copy) = try await conflict()
        for vault in [a, b, try await shared.a.open()] {
            #expect(try await vault.state("work") == .held(.conflict))
            #expect(try await vault.list().entries.map(\.state) == [.active, .held(.conflict)])
            #expect(try await vault.token("work") == "access-2")
            #expect(try await vault.verify().faults.isEmpty)
            let report = try await vault.conflicts()
            let found = try #require(report.entries.first)
            #expect(report.entries.count == 1 && report.headers.isEmpty && report.faults.isEmpty)
            #expect(found.name.name == "work" && found.versions.map(\.number) == [1, 2])
            #expect(found.versions.map(\.isInPlace) == [true, false] && found.latest.number == 2)
            #expect(found.versions[1].file.hasSuffix(copy))
            #expect(found.versions.map(\.summary.state) == [.active, .active])
        }
        let (mine, theirs) = (try await a.conflicts().entries[0], try await b.conflicts().entries[0])
        #expect(mine.versions.map(\.refresher) == [.thisMachine, .anotherMachine])
        #expect(theirs.versions.map(\.refresher) == [.anotherMachine, .thisMachine])
    }

    @Test func resolvesByIssueAndLosesNothing() async throws {
        let (shared, a, b, copy) = try await conflict()
        let before = try shared.a.files()
        let place = copy.components(separatedBy: ".sync-conflict")[0]
        let done = try await a.resolve(try name("work"), keeping: .latest)
        #expect(done.kept.number == 2 && !done.isOlder && done.setAside == shared.a.path("set-aside"))
        #expect(done.summary.generation > done.kept.summary.generation)
        #expect(Set(try shared.a.setAside()) == Set([before[place], before[copy]].compactMap { $0 }))
        #expect(try await a.token("work") == "access-2")
        #expect(try await a.conflicts().isEmpty)
        // The machine that obtained it refreshes it.
        #expect(try await a.state("work") == .held(.otherMachine))
        try shared.sync(since: before)
        #expect(try await b.state("work") == .active)
        #expect(try await b.token("work") == "access-2")
        #expect(try await shared.b.open().state("work") == .active)
    }

    @Test(arguments: [true, false])
    func resolvesAsThePersonSays(byFile: Bool) async throws {
        let (shared, a, b, _) = try await conflict()
        let before = try shared.a.files()
        let first = try await b.conflicts().entries[0].versions[0]
        let done = try await b.resolve(try name("work"), keeping: .named(byFile ? first.file : "1"))
        #expect(done.kept.file == first.file && done.isOlder)
        #expect(try await b.token("work") == "access-1")
        #expect(try await b.state("work") == .held(.otherMachine))
        try shared.sync(since: before)
        #expect(try await a.token("work") == "access-1")
        #expect(try await a.state("work") == .active)
        #expect(try await a.conflicts().isEmpty)
    }

    @Test func refusesWhatItCannotTell() async throws {
        let (shared, a, _, _) = try await conflict()
        let before = try shared.a.files()
        for text in ["3", "0", "nowhere", ""] {
            #expect(await failure { _ = try await a.resolve(try name("work"), keeping: .named(text)) } == .notFound)
        }
        #expect(await failure { _ = try await a.resolve(try name("quiet"), keeping: .latest) } == .notFound)
        #expect(await failure { try await a.rename(try name("work"), to: try name("job")) } == .unsafe)
        #expect(try shared.a.files() == before && shared.a.setAside().isEmpty)
    }

    @Test func settlesByItselfWhatSaysTheSame() async throws {
        let (shared, a, b, _) = try await conflict()
        let before = try shared.a.files()
        // Both machines decide alike while they are apart, and seal the same contents twice.
        _ = try await a.resolve(try name("work"), keeping: .latest)
        _ = try await b.resolve(try name("work"), keeping: .latest)
        #expect(try shared.sync(since: before).count == 1)
        #expect(try await a.state("work") == .held(.otherMachine))
        #expect(try await b.state("work") == .active)
        #expect(try await a.conflicts().isEmpty)
        let files = try shared.a.files().count
        let again = try await shared.a.open()
        #expect(try shared.a.files().count == files - 1)
        #expect(try await again.state("work") == .held(.otherMachine))
    }

    @Test func removesAnEntryWithAllItsVersions() async throws {
        let (shared, a, _, _) = try await conflict()
        try await a.remove("work")
        #expect(try await a.names() == ["oauth:quiet"])
        #expect(try await a.conflicts().isEmpty)
        #expect(try shared.a.setAside().count == 1)
    }

    /// Whoever has refreshed it got tokens for those that were imported, whoever has edited it later.
    @Test func takesARefreshForLaterThanWhatWasImported() async throws {
        let shared = try await SharedDirectory()
        let a = try await shared.a.open()
        try await a.insertGrant("work") { $0.issuedAt = nil }
        try shared.copy()
        let before = try shared.a.files()
        let b = try await shared.b.open()
        try await a.renew("work", 1, issued: 100)
        try await b.update(try name("work")) { (summary, _) throws(VaultError) in summary.metadata = ["team": "x"] }
        try shared.sync(since: before)
        for vault in [a, b] {
            #expect(try await vault.token("work") == "access-1")
            #expect(try await vault.conflicts().entries.map(\.latest.number) == [1])
        }
    }

    /// Neither is the one that was seen last.
    @Test func holdsAChoiceBetweenOldVersions() async throws {
        let (shared, a, _, copy) = try await conflict()
        let place = copy.components(separatedBy: ".sync-conflict")[0]
        let old = try #require(try shared.a.files()[place])
        let other = try #require(try shared.a.files()[copy])
        _ = try await a.resolve(try name("work"), keeping: .latest)
        try await a.setToken("work", "newest")
        try shared.a.write(place, old)
        try shared.a.write(copy, other)
        let done = try await a.resolve(try name("work"), keeping: .latest)
        #expect(done.summary.state == .held(.rolledBack))
        #expect(try await shared.a.open().state("work") != .active)
    }

    @Test(arguments: [
        "%.txt", "entries/% (conflicted copy)", "entries (1)/@/%", "entries/@ (conflicted copy)/%",
        "entries (conflicted copy)/@ (1)/% (2)",
    ])
    func findsVersionsOutsideOfTheirPlace(_ pattern: String) async throws {
        let (shared, a, _, copy) = try await conflict()
        let place = copy.components(separatedBy: ".sync-conflict")[0]
        let hash = String(place.suffix(64))
        let bytes = try #require(try shared.a.files()[copy])
        try FileManager.default.removeItem(atPath: shared.a.path(copy))
        #expect(try await a.state("work") == .active)
        let path = pattern.replacingOccurrences(of: "%", with: hash)
            .replacingOccurrences(of: "@", with: String(hash.prefix(2)))
        try shared.a.write(path, bytes)
        for vault in [a, try await shared.a.open()] {
            #expect(try await vault.state("work") == .held(.conflict))
            #expect(try await vault.list().entries.map(\.state) == [.active, .held(.conflict)])
            #expect(try await vault.token("work") == "access-2")
        }
        _ = try await a.resolve(try name("work"), keeping: .latest)
        #expect(try await a.conflicts().isEmpty)
        #expect(try await a.token("work") == "access-2")
        #expect(try shared.a.files()[path] == nil && shared.a.setAside().count == 2)
        try await a.rotate()
    }

    @Test func leavesWhatDoesNotOpenAlone() async throws {
        let (shared, a, _, copy) = try await conflict()
        let stranger = try await SharedDirectory()
        try await stranger.a.open().insertGrant("work")
        let foreign = try #require(try stranger.a.files().first { $0.key.hasPrefix("entries/") })
        let name = "\(foreign.key).sync-conflict-20270115-080001-ABCDEFG"
        try shared.a.write(name, foreign.value)
        let before = try shared.a.files()
        let report = try await a.conflicts()
        #expect(report.faults.count == 1 && report.faults[0].contains(name) && report.entries.count == 1)
        #expect(try await a.list().faults.count == 1)
        #expect(try await a.verify().faults.count == 1)
        _ = try await a.resolve(try VaultCoreTests.name("work"), keeping: .latest)
        _ = try await shared.a.open()
        #expect(try shared.a.files()[name] == foreign.value && before[copy] != nil)
    }

    @Test func bringsBackAVersionThatIsNotInItsPlace() async throws {
        let (shared, a, _, copy) = try await conflict()
        try FileManager.default.removeItem(atPath: shared.a.path(copy.components(separatedBy: ".sync-conflict")[0]))
        #expect(try await a.names() == ["oauth:quiet"])
        #expect(try await a.conflicts().entries.map(\.versions.count) == [1])
        let done = try await a.resolve(try name("work"), keeping: .latest)
        #expect(try await a.token("work") == "access-2" && done.kept.number == 1)
    }

    @Test func showsWhatSetsAnotherHeaderApart() async throws {
        let shared = try await SharedDirectory()
        let before = try shared.a.files()
        let (a, b) = (try await shared.a.open(), try await shared.b.open())
        try await a.insert("one")
        _ = try await a.addSlot(NewSlot(.passphrase, derivation: cheap))
        _ = try await b.addSlot(NewSlot(.passphrase, derivation: cheap))
        #expect(try shared.sync(since: before) == ["header.sync-conflict-20270115-080000-ABCDEFG"])
        let report = try await a.conflicts()
        let header = try #require(report.headers.first)
        #expect(header.added.count == 1 && header.missing.count == 1 && !header.isForeign && header.generation == 2)
        // The machine whose change lost sees another header of the same generation, and takes it when it is told to.
        #expect(await failure { _ = try await shared.b.open() } == .damaged)
        let accepted = try await shared.b.open(acceptingRollback: true)
        #expect(try await accepted.names() == ["oauth:one"])
        #expect(try await accepted.conflicts().headers.count == 1)
        #expect(try shared.b.files().keys.contains { $0.hasPrefix("header.sync") })
    }

    @Test func putsTheListsOfAKeptFileTogether() async throws {
        let shared = try await SharedDirectory()
        let a = try await shared.a.open()
        let bytes = Array("a file of two grants".utf8)
        let digest = bytes.withUnsafeBytes { VaultCrypto.sha256($0) }
        try await a.keepOriginal(try VaultCoreTests.shared(bytes), sha256: digest)
        try shared.copy()
        let before = try shared.a.files()
        let b = try await shared.b.open()
        func source(_ pointer: String) -> EntrySource {
            EntrySource(path: "/home/u/f", sha256: digest, pointer: pointer, format: "generic")
        }
        try await a.insertGrant("one") { $0.source = source("/a") }
        try await b.insertGrant("two") { $0.source = source("/b") }
        #expect(try shared.sync(since: before).count == 1)
        let joined = try await shared.a.open()
        #expect(try await joined.conflicts().isEmpty)
        try await joined.remove("one")
        #expect(try await joined.original(sha256: digest)?.revealed == bytes)
        try await joined.remove("two")
        #expect(try await joined.original(sha256: digest) == nil)
    }

    @Test func chooosesAStaticSecretToo() async throws {
        let shared = try await SharedDirectory()
        let a = try await shared.a.open()
        let secretName = try EntryName(parsing: "static:key")
        _ = try await a.put(EntrySummary(name: secretName, createdAt: noon), try holding([.secret: "old"]))
        try shared.copy()
        let before = try shared.a.files()
        let b = try await shared.b.open()
        _ = try await a.put(EntrySummary(name: secretName, createdAt: noon), try holding([.secret: "a"]))
        _ = try await b.put(EntrySummary(name: secretName, createdAt: noon), try holding([.secret: "b"]))
        #expect(try shared.sync(since: before).count == 1)
        #expect(try await a.summary(of: secretName).state == .held(.conflict))
        _ = try await a.resolve(secretName, keeping: .named("2"))
        #expect(try await a.read(secretName).secrets.text(.secret) == "b")
        #expect(try await a.summary(of: secretName).state == .active)
    }
}
