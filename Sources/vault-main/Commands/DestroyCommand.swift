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
        let closed: ClosedVault
        do throws(VaultError) {
            closed = try await ClosedVault.open(context.location)
        } catch {
            guard error.code == .notFound, try context.location.storeOrigin() == .pointer else { throw error }
            return try forget(context)
        }
        let state = context.location.state(of: closed.id)
        let keyringSlots = closed.slots.filter { SlotKind(name: $0.kind)?.needsKeyring ?? false }
        let store = try context.location.storeAddress()
        var goes = ["the vault \(context.location.directory) with everything in it" + Self.reach(store)]
        var kept: [String] = []
        if let original = closed.original {
            kept.append("its keys and what is remembered of it: they are those of \(original), which it is a copy of")
        } else {
            goes += try await closed.remains().map { "what a move has left in \($0)" }
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
                    ("deleted", .strings(failures.isEmpty ? goes : goes.filter { !$0.hasPrefix("the keyring item") })),
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

    /// Ends what is left where the vault itself is gone: a removal that was cut off, or somebody else's.
    private func forget(_ context: Context) throws {
        let line = "the line in \(context.location.directory) that names \(try context.location.storeAddress())"
        try context.confirm("There is no vault there any more. Delete \(line)?", confirmation)
        try context.location.forgetStore()
        if context.json { try Output.print(.object([("deleted", .strings([line])), ("kept", .strings([]))])) }
        context.note("\(context.location.directory) names no store any more; nothing else was deleted")
    }

    /// Who else loses what is deleted.
    private static func reach(_ store: StoreAddress) -> String {
        switch store {
        case .sqlite: ""
        case .directory(let path): ", which is in \(path): machines that synchronise it lose it too"
        case .etcd(let address): ", which is in \(address): every machine that uses it there loses it"
        }
    }
}
