import TestSupport
import Testing

/// `kill -9` before each system call that changes a file: what opens afterwards is the old state or the new one.
@Suite(.serialized)
struct KillTests {
    @Test(arguments: [
        "init", "set", "replace", "import", "import-remove", "import-remove-shared", "remove", "rename", "key-add",
        "key-rotate", "key-rotate-again", "export", "restore", "restore-file", "token", "token-again",
    ])
    func leavesTheOldStateOrTheNewOne(command: String) async throws {
        try await Script.run("faults/kill", command)
    }
}
