internal import ArgumentParser
internal import VaultAPI
internal import VaultCore

struct RemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Delete an entry here; nothing is revoked at the server."
    )

    @Argument(help: "NAME, oauth:NAME or static:NAME.", completion: .entryNames)
    var name: String

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let name = try EntryName(parsing: name)
        let broker = try await context.broker()
        do throws(VaultError) {
            _ = try await broker.summary(of: name)
        } catch {
            guard error.code == .damaged else { throw error }
            context.note("\(error.message); it can still be removed")
        }
        try context.confirm("Delete \(name) from this vault?", confirmation)
        try await broker.remove(name)
        if context.json {
            try Output.print(.object([("removed", .string(name.description))]))
        } else {
            context.note("\(name) is gone")
        }
    }
}
