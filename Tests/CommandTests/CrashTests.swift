import TestSupport
import Testing

/// What a crash leaves.
@Suite(.blocking)
struct CrashTests {
    /// Swift's runtime would print the stack with its arguments, and libsodium's guard pages end in such a signal.
    @Test(arguments: ["SEGV", "ILL", "ABRT", "BUS"])
    func printsNothingOfItsMemory(signal: String) throws {
        let home = try Sandbox()
        try home.makeWithPassphrase()
        // Opening the pipe waits until `vault` reads from it, and then it is beyond its start.
        let script = #"""
            mkfifo "$HOME/pipe"; "$@" --passphrase-file "$HOME/pipe" & exec 3>"$HOME/pipe"
            kill -"$SIGNAL" $!; wait $! 2>/dev/null
            """#
        let outcome = try home.vault(
            shell: script,
            "list",
            environment: ["SWIFT_BACKTRACE": "enable=yes,interactive=no,sanitize=no", "SIGNAL": signal]
        )
        #expect(outcome.status > 128)
        #expect(outcome.output.isEmpty)
        #expect(!outcome.notes.contains("Backtrace") && !outcome.notes.contains("Thread"))
    }
}
