import TestSupport
import Testing

/// What the vault promises, where its records are in a cluster that many machines share.
@Suite(.serialized)
struct ClusterPromiseTests {
    /// What the others rely on.
    @Test(.enabled(if: Script.isExhaustive, "it tries the cluster of the tests itself"))
    func theClusterFailsOverIsCutInTwoFillsUpAndIsEmptied() async throws {
        try await Script.run("etcd/check")
    }

    @Test(arguments: Script.isExhaustive ? [1, 2] : [2])
    func aHundredBrokersMakeOneRequest(machines: Int) async throws {
        try await Script.run("etcd/brokers", "\(machines)")
    }

    @Test func neitherTheTrafficNorTheClusterHoldsANameOrAToken() async throws {
        try await Script.run("etcd/secrecy")
    }
}
