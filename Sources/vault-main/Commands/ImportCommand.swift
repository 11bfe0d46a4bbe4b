internal import ArgumentParser
internal import Glibc
internal import KeyCustody
internal import PrivateFiles
internal import Synchronization
internal import TokenImport
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Take in plain token files: plan, confirm, seal, read back and compare.",
        discussion: """
            Only with --remove do the tokens leave their files, and only if the files still have the bytes that were \
            read. Without it a grant that rotates comes in held: its file's owner goes on refreshing it.
            """
    )

    @Argument(help: "Files, and directories to be walked.")
    var paths: [String] = []

    @Flag(help: "Look at all places where programs keep tokens, show what is there, and ask.")
    var scan = false

    @Option(help: ArgumentHelp("Read the files as this format.", valueName: "format"))
    var format: String?

    @Option(help: ArgumentHelp("The entry's name, for a file that holds one.", valueName: "name"))
    var name: String?

    @Flag(help: "Show the plan and change nothing.")
    var dryRun = false

    @Flag(help: "Take the tokens out of their files once they are in the vault.")
    var remove = false

    @Option(
        name: .customLong("token-url"),
        help: ArgumentHelp("The token endpoint, where the file names none.", valueName: "url")
    )
    var tokenURL: String?

    @Option(
        name: .customLong("client-id"),
        help: ArgumentHelp("The client id, where the file names none.", valueName: "id")
    )
    var clientID: String?

    @Option(help: ArgumentHelp("A file with the client secret.", valueName: "file"))
    var clientSecretFile: String?

    @Option(help: ArgumentHelp("The authorization server, where the file names none.", valueName: "url"))
    var issuer: String?

    @Option(help: ArgumentHelp("The resource, where the file names none.", valueName: "url"))
    var resource: String?

    @Option(
        name: .customLong("scope"),
        help: ArgumentHelp("A scope, where the file names none; may be repeated.", valueName: "scope")
    )
    var scopes: [String] = []

    @Option(help: ArgumentHelp("The Databricks host of a file that does not name it.", valueName: "host"))
    var host: String?

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard scan || !paths.isEmpty else {
            throw ValidationError("name a file or a directory, or look everywhere with --scan")
        }
    }

    private var options: ImportOptions {
        var options = ImportOptions()
        options.format = format
        options.name = name
        options.remove = remove
        options.host = host
        options.clientID = clientID
        options.clientSecretFile = clientSecretFile
        options.scopes = scopes.flatMap { $0.split { $0 == " " || $0 == "," }.map(String.init) }
        options.tokenURL = tokenURL
        options.issuer = issuer
        options.resource = resource
        return options
    }

    func run() async throws {
        let context = try Context(global)
        let progress = ProgressLine(isShown: !context.quiet)
        let vault: Vault
        do { vault = try await context.open() } catch {
            // Where there is no vault yet, a look around is what tells whether to make one.
            guard scan, dryRun, error.code == .notFound else { throw error }
            context.note("there is no vault here, so nothing is compared with one")
            return try await show(try await look(NoVault(), progress, context), context)
        }
        let plan = try await look(vault, progress, context)
        if dryRun { return try await show(plan, context) }
        if scan, !context.json {
            try Output.print(Self.overview(plan))
        } else if !context.json {
            for line in plan.lines { Diagnostics.write(Diagnostics.oneLine(line) + "\n") }
        }
        if plan.changesAnything {
            let count = plan.items.count { $0.action == .new || $0.action == .update }
            let files = Set(plan.items.map(\.path)).count
            let taking = remove ? ", and take the tokens out of \(files == 1 ? "the file" : "\(files) files")" : ""
            do throws(VaultError) {
                try context.confirm("Import \(count) \(count == 1 ? "entry" : "entries")\(taking)?", confirmation)
            } catch {
                // What was found is worth knowing without a yes; one document, whatever comes of it.
                if scan, context.json { try Output.print(.plan(plan)) }
                throw error
            }
        }
        let report = await plan.execute(into: vault, now: Timestamp.systemNow) { step in
            progress.show("importing", step.done, step.total)
        }
        progress.clear()
        if context.json {
            try Output.print(.report(report))
        } else if !context.quiet, !plan.items.isEmpty, !scan || plan.changesAnything {
            // Where nothing was found, the plan has said it all.
            for line in report.lines { Diagnostics.write(Diagnostics.oneLine(line) + "\n") }
        }
        if let code = report.code {
            let failure = report.failures.first
            throw VaultError(
                code,
                failure?.line ?? "some entries were left alone; the report says why",
                hint: failure?.error.hint
                    ?? (failure == nil ? "where the vault is newer, nothing is to be done; a taken name: --name" : nil),
                underlying: failure?.error
            )
        }
        try Self.requireCertainty(plan)
    }

    private func look(
        _ vault: some ImportDestination,
        _ progress: ProgressLine,
        _ context: Context
    ) async throws -> ImportPlan {
        let plan = try await ImportPlan.make(
            paths,
            scanning: scan,
            options: options,
            for: vault,
            now: Timestamp.systemNow,
            keyring: context.keyring
        ) { step in
            progress.show("looking at", step.done, step.total)
        }
        progress.clear()
        for note in plan.notes { context.note(note) }
        return plan
    }

    private func show(_ plan: ImportPlan, _ context: Context) async throws {
        if context.json {
            try Output.print(.plan(plan))
        } else {
            try Output.print(scan ? Self.overview(plan) : plan.lines)
        }
        try Self.requireAll(plan)
        try Self.requireCertainty(plan)
    }

    /// As wide as the terminal, and as wide as most where there is none.
    private static func overview(_ plan: ImportPlan) -> [String] {
        var size = winsize()
        let isTerminal = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0
        return plan.overview(columns: isTerminal && size.ws_col >= 40 ? Int(size.ws_col) : 80, now: Timestamp.systemNow)
    }

    /// What cannot be told apart was left out, and somebody has to say what it is.
    private static func requireCertainty(_ plan: ImportPlan) throws(VaultError) {
        guard let file = plan.aside.first(where: { $0.reason == .ambiguous }) else { return }
        throw VaultError(
            .partial,
            file.sentence,
            hint: "vault import \(shellQuoted(file.path)) --format FORMAT says what it is"
        )
    }

    /// A dry run ends as the real run would where nothing can be imported.
    private static func requireAll(_ plan: ImportPlan) throws(VaultError) {
        guard let failure = plan.failures.first else { return }
        let code = plan.items.isEmpty ? failure.error.code : .partial
        throw VaultError(code, failure.line, hint: failure.error.hint, underlying: failure.error)
    }
}

/// A line that says how far an import is, on a terminal and for many files only.
final class ProgressLine: Sendable {
    private let isShown: Bool
    private let lastShown = Mutex(-1)
    private static let fewest = 20

    init(isShown: Bool) { self.isShown = isShown && isatty(STDERR_FILENO) == 1 }

    /// - Parameter total: 0 where it is not known yet.
    func show(_ verb: String, _ done: Int, _ total: Int) {
        guard isShown, total == 0 || total >= Self.fewest else { return }
        let percent = total == 0 ? -1 - done : done * 100 / total
        guard
            lastShown.withLock({ last in
                defer { last = percent }
                return last != percent
            })
        else { return }
        Diagnostics.write("\r\u{1B}[K\(verb) " + (total == 0 ? "\(done) files" : "\(done + 1) of \(total)"))
    }

    func clear() {
        guard isShown,
            lastShown.withLock({ last in
                defer { last = -1 }
                return last != -1
            })
        else { return }
        Diagnostics.write("\r\u{1B}[K")
    }
}

extension Document {
    /// `Schemas/import-plan.schema.json`.
    fileprivate static func plan(_ plan: ImportPlan) -> Document {
        .object([
            ("items", .array(plan.items.map { .object(members(of: $0) + findings(of: $0)) })),
            (
                "aside",
                .array(
                    plan.aside.map { file in
                        .object([
                            ("path", .string(file.path)),
                            ("reason", .string(file.reason.rawValue)),
                            ("message", .string(file.sentence)),
                        ])
                    }
                )
            ),
            ("failures", failures(plan.failures)),
            ("passed_over", .number(Int64(plan.passedOver))),
        ])
    }

    /// `Schemas/import-report.schema.json`.
    fileprivate static func report(_ report: ImportReport) -> Document {
        .object([
            (
                "items",
                .array(
                    report.outcomes.map { outcome in
                        .object(
                            members(of: outcome.item) + [
                                ("result", .string(outcome.result.rawValue)),
                                ("file", .string(outcome.removal.rawValue)),
                                ("state", .string(outcome.state.word)),
                            ]
                        )
                    }
                )
            ),
            ("failures", failures(report.failures)),
        ])
    }

    private static func members(of item: ImportItem) -> [(String, Document)] {
        [
            ("action", .string(item.action.rawValue)),
            ("name", .string(item.name.description)),
            ("path", .string(item.path)),
            ("pointer", .string(item.pointer)),
            ("format", .string(item.format)),
            ("sha256", .string(hexadecimal(item.sha256))),
            ("account", .optional(item.account)),
            ("issuer", .optional(item.issuer)),
            ("scope", .optional(item.scopes.isEmpty ? nil : item.scopes.joined(separator: " "))),
            ("expires_at", { if case .known(let time) = item.expiry { .string(time.description) } else { .null } }()),
            ("expiry", .string(item.expiry.word)),
            ("has_refresh_token", .bool(item.hasRefreshToken)),
            ("will_be_held", .bool(item.willBeHeld)),
            ("notes", .strings(item.allNotes)),
        ]
    }

    /// What a look at the file told beside what is in it.
    private static func findings(of item: ImportItem) -> [(String, Document)] {
        [
            ("tool", .string(item.tool)),
            ("link", .optional(item.link)),
            ("links", .number(Int64(clamping: item.links))),
            ("is_refreshable", .bool(item.isRefreshable)),
            ("missing", .strings(item.missing)),
            ("also_in", .strings(item.alsoIn)),
            ("readable_by", .string(item.exposure.readers.rawValue)),
            ("mode", .string("0" + String(item.exposure.mode, radix: 8))),
            ("git_work_tree", .optional(item.exposure.workTree)),
            ("is_tracked", item.exposure.isTracked.map { .bool($0) } ?? .null),
            ("synced_folder", .optional(item.exposure.syncedFolder)),
            ("sync_service", .optional(item.exposure.syncService)),
        ]
    }

    private static func failures(_ failures: [ImportFailure]) -> Document {
        .array(
            failures.map { failure in
                .object([
                    ("path", .string(failure.path)),
                    ("code", .number(Int64(failure.error.code.exitStatus))),
                    ("message", .string(failure.error.message)),
                ])
            }
        )
    }
}

/// A vault that holds nothing and takes nothing, to plan with where there is none.
private struct NoVault: ImportDestination {
    private static let absent = VaultError(.notFound, "there is no vault here", hint: "vault init")

    func list() async throws(VaultError) -> [EntrySummary] { [] }

    func withEntry<Result: Sendable>(
        _ name: EntryName,
        _ body: (EntrySummary, borrowing EntrySecrets) throws(VaultError) -> Result
    ) async throws(VaultError) -> Result { throw Self.absent }

    func insert(_ summary: EntrySummary, _ secrets: borrowing EntrySecrets) async throws(VaultError) -> EntrySummary {
        throw Self.absent
    }

    func update(
        _ name: EntryName,
        _ change: (inout EntrySummary, inout EntrySecrets) throws(VaultError) -> Void
    ) async throws(VaultError) -> EntrySummary { throw Self.absent }

    func keepOriginal(_ bytes: borrowing SecretBytes, sha256: [UInt8]) async throws(VaultError) { throw Self.absent }
}
