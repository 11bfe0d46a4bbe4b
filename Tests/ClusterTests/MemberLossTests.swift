import TestSupport
import Testing

/// Members of the cluster are lost in the middle of what a vault does.
@Suite(.serialized)
struct MemberLossTests {
    @Test(arguments: ["leader", "follower", "partitioned-leader", "partitioned-follower", "frozen"])
    func noUpdateIsLostOrDoubled(lost: String) async throws {
        try await Script.run("etcd/writes", lost)
    }

    @Test func everyExpiryCostsOneRequestWhenTheLeaderDies() async throws {
        try await Script.run("etcd/refreshes")
    }
}
