import EtcdStorage
import TestSupport
import Testing
import VaultStorage
import VaultTestKit

struct EtcdConformanceTests {
    @Test(arguments: RecordStoreConformance.cases)
    func conformsOnOneMachine(_ conformance: RecordStoreConformance.Case) async throws {
        let scratch = try Scratch()
        let cluster = try await SharedServer.cluster()
        let server = try await SharedServer.get()
        try await conformance.run(
            StoreUnderTest(
                create: { try await EtcdStore.create(in: cluster, locks: scratch("locks"), header: $0) },
                reopen: { try await EtcdStore.open(in: cluster, locks: scratch("locks")) },
                snapshot: { Array(try server.control("get", "--prefix", cluster.prefix).utf8) }
            )
        )
    }
}
