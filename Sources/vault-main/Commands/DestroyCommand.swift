internal import ArgumentParser
internal import KeyCustody
internal import VaultAPI
internal import VaultCore

struct DestroyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "destroy",
        abstract: "Delete the vault, its keys in the keyring, and what this machine remembers of it."
    )

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let closed = try await ClosedVault.open(context.location)
        let state = context.location.state(of: closed.id)
        let keyringSlots = closed.slots.filter { SlotKind(name: $0.kind)?.needsKeyring ?? false }
        var goes = ["the vault \(context.location.directory) with everything in it"]
        var kept: [String] = []
        if let original = closed.original {
            kept.append("its keys and what is remembered of it: they are those of \(original), which it is a copy of")
        } else {
            goes.append("what is remembered of it in \(state)")
            goes += keyringSlots.map { "the keyring item of slot \($0.id.prefix(8))" }
        }
        let keyFiles = closed.slots.compactMap(\.path)
        if !context.json { for line in goes { Diagnostics.write("to be deleted: \(Diagnostics.oneLine(line))\n") } }
        try context.confirm("Delete all of it for good?", confirmation)
        let failures = try await closed.destroy(context.custodians())
        if context.json {
            try Output.print(
                .object([
                    ("deleted", .strings(failures.isEmpty ? goes : Array(goes.prefix(2)))),
                    ("kept", .strings(keyFiles + kept + failures)),
                ])
            )
        }
        for line in kept { context.note("kept: \(line)") }
        for file in keyFiles where kept.isEmpty {
            context.note("the key file \(file) opens nothing any more; it was left where it is")
        }
        for failure in failures { Diagnostics.warn(failure) }
        if !failures.isEmpty {
            throw VaultError(
                .partial,
                "the vault is gone, but not all of its keyring items",
                hint: "delete them with the keyring's own program"
            )
        }
        context.note("the vault is gone")
    }
}
