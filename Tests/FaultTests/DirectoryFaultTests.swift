import TestSupport
import Testing

/// A vault that is a directory of files: a command that was cut short, or could not write, leaves the old state or the new.
@Suite(.serialized)
struct DirectoryFaultTests {
    @Test(arguments: [
        "set", "replace", "import", "import-remove", "remove", "rename", "key-add", "key-rotate", "key-rotate-again",
        "restore",
    ])
    func leavesTheOldStateOrTheNewOneWhenKilled(command: String) async throws {
        try await Script.run("faults/kill", command, "--store", "directory")
    }

    @Test(arguments: ["set", "replace", "import", "remove", "rename", "key-rotate", "restore"])
    func reportsWhatFailsAndLosesNothing(command: String) async throws {
        try await Script.run("faults/fail", command, "--store", "directory")
    }
}
