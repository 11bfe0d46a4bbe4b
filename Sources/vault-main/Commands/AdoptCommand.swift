internal import ArgumentParser
internal import TokenImport
internal import VaultAPI

struct AdoptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adopt",
        abstract: "End the hold on an entry: from now on the vault refreshes it, on this machine."
    )

    @Argument(help: "NAME or oauth:NAME.", completion: .entryNames)
    var name: String

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let name = try EntryName(parsing: name)
        let broker = try await context.broker()
        let summary = try await broker.summary(of: name)
        let state = summary.state
        switch state {
        case .held(.secondOwner) where summary.isRunGone:
            try context.confirm(
                "The command that had \(name) is gone with its private directory: its refresh token may be spent, and "
                    + "spending it again may end the grant. Use it all the same?",
                confirmation
            )
        case .held(.otherMachine):
            try context.confirm(
                "Another machine refreshes \(name), and two that do log each other out. Let this one do it, and no other?",
                confirmation
            )
        case .held(.conflict), .held(.secondOwner), .active, .suspect, .reauthorizationRequired: break
        case .held(let reason):
            try context.confirm(
                "The refresh token of \(name) may be spent (\(reason.rawValue)), and spending it again may end the grant. "
                    + "Use it all the same?",
                confirmation
            )
        }
        let adopted = try await adopt(name, broker, context)
        if context.json { try Output.print(.listed(adopted)) }
        if case .held = state {
            context.note("\(name) is the vault's own now")
        } else {
            context.note("\(name) is not held; there is nothing to adopt")
        }
    }

    private func adopt(
        _ name: EntryName,
        _ broker: any VaultBroker,
        _ context: Context
    ) async throws(VaultError) -> EntrySummary {
        switch try await broker.adopt(name, takingOut: false) {
        case .adopted(let summary): return summary
        case .stillInFile(let path): try confirmTakingOut(name, of: path, context)
        }
        switch try await broker.adopt(name, takingOut: true) {
        case .adopted(let summary): return summary
        case .stillInFile(let path):
            throw VaultError(.unsafe, "\(path) holds the grant of \(name) still; nothing was changed")
        }
    }

    private func confirmTakingOut(_ name: EntryName, of path: String, _ context: Context) throws(VaultError) {
        // An item of another program in the keyring is only read: the question is whether that program is done with it.
        let isForeign = path.hasPrefix("keyring:")
        do throws(VaultError) {
            try context.confirm(
                isForeign
                    ? "\(path) still holds the grant of \(name), and vault leaves it there. Will no other program use it?"
                    : "\(path) still holds the grant of \(name). Take it out of that file?",
                confirmation
            )
        } catch {
            guard error.code == .locked else { throw error }
            throw VaultError(
                .unsafe,
                "\(path) still holds the grant of \(name), and two owners of one refresh token log each other out; "
                    + "nothing was changed",
                hint: isForeign
                    ? "log out of the program that owns it, or say that nothing else uses it: vault adopt \(name.name) --yes"
                    : "log out of the program that owns it, or take it out of the file: vault adopt \(name.name) --yes"
            )
        }
    }
}
