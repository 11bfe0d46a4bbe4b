internal import ArgumentParser
internal import VaultAPI
internal import VaultCore

struct RenameCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rename", abstract: "Give an entry another name.")

    @Argument(help: "The entry.", completion: .entryNames)
    var old: String

    @Argument(help: "Its new name, which must be free.")
    var new: String

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let old = try EntryName(parsing: old)
        // `rename static:a b` means static:b.
        let new = try new.contains(":") ? EntryName(parsing: new) : EntryName(old.kind, new)
        let renamed = try await context.broker().rename(old, to: new)
        if context.json { try Output.print(.listed(renamed)) } else { context.note("\(old) is now \(new)") }
    }
}
