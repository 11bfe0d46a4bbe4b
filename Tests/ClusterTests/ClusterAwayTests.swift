import TestSupport
import Testing

/// The cluster cannot be asked, or cannot keep anything.
@Suite(.serialized)
struct ClusterAwayTests {
    @Test func withoutSpaceNothingIsSentThatCouldNotBeKept() async throws {
        try await Script.run("etcd/quota")
    }

    @Test(arguments: Script.isExhaustive ? ["killed", "stopped", "alone"] : ["stopped", "alone"])
    func whileItIsAwayWhatIsValidComesFromTheCache(away: String) async throws {
        try await Script.run("etcd/away", away)
    }
}
