import Foundation
import KeyCustody
import Testing

/// Against a real gnome-keyring on a bus of its own.
@Suite(.serialized)
struct RealKeyringTests {
    @Test func findsWhatItStored() async throws {
        let bus = try PrivateBus()
        try await bus.store()
        let keys = try await bus.client().lookup(vault: Sample.vault, slot: Sample.slot, interactive: false)
        #expect(keys.map(Sample.bytes) == [Sample.keyBytes])
    }
}

extension PrivateBus {
    func store(slot: [UInt8] = Sample.slot) async throws {
        let key = try Sample.key()
        try await client().store(key, vault: Sample.vault, slot: slot, label: Sample.label, interactive: false)
    }
}
