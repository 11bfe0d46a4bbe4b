import TestSupport
import Testing

/// "`kill -9` at any instant leaves either the old grant or the new one, or … a precise report of just that."
@Suite(.serialized)
struct KilledRefreshTests {
    @Test func leavesTheOldGrantTheNewOneOrAReportOfALostAnswer() async throws {
        try await Script.run("refresh/kill")
    }
}
