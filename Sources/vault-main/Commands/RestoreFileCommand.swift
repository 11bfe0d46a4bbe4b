internal import ArgumentParser
internal import TokenBroker
internal import TokenImport
internal import VaultAPI
internal import VaultCore

struct RestoreFileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore-file",
        abstract: "Hand a grant back to the file that it was imported from.",
        discussion: """
            The whole file is written, whichever of its entries is named: with the bytes that were imported, or, where \
            tokens were refreshed since, with those and their times in the places of the old ones. From then on the \
            program that owns the file refreshes them, and the vault holds them.
            """
    )

    @Argument(help: "NAME, oauth:NAME or static:NAME.", completion: .entryNames)
    var name: String

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let name = try EntryName(parsing: name)
        let vault = try await context.open()
        let (path, names) = try await FileRestoration.preview(name, in: vault, now: Timestamp.systemNow)
        let all = names.map(\.description).joined(separator: ", ")
        try context.confirm("Write \(path), in the clear, with \(all)?", confirmation)
        for name in names { try await context.writeOut(try await vault.summary(of: name), of: vault) }
        let done = try await FileRestoration.run(name, in: vault, now: Timestamp.systemNow)
        if context.json {
            try Output.print(
                .object([
                    ("path", .string(done.path)),
                    ("outcome", .string(done.outcome.rawValue)),
                    ("entries", .strings(done.names.map(\.description))),
                    ("held", .strings(done.held.map(\.description))),
                    ("original", .bool(done.isOriginal)),
                    ("notes", .strings(done.notes)),
                ])
            )
        } else {
            for note in done.notes { context.note(note) }
            context.note(sentence(done))
        }
    }

    private func sentence(_ done: FileRestoration) -> String {
        let held = done.held.map(\.description).joined(separator: ", ")
        let whose = held.isEmpty ? "" : "; \(held) is its owner's now, and held here"
        switch done.outcome {
        case .written where done.isOriginal: return "\(done.path) has the bytes that were imported\(whose)"
        case .written: return "\(done.path) is written, with the tokens of today\(whose)"
        case .present: return "\(done.path) is there already\(whose)"
        case .owned: return "\(done.path) is there, and its owner has refreshed it; nothing was changed"
        }
    }
}

extension Context {
    /// Passes an entry through the gate whose secrets are about to be written into a file.
    func writeOut(_ entry: EntrySummary, of vault: Vault) async throws(VaultError) {
        let caller = Caller.own(via: .command)
        try await gate.admit(entry, to: caller, in: vault)
        if let warning = await gate.record(.file, of: entry, to: caller, in: vault) { Diagnostics.warn(warning) }
    }
}
