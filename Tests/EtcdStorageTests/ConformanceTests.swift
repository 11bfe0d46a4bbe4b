import EtcdStorage
import TestSupport
import Testing
import VaultStorage
import VaultTestKit

struct EtcdConformanceTests {
    @Test(arguments: RecordStoreConformance.cases)
    func conformsOnOneMachine(_ conformance: RecordStoreConformance.Case) async throws {
        try await run(conformance, there: "here", expiring: false)
    }

    /// Whoever opens the store again has locks of its own, and the cluster can take a lease from its holder.
    @Test(arguments: RecordStoreConformance.cases)
    func conformsOnTwoMachines(_ conformance: RecordStoreConformance.Case) async throws {
        try await run(conformance, there: "there", expiring: true)
    }

    private func run(_ conformance: RecordStoreConformance.Case, there: String, expiring: Bool) async throws {
        let scratch = try Scratch()
        let cluster = try await SharedServer.cluster()
        let server = try await SharedServer.get()
        let expire: @Sendable () async throws -> Void = {
            _ = try server.control("del", "--prefix", "\(cluster.prefix)/taken/")
        }
        try await conformance.run(
            StoreUnderTest(
                create: { try await EtcdStore.create(in: cluster, locks: scratch("here"), header: $0) },
                reopen: { try await EtcdStore.open(in: cluster, locks: scratch(there)) },
                snapshot: { Array(try server.control("get", "--prefix", cluster.prefix).utf8) },
                expireLeases: expiring ? expire : nil
            )
        )
    }
}
