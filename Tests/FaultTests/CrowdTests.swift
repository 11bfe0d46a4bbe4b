import TestSupport
import Testing

/// Many processes on one vault.
@Suite(.serialized)
struct CrowdTests {
    @Test func losesNoUpdate() async throws {
        try await Script.run("faults/crowd", "updates")
    }

    @Test func keepsEveryAcknowledgedWriteOfKilledWriters() async throws {
        try await Script.run("faults/crowd", "killed")
    }

    @Test func losesNoLineOfTheAuditLog() async throws {
        try await Script.run("faults/crowd", "audit")
    }

    @Test func readersTakeNoWriterForDamage() async throws {
        try await Script.run("faults/crowd", "readers")
    }
}
