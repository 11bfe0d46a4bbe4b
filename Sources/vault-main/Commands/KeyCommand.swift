internal import ArgumentParser
internal import KeyCustody
internal import VaultAPI
internal import VaultCore

struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "The slots that open the vault.",
        subcommands: [List.self, Add.self, Change.self, Remove.self, Rotate.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the slots.")

        @OptionGroup var global: GlobalOptions

        func run() async throws {
            let context = try Context(global)
            let closed = try await ClosedVault.open(context.location)
            if context.json {
                try Output.print(.object([("slots", .array(closed.slots.map { .slot($0) }))]))
            } else {
                try Output.print(Table.lines(["SLOT", "KIND", "MADE", "DETAIL"], closed.slots.map(Self.row)))
            }
        }

        private static func row(_ slot: SlotListing) -> [String] {
            var detail = slot.path ?? "-"
            if let passes = slot.passes, let memory = slot.memoryBytes {
                detail = "Argon2id, \(passes) passes over \(memory >> 20) MiB"
            }
            return [String(slot.id.prefix(8)), slot.kind, slot.createdAt?.description ?? "-", detail]
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Add a slot; no entry is sealed anew.")

        @Argument(help: "secret-service, passphrase, secret-service+passphrase, recovery-code or key-file:PATH.")
        var kind: String

        @Option(help: "How strong a passphrase slot is made.")
        var kdf: DerivationChoice = .moderate

        @Option(help: ArgumentHelp("Write a recovery code to this new file.", valueName: "file"))
        var recoveryCodeFile: String?

        @Option(help: ArgumentHelp("A file with the new passphrase.", valueName: "file"))
        var newPassphraseFile: String?

        @OptionGroup var global: GlobalOptions

        func run() async throws {
            let context = try Context(global, newPassphraseFile: newPassphraseFile)
            let slot = try NewSlot(kind, kdf)
            let vault = try await context.open(recovery: recoveryCodeFile.map { .file($0) } ?? .terminal)
            try context.report(try await vault.addSlot(slot), "added")
        }
    }

    struct Change: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Replace a slot by a new one of its kind: another passphrase, or a key the keyring has lost."
        )

        @Argument(help: "The beginning of the slot's id.")
        var slotID: String

        @Option(help: "How strong a passphrase slot is made.")
        var kdf: DerivationChoice = .moderate

        @Option(help: ArgumentHelp("Write a recovery code to this new file.", valueName: "file"))
        var recoveryCodeFile: String?

        @Option(help: ArgumentHelp("A file with the new passphrase.", valueName: "file"))
        var newPassphraseFile: String?

        @Option(help: ArgumentHelp("Where a new key file goes.", valueName: "path"))
        var keyFile: String?

        @OptionGroup var global: GlobalOptions

        func run() async throws {
            let context = try Context(global, newPassphraseFile: newPassphraseFile)
            let vault = try await context.open(
                recovery: recoveryCodeFile.map { .file($0) } ?? .terminal,
                offersReplacement: false
            )
            let meant = vault.slots.filter { !slotID.isEmpty && $0.id.hasPrefix(slotID.lowercased()) }
            let isKeyFile = meant.contains { $0.path != nil }
            guard !isKeyFile || keyFile != nil else {
                throw VaultError(
                    .usage,
                    "a new key file needs a path of its own",
                    hint: "add --key-file PATH; vault key rotate replaces the file in its place"
                )
            }
            let new = try await vault.changeSlot(
                slotID,
                derivation: kdf.parameters,
                keyFile: keyFile.map(VaultLocation.absolute)
            )
            try context.report(new, "made in its place")
            context.note("old copies of the vault still open with the old one; vault key rotate makes a new data key")
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a slot; the last one stays.")

        @Argument(help: "The beginning of the slot's id.")
        var slotID: String

        @OptionGroup var global: GlobalOptions

        func run() async throws {
            let context = try Context(global)
            let vault = try await context.open(offersReplacement: false)
            try await vault.removeSlot(slotID)
            if context.json {
                try Output.print(.object([("slots", .array(vault.slots.map { .slot($0) }))]))
            } else {
                context.note(
                    "the slot \(slotID) is gone; old copies of the vault still open with it, unless vault key rotate makes a new data key"
                )
            }
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a new data key and seal everything anew.",
            discussion: """
                A slot survives only if its secret is presented now. Secret Service and key-file slots get fresh \
                secrets, and a new recovery code is issued where there was one.
                """
        )

        @Option(name: .customLong("drop"), help: ArgumentHelp("Give this slot up; may be repeated.", valueName: "slot"))
        var dropped: [String] = []

        @Option(help: "How strong passphrase slots are made.")
        var kdf: DerivationChoice = .moderate

        @OptionGroup var recovery: RecoveryOptions
        @OptionGroup var confirmation: ConfirmationOptions
        @OptionGroup var global: GlobalOptions

        func run() async throws {
            let context = try Context(global)
            var delivery = RecoveryDelivery.terminal
            if let file = recovery.recoveryCodeFile { delivery = .file(file) }
            let vault = try await context.open(recovery: delivery, offersReplacement: false)
            let prepared = try await vault.prepareRotation(dropping: dropped)
            var lost = prepared.lost
            let issuesCode =
                prepared.replacesRecoveryCode && recovery.isWanted
                && (recovery.recoveryCodeFile != nil || context.isInteractive)
            if prepared.replacesRecoveryCode, !issuesCode {
                lost += vault.slots.filter { $0.kind == SlotKind.recoveryCode.description }
            }
            var question = "Make a new data key for \(context.location.directory)?"
            if !lost.isEmpty {
                let names = lost.map { "\($0.id.prefix(8)) (\($0.kind))" }.joined(separator: ", ")
                question += " These slots will be gone, because their secret was not presented: \(names)."
                // `--yes` answers the question; it does not spare anybody the names.
                if confirmation.yes {
                    Diagnostics.warn("these slots go, because their secret was not presented: \(names)")
                }
                if prepared.replacesRecoveryCode, !issuesCode, recovery.isWanted {
                    context.note("--recovery-code-file FILE makes a new recovery code in place of the old one")
                }
            }
            try context.confirm(question, confirmation)
            try await vault.rotate(prepared, issuesRecoveryCode: issuesCode, derivation: kdf.parameters)
            if context.json {
                try Output.print(.object([("slots", .array(vault.slots.map { .slot($0) }))]))
            } else {
                context.note(
                    "the vault has a new data key; it opens with: \(vault.slots.map(\.kind).joined(separator: ", "))"
                )
            }
        }
    }
}

extension Context {
    /// Says which slot was made.
    fileprivate func report(_ slot: SlotListing, _ verb: String) throws {
        if json {
            try Output.print(.object([("slots", .array([.slot(slot)]))]))
        } else {
            note("the slot \(slot.id.prefix(8)) (\(slot.kind)) was \(verb)")
        }
    }
}
