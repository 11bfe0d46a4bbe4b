import FoundationEssentials
import Testing
import VaultStorage
import VaultTestKit

struct DirectoryConformanceTests {
    @Test(arguments: RecordStoreConformance.cases)
    func conforms(_ conformance: RecordStoreConformance.Case) async throws {
        let place = try TemporaryDirectory()
        try await conformance.run(
            StoreUnderTest(
                create: { try await DirectoryStore.create(in: place("vault"), locks: place("locks"), header: $0) },
                reopen: { try await DirectoryStore.open(in: place("vault"), locks: place("locks")) },
                snapshot: {
                    var all: [UInt8] = []
                    for name in try FileManager.default.subpathsOfDirectory(atPath: place("vault")).sorted() {
                        all += Array(name.utf8) + [0]
                        if name.contains("header") || name.utf8.count > 64 { all += try bytes(place("vault/\(name)")) }
                    }
                    return all
                }
            )
        )
    }
}
