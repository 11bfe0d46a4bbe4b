import Foundation
import KeyCustody
import Synchronization
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

extension Vault {
    /// Begins a rotation by hand and breaks it off after the header and `count` records.
    ///
    /// The slots of the new header open with `TestVault.passphrase` alone.
    func breakOffRotation(after count: Int) async throws {
        let session = current
        let key = try DataKey.random()
        let description = SlotDescription(newOf: .passphrase, derivation: cheap)
        let root = try custodians.passphrase.enroll(description, using: try secret(TestVault.passphrase))
        var header = session.header
        header.slots = [HeaderSlot(try key.wrap(under: root, as: description, vault: id, createdAt: noon, path: ""))]
        header.oldDataKey = try key.seal(old: session.key)
        header.generation += 1
        let stored = StoredHeader(generation: header.generation, bytes: header.encoded(under: key))
        try await store.replaceHeader(stored, ifGeneration: session.header.generation)
        for record in try await store.records(after: nil, limit: count) {
            let raw = try openRaw(try identify(record, session))
            let moved = try raw.sealed(as: raw.binding, under: key)
            try await store.commit(
                [.put(moved, replacing: nil), .delete(record.id, generation: record.generation)],
                ifHeaderGeneration: header.generation
            )
            try await ledger.replace([(record.id, moved.id, moved.generation)])
        }
        try await remember([:])
    }

    func rotate(dropping: [String] = [], recoveryCode: Bool = false) async throws {
        let prepared = try await prepareRotation(dropping: dropping)
        try await rotate(prepared, issuesRecoveryCode: recoveryCode, derivation: cheap)
    }

    /// The lease that whoever rotates holds.
    func rotationLease() async throws -> Lease {
        let name = try #require(LeaseName(id.bytes))
        return try #require(try await store.tryLease(name))
    }
}

@Suite(.serialized)
struct RotationTests {
    private static func made(_ count: Int = 3) async throws -> (place: TestVault, vault: Vault) {
        let place = try TestVault()
        let vault = try await place.create()
        for number in 0..<count { try await vault.insert("e\(number)", token: "token \(number)") }
        return (place, vault)
    }

    private static func expectAll(_ vault: Vault, _ count: Int, sourceLocation: SourceLocation = #_sourceLocation)
        async throws
    {
        let listing = try await vault.verify()
        #expect(listing.faults == [], sourceLocation: sourceLocation)
        #expect(listing.entries.count == count, sourceLocation: sourceLocation)
        for number in 0..<count {
            #expect(try await vault.token("e\(number)") == "token \(number)", sourceLocation: sourceLocation)
        }
        #expect(listing.entries.allSatisfy { $0.state == .active }, sourceLocation: sourceLocation)
    }

    @Test(arguments: [0, 1, 33, 70])
    func sealsEveryEntryUnderTheNewKeyAndAnotherID(_ count: Int) async throws {
        let (place, vault) = try await Self.made(count)
        let (before, oldKey, oldHeader) = (try place.records(), vault.current.key, try place.header())
        try await vault.rotate()
        try await Self.expectAll(vault, count)
        try await Self.expectAll(try await place.open(), count)
        let after = try place.records()
        #expect(Set(after.map(\.id)).isDisjoint(with: before.map(\.id)))
        #expect(after.count == count)
        for record in after {
            #expect(try SealedRecord(record.sealed).name(vault: vault.id, under: oldKey) == nil)
        }
        let header = try Header(try place.header().bytes)
        #expect(header.phase == .steady)
        #expect(header.generation == oldHeader.generation + 2)
        #expect(!Header.isAuthentic(try place.header().bytes, under: oldKey))
        #expect(Set(header.slots.map(\.id)).isDisjoint(with: try Header(oldHeader.bytes).slots.map(\.id)))
    }

    // Broken off right after the header, within, and with only the last header to come.
    @Test(arguments: [0, 1, 32, 40])
    func theNextOpenerResumes(_ moved: Int) async throws {
        let (place, vault) = try await Self.made(40)
        try await vault.breakOffRotation(after: moved)
        #expect(try await ClosedVault.open(place.location).isRotating)
        let next = try await place.open()
        #expect(try await !ClosedVault.open(place.location).isRotating)
        try await Self.expectAll(next, 40)
        #expect(next.current.oldKey == nil)
    }

    @Test(arguments: [0, 2, 4])
    func everythingWorksOnAHalfRotatedVault(_ moved: Int) async throws {
        let (place, first) = try await Self.made(4)
        try await first.breakOffRotation(after: moved)
        // Held by somebody who rotates, or seems to.
        let lease = try await first.rotationLease()
        let vault = try await place.open()
        #expect(vault.current.oldKey != nil)
        try await Self.expectAll(vault, 4)
        try await vault.insert("new", token: "n")
        #expect(await failure { try await vault.insert("e2", token: "x") } == .failed)
        try await vault.setToken("e0", "changed 0")
        try await vault.setToken("e3", "changed 3")
        try await vault.rename(try name("e1"), to: try name("renamed"))
        try await vault.remove("e2")
        #expect(await failure { _ = try await vault.token("e2") } == .notFound)
        #expect(await failure { _ = try await vault.token("e1") } == .notFound)
        let expected = ["oauth:e0", "oauth:e3", "oauth:new", "oauth:renamed"]
        #expect(try await vault.names() == expected)
        #expect(vault.current.oldKey != nil)
        lease.release()
        let next = try await place.open()
        #expect(next.current.oldKey == nil)
        #expect(try await next.names() == expected)
        #expect(try await next.token("e0") == "changed 0")
        #expect(try await next.token("e3") == "changed 3")
        #expect(try await next.token("renamed") == "token 1")
        #expect(try await next.verify().faults == [])
        #expect(try place.records().count == 4)
    }

    @Test func anInstanceOpenedBeforeGoesOnWorking() async throws {
        let (place, vault) = try await Self.made()
        let before = try await place.open()
        try await vault.rotate()
        try await before.insert("late", token: "l")
        #expect(try await before.token("e1") == "token 1")
        try await before.setToken("e1", "token 1")
        #expect(try await vault.token("late") == "l")
        try await before.remove("late")
        try await Self.expectAll(before, 3)
        #expect(
            before.current.key.recordID(RecordName(try name("e1")))
                == vault.current.key.recordID(RecordName(try name("e1")))
        )
    }

    @Test func anInstanceWhoseCustodianCannotAnswerIsLocked() async throws {
        let place = try TestVault()
        let slots = [NewSlot(.passphrase, derivation: cheap), NewSlot(.keyFile, keyFile: place.place("key"))]
        let vault = try await place.create(slots)
        try await vault.insert("a", token: "t")
        let before = try await place.open(nil)
        #expect(try await before.token("a") == "t")
        try await vault.breakOffRotation(after: 1)
        let records = try place.records()
        #expect(await failure { _ = try await before.token("a") } == .locked)
        #expect(await failure { _ = try await before.list() } == .locked)
        #expect(await failure { try await before.insert("b") } == .locked)
        #expect(try place.records() == records)
    }

    @Test func neverPutsAnotherOldKeyInThePlaceOfOneStillNeeded() async throws {
        let (place, first) = try await Self.made(4)
        try await first.breakOffRotation(after: 2)
        let lease = try await first.rotationLease()
        let vault = try await place.open()
        let header = try place.header()
        #expect(await failure { _ = try await vault.prepareRotation() } == .unavailable)
        #expect(try place.header() == header)
        lease.release()
        try await vault.rotate()
        try await Self.expectAll(try await place.open(), 4)
    }

    @Test func oneDamagedRecordKeepsNothingElseOfAHalfRotatedVaultShut() async throws {
        let (place, first) = try await Self.made(4)
        try await first.breakOffRotation(after: 0)
        let id = first.current.key.recordID(RecordName(try name("e1")))
        var record = try #require(try place.records().first { $0.id == id })
        record.sealed[400] ^= 1
        try place.write(record)
        let vault = try await place.open()
        #expect(vault.current.oldKey != nil)
        #expect(try await vault.token("e2") == "token 2")
        #expect(await failure { _ = try await vault.token("e1") } == .damaged)
        #expect(await failure { _ = try await vault.prepareRotation() } == .damaged)
        try await vault.remove("e1")
        let next = try await place.open()
        #expect(next.current.oldKey == nil)
        #expect(try await next.names() == ["oauth:e0", "oauth:e2", "oauth:e3"])
    }

    // The old record of an entry that has moved already; the rotation must neither take it nor go round for ever.
    @Test(.timeLimit(.minutes(1)))
    func anOldCopyPutBackDuringARotationIsDamage() async throws {
        let (place, first) = try await Self.made(4)
        let all = try place.records()
        try await first.breakOffRotation(after: 4)
        try place.write(all[0])
        let vault = try await place.open()
        #expect(vault.current.oldKey != nil)
        let listing = try await vault.list()
        #expect(listing.faults.count == 1)
        #expect(try await vault.verify().faults.count == 1)
        for number in 0..<4 { #expect(try await vault.token("e\(number)") == "token \(number)") }
        #expect(await failure { _ = try await vault.prepareRotation() } == .damaged)
        #expect(try place.records().contains(all[0]))
        try place.delete(all[0].id)
        try await Self.expectAll(try await place.open(), 4)
    }

    @Test func dropsWhatItDoesNotKnowAndSaysSoBefore() async throws {
        let (place, vault) = try await Self.made()
        try await vault.addSlot(NewSlot(.keyFile, keyFile: place.place("key")))
        try place.plantUnknownParts(vault)
        let opened = try await place.open()
        let prepared = try await opened.prepareRotation()
        #expect(prepared.lost.map(\.kind) == ["unknown-77"])
        #expect(!prepared.replacesRecoveryCode)
        let key = try FileManager.default.contentsOfDirectory(atPath: place.place.path)
        #expect(key.contains("key"))
        try await opened.rotate(prepared, issuesRecoveryCode: false, derivation: cheap)
        #expect(opened.slots.map(\.kind) == ["passphrase", "key-file"])
        // Both survivors open it, the file by what is in its place now.
        try await Self.expectAll(try await place.open(), 3)
        try await Self.expectAll(try await place.open(nil), 3)
        #expect(!FileManager.default.fileExists(atPath: place.place("key.new")))
    }

    @Test func keepsOnlySlotsWhoseSecretIsPresented() async throws {
        let place = try TestVault()
        let vault = try await place.create([
            NewSlot(.passphrase, derivation: cheap), NewSlot(.recoveryCode),
            NewSlot(.keyFile, keyFile: place.place("key")),
        ])
        try FileManager.default.removeItem(atPath: place.place("key"))
        let prepared = try await vault.prepareRotation()
        #expect(prepared.lost.map(\.kind) == ["key-file"])
        #expect(prepared.replacesRecoveryCode)
        try await vault.rotate(prepared, issuesRecoveryCode: true, derivation: cheap)
        #expect(vault.slots.map(\.kind) == ["passphrase", "recovery-code"])
        let codes = place.codes.withLock { $0.map { String(decoding: $0.revealed, as: UTF8.self) } }
        #expect(codes.count == 2)
        #expect(await failure { _ = try await place.open(codes[0]) } == .wrongKey)
        #expect(try await place.open(codes[1]).openedBy == vault.slots[1].id)
    }

    @Test func dropsTheSlotThatIsNamed() async throws {
        let place = try TestVault()
        let vault = try await place.create([
            NewSlot(.passphrase, derivation: cheap), NewSlot(.keyFile, keyFile: place.place("key")),
        ])
        #expect(await failure { _ = try await vault.prepareRotation(dropping: ["zz"]) } == .notFound)
        #expect(await failure { _ = try await vault.prepareRotation(dropping: [""]) } == .notFound)
        try await vault.rotate(dropping: [vault.slots[1].id])
        #expect(vault.slots.map(\.kind) == ["passphrase"])
        // A key file opens nothing any more.
        #expect(await failure { _ = try await place.open(nil) } == .locked)
    }

    @Test func refusesToLeaveNoSlot() async throws {
        let (place, vault) = try await Self.made()
        let header = try place.header()
        #expect(await failure { try await vault.rotate(dropping: [vault.slots[0].id]) } == .unsafe)
        #expect(try place.header() == header)
        try await Self.expectAll(vault, 3)
    }

    @Test func rotatesNothingIfTheSlotsChangedMeanwhile() async throws {
        let (place, vault) = try await Self.made()
        let prepared = try await vault.prepareRotation()
        try await place.open().addSlot(NewSlot(.passphrase, derivation: cheap))
        let header = try place.header()
        #expect(
            await failure {
                try await vault.rotate(prepared, issuesRecoveryCode: false, derivation: cheap)
            } == .unavailable
        )
        #expect(try place.header() == header)
        try await Self.expectAll(vault, 3)
    }

    // A record older than what was seen stays noticed through a rotation.
    @Test func carriesWhatWasSeenOverToTheNewIDs() async throws {
        let (place, vault) = try await Self.made()
        let id = vault.current.key.recordID(RecordName(try name("e1")))
        let old = try #require(try place.records().first { $0.id == id })
        try await vault.setToken("e1", "newer")
        try place.write(old)
        try await vault.rotate()
        #expect(try await vault.summary(of: try name("e1")).state == .held(.rolledBack))
        #expect(try await place.open().setToken("e1", "x").generation == 3)
    }
}
