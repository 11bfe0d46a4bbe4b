import TestSupport
import Testing

/// Each system call fails once, or from there on: an error and the old state, or success and the new one.
@Suite(.serialized)
struct FailureTests {
    @Test(arguments: [
        "init", "set", "replace", "import", "import-remove", "import-remove-shared", "remove", "rename", "key-add",
        "key-rotate", "export", "restore",
    ])
    func isReportedAndLosesNothing(command: String) async throws {
        try await Script.run("faults/fail", command)
    }

    @Test func aFullDiskIsReportedAndLosesNothing() async throws {
        try await Script.run("faults/disk", "full")
    }

    @Test func aLimitOfFileSizesIsReportedAndLosesNothing() async throws {
        try await Script.run("faults/disk", "limited")
    }

    @Test func readOnlyMediaCanBeReadAndAreNotChanged() async throws {
        try await Script.run("faults/disk", "read-only")
    }
}
