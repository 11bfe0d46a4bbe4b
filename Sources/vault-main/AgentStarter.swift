internal import AgentClient
internal import CVaultSystem
@preconcurrency internal import Glibc
internal import VaultAPI
internal import VaultCore

extension Context {
    /// The user's agent, whether it runs or not; `nil` where there is no place for its socket.
    var agent: AgentClient? { AgentClient(environment: environment) }

    /// What the agent answers; `nil` where none runs.
    func askAgent(
        _ method: String,
        _ params: [(String, WireContent)] = []
    ) async throws(VaultError) -> WireValue? {
        guard let agent else { return nil }
        return try await ask(agent, method, params)
    }

    /// What an agent answers; `nil` where none runs.
    func ask(
        _ client: AgentClient,
        _ method: String,
        _ params: [(String, WireContent)]
    ) async throws(VaultError) -> WireValue? {
        let answer: Result<WireValue, VaultError>
        do throws(AgentFailure) {
            answer = try await client.call(method, params)
        } catch {
            if case .absent = error { return nil }
            throw error.error
        }
        return try answer.get()
    }
}

/// Finds the user's agent, or starts one.
struct AgentStarter {
    private let client: AgentClient
    private let context: Context

    static let noPlace = VaultError(
        .unavailable,
        "there is no runtime directory of this user's alone, so no agent can be reached",
        hint: "set XDG_RUNTIME_DIR to such a directory, or VAULT_AGENT_SOCK to a path in one"
    )

    init(_ context: Context) throws(VaultError) {
        guard let client = context.agent else { throw Self.noPlace }
        self.client = client
        self.context = context
    }

    /// What the agent that runs holds of the context's vault.
    func held() async throws(VaultError) -> HeldVaultStatus? {
        let directory = context.location.directory
        guard let answer = try await context.ask(client, "status", [("vault", .string(directory))]),
            answer["holds"]?.bool == true
        else { return nil }
        let all = (answer["vaults"]?.elements ?? []).compactMap { HeldVaultStatus($0) }
        return all.first { $0.directory == directory } ?? all.first
    }

    /// A client of the agent that runs, or of one that was started for it.
    func start() async throws(VaultError) -> AgentClient {
        if try await context.ask(client, "status", []) != nil { return client }
        let sentence = try spawn()
        guard try await context.ask(client, "status", []) != nil else {
            throw VaultError(
                .unavailable,
                "the agent did not start: \(sentence ?? "it says nothing")",
                hint: "vault agent run shows why"
            )
        }
        return client
    }

    /// Starts an agent in a session of its own, and waits until it listens.
    ///
    /// - Returns: Why it does not listen; another one may.
    private func spawn() throws(VaultError) -> String? {
        // Whoever started this command waits for its output to end, and the agent does not end.
        keepDescriptorsHere()
        var ends: [Int32] = [-1, -1]
        guard vault_pipe(&ends) == 0 else { throw VaultError(.unavailable, "there is no pipe to start the agent with") }
        defer { close(ends[0]) }
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        posix_spawn_file_actions_adddup2(&files, ends[1], 3)
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let words = ["vault", "agent", "run", "--ready-descriptor", "3"]
        var arguments = words.map { strdup($0) } + [nil]
        let variables = context.environment.filter { Self.isForAgent($0.key) }
        var environment = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { (arguments + environment).forEach { free($0) } }
        var process = pid_t()
        let result = posix_spawn(&process, "/proc/self/exe", &files, &attributes, &arguments, &environment)
        close(ends[1])
        guard result == 0 else {
            throw VaultError(.unavailable, "cannot start the agent: \(String(cString: strerror(result)))")
        }
        let sentence = readLine(ends[0])
        return sentence == "ready" ? nil : sentence
    }

    /// Whether the agent, and the programs it starts for a person, have a use for the variable.
    ///
    /// It lives for long, and many keep secrets in the environment of a shell.
    private static func isForAgent(_ name: String) -> Bool {
        let names = [
            "HOME", "USER", "LOGNAME", "PATH", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "DISPLAY",
            "WAYLAND_DISPLAY", "XAUTHORITY", "GNUPGHOME", "VAULT_ASKPASS", "SSH_ASKPASS", "VAULT_AGENT_SOCK",
            "VAULT_DIR", "VAULT_PROFILE",
            "VAULT_CONFIG_DIR", "SSL_CERT_FILE", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY",
            "SWIFT_BACKTRACE",
        ]
        return names.contains(name) || ["LC_", "XDG_", "DBUS_"].contains { name.hasPrefix($0) }
    }

    /// The first line that comes within five seconds.
    private func readLine(_ descriptor: Int32) -> String? {
        var bytes: [UInt8] = []
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while poll(&entry, 1, 5000) > 0 {
            var byte: UInt8 = 0
            guard read(descriptor, &byte, 1) == 1, byte != 10 else { break }
            bytes.append(byte)
        }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }

    /// Has no descriptor of this process come into a child by itself: those that a starter left open, too.
    private func keepDescriptorsHere() {
        guard let directory = opendir("/proc/self/fd") else { return }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let descriptor = Int32(name), descriptor > 2 else { continue }
            let flags = fcntl(descriptor, F_GETFD)
            if flags >= 0 { _ = fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC) }
        }
    }
}
