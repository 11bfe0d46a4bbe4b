internal import ArgumentParser
internal import CVaultSystem
internal import Glibc
internal import TokenImport
internal import VaultAPI
internal import VaultCore

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a command whose tool has its own token file for as long as it runs.",
        discussion: """
            The file lies in a private directory in memory, to which the tool is pointed by its own variable; whatever \
            else the tool keeps beside it is there too. Meanwhile the entry is held; at the end the tool's newer tokens \
            are taken back, also after a crash: by the next run. Signals are passed on, and the exit status is the \
            command's. Failures of vault itself are 125, with the code of its own table in the message; 126 is a \
            program that cannot be run, 127 one that is not there.
            """
    )

    @Option(help: ArgumentHelp("The entry, where several would do or it was not imported.", valueName: "name"))
    var name: String?

    @Argument(help: ArgumentHelp("The tool, such as codex, claude, gemini, gcloud, databricks, aws, kubelogin."))
    var tool: String

    @Argument(
        parsing: .postTerminator,
        help: ArgumentHelp("The program and its arguments, behind --.", valueName: "cmd")
    )
    var command: [String] = []

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if global.json { throw ValidationError("the output is the program's; leave out --json") }
        if command.isEmpty { throw ValidationError("the program is missing; it stands behind --") }
    }

    func run() async throws {
        let inherited = OpenDescriptors.now
        do throws(VaultError) {
            let context = try Context(global)
            let vault = try await context.open()
            let run = try await ToolRun.begin(
                tool,
                try name.map { (text) throws(VaultError) in try EntryName(parsing: text) },
                in: vault,
                machine: .current,
                runtimeDirectory: context.environment["XDG_RUNTIME_DIR"],
                now: Timestamp.systemNow,
                report: { report($0, "the tool of a command that was cut off", context) }
            ) { (entry) throws(VaultError) in try await context.writeOut(entry, of: vault) }
            let process = try run.withLockOfCommand { start(run, inherited, lock: $0) }
            let status = process > 0 ? vault_wait(process) : 0
            let end = try await run.end(in: vault, now: Timestamp.systemNow)
            if let end {
                report(end, tool, context)
            } else {
                context.note(
                    "a process still uses the file of \(tool); its tokens stay with it, and are taken back by the next "
                        + "vault run, token or doctor after its end"
                )
            }
            if process < 0 { ExecCommand.end(cannotRun: command[0], -process) }
            if status < 0 { vault_end_by(-status) }
            Glibc.exit(status)
        } catch {
            ExecCommand.end(error)
        }
    }

    /// Starts the command; its process, or a negated `errno` value.
    private func start(_ run: ToolRun, _ inherited: OpenDescriptors, lock: Int32) -> Int32 {
        var variables: [UnsafeMutablePointer<CChar>?] = []
        var next = environ
        while let entry = next.pointee {
            let name = String(cString: entry).prefix { $0 != "=" }
            if run.variables[String(name)] == nil { variables.append(strdup(entry)) }
            next += 1
        }
        for (name, value) in run.variables { variables.append(strdup("\(name)=\(value)")) }
        variables.append(nil)
        var arguments = command.map { strdup($0) } + [nil]
        defer { (variables + arguments).forEach { free($0) } }
        var isOpen = inherited.isOpen
        if isOpen.count <= lock { isOpen += [Bool](repeating: false, count: Int(lock) + 1 - isOpen.count) }
        isOpen[Int(lock)] = true
        _ = vault_keep_open(lock)
        return vault_start(&arguments, &variables, isOpen, Int32(isOpen.count))
    }

    private func report(_ end: ToolRunEnd, _ tool: String, _ context: Context) {
        if let failure = end.failure {
            context.note(failure.message + (failure.hint.map { "; \($0)" } ?? ""))
        }
        for name in end.updated where context.verbose { context.note("\(name) has the tokens that \(tool) got") }
        for name in end.added { context.note("\(name) is new: \(tool) got it") }
        for name in end.loggedOut {
            context.note(
                "\(tool) took \(name) out of its file (logged out?); the vault keeps it; vault logout \(name.name) or "
                    + "vault remove \(name.name) gives it up"
            )
        }
        for note in end.notes { context.note(note) }
    }
}
