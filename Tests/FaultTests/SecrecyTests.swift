import Testing

/// Secrets stay where they belong, and a hostile header costs nothing.
@Suite(.serialized)
struct SecrecyTests {
    @Test func forgedDerivationsAreRefusedAtOnce() async throws {
        try await Script.run("forged")
    }

    @Test func noCanaryLeaves() async throws {
        try await Script.run("leaks")
    }

    @Test(arguments: ["worker", "command", "limits"])
    func secretsAreOnlyInMemoryThatIsNotDumped(of program: String) async throws {
        try await Script.run("memory", program)
    }

    @Test func noChildOutlivesAKilledCommand() async throws {
        try await Script.run("orphan", "silent")
    }
}
