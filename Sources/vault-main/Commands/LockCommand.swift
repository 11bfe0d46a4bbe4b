internal import AgentClient
internal import ArgumentParser
internal import VaultAPI
internal import VaultCore

struct LockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lock",
        abstract: "Have the agent wipe the vault's key.",
        discussion: "A refresh that is under way is waited for, so that its token is in the vault."
    )

    @Flag(help: "Wipe the keys of all vaults that the agent holds.")
    var all = false

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let which: [(String, WireContent)] = all ? [] : [("vault", .string(context.location.directory))]
        // Nobody there, nobody has a key.
        let locked = try await context.askAgent("lock", which)?["locked"]?.strings ?? []
        if context.json { return try Output.print(.object([("locked", .strings(locked))])) }
        guard !locked.isEmpty else { return context.note("no agent holds the key; there was nothing to lock") }
        for directory in locked { context.note("\(directory) is locked") }
    }
}
