import TestSupport
import Testing

/// What asks a process to end or to stop, while the server holds the answer.
@Suite(.serialized)
struct SignalTests {
    @Test(arguments: ["TERM", "INT", "HUP", "QUIT", "TSTP"])
    func waitsForTheCommit(signal: String) async throws {
        try await Script.run("refresh/signals", signal)
    }

    @Test func othersWaitForAHolderThatIsStopped() async throws {
        try await Script.run("refresh/signals", "STOP")
    }
}
