internal import ArgumentParser

struct StoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store",
        abstract: "Where records are kept: what other machines left there, and moving elsewhere.",
        subcommands: [
            Show.self, Migrate.self, Use.self, Remove.self, StoreConflictsCommand.self, StoreResolveCommand.self,
        ],
        defaultSubcommand: Show.self
    )
}
