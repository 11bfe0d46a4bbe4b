@preconcurrency internal import Glibc

/// A running helper and the socket to it.
///
/// It is killed and reaped when this goes: never a zombie, never a process left behind with a prompt on the screen.
package struct HelperProcess: ~Copyable, Sendable {
    /// This side of the socket; it must not outlive this value.
    package let socket: Int32
    private let process: pid_t

    /// Starts the program at `path` with the other end of a stream socket as each of `descriptors`, and nothing else of
    /// ours.
    ///
    /// No argument, no variable and no standard stream carries a secret: everyone may read the first, all processes of
    /// the user the second, and the streams end up in logs. Those that are not among `descriptors` are `/dev/null`.
    ///
    /// - Throws: `.missing` where it cannot be executed, `.failed` where there is no descriptor or process left.
    package init(
        path: String,
        environment: [String: String],
        descriptors: [Int32]
    ) throws(HelperFailure) {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw HelperFailure(.failed, "cannot make a socket for \(path): errno \(errno)")
        }
        defer { close(ends[1]) }
        let started = Result { () throws(HelperFailure) in try spawn(path, environment, ends[1], descriptors) }
        if case .failure = started { close(ends[0]) }
        process = try started.get()
        socket = ends[0]
    }

    deinit {
        close(socket)
        var status: Int32 = 0
        // The number is the child's as long as nobody has waited for it; where somebody else has (SIGCHLD ignored, or
        // a host program that waits for any child), it may be another's by now and must not be killed.
        var waited = waitpid(process, &status, WNOHANG)
        if waited == 0 {
            kill(process, SIGKILL)
            repeat { waited = waitpid(process, &status, 0) } while waited < 0 && errno == EINTR
        }
    }
}

/// Starts a program with `socket` as each of `descriptors`.
///
/// Our own files are close-on-exec; what a host program left open without that, each helper closes first of all
/// (`closefrom`), since the way to do it here needs a newer C interface than Swift imports.
private func spawn(
    _ program: String,
    _ environment: [String: String],
    _ socket: Int32,
    _ descriptors: [Int32]
) throws(HelperFailure) -> pid_t {
    var files = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&files)
    defer { posix_spawn_file_actions_destroy(&files) }
    // First, since `socket` may be one of 0 to 2 where the parent runs without streams. Where it is one of
    // `descriptors` already, dup2 clears its close-on-exec flag.
    for descriptor in descriptors { posix_spawn_file_actions_adddup2(&files, socket, descriptor) }
    for stream in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where !descriptors.contains(stream) {
        posix_spawn_file_actions_addopen(&files, stream, "/dev/null", stream == STDIN_FILENO ? O_RDONLY : O_WRONLY, 0)
    }

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
        let kind: HelperFailure.Kind = [ENOENT, EACCES, ENOEXEC].contains(result) ? .missing : .failed
        throw HelperFailure(kind, "cannot start \(program): errno \(result)")
    }
    return process
}
