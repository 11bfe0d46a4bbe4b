import TestSupport
import Testing

/// A refresh that is killed leaves the old grant or the new one.
///
/// Or, where the server had rotated already and its answer was lost, a precise report of just that.
@Suite(.serialized)
struct KilledRefreshTests {
    @Test func leavesTheOldGrantTheNewOneOrAReportOfALostAnswer() async throws {
        try await Script.run("refresh/kill")
    }
}
