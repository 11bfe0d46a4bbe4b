import TestSupport
import Testing

/// What the vault promises, where its records are in a cluster that many machines share.
@Suite(.serialized)
struct ClusterPromiseTests {
    /// What the others rely on.
    @Test func theClusterFailsOverIsCutInTwoFillsUpAndIsEmptied() async throws {
        try await Script.run("etcd/check")
    }

    @Test(arguments: [1, 2])
    func aHundredBrokersMakeOneRequest(machines: Int) async throws {
        try await Script.run("etcd/brokers", "\(machines)")
    }

    @Test func withoutSpaceNothingIsSentThatCouldNotBeKept() async throws {
        try await Script.run("etcd/quota")
    }

    @Test func neitherTheTrafficNorTheClusterHoldsANameOrAToken() async throws {
        try await Script.run("etcd/secrecy")
    }

    @Test(arguments: ["killed", "stopped", "alone"])
    func whileItIsAwayWhatIsValidComesFromTheCache(away: String) async throws {
        try await Script.run("etcd/away", away)
    }
}
