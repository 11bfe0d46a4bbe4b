package import DesktopSession
internal import Glibc
@preconcurrency internal import Dispatch
internal import Providers
internal import VaultAPI

/// Tells the user that a login is needed, once for each occasion: from the first failure until a token is handed out.
package actor LoginNotices {
    private let desktop: DesktopSession?
    private let environment: [String: String]
    private var told: Set<Occasion> = []

    private struct Occasion: Hashable {
        let vault: VaultID
        let name: EntryName
    }

    /// - Parameter environment: What the user's command sees.
    package init(_ desktop: DesktopSession?, environment: [String: String]) {
        self.desktop = desktop
        self.environment = environment
    }

    func needed(_ name: String?, _ vault: VaultID, _ error: VaultError, _ settings: AgentSettings) {
        guard let name = Self.entry(name), told.insert(Occasion(vault: vault, name: name)).inserted else { return }
        if settings.notifies {
            desktop?.notify(
                id: name.description,
                summary: "\(name.name): a login is needed",
                body: error.message + "\n" + (error.hint ?? "vault login \(name.name)")
            )
        }
        if let command = settings.loginNeededCommand { run(command, name) }
    }

    func settled(_ name: String?, _ vault: VaultID) {
        guard let name = Self.entry(name) else { return }
        told.remove(Occasion(vault: vault, name: name))
    }

    private static func entry(_ name: String?) -> EntryName? { name.flatMap { try? EntryName(parsing: $0) } }

    /// Starts the user's command; what becomes of it is the user's affair.
    private func run(_ command: [String], _ name: EntryName) {
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        for (descriptor, mode) in [(STDIN_FILENO, O_RDONLY), (STDOUT_FILENO, O_WRONLY), (STDERR_FILENO, O_WRONLY)] {
            posix_spawn_file_actions_addopen(&files, descriptor, "/dev/null", mode, 0)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let variables = environment.merging(["VAULT_ENTRY": name.description]) { $1 }
        var arguments = command.map { strdup($0) } + [nil]
        var block = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { (arguments + block).forEach { free($0) } }
        var process = pid_t()
        guard posix_spawnp(&process, command[0], &files, &attributes, &arguments, &block) == 0 else { return }
        DispatchQueue.global().async { [process] in
            var status: Int32 = 0
            while waitpid(process, &status, 0) < 0, errno == EINTR {}
        }
    }
}
