internal import ArgumentParser
internal import VaultAPI
internal import VaultCore

extension StoreCommand {
    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show which store the vault is in, and what says so."
        )

        @OptionGroup var global: GlobalOptions

        func run() async throws {
            let context = try Context(global)
            let location = context.location
            let address = try location.storeAddress()
            let origin = try location.storeOrigin()
            let unused = try location.unusedStores()
            var closed: ClosedVault?
            var problem: VaultError?
            do throws(VaultError) { closed = try await ClosedVault.open(location) } catch { problem = error }
            if context.json {
                try Output.print(
                    .object([
                        ("directory", .string(location.directory)), ("store", .string("\(address)")),
                        ("named_by", .string(origin.rawValue)), ("vault", .optional(closed?.id.description)),
                        ("moved_to", .optional(closed?.movedTo)), ("unused", .strings(unused.map(\.description))),
                        ("problem", .optional(problem?.message)),
                    ])
                )
            } else {
                var rows = [["directory", location.directory], ["store", "\(address)"]]
                switch origin {
                case .directory: break
                case .pointer: rows.append(["", "named by \(location.directory)/store"])
                case .settings: rows.append(["", "named by \(location.configuration)/store.yaml"])
                }
                if let closed { rows.append(["vault", "\(closed.id)"]) }
                if let goal = closed?.movedTo { rows.append(["moved to", goal]) }
                for store in unused { rows.append(["not used", "\(store)"]) }
                let width = rows.map { $0[0].count }.max() ?? 0
                try Output.print(
                    rows.map { $0[0] + String(repeating: " ", count: width - $0[0].count) + "  " + $0[1] }
                )
            }
            if let problem { throw problem }
        }
    }

    struct Use: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Use a vault that is in a store already: on another machine, or in a synchronised folder."
        )

        @Argument(help: ArgumentHelp("dir:PATH, etcd://HOST:PORT/PREFIX or sqlite.", valueName: "url"))
        var url: String

        @OptionGroup var global: GlobalOptions

        func run() async throws {
            let context = try Context(global)
            let address = try StoreAddress(parsing: url, home: context.environment["HOME"])
            let vault = try await context.use(address)
            if context.json {
                try Output.print(
                    .object([
                        ("directory", .string(context.location.directory)), ("store", .string("\(address)")),
                        ("vault", .string(vault.id.description)),
                    ])
                )
            }
            context.note("\(context.location.directory) stands for the vault in \(address)")
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a store that the vault was moved out of, or that a move did not reach."
        )

        @Argument(help: ArgumentHelp("sqlite, dir:PATH or etcd://HOST:PORT/PREFIX.", valueName: "url"))
        var url: String

        @Flag(help: "Also what another machine has written there since the move; it is put aside.")
        var withLate = false

        @OptionGroup var confirmation: ConfirmationOptions
        @OptionGroup var global: GlobalOptions

        func run() async throws {
            let context = try Context(global)
            let address = try StoreAddress(parsing: url, home: context.environment["HOME"])
            let vault = try await context.open()
            try context.confirm("Delete what this vault left in \(address) for good?", confirmation)
            try await vault.removeRemains(at: address, withLate: withLate)
            if context.json { try Output.print(.object([("removed", .string("\(address)"))])) }
            context.note("\(address) is gone")
            context.noteSetAside(address)
        }
    }
}

extension Context {
    /// Says where versions are that were set aside in a store which is gone.
    func noteSetAside(_ address: StoreAddress) {
        guard let setAside = address.setAside else { return }
        note("versions that were set aside there are kept in \(setAside)")
    }
}
