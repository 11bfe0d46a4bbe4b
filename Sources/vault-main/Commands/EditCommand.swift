internal import ArgumentParser
internal import VaultAPI
internal import VaultCore

struct EditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "edit",
        abstract: "Change what is not secret of an entry: who may use it, facts, and hosts.",
        discussion: """
            It opens a key slot, whether an agent has the vault open or not. What it says of programs and confirmations \
            is kept by this program and no more than advice to others of the same user.
            """
    )

    @Argument(help: "NAME, oauth:NAME or static:NAME.")
    var name: String

    @Flag(inversion: .prefixedNo, help: "Ask a person before each use.")
    var confirm: Bool?

    @Option(help: ArgumentHelp("Only this program may use it; may be repeated.", valueName: "path"))
    var program: [String] = []

    @Flag(help: "Any program may use it.")
    var anyProgram = false

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("A fact that goes with the entry; may be repeated.", valueName: "key=value")
    )
    var meta: [String] = []

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Forget this fact; may be repeated.", valueName: "key")
    )
    var noMeta: [String] = []

    @Option(help: ArgumentHelp("The token may be sent to this host; may be repeated.", valueName: "host"))
    var host: [String] = []

    @Option(help: ArgumentHelp("The token may not be sent to this host any more.", valueName: "host"))
    var noHost: [String] = []

    @OptionGroup var global: GlobalOptions

    func validate() throws {
        if anyProgram, !program.isEmpty { throw ValidationError("--program and --any-program contradict each other") }
        for path in program where !path.hasPrefix("/") || path.utf8.count > 4096 {
            throw ValidationError("--program takes an absolute path, as /proc/PID/exe shows it; found \(path)")
        }
        for fact in meta where !(fact.firstIndex(of: "=").map { $0 > fact.startIndex } ?? false) {
            throw ValidationError("--meta takes KEY=VALUE; found \(fact)")
        }
        for host in host + noHost where !Self.isHost(host) {
            throw ValidationError(
                "--host takes a host, such as api.example.com, *.example.com or localhost:8080; found \(host)"
            )
        }
        if confirm == nil, program.isEmpty, !anyProgram, meta.isEmpty, noMeta.isEmpty, host.isEmpty, noHost.isEmpty {
            throw ValidationError("there is nothing to change; name an option")
        }
    }

    /// What can stand between the slashes of a URL; an empty or odd one would allow nothing, and look as if it did.
    private static func isHost(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 255
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"/?#@\\\"'<>".utf8.contains($0) }
    }

    func run() async throws {
        let context = try Context(global)
        let name = try EntryName(parsing: name)
        let changed = try await context.open().update(name) { (entry, _) throws(VaultError) in apply(to: &entry) }
        if context.json {
            try Output.print(.shown(changed, secrets: []))
        } else {
            context.note("\(name) is changed")
        }
    }

    private func apply(to entry: inout EntrySummary) {
        if let confirm { entry.confirmsUse = confirm }
        if anyProgram { entry.programs = [] }
        for path in program where !entry.programs.contains(path) { entry.programs.append(path) }
        for key in noMeta { entry.metadata[key] = nil }
        for fact in meta {
            guard let equals = fact.firstIndex(of: "=") else { continue }
            entry.metadata[String(fact[..<equals])] = String(fact[fact.index(after: equals)...])
        }
        let gone = Set(noHost.map { $0.lowercased() })
        entry.hosts.removeAll { gone.contains($0.lowercased()) }
        for host in host.map({ $0.lowercased() }) where !entry.hosts.contains(host) { entry.hosts.append(host) }
    }
}
