import TestSupport
import Testing

/// The server rotates, and its answer never arrives: what is spent is not spent again and again, and it is said so.
@Suite(.serialized)
struct LostAnswerTests {
    @Test(arguments: ["server", "reset", "proxy"])
    func isReportedAsJustThat(by whoDropsIt: String) async throws {
        try await Script.run("refresh/lost", whoDropsIt)
    }
}
