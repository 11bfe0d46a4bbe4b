internal import Foundation
internal import Glibc

/// A script of `Tests/Support`, run on the programs that were just built.
///
/// It prints what it found line by line, and its last line sums up. Exit status 77 means that this machine does not
/// allow what it needs; the reason is printed and the test passes.
package enum Script {
    /// Whether to try every instant and all of the load rather than a bounded share.
    package static let isExhaustive = ProcessInfo.processInfo.environment["VAULT_EXHAUSTIVE"] == "1"

    /// Runs `Tests/Support/NAME.py`.
    ///
    /// - Throws: What it found to be wrong.
    package static func run(_ name: String, _ arguments: String...) async throws {
        let programs = URL(filePath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            .deletingLastPathComponent().path()
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        let command =
            ["python3", Sandbox.supportFile(name + ".py"), "--programs", programs]
            + (isExhaustive ? ["--exhaustive"] : []) + arguments
        var environment = ["PATH": path, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"]
        environment["VAULT_SOAK_SECONDS"] = ProcessInfo.processInfo.environment["VAULT_SOAK_SECONDS"]
        let (status, output) = try await onThread { [environment] in try spawn(command, environment: environment) }
        print(output.split(separator: "\n").suffix(status == 0 ? 3 : 40).joined(separator: "\n"))
        guard status == 0 || status == 77 else {
            throw Broken(what: "\(name) \(arguments.joined(separator: " ")) ended with \(status):\n\(output)")
        }
    }

    /// Runs blocking work off the cooperative pool.
    private static func onThread<Result: Sendable>(
        _ work: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Swift.Result { try work() }) }
        }
    }

    /// Its exit status, and what it wrote to standard output and error.
    private static func spawn(_ command: [String], environment: [String: String]) throws -> (Int32, String) {
        var pipe: [Int32] = [-1, -1]
        // A socket, since Swift imports no call that makes a pipe close-on-exec from the start.
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &pipe) == 0 else {
            throw Broken(what: "no socket: errno \(errno)")
        }
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&files, pipe[1], 1)
        posix_spawn_file_actions_adddup2(&files, pipe[1], 2)
        let started = Result { try Program.start(command, environment, &files) }
        close(pipe[1])
        defer { close(pipe[0]) }
        let process = try started.get()
        var output: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let got = read(pipe[0], &buffer, buffer.count)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { break }
            output += buffer[..<got]
        }
        let status = Program.wait(for: process)
        return (status, String(decoding: output, as: UTF8.self))
    }
}
