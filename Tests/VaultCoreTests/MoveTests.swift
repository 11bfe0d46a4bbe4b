import Foundation
import Glibc
import KeyCustody
import Synchronization
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

/// Moving a vault from one store into another.
@Suite(.serialized)
struct MoveTests {
    /// From where, and to where.
    enum Way: String, CaseIterable {
        case intoDirectory, intoDatabase, betweenDirectories

        func ends(_ place: TestVault) -> (from: StoreAddress, to: StoreAddress) {
            let (first, second) = (StoreAddress.directory(place.place("first")), place.place("second"))
            switch self {
            case .intoDirectory: return (.sqlite, .directory(second))
            case .intoDatabase: return (first, .sqlite)
            case .betweenDirectories: return (first, .directory(second))
            }
        }
    }

    private static func made(
        in address: (TestVault) -> StoreAddress = { _ in .sqlite },
        _ count: Int = 3
    ) async throws -> (place: TestVault, vault: Vault) {
        let place = try TestVault()
        let vault = try await Vault.create(
            place.location,
            in: address(place),
            slots: [NewSlot(.passphrase, derivation: cheap)],
            custodians: place.custodians()
        )
        for number in 0..<count { try await vault.insert("e\(number)", token: "token \(number)") }
        return (place, vault)
    }

    private static func expectAll(
        _ vault: Vault,
        _ tokens: [String: String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let listing = try await vault.verify()
        #expect(listing.faults == [], sourceLocation: sourceLocation)
        #expect(
            listing.entries.map(\.name.description) == tokens.keys.map { "oauth:\($0)" }.sorted(),
            sourceLocation: sourceLocation
        )
        for (name, token) in tokens {
            #expect(try await vault.token(name) == token, sourceLocation: sourceLocation)
        }
        #expect(listing.entries.allSatisfy { $0.state == .active }, sourceLocation: sourceLocation)
    }

    private static let three = ["e0": "token 0", "e1": "token 1", "e2": "token 2"]

    private static func all(_ store: any RecordStore) async throws -> [StoredRecord] {
        try await store.records(after: nil, limit: 1000)
    }

    @Test(arguments: Way.allCases, [0, 1, 70])
    func bringsEveryRecordByteForByte(_ way: Way, _ count: Int) async throws {
        let (place, vault) = try await Self.made(in: { way.ends($0).from }, count)
        let (before, generation) = (try await Self.all(vault.store), vault.current.header.generation)
        let (from, to) = way.ends(place)
        let report = try await vault.move(to: to)
        #expect(report.from == from && report.to == to && !report.wasResumed && report.keepsOld)
        #expect(report.records == before.count && before.count == count)
        #expect(try place.location.storeAddress() == to)
        #expect(try await Self.all(vault.store) == before)
        let tokens = Dictionary(uniqueKeysWithValues: (0..<count).map { ("e\($0)", "token \($0)") })
        try await Self.expectAll(vault, tokens)
        let next = try await place.open()
        try await Self.expectAll(next, tokens)
        #expect(next.current.header.generation > generation + 1 && next.current.header.phase == .steady)
        try await next.insert("later", token: "l")
        #expect(try await vault.token("later") == "l")
        // What it was in is as it was, but that nobody uses it.
        let old = try await ClosedVault.open(from, for: place.location)
        #expect(old.movedTo == "\(to)" && old.id == vault.id)
        #expect(try await Self.all(old.store) == before)
        try await next.removeRemains(at: from)
        #expect(await failure { _ = try await ClosedVault.open(from, for: place.location) } == .notFound)
        try await Self.expectAll(try await place.open(), tokens.merging(["later": "l"]) { $1 })
    }

    // MARK: Cut off

    @Test(arguments: Way.allCases, [false, true])
    func goesOnWhereverItIsCutOff(_ way: Way, _ survivingLast: Bool) async throws {
        var stages: Set<String> = []
        // Every call one way; the others differ in their stores only.
        for calls in stride(from: 0, to: 10_000, by: way == .intoDirectory ? 1 : 3) {
            let (place, _) = try await Self.made(in: { way.ends($0).from })
            let to = way.ends(place).to
            let life = Life(calls, survivingLast: survivingLast)
            do {
                try await place.move(to: to, life)
                break
            } catch {
                try #require(life.isOver, "\(error)")
            }
            var tokens = Self.three
            do {
                // Whoever comes finds all of the old vault or all of the new one, and can write.
                let next = try await place.open()
                try await Self.expectAll(next, tokens)
                try await next.setToken("e1", "changed")
                try await next.remove("e2")
                try await next.insert("new", token: "n")
                tokens = ["e0": "token 0", "e1": "changed", "new": "n"]
                stages.insert(try place.location.storeAddress() == to ? "new" : "old")
            } catch let error as VaultError where error.isVaultMoved {
                #expect(error.code == .configuration)
                #expect(error.hint?.contains("vault store migrate --to \(to)") == true)
                stages.insert("between")
            }
            if try place.location.storeAddress() != to {
                let report = try await place.openForMove().move(to: to)
                #expect(report.to == to)
            }
            #expect(try place.location.storeAddress() == to)
            try await Self.expectAll(try await place.open(), tokens)
        }
        #expect(
            way == .intoDirectory ? stages == ["old", "between", "new"] : stages.isSuperset(of: ["old", "between"])
        )
    }

    /// A vault whose move was cut off in that stage.
    ///
    /// - Parameter first: Where to begin looking for the stage; there it will be left by the next.
    private static func cutOff(
        _ way: Way,
        complete: Bool,
        from first: inout Int
    ) async throws -> (place: TestVault, to: StoreAddress) {
        for calls in first..<1000 {
            first = calls
            let (place, _) = try await made(in: { way.ends($0).from })
            let to = way.ends(place).to
            do {
                try await place.move(to: to, Life(calls))
                break
            } catch {}
            guard try await ClosedVault.open(place.location).movedTo != nil else { continue }
            if try await ClosedVault.open(to, for: place.location).isArriving != complete { return (place, to) }
        }
        throw VaultError(.failed, "no move was ever cut off there")
    }

    private static func cutOff(_ way: Way, complete: Bool) async throws -> (place: TestVault, to: StoreAddress) {
        var first = 0
        return try await cutOff(way, complete: complete, from: &first)
    }

    @Test(arguments: Way.allCases)
    func goesBackWhereverThatIsCutOff(_ way: Way) async throws {
        var (isDone, stage) = (false, 0)
        // Every call one way; the others differ in their stores only.
        for calls in stride(from: 0, to: 10_000, by: way == .intoDirectory ? 1 : 5) {
            let (place, to) = try await Self.cutOff(way, complete: false, from: &stage)
            do {
                try await place.takeBack(from: to, Life(calls))
                isDone = true
            } catch {
                // As long as it is not taken back, it can still be; afterwards what is left at the place is removed.
                try await place.takeBack(from: to, Life(1000))
            }
            #expect(try place.location.storeAddress() == way.ends(place).from)
            #expect(await failure { _ = try await ClosedVault.open(to, for: place.location) } == .notFound)
            let vault = try await place.open()
            try await Self.expectAll(vault, Self.three)
            try await vault.insert("later", token: "l")
            // And then it moves after all.
            _ = try await vault.move(to: to)
            try await Self.expectAll(try await place.open(), Self.three.merging(["later": "l"]) { $1 })
            if isDone { break }
        }
        #expect(isDone)
    }

    @Test func aMoveThatIsCompleteIsNotTakenBack() async throws {
        let (place, to) = try await Self.cutOff(.intoDirectory, complete: true)
        let vault = try await place.openForMove()
        #expect(await failure { try await vault.takeBack() } == .failed)
        #expect(await failure { _ = try await place.open() } == .configuration)
        _ = try await vault.move(to: to)
        try await Self.expectAll(try await place.open(), Self.three)
        let moved = try await place.openForMove()
        #expect(await failure { try await moved.takeBack() } == .failed)
    }

    @Test func whoIsStillAtAMoveCannotEndItOnceItIsTakenBack() async throws {
        let (place, to) = try await Self.cutOff(.intoDirectory, complete: false)
        let slow = try await place.openForMove()
        let move = StoreMove(
            vault: slow.id,
            key: slow.current.key,
            source: slow.store,
            place: StoreMove.Place(to, for: slow.id, at: place.location),
            machine: slow.machineMark("vault move")
        )
        guard case .arriving(let target) = try await move.look(from: slow.current.header) else {
            Issue.record("there is no target")
            return
        }
        let frozen = slow.current.header
        try await place.takeBack(from: nil, Life(1000))
        await #expect(throws: (any Error).self) { _ = try await move.complete(target, from: frozen) }
        try await Self.expectAll(try await place.open(), Self.three)
    }

    @Test func anotherMachineNeitherEndsNorTakesBackWhatItCannotSee() async throws {
        let (place, to) = try await Self.cutOff(.intoDirectory, complete: false)
        var elsewhere = place.location
        elsewhere.stateBase = place.place("state of another")
        let vault = try await Vault.openForMove(elsewhere, with: place.custodians())
        #expect(await failure { _ = try await vault.move(to: to) } == .failed)
        #expect(await failure { try await vault.takeBack() } == .failed)
        _ = try await place.openForMove().move(to: to)
        try await Self.expectAll(try await place.open(), Self.three)
    }

    @Test func aMoveUnderWayHasOneGoal() async throws {
        let (place, to) = try await Self.cutOff(.intoDirectory, complete: false)
        let vault = try await place.openForMove()
        let other = StoreAddress.directory(place.place("third"))
        let error = await #expect(throws: VaultError.self) { _ = try await vault.move(to: other) }
        #expect(error?.code == .failed && error?.hint?.contains("--to \(to)") == true)
        #expect(!FileManager.default.fileExists(atPath: place.place("third")))
    }

    // MARK: Refused

    @Test func touchesNothingThatIsThereAlready() async throws {
        let (place, vault) = try await Self.made()
        let other = try await Vault.create(
            VaultLocation(
                directory: place.place("other"),
                stateBase: place.place("state"),
                configuration: place.place("config")
            ),
            in: .directory(place.place("taken")),
            slots: [NewSlot(.passphrase, derivation: cheap)],
            custodians: place.custodians()
        )
        try await other.insert("theirs", token: "t")
        try FileManager.default.createDirectory(atPath: place.place("full"), withIntermediateDirectories: false)
        try Data([1]).write(to: URL(filePath: place.place("full/notes")))
        #expect(chmod(place.place("full"), 0o700) == 0)
        let before = try place.files()
        for name in ["taken", "other", "full"] {
            #expect(await failure { _ = try await vault.move(to: .directory(place.place(name))) } == .failed, "\(name)")
        }
        #expect(await failure { _ = try await vault.move(to: .sqlite) } == .failed)
        #expect(await failure { try await vault.takeBack() } == .failed)
        #expect(await failure { try await vault.removeRemains(at: .sqlite) } == .unsafe)
        #expect(await failure { try await vault.removeRemains(at: .directory(place.place("taken"))) } == .unsafe)
        let after = try place.files()
        #expect(after.filter { !$0.key.hasPrefix("state/") } == before.filter { !$0.key.hasPrefix("state/") })
        try await Self.expectAll(try await place.open(), Self.three)
    }

    /// What is at the goal says that the move is complete, and none of the vault's keys vouches for it.
    @Test func removesNothingForAForgedGoal() async throws {
        let (place, vault) = try await Self.made()
        let goal = StoreAddress.directory(place.place("second"))
        _ = try await vault.move(to: goal)
        // As if it had been cut off before its last step.
        try place.location.point(to: nil)
        let there = try await ClosedVault.open(goal, for: place.location)
        var forged = there.header
        forged.generation += 100
        try await there.store.replaceHeader(
            StoredHeader(generation: forged.generation, bytes: forged.encoded(under: try DataKey.random())),
            ifGeneration: there.header.generation
        )
        for record in try await Self.all(there.store) {
            try await there.store.commit(
                [.delete(record.id, generation: record.generation)],
                ifHeaderGeneration: forged.generation
            )
        }
        let resumed = try await Vault.openForMove(place.location, with: place.custodians())
        #expect(await failure { _ = try await resumed.move(to: goal, removingOld: true) } == .damaged)
        #expect(try await Self.all(resumed.store).count == 3)
        #expect(try place.location.storeAddress() == .sqlite)
    }

    @Test func aCopyStaysWhereItIs() async throws {
        let (place, vault) = try await Self.made()
        try place.copy("vault", to: "copy")
        var there = place.location
        there.directory = place.place("copy")
        let copy = try await Vault.openForMove(there, with: place.custodians())
        #expect(await failure { _ = try await copy.move(to: .directory(place.place("second"))) } == .unsafe)
        try await Self.expectAll(vault, Self.three)
    }

    @Test func goesBackToWhereItWasMovedAwayFrom() async throws {
        let (place, vault) = try await Self.made()
        let there = StoreAddress.directory(place.place("second"))
        _ = try await vault.move(to: there)
        try await vault.setToken("e1", "changed there")
        try await vault.remove("e0")
        _ = try await vault.move(to: .sqlite)
        try await Self.expectAll(vault, ["e1": "changed there", "e2": "token 2"])
        try await vault.setToken("e2", "changed here")
        // And again, with the other one left over this time.
        _ = try await vault.move(to: there, removingOld: true)
        try await Self.expectAll(try await place.open(), ["e1": "changed there", "e2": "changed here"])
        #expect(!FileManager.default.fileExists(atPath: place.place("vault/vault.sqlite")))
    }

    @Test func whatTheVaultLeftLongAgoIsInTheWay() async throws {
        let (place, vault) = try await Self.made()
        _ = try await vault.move(to: .directory(place.place("second")))
        _ = try await vault.move(to: .directory(place.place("third")))
        #expect(await failure { _ = try await vault.move(to: .sqlite) } == .failed)
        try await vault.removeRemains(at: .sqlite)
        _ = try await vault.move(to: .sqlite)
        try await Self.expectAll(try await place.open(), Self.three)
    }

    // MARK: Others at work

    /// What a writer has been told is written.
    private final class Written: Sendable {
        let tokens = Mutex<[String: String]>([:])
        let isOver = Mutex(false)
    }

    @Test(arguments: Way.allCases)
    func losesNothingThatOthersWriteMeanwhile(_ way: Way) async throws {
        let (place, vault) = try await Self.made(in: { way.ends($0).from }, 8)
        let to = way.ends(place).to
        let written = Written()
        for number in 0..<8 { written.tokens.withLock { $0["e\(number)"] = "token \(number)" } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<4 {
                let vault = try await place.open()
                group.addTask {
                    var rest = 3
                    for round in 0... {
                        guard rest > 0 else { break }
                        if written.isOver.withLock({ $0 }) { rest -= 1 }
                        let name = "e\(writer + 4 * (round % 2))"
                        try await vault.setToken(name, "writer \(writer) \(round)")
                        written.tokens.withLock { $0[name] = "writer \(writer) \(round)" }
                        if round % 3 == 0 {
                            try await vault.insert("w\(writer)-\(round)", token: "new")
                            written.tokens.withLock { $0["w\(writer)-\(round)"] = "new" }
                        }
                    }
                    #expect(try vault.location.storeAddress() == to)
                }
            }
            // Even if it fails the writers must end.
            do { _ = try await vault.move(to: to) } catch { Issue.record(error) }
            written.isOver.withLock { $0 = true }
            try await group.waitForAll()
        }
        try await Self.expectAll(try await place.open(), written.tokens.withLock { $0 })
    }

    @Test func aSlotThatIsAddedMeanwhileGoesAlong() async throws {
        let (place, vault) = try await Self.made()
        let other = try await place.open()
        try await other.addSlot(NewSlot(.keyFile, keyFile: place.place("key")))
        // `vault` knows nothing of it yet.
        #expect(vault.current.header.slots.count == 1)
        _ = try await vault.move(to: .directory(place.place("second")))
        #expect(vault.slots.count == 2)
        #expect(try await place.open(nil).slots.count == 2)
        try await Self.expectAll(other, Self.three)
        try await other.setToken("e0", "after")
        #expect(try await vault.token("e0") == "after")
    }

    @Test func finishesARotationFirstAndExcludesAnother() async throws {
        let (place, vault) = try await Self.made()
        try await vault.breakOffRotation(after: 1)
        let lease = try await vault.rotationLease()
        #expect(
            await failure { _ = try await place.openForMove().move(to: .directory(place.place("second"))) }
                == .unavailable
        )
        lease.release()
        let mover = try await place.openForMove()
        _ = try await mover.move(to: .directory(place.place("second")))
        #expect(mover.current.oldKey == nil)
        try await Self.expectAll(try await place.open(), Self.three)
        try await mover.rotate()
        try await Self.expectAll(try await place.open(), Self.three)
    }

    @Test(arguments: Way.allCases)
    func aRefreshThatIsUnderWayLandsWhereTheVaultIs(_ way: Way) async throws {
        let (place, vault) = try await Self.made(in: { way.ends($0).from }, 0)
        let held = try holding([.accessToken: "old", .refreshToken: "RT-1"])
        try await vault.insert(try summary("grant"), held)
        // Its clock runs ahead, so that it does not wait for a move that in turn waits for it.
        let boot = Mutex<UInt64>(0)
        var options = Vault.Options()
        options.clock = VaultClock(bootTime: {
            boot.withLock {
                $0 += 60_000
                return $0
            }
        })
        let other = try await Vault.open(place.location, with: place.custodians(), options: options)
        let leased = try await other.lease(try name("grant"))
        let spent = try #require(try await leased.read().secrets.fingerprint(.refreshToken))
        try await leased.update { (summary, _) throws(VaultError) in
            summary.journal = RefreshJournal(
                spent: spent.bytes,
                startedAt: noon,
                sendBefore: 1,
                boot: [UInt8](repeating: 1, count: 16)
            )
        }
        let spill = try await leased.prepareSpill(for: spent)
        async let moved = vault.move(to: way.ends(place).to)
        // The answer comes when nobody can write any more.
        while try await ClosedVault.open(place.location).movedTo == nil { await Task.yield() }
        #expect(
            await failure {
                try await leased.update(orSpillInto: spill, spent: spent) { (summary, secrets) throws(VaultError) in
                    summary.journal = nil
                    do {
                        try secrets.set(.accessToken, to: try SecretBytes(Array("new".utf8)))
                        try secrets.set(.refreshToken, to: try SecretBytes(Array("RT-2".utf8)))
                    } catch {
                        throw VaultError(.unavailable, "\(error)")
                    }
                }
            } == .unavailable
        )
        spill.discard()
        #expect(try place.location.storeAddress() == way.ends(place).from)
        leased.release()
        _ = try await moved
        let entry = try await place.open().read(try name("grant"))
        #expect(entry.secrets.text(.accessToken) == "new" && entry.secrets.text(.refreshToken) == "RT-2")
        #expect(entry.summary.journal == nil && entry.summary.state == .active)
        #expect(try place.files(below: "state").keys.filter { $0.contains("/spill/") }.isEmpty)
    }

    @Test func grantsAreRefreshedHereAfterAMoveToADirectory() async throws {
        let (place, vault) = try await Self.made(0)
        let held = try holding([.accessToken: "a", .refreshToken: "r"])
        try await vault.insert(try summary("grant"), held)
        #expect(try await vault.summary(of: try name("grant")).refresher == nil)
        _ = try await vault.move(to: .directory(place.place("second")))
        let moved = try await place.open().summary(of: try name("grant"))
        #expect(moved.refresher == vault.refresherMark && moved.state == .active)
    }

    // MARK: Using

    /// Another machine, as far as a vault can tell.
    private static func elsewhere(_ place: TestVault) -> VaultLocation {
        VaultLocation(
            directory: place.place("elsewhere"),
            stateBase: place.place("state elsewhere"),
            configuration: place.place("config elsewhere")
        )
    }

    @Test func anotherMachineUsesTheSameStore() async throws {
        let (place, vault) = try await Self.made(in: { .directory($0.place("shared")) })
        let there = Self.elsewhere(place)
        let shared = StoreAddress.directory(place.place("shared"))
        #expect(
            await failure { _ = try await Vault.use(shared, at: there, with: place.custodians("wrong")) } == .wrongKey
        )
        #expect(try !there.holdsVault())
        let other = try await Vault.use(shared, at: there, with: place.custodians())
        #expect(other.id == vault.id && other.original == nil)
        try await other.setToken("e0", "from there")
        #expect(try await vault.token("e0") == "from there")
        // It was moved on; that machine is told, and follows.
        let third = StoreAddress.directory(place.place("third"))
        _ = try await vault.move(to: third)
        let error = await #expect(throws: VaultError.self) { try await other.setToken("e0", "lost?") }
        #expect(error?.code == .configuration && error?.hint?.contains("vault store use \(third)") == true)
        #expect(await failure { _ = try await Vault.open(there, with: place.custodians()) } == .configuration)
        _ = try await Vault.use(third, at: there, with: place.custodians())
        try await Vault.open(there, with: place.custodians()).setToken("e0", "there again")
        try await Self.expectAll(vault, Self.three.merging(["e0": "there again"]) { $1 })
    }

    @Test func aDirectoryThatHasAVaultIsNotGivenAnother() async throws {
        let (place, _) = try await Self.made(in: { .directory($0.place("shared")) })
        let shared = StoreAddress.directory(place.place("shared"))
        let own = try await Vault.create(
            Self.elsewhere(place),
            slots: [NewSlot(.passphrase, derivation: cheap)],
            custodians: place.custodians()
        )
        #expect(
            await failure { _ = try await Vault.use(shared, at: own.location, with: place.custodians()) } == .failed
        )
        #expect(try own.location.storeAddress() == .sqlite)
        #expect(
            await failure { _ = try await Vault.use(.sqlite, at: place.location, with: place.custodians()) }
                == .notFound
        )
        // A line that cannot be read is written anew.
        try Data("?".utf8).write(to: URL(filePath: place.place("vault/store")))
        #expect(await failure { _ = try await place.open() } == .configuration)
        _ = try await Vault.use(shared, at: place.location, with: place.custodians())
        try await Self.expectAll(try await place.open(), Self.three)
    }

    @Test func theTargetOfAnUnfinishedMoveIsNoVault() async throws {
        let (place, to) = try await Self.cutOff(.intoDirectory, complete: false)
        let there = Self.elsewhere(place)
        #expect(await failure { _ = try await Vault.use(to, at: there, with: place.custodians()) } == .configuration)
        #expect(
            await failure { _ = try await ClosedVault.open(place.location).destroy(place.custodians()) }
                == .configuration
        )
        _ = try await place.openForMove().move(to: to)
        #expect(try await Vault.use(to, at: there, with: place.custodians()).names().count == 3)
    }

    @Test func destroyingTakesWhatAMoveHasLeft() async throws {
        let (place, vault) = try await Self.made()
        _ = try await vault.move(to: .directory(place.place("second")))
        let closed = try await ClosedVault.open(place.location)
        #expect(try await closed.remains() == [.sqlite])
        #expect(try await closed.destroy(place.custodians()) == [])
        #expect(try !place.location.holdsVault())
        #expect(!FileManager.default.fileExists(atPath: place.place("second/header")))
    }

    @Test func backupsGoFromAnyStoreIntoAnyOther() async throws {
        for (number, way) in Way.allCases.enumerated() {
            let (place, vault) = try await Self.made(in: { way.ends($0).from })
            let backup = place.place("backup \(number)")
            _ = try await vault.export(to: backup, passphrase: try secret("b"), derivation: cheap)
            let there = Self.elsewhere(place)
            let other = try await Vault.create(
                there,
                in: way.ends(place).to,
                slots: [NewSlot(.passphrase, derivation: cheap)],
                custodians: place.custodians()
            )
            let report = try await other.restore(
                from: backup,
                passphrase: try secret("b"),
                limits: cheapLimits,
                adopting: true
            )
            #expect(report.restored.count == 3)
            try await Self.expectAll(other, Self.three)
        }
    }
}
