internal import ArgumentParser
internal import VaultAPI
internal import VaultCore

extension StoreCommand {
    struct Migrate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Move the vault into another store, or end a move that was broken off.",
            discussion: """
                Records are copied while the vault is in use, and only for the last of it nobody can write. Other machines \
                follow with vault store use URL. Broken off at any point, the same command goes on.
                """
        )

        @Option(
            help: ArgumentHelp("Where to: sqlite, dir:PATH or etcd://HOST:PORT/PREFIX.", valueName: "url")
        )
        var to: String?

        @Flag(help: "Take back a move that was broken off.")
        var abort = false

        @Flag(help: "Remove the store that the vault was in once it has been moved.")
        var removeOld = false

        @OptionGroup var confirmation: ConfirmationOptions
        @OptionGroup var global: GlobalOptions

        func run() async throws {
            let context = try Context(global)
            let home = context.environment["HOME"]
            var goal: StoreAddress?
            if let to { goal = try StoreAddress(parsing: to, home: home) }
            if abort { return try await takeBack(context, goal) }
            guard let goal else {
                throw VaultError(.usage, "--to is missing", hint: "vault store migrate --to URL, or --abort")
            }
            let from = try context.location.storeAddress()
            try context.location.requireElsewhere(goal)
            try context.confirm("Move the vault \(context.location.directory) from \(from) to \(goal)?", confirmation)
            let vault = try await context.openForMove()
            let report = try await vault.move(to: goal, removingOld: removeOld)
            if context.json {
                try Output.print(
                    .object([
                        ("action", .string("moved")), ("from", .string("\(report.from)")),
                        ("to", .string("\(report.to)")),
                        ("records", report.records.map { .number(Int64($0)) } ?? .null),
                        ("resumed", .bool(report.wasResumed)), ("old_store_removed", .bool(!report.keepsOld)),
                    ])
                )
            }
            let count = report.records.map { ", with \($0) record\($0 == 1 ? "" : "s"), each compared" } ?? ""
            context.note("the vault is in \(report.to)\(count)")
            if let leftover = report.leftover {
                throw VaultError(
                    .partial,
                    "the vault was moved, but the store it was in is still there: \(leftover.message)",
                    hint: leftover.hint ?? "vault store remove \(from)"
                )
            }
            guard report.keepsOld else { return context.noteSetAside(from) }
            context.note("what it was in is not used any more; vault store remove \(from) deletes it")
        }

        private func takeBack(_ context: Context, _ goal: StoreAddress?) async throws {
            guard !removeOld else {
                throw VaultError(.usage, "--abort and --remove-old contradict each other")
            }
            let vault = try await context.openForMove()
            let taken: StoreAddress
            var isBlind = false
            do throws(VaultError) {
                taken = try await vault.takeBack(from: goal)
            } catch {
                guard error.isUnreachable else { throw error }
                try context.confirm(
                    "\(error.message). Had the move been completed there, there would be two vaults. Take it back all the same?",
                    confirmation
                )
                taken = try await vault.takeBack(from: goal, blindly: true)
                isBlind = true
            }
            let here = try context.location.storeAddress()
            if context.json {
                try Output.print(
                    .object([
                        ("action", .string("taken-back")), ("from", .string("\(here)")), ("to", .string("\(taken)")),
                        ("records", .null), ("resumed", .bool(true)), ("old_store_removed", .bool(false)),
                    ])
                )
            }
            context.note("the vault stays in \(here)")
            context.note(
                isBlind
                    ? "what was copied to \(taken) may still be there: vault store remove \(taken)"
                    : "what was copied to \(taken) was removed"
            )
        }
    }
}
