import TestSupport
import Testing

/// Secrets stay where they belong, and a hostile header costs nothing.
@Suite(.serialized)
struct SecrecyTests {
    @Test func forgedDerivationsAreRefusedAtOnce() async throws {
        try await Script.run("faults/forged")
    }

    @Test func noCanaryLeaves() async throws {
        try await Script.run("faults/leaks")
    }

    @Test(arguments: ["worker", "command", "limits"])
    func secretsAreOnlyInMemoryThatIsNotDumped(of program: String) async throws {
        try await Script.run("faults/memory", program)
    }

    @Test func noChildOutlivesAKilledCommand() async throws {
        try await Script.run("faults/orphan", "silent")
    }
}
