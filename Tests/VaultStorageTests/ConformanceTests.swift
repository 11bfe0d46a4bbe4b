import FoundationEssentials
import Synchronization
import Testing
import VaultStorage
import VaultTestKit

struct MemoryStoreConformanceTests {
    @Test(arguments: RecordStoreConformance.cases)
    func conforms(_ conformance: RecordStoreConformance.Case) async throws {
        let made = Mutex<MemoryStore?>(nil)
        try await conformance.run(
            StoreUnderTest(
                create: { header in
                    let store = try MemoryStore(header: header)
                    made.withLock { $0 = store }
                    return store
                },
                reopen: { try #require(made.withLock { $0 }) }
            )
        )
    }
}

struct SQLiteStoreConformanceTests {
    @Test(arguments: RecordStoreConformance.cases)
    func conforms(_ conformance: RecordStoreConformance.Case) async throws {
        let place = try TemporaryDirectory()
        try await conformance.run(
            StoreUnderTest(
                create: { try await SQLiteStore.create(in: place("vault"), locks: place("locks"), header: $0) },
                reopen: { try await SQLiteStore.open(in: place("vault"), locks: place("locks")) },
                snapshot: {
                    var all: [UInt8] = []
                    for name in try names(in: place("vault")) {
                        all += Array(name.utf8) + [0] + (try bytes(place("vault/\(name)")))
                    }
                    return all
                }
            )
        )
    }
}
