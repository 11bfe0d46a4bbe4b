import TestSupport
import Testing

/// The agent as a process of its own, started and asked by the real `vault`.
@Suite(.serialized)
struct ProcessTests {
    @Test(arguments: ["whole", "lost", "stopped", "versions", "rotate", "passphrase", "starter"])
    func session(part: String) async throws {
        try await Script.run("agent/session", part)
    }

    /// The token that the server has spent the old one for is in the vault, whatever asks the agent to let go.
    @Test(arguments: ["lock", "stop", "TERM", "INT"])
    func refresh(when: String) async throws {
        try await Script.run("agent/refreshes", when)
    }

    @Test(arguments: ["idle", "garbage", "tokens"])
    func crowd(of: String) async throws {
        try await Script.run("agent/crowd", of)
    }

    @Test(arguments: ["lock", "exit"])
    func noKeyIsLeft(when: String) async throws {
        try await Script.run("agent/secrecy", when)
    }
}
