internal import ArgumentParser
internal import Glibc
internal import PrivateFiles
internal import VaultAPI
internal import VaultCore

struct AgentInstall: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "install",
        abstract: "Write systemd user units that start the agent when it is wanted."
    )

    @Flag(help: "Also a unit that unlocks this vault when the graphical session begins.")
    var unlockAtLogin = false

    @Flag(help: "Have systemd read the units, and start and enable them.")
    var start = false

    @Flag(help: "Only show what would be done.")
    var dryRun = false

    @Flag(help: "Take the units away again, as far as they are as they were written.")
    var remove = false

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if remove, unlockAtLogin { throw ValidationError("--remove takes all units away: leave out --unlock-at-login") }
        if remove, start { throw ValidationError("--remove and --start are opposites") }
    }

    /// What becomes of a unit's file.
    private enum Fate: String { case written, replaced, unchanged, removed, kept }

    private struct Step {
        let path: String
        let fate: Fate
        /// What is written; `nil` where the file goes.
        var text: String?
    }

    func run() async throws {
        let context = try Context(global)
        let directory = try Self.directory(context.environment)
        let steps = try remove ? Self.removal(in: directory) : installation(in: directory, context)
        let replaced = steps.filter { $0.fate == .replaced }.map(\.path)
        if !replaced.isEmpty, !dryRun {
            try context.confirm("Replace \(replaced.joined(separator: " and ")), which differ?", confirmation)
        }
        if !dryRun { for step in steps { try Self.take(step, in: directory) } }
        let commands = remove ? Self.stopCommands(steps) : startCommands
        try show(steps, commands, context)
        if start, !dryRun { try UserManager(context.environment).run(commands) }
        let kept = steps.filter { $0.fate == .kept }.map(\.path)
        guard kept.isEmpty else {
            throw VaultError(
                .partial,
                "\(kept.joined(separator: " and ")) was changed since it was written, and left where it is",
                hint: "look at it, then: rm \(kept.map(shellQuoted).joined(separator: " "))"
            )
        }
    }

    private func installation(in directory: String, _ context: Context) throws(VaultError) -> [Step] {
        let program = try Self.installedProgram()
        var units = [UserUnit.socket, UserUnit.service(program: program)]
        if unlockAtLogin { units.append(.unlock(program: program, options: place(context))) }
        var steps: [Step] = []
        for unit in units {
            let path = "\(directory)/\(unit.name)"
            let fate: Fate =
                switch try Self.text(at: path) {
                case nil: .written
                case unit.text?: .unchanged
                default: .replaced
                }
            steps.append(Step(path: path, fate: fate, text: unit.text))
        }
        return steps
    }

    /// The options that name the vault to unlock: systemd has none of the shell's variables.
    private func place(_ context: Context) -> [String] {
        func given(_ option: String?, _ variable: String) -> String? {
            option ?? context.environment[variable].flatMap { $0.isEmpty ? nil : $0 }
        }
        var options: [String] = []
        if given(global.directory, "VAULT_DIR") != nil { options += ["--vault", context.location.directory] }
        if let profile = given(global.profile, "VAULT_PROFILE") { options += ["--profile", profile] }
        if let slot = global.slot { options += ["--slot", slot] }
        return options
    }

    private static func removal(in directory: String) throws(VaultError) -> [Step] {
        var steps: [Step] = []
        for name in UserUnit.names {
            let path = "\(directory)/\(name)"
            guard let text = try text(at: path) else { continue }
            steps.append(Step(path: path, fate: UserUnit.isUnchanged(text) ? .removed : .kept))
        }
        return steps
    }

    private static func take(_ step: Step, in directory: String) throws(VaultError) {
        do throws(FileError) {
            switch step.fate {
            case .unchanged, .kept: return
            case .written, .replaced:
                try makeDirectory(directory)
                let file = try NewFile(for: step.path)
                try file.write(Array((step.text ?? "").utf8))
                try file.publish(replacing: step.fate == .replaced, mode: 0o644)
            case .removed:
                try PrivateFiles.remove(step.path)
                // Where `systemctl enable` has put links to it, they would lead nowhere.
                for target in ["sockets.target", "graphical-session.target"] {
                    let link = "\(directory)/\(target).wants/\(step.path.split(separator: "/").last ?? "")"
                    if try FileStatus.of(link)?.kind == .symbolicLink { try PrivateFiles.remove(link) }
                }
            }
        } catch {
            throw failure(error, step.path)
        }
    }

    private var startCommands: [[String]] {
        let systemctl = ["systemctl", "--user"]
        var commands = [systemctl + ["daemon-reload"], systemctl + ["enable", "--now", UserUnit.socket.name]]
        // At the next login: this session has its own `vault unlock`.
        if unlockAtLogin { commands.append(systemctl + ["enable", "vault-unlock.service"]) }
        return commands
    }

    private static func stopCommands(_ steps: [Step]) -> [[String]] {
        let names = steps.filter { $0.fate == .removed }.compactMap {
            $0.path.split(separator: "/").last.map(String.init)
        }
        guard !names.isEmpty else { return [] }
        return [["systemctl", "--user", "stop"] + names, ["systemctl", "--user", "daemon-reload"]]
    }

    private func show(_ steps: [Step], _ commands: [[String]], _ context: Context) throws {
        guard !context.json else {
            return try Output.print(
                .object([
                    ("dry_run", .bool(dryRun)),
                    (
                        "units",
                        .array(
                            steps.map { step in
                                .object([
                                    ("path", .string(step.path)), ("result", .string(step.fate.rawValue)),
                                    ("text", .optional(step.text)),
                                ])
                            }
                        )
                    ),
                    ("commands", .array(commands.map { .strings($0) })),
                ])
            )
        }
        for step in steps {
            try Output.print(["\(step.path): \(dryRun ? "would be " : "")\(step.fate.rawValue)"])
            if dryRun, let text = step.text {
                try Output.print(
                    text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { "    \($0)" }
                )
            }
        }
        if steps.isEmpty { context.note("there are no units of the agent's") }
        if !commands.isEmpty, !start {
            context.note("what systemd still has to be told:")
            try Output.print(commands.map { $0.joined(separator: " ") })
        }
    }

    /// Where systemd looks for a user's own units.
    private static func directory(_ environment: [String: String]) throws(VaultError) -> String {
        let plain = environment.filter { $0.key != "VAULT_CONFIG_DIR" && $0.key != "VAULT_PROFILE" }
        let configuration = try VaultLocation.standard(directory: "/", environment: plain).configuration
        return PrivateFiles.parentDirectory(of: configuration) + "/systemd/user"
    }

    /// The `vault` beside this program, or the one in whose `libexec` it is.
    private static func installedProgram() throws(VaultError) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let own = String(decoding: buffer.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
        let directory = PrivateFiles.parentDirectory(of: own)
        let prefix = PrivateFiles.parentDirectory(of: PrivateFiles.parentDirectory(of: directory))
        let candidates: [String] = ["\(directory)/vault", "\(prefix)/bin/vault"]
        let found = candidates.first { access($0, X_OK) == 0 }
        guard let found else {
            throw VaultError(
                .unavailable,
                "there is no vault beside \(own), nor in \(prefix)/bin",
                hint: "install it: make install"
            )
        }
        // systemd refuses them in the path of a program, escaped or not; it takes them in arguments.
        let refused = found.unicodeScalars.contains {
            #"\"'"#.unicodeScalars.contains($0) || $0.properties.generalCategory == .control
        }
        guard !refused else {
            throw VaultError(
                .configuration,
                "systemd starts no program whose path has quotes, backslashes or control characters: \(found)",
                hint: "install it elsewhere: make install PREFIX=DIR"
            )
        }
        return found
    }

    /// A unit's text; `nil` where there is none.
    private static func text(at path: String) throws(VaultError) -> String? {
        do throws(FileError) {
            guard let status = try FileStatus.of(path) else { return nil }
            guard status.kind == .regular, !status.isForeign else {
                throw FileError(
                    .unsafe,
                    path,
                    "is \(status.kind.rawValue) of user \(status.owner), expected a file of your own",
                    hint: "look at it with: ls -l \(shellQuoted(path))"
                )
            }
            // More than any unit has.
            let bytes = try Descriptor.open(path).read(upTo: 64 << 10)
            return String(decoding: bytes, as: UTF8.self)
        } catch {
            throw failure(error, path)
        }
    }

    /// Makes what is missing, as readable as what systemd makes there; what exists is the user's own affair.
    private static func makeDirectory(_ path: String) throws(FileError) {
        guard access(path, F_OK) != 0 else { return }
        try makeDirectory(PrivateFiles.parentDirectory(of: path))
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
            throw FileError(.unavailable, path, "cannot be made: \(String(cString: strerror(errno)))")
        }
    }

    private static func failure(_ error: FileError, _ path: String) -> VaultError {
        VaultError(
            error.code == .unsafe ? .unsafe : .unavailable,
            "\(path): \(error.message)",
            hint: error.hint,
            underlying: error
        )
    }
}
