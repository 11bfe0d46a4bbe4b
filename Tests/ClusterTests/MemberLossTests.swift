import TestSupport
import Testing

/// Members of the cluster are lost in the middle of what a vault does.
@Suite(.serialized)
struct MemberLossTests {
    private static let losses = ["leader", "partitioned-leader", "frozen"]

    @Test(arguments: losses + (Script.isExhaustive ? ["follower", "partitioned-follower"] : []))
    func noUpdateIsLostOrDoubled(lost: String) async throws {
        try await Script.run("etcd/writes", lost)
    }

    @Test func everyExpiryCostsOneRequestWhenTheLeaderDies() async throws {
        try await Script.run("etcd/refreshes")
    }
}
