@preconcurrency internal import Glibc
internal import KeyringProtocol

extension KeyringChild {
    /// Starts `program` with `socket` as its descriptor 3 and nothing else of ours.
    ///
    /// No argument, no variable and no stream carries a secret: everyone may read the first, all processes of the user
    /// the second, and the standard streams end up in logs. Our own files are close-on-exec; what a host program left
    /// open without that, the child closes first of all (`closefrom`), since the way to do it here needs a newer C
    /// interface than Swift imports.
    static func spawn(
        _ program: String,
        _ environment: [String: String],
        _ socket: Int32
    ) throws(KeyringError) -> pid_t {
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        // First, since `socket` may be one of 0 to 2 where the parent runs without streams. Where it is 3 already,
        // dup2 clears its close-on-exec flag.
        posix_spawn_file_actions_adddup2(&files, socket, KeyringWire.descriptor)
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A process group of its own: Ctrl-C at the terminal goes to vault, which decides. Signals as a fresh program
        // expects them: whatever vault blocks or ignores is its own affair.
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)
        )

        var arguments = [strdup(program), nil]
        var variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { (arguments + variables).forEach { free($0) } }
        var process = pid_t()
        let result = posix_spawn(&process, program, &files, &attributes, &arguments, &variables)
        guard result == 0 else {
            let code: KeyringError.Code = [ENOENT, EACCES, ENOEXEC].contains(result) ? .programMissing : .failed
            throw KeyringError(code, "cannot start \(program): errno \(result)")
        }
        return process
    }
}
