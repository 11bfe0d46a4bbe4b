import Foundation
import KeyCustody
import TestSupport
import Testing
import VaultCrypto

/// Against a real gnome-keyring on a bus of its own.
@Suite(.blocking, .serialized)
struct RealKeyringTests {
    @Test func findsWhatItStored() async throws {
        let bus = try PrivateBus()
        try await bus.store()
        #expect(try await bus.lookup().map(Sample.bytes) == [Sample.keyBytes])
    }

    @Test func saysAbsentOfAnotherSlotOrVault() async throws {
        let bus = try PrivateBus()
        try await bus.store()
        for (vault, slot) in [(Sample.vault, Sample.vault), (Sample.slot, Sample.slot)] {
            let error = await #expect(throws: KeyringError.self) {
                try await bus.client().lookup(vault: vault, slot: slot, interactive: false)
            }
            #expect(error?.code == .absent)
        }
    }

    @Test func probesAnOpenAndALockedKeyring() async throws {
        let bus = try PrivateBus()
        let open = try await bus.client().probe(interactive: false)
        #expect(open.isUsable)
        #expect(open.backend == "Secret Service (gnome-keyring-d)")
        #expect(open.collection == "Login")
        try bus.run([PrivateBus.supportFile("real-keyring"), "lock"])
        #expect(try await bus.client().probe(interactive: false).obstacle?.code == .locked)
    }

    @Test func saysLockedInsteadOfAbsent() async throws {
        let bus = try PrivateBus(.lockedRealKeyring)
        let error = await #expect(throws: KeyringError.self) { try await bus.lookup() }
        #expect(error?.code == .locked)
        await #expect(throws: KeyringError.self) { try await bus.store() }
        let deletion = await #expect(throws: KeyringError.self) {
            try await bus.client().delete(vault: Sample.vault, slot: Sample.slot, interactive: false)
        }
        #expect(deletion?.code == .locked)
    }

    @Test func saysLockedOfAKeyItStored() async throws {
        let bus = try PrivateBus()
        try await bus.store()
        try bus.run([PrivateBus.supportFile("real-keyring"), "lock"])
        let error = await #expect(throws: KeyringError.self) { try await bus.lookup() }
        #expect(error?.code == .locked)
    }

    @Test func deletesAllItemsOfTheSlotAndNoOther() async throws {
        let bus = try PrivateBus()
        try await bus.store()
        try await bus.store()
        try await bus.store(slot: Sample.vault)
        let client = bus.client()
        #expect(try await client.delete(vault: Sample.vault, slot: Sample.slot, interactive: false))
        #expect(try await !client.delete(vault: Sample.vault, slot: Sample.slot, interactive: false))
        #expect(try await client.lookup(vault: Sample.vault, slot: Sample.vault, interactive: false).count == 1)
    }

    @Test func keepsPrintableTextUnderJustTheseAttributes() async throws {
        let bus = try PrivateBus()
        try await bus.store()
        let found = try bus.run(["secret-tool", "lookup", "vault", Sample.vaultText, "slot", Sample.slotText])
        #expect(found == Sample.keyText)
        let items = try bus.run(["sh", "-c", "secret-tool search --all vault \(Sample.vaultText) 2>&1"])
        let lines = items.split(separator: "\n").map(String.init)
        #expect(lines.contains("label = \(Sample.label)"))
        #expect(lines.contains("schema = io.github.vault.KeySlot"))
        #expect(
            lines.filter { $0.hasPrefix("attribute.") }.sorted() == [
                "attribute.slot = \(Sample.slotText)", "attribute.vault = \(Sample.vaultText)",
            ]
        )
    }

    @Test func returnsPlantedDuplicatesAndSkipsGarbage() async throws {
        let bus = try PrivateBus()
        let other = [UInt8](repeating: 7, count: 32)
        let noncanonical = Sample.keyText.dropLast(2) + "9="
        let garbage = ["", "hunter2", Sample.keyText + "\n", String(noncanonical), "\u{1F511}", "A===", "="]
        for value in garbage + [Data(other).base64EncodedString()] { try bus.plant(value) }
        try await bus.store()
        let found = try await bus.lookup().map(Sample.bytes)
        #expect(Set(found) == [Sample.keyBytes, other])
        #expect(found.count == 2)
    }

    @Test func saysAbsentWhereThereIsNothingButGarbage() async throws {
        let bus = try PrivateBus()
        try bus.plant("hunter2")
        let error = await #expect(throws: KeyringError.self) { try await bus.lookup() }
        #expect(error?.code == .absent)
        #expect(error?.message.contains("hunter2") == false)
    }

    @Test func findsItAfterTheDaemonRestarts() async throws {
        let bus = try PrivateBus()
        try await bus.store()
        try bus.run([PrivateBus.supportFile("real-keyring")])
        #expect(try await bus.lookup().map(Sample.bytes) == [Sample.keyBytes])
    }
}

extension PrivateBus {
    func store(slot: [UInt8] = Sample.slot) async throws {
        let key = try Sample.key()
        try await client().store(key, vault: Sample.vault, slot: slot, label: Sample.label, interactive: false)
    }

    @discardableResult
    func lookup(_ client: KeyringClient? = nil, interactive: Bool = false) async throws -> [SharedSecret] {
        try await (client ?? self.client()).lookup(vault: Sample.vault, slot: Sample.slot, interactive: interactive)
    }

    /// Adds an item with the slot's attributes, as another program can.
    func plant(_ value: String) throws {
        try run([Self.supportFile("plant.py"), Sample.vaultText, Sample.slotText, value])
    }
}
