internal import Glibc
internal import VaultAPI

/// systemd's manager of the user's own services, by way of `systemctl --user`.
struct UserManager {
    /// `nil` where there is no systemctl.
    private let program: String?
    private let environment: [String: String]

    init(_ environment: [String: String]) {
        self.environment = environment
        // A relative part would mean the current directory, which may be anybody's.
        program = (environment["PATH"] ?? "").split(separator: ":").filter { $0.hasPrefix("/") }
            .map { "\($0)/systemctl" }.first { access($0, X_OK) == 0 }
    }

    /// Runs commands one after the other.
    ///
    /// - Throws: `.unavailable` where there is no manager, or it does not do one of them.
    func run(_ commands: [[String]]) throws(VaultError) {
        for command in commands {
            let text = command.joined(separator: " ")
            guard let program else {
                throw VaultError(.unavailable, "there is no systemctl on the PATH", hint: "where there is: \(text)")
            }
            let status = try status(program, Array(command.dropFirst()))
            guard status == 0 else {
                throw VaultError(
                    .unavailable,
                    "\(text) did not succeed: it ended with \(status)",
                    hint: "see: systemctl --user status; then run it again"
                )
            }
        }
    }

    /// The exit status; 128 and the signal's number where one ended it.
    private func status(_ program: String, _ arguments: [String]) throws(VaultError) -> Int32 {
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        // Standard output is for data.
        posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let variables = environment.filter { !$0.key.hasPrefix("VAULT_") }
        var words = ([program] + arguments).map { strdup($0) } + [nil]
        var entries = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { (words + entries).forEach { free($0) } }
        var process = pid_t()
        let result = posix_spawn(&process, program, &files, &attributes, &words, &entries)
        guard result == 0 else {
            throw VaultError(.unavailable, "cannot start \(program): \(String(cString: strerror(result)))")
        }
        // D-Bus gives up after 25 s; a manager that does not answer by then does not at all.
        var status: Int32 = 0
        for _ in 0..<1500 {
            let waited = waitpid(process, &status, WNOHANG)
            if waited == process { return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F }
            usleep(20_000)
        }
        kill(process, SIGKILL)
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        throw VaultError(.unavailable, "systemctl --user did not answer within 30 seconds")
    }
}
