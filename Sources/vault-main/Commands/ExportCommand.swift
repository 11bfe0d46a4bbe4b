internal import ArgumentParser
internal import PrivateFiles
internal import TokenBroker
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

struct ExportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write an encrypted backup under its own passphrase."
    )

    @Argument(help: "The backup file; it must not exist.")
    var file: String

    @Option(help: ArgumentHelp("A file with the backup's passphrase.", valueName: "file"))
    var backupPassphraseFile: String?

    @Option(help: "How strong the passphrase is made.")
    var kdf: DerivationChoice = .moderate

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        guard try !FileStatusCheck.exists(file) else {
            throw VaultError(.failed, "\(file) exists; a backup overwrites nothing", hint: "name a new file")
        }
        let directory = PrivateFiles.parentDirectory(of: VaultLocation.absolute(file))
        guard try FileStatusCheck.exists(directory) else {
            throw VaultError(
                .unavailable,
                "\(directory) does not exist, so no backup can be written there",
                hint: "make it, or name another file"
            )
        }
        let vault = try await context.openToCopy()
        let passphrase = try context.backupPassphrase(file: backupPassphraseFile, isNew: true)
        guard passphrase.count > 0 else { throw VaultError(.usage, "an empty passphrase protects nothing") }
        let count = try await vault.export(to: file, passphrase: passphrase, derivation: kdf.parameters)
        // All secrets have left the vault, if under another passphrase.
        let event = AuditEvent(.exported, outcome: "\(count) entries", caller: .own(via: .command))
        if let warning = await vault.record(event) { Diagnostics.warn(warning) }
        if context.json {
            try Output.print(.object([("file", .string(file)), ("entries", .number(Int64(count)))]))
        } else {
            context.note(
                "\(count) \(count == 1 ? "entry is" : "entries are") in \(file); vault restore \(file) brings them back"
            )
        }
    }
}

struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Bring entries back from an encrypted backup; nothing that exists is overwritten.",
        discussion: """
            A backup may hold a refresh token that has been spent since. So grants come in held: their access tokens \
            are handed out, and nothing is refreshed, unless --adopt says that no newer copy exists.
            """
    )

    @Argument(help: "The backup file.")
    var file: String

    @Flag(help: "Bring grants in as they were, to be refreshed.")
    var adopt = false

    @Option(help: ArgumentHelp("A file with the backup's passphrase.", valueName: "file"))
    var backupPassphraseFile: String?

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let vault = try await context.open()
        let passphrase = try context.backupPassphrase(file: backupPassphraseFile, isNew: false)
        let report = try await vault.restore(
            from: file,
            passphrase: passphrase,
            limits: context.derivationLimits,
            adopting: adopt
        )
        if context.json {
            try Output.print(
                .object([
                    ("restored", .array(report.restored.map { .listed($0) })),
                    ("unchanged", .strings(report.unchanged.map(\.description))),
                    ("skipped", .strings(report.skipped.map(\.description))),
                ])
            )
        } else {
            for entry in report.restored { context.note("\(entry.name) is back, \(entry.stateText)") }
            for name in report.unchanged { context.note("\(name) is here already") }
        }
        guard report.skipped.isEmpty else {
            throw VaultError(
                .partial,
                "left alone, because something else has the name: \(report.skipped.map(\.description).joined(separator: ", "))",
                hint: "vault rename NAME OTHER makes room; then run vault restore again"
            )
        }
    }
}
