import TestSupport
import Testing

/// "What each answer means", from a server or a network that is not well.
@Suite(.serialized)
struct AnswerTests {
    @Test(arguments: ["statuses", "words", "bodies", "lifetimes", "sequences"])
    func hasItsExitCodeAndKeepsTheGrant(kind: String) async throws {
        try await Script.run("refresh/answers", kind)
    }
}
