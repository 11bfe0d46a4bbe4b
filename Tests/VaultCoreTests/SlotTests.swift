import Foundation
import KeyCustody
import Synchronization
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

extension TestVault {
    /// Adds to the header what only a newer version knows, under the right MAC.
    func plantUnknownParts(_ vault: Vault) throws {
        var header = vault.current.header
        header.slots.insert(try #require(HeaderSlot(SampleHeader.unknownSlot)), at: 0)
        header.unknownFields = SampleHeader.unknownFields
        header.minor = 9
        header.generation += 1
        try write(StoredHeader(generation: header.generation, bytes: header.encoded(under: vault.current.key)))
    }
}

@Suite(.serialized)
struct SlotTests {
    private static func made() async throws -> (place: TestVault, vault: Vault) {
        let place = try TestVault()
        let vault = try await place.create()
        try await vault.insert("a", token: "t")
        return (place, vault)
    }

    @Test func opensWithAnySlotOfAnyKind() async throws {
        let (place, vault) = try await Self.made()
        try await vault.addSlot(NewSlot(.recoveryCode))
        try await vault.addSlot(NewSlot(.keyFile, keyFile: place.place("key")))
        let before = try place.records()
        let code = try #require(place.codes.withLock { $0.last.map { String(decoding: $0.revealed, as: UTF8.self) } })
        #expect(try await place.open(nil).openedBy == vault.slots[2].id)
        try FileManager.default.moveItem(atPath: place.place("key"), toPath: place.place("elsewhere"))
        #expect(try await place.open(code.lowercased()).openedBy == vault.slots[1].id)
        #expect(try await place.open().openedBy == vault.slots[0].id)
        #expect(try await place.open().token("a") == "t")
        #expect(await failure { _ = try await place.open(nil) } == .locked)
        #expect(await failure { _ = try await place.open("wrong") } == .wrongKey)
        // No entry is sealed anew for a slot.
        #expect(try place.records() == before)
    }

    @Test func triesOnlyTheSlotThatIsNamed() async throws {
        let (place, vault) = try await Self.made()
        try await vault.addSlot(NewSlot(.keyFile, keyFile: place.place("key")))
        var options = Vault.Options()
        options.slot = String(vault.slots[1].id.prefix(8)).uppercased()
        #expect(
            try await Vault.open(place.location, with: place.custodians(nil), options: options).openedBy
                == vault.slots[1].id
        )
        options.slot = vault.slots[0].id
        #expect(
            await failure { _ = try await Vault.open(place.location, with: place.custodians(nil), options: options) }
                == .locked
        )
        for none in ["", "zz", "0123456789abcdef0123456789abcdef"] {
            options.slot = none
            #expect(
                await failure { _ = try await Vault.open(place.location, with: place.custodians(), options: options) }
                    == .usage
            )
        }
    }

    @Test func changesAPassphrase() async throws {
        let (place, _) = try await Self.made()
        let vault = try await Vault.open(place.location, with: place.custodians())
        let other = Vault(
            location: vault.location,
            store: vault.store,
            ledger: vault.ledger,
            custodians: place.custodians("another one"),
            clock: vault.clock,
            session: vault.current,
            openedBy: try #require(vault.current.header.knownSlots.first).description,
            deadSlots: []
        )
        let old = vault.slots[0].id
        let new = try await other.changeSlot(String(old.prefix(8)), derivation: cheap)
        #expect(new.id != old)
        #expect(other.slots == [new])
        #expect(await failure { _ = try await place.open() } == .wrongKey)
        #expect(try await place.open("another one").token("a") == "t")
        // An instance that has the data key already goes on.
        #expect(try await vault.token("a") == "t")
        try await vault.insert("b")
        #expect(await failure { try await vault.changeSlot(old, derivation: cheap) } == .notFound)
    }

    @Test func removesASlotWhosePassphraseWasUsed() async throws {
        let (place, vault) = try await Self.made()
        try await vault.addSlot(NewSlot(.keyFile, keyFile: place.place("key")))
        try await vault.removeSlot(vault.slots[0].id)
        #expect(vault.slots.map(\.kind) == ["key-file"])
        #expect(try await vault.token("a") == "t")
        #expect(try await place.open(nil).token("a") == "t")
    }

    /// Another process rotates meanwhile, and the slot goes on under another id.
    @Test func doesNotCallASlotRemovedThatGoesOnUnderAnotherName() async throws {
        let (place, vault) = try await Self.made()
        try await vault.addSlot(NewSlot(.keyFile, keyFile: place.place("key")))
        let old = vault.slots[1].id
        try await place.open().rotate()
        #expect(await failure { try await vault.removeSlot(old) } == .unavailable)
        #expect(try await place.open(nil).slots.count == 2)
    }

    @Test func keepsTheLastSlotThatThisVersionCanOpen() async throws {
        let (place, vault) = try await Self.made()
        #expect(await failure { try await vault.removeSlot(vault.slots[0].id) } == .unsafe)
        try place.plantUnknownParts(vault)
        let opened = try await place.open()
        #expect(opened.slots.count == 2)
        let header = try place.header()
        #expect(await failure { try await opened.removeSlot(opened.slots[1].id) } == .unsafe)
        #expect(try place.header() == header)
        _ = try await place.open()
    }

    @Test func carriesUnknownSlotsAndFieldsThroughEveryChangeOfSlots() async throws {
        let (place, vault) = try await Self.made()
        try place.plantUnknownParts(vault)
        let opened = try await place.open()
        let known = opened.slots[1].id
        let changes: [() async throws -> Void] = [
            { try await opened.addSlot(NewSlot(.keyFile, keyFile: place.place("key"))) },
            { try await opened.changeSlot(known, derivation: cheap) },
            { try await opened.removeSlot(try #require(opened.slots.first { $0.kind == "key-file" }).id) },
        ]
        for change in changes {
            try await change()
            let header = try Header(try place.header().bytes)
            #expect(header.slots.first?.encoded == SampleHeader.unknownSlot)
            #expect(header.unknownFields == SampleHeader.unknownFields)
            #expect(header.minor == 9)
            _ = try await place.open()
        }
        #expect(await failure { try await opened.changeSlot(opened.slots[0].id, derivation: cheap) } == .usage)
    }

    @Test func refusesTheNinthPassphraseAndChangesNothing() async throws {
        let (place, vault) = try await Self.made()
        for _ in 0..<7 { try await vault.addSlot(NewSlot(.passphrase, derivation: cheap)) }
        let header = try place.header()
        #expect(await failure { try await vault.addSlot(NewSlot(.passphrase, derivation: cheap)) } == .unsafe)
        #expect(try place.header() == header)
    }

    @Test func makesNoVaultWhereOneIs() async throws {
        let (place, _) = try await Self.made()
        let before = try place.files(below: "vault")
        #expect(await failure { _ = try await place.create() } == .failed)
        #expect(try place.files(below: "vault") == before)
    }

    @Test func saysNotFoundWhereNoVaultIs() async throws {
        let place = try TestVault()
        #expect(await failure { _ = try await place.open() } == .notFound)
        #expect(try place.files() == [:])
    }
}

/// Headers changed behind the vault's back.
@Suite(.serialized)
struct TamperedHeaderTests {
    // Every 37th bit through a real store; every one is flipped in `HeaderTests`.
    @Test func aFlippedBitIsDamageAndChangesNothingOnTheDisk() async throws {
        let place = try TestVault()
        try await place.create().insert("a")
        let header = try place.header()
        for bit in stride(from: 0, to: header.bytes.count * 8, by: 37) {
            let flipped = StoredHeader(generation: header.generation, bytes: flipping(header.bytes, bit: bit))
            try place.write(flipped)
            let before = try place.files()
            #expect(await failure { _ = try await place.open() } == .damaged)
            #expect(try place.files() == before)
        }
        try place.write(header)
        _ = try await place.open()
    }

    // With the digest put right, as only a forger would: never more than "wrong key", and never the entries.
    @Test func aForgedHeaderOpensNothing() async throws {
        let place = try TestVault()
        try await place.create().insert("a")
        let header = try place.header()
        for bit in stride(from: 64, to: (header.bytes.count - 32) * 8, by: 23) {
            let forged = StoredHeader(
                generation: header.generation,
                bytes: digested(flipping(header.bytes, bit: bit))
            )
            try place.write(forged)
            let before = try place.header()
            let code = await failure { _ = try await place.open() }
            #expect(code == .damaged || code == .wrongKey || code == .locked)
            #expect(try place.header() == before)
        }
    }

    @Test func aGenerationBesideTheHeaderIsDamage() async throws {
        let place = try TestVault()
        _ = try await place.create()
        var header = try place.header()
        header.generation += 1
        try place.write(header)
        #expect(await failure { _ = try await place.open() } == .damaged)
    }

    @Test func anotherMajorVersionIsRefusedAndNeverRewritten() async throws {
        let place = try TestVault()
        let vault = try await place.create()
        let header = try place.header()
        var bytes = header.bytes
        bytes[8] = 2
        try place.write(StoredHeader(generation: header.generation, bytes: digested(bytes)))
        let before = try place.files(below: "vault")
        let error = await #expect(throws: VaultError.self) { _ = try await place.open() }
        #expect(error?.code == .damaged)
        #expect(error?.message.contains("version 2") == true)
        #expect(try place.files(below: "vault") == before)
        // Nor does an instance that was open already write into it, once it looks.
        _ = vault
    }

    @Test func anotherVaultPutInItsPlaceWhileItIsOpenIsDamage() async throws {
        let (place, other) = (try TestVault(), try TestVault())
        let vault = try await place.create()
        try await vault.insert("a", token: "t")
        _ = try await other.create()
        var header = try other.header()
        header.generation = 1
        try place.write(header)
        let records = try place.records()
        try place.sql("UPDATE header SET generation = 5")
        #expect(await failure { try await vault.insert("b") } == .damaged)
        #expect(try place.records() == records)
    }
}
