import TestSupport
import Testing

/// The server has answered, and the disk takes nothing any more.
@Suite(.serialized)
struct FailedCommitTests {
    @Test(arguments: ["vault", "state", "everything"])
    func keepsTheRotatedTokenWhereverThereIsAPlaceForIt(broken: String) async throws {
        try await Script.run("refresh/commit", broken)
    }

    @Test func aFullDiskKeepsTheRotatedToken() async throws {
        try await Script.run("refresh/commit", "full")
    }

    @Test func withoutRoomForASpillNothingIsSent() async throws {
        try await Script.run("refresh/commit", "room")
    }
}
