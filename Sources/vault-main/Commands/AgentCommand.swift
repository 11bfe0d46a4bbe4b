internal import AgentClient
internal import ArgumentParser
internal import CVaultSystem
internal import DesktopSession
internal import Glibc
internal import Providers
internal import VaultAPI
internal import VaultAgent
internal import VaultCore

struct AgentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "The process that holds keys for a session.",
        subcommands: [AgentRun.self, AgentInstall.self, AgentStop.self]
    )
}

struct AgentRun: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run the agent in the foreground, until it is told to stop.",
        discussion: """
            vault unlock starts it by itself; this is for service managers, and for --forward. A socket that a service \
            manager hands over is used as it is.
            """
    )

    @Option(
        help: ArgumentHelp(
            "Make a second socket, which gives out the tokens of these entries and nothing else: for ssh -R.",
            valueName: "name"
        )
    )
    var forward: [String] = []

    @Option(help: ArgumentHelp("Where the second socket is, if not beside the first.", valueName: "path"))
    var forwardSocket: String?

    @Option(help: .hidden)
    var readyDescriptor: Int32?

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if forwardSocket != nil, forward.isEmpty { throw ValidationError("--forward-socket goes with --forward NAME") }
    }

    func run() async throws {
        let context = try Context(global)
        if readyDescriptor != nil {
            // The end of the terminal, Ctrl-C at it, and the directory it was in are not the agent's affair.
            setsid()
            guard chdir("/") == 0 else { throw VaultError(.failed, "there is no way to /") }
        }
        let desktop = DesktopSession(environment: context.environment)
        let questions = ConfirmationProgram(environment: context.environment)
        let agent = Agent(
            version: Version.text,
            notices: LoginNotices(desktop, environment: context.environment),
            confirm: { name, caller throws(VaultError) in try await questions.ask(name, caller) },
            dismiss: { questions.dismiss() }
        )
        let process: AgentProcess
        do throws(VaultError) {
            process = try start(agent, context)
        } catch {
            tellReady(error.message)
            throw error
        }
        // A refresh that is under way holds signals back until its answer is stored.
        let watch = InterruptWatch { _ in process.stop() }
        desktop.start()
        let events = Task { [agent] in
            for await event in desktop.events { await agent.heed(event, of: desktop) }
        }
        tellReady("")
        ServiceManager.notify("READY=1", context.environment)
        await process.run()
        ServiceManager.notify("STOPPING=1", context.environment)
        desktop.end()
        events.cancel()
        if let number = watch.signal { Glibc.exit(128 + Int32(number)) }
    }

    private func start(_ agent: Agent, _ context: Context) throws(VaultError) -> AgentProcess {
        guard let path = AgentSocket.path(context.environment) else { throw AgentStarter.noPlace }
        let seat = try AgentSeat.take(path)
        let sockets = try ServiceManager.takeSockets(context.environment)
        let process = try AgentProcess(agent, seat: seat, sockets: sockets)
        guard !forward.isEmpty else { return process }
        var names: Set<EntryName> = []
        for name in forward { names.insert(try EntryName(parsing: name)) }
        let socket = forwardSocket ?? forwardPath(beside: path)
        try process.forward(Forwarding(vault: context.location.directory, names: names), at: socket)
        context.note("\(socket) gives out the tokens of \(names.sorted().map(\.description).joined(separator: ", "))")
        return process
    }

    private func forwardPath(beside path: String) -> String {
        (path.lastIndex(of: "/").map { String(path[...$0]) } ?? "/") + "forward.sock"
    }

    /// Tells whoever started the agent that it listens, or why it does not.
    private func tellReady(_ sentence: String) {
        guard let readyDescriptor else { return }
        let text = sentence.isEmpty ? "ready\n" : sentence + "\n"
        _ = write(readyDescriptor, text, text.utf8.count)
        close(readyDescriptor)
    }
}

extension Agent {
    /// Does what the desktop's doings ask for.
    fileprivate func heed(_ event: DesktopEvent, of desktop: DesktopSession) async {
        switch event {
        case .sleep:
            await lock { $0.locksOnSuspend }
            desktop.lockedForSleep()
        case .wake: await wake()
        case .lock: await lock { $0.locksOnScreenLock }
        }
    }
}

struct AgentStop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "Have the agent wipe all keys and end."
    )

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let stopped = try await context.askAgent("stop") != nil
        if context.json { return try Output.print(.object([("stopped", .bool(stopped))])) }
        context.note(stopped ? "the agent has stopped" : "no agent runs; there was nothing to stop")
    }
}
