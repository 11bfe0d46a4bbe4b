import TestSupport
import Testing

/// The agent as a process of its own, started and asked by the real `vault`.
@Suite(.serialized)
struct ProcessTests {
    @Test(arguments: ["whole", "lost", "stopped", "versions", "rotate", "passphrase", "starter"])
    func session(part: String) async throws {
        try await Script.run("agent/session", part)
    }
}
