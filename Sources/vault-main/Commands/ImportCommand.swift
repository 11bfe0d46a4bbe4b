internal import ArgumentParser
internal import Glibc
internal import Synchronization
internal import TokenImport
internal import VaultAPI
internal import VaultCore

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
    var paths: [String]

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
        let vault = try await context.open()
        let progress = ProgressLine(isShown: !context.quiet)
        let plan = try await ImportPlan.make(paths, options: options, for: vault, now: Timestamp.systemNow) { step in
            progress.show("looking at", step.done, step.total)
        }
        progress.clear()
        if dryRun {
            if context.json { try Output.print(.plan(plan)) } else { try Output.print(plan.lines) }
            try Self.requireAll(plan)
            return
        }
        if !context.json { for line in plan.lines { Diagnostics.write(Diagnostics.oneLine(line) + "\n") } }
        if plan.changesAnything {
            let count = plan.items.count { $0.action == .new || $0.action == .update }
            let files = Set(plan.items.map(\.path)).count
            let taking = remove ? ", and take the tokens out of \(files == 1 ? "the file" : "\(files) files")" : ""
            try context.confirm("Import \(count) \(count == 1 ? "entry" : "entries")\(taking)?", confirmation)
        }
        let report = await plan.execute(into: vault, now: Timestamp.systemNow) { step in
            progress.show("importing", step.done, step.total)
        }
        progress.clear()
        if context.json {
            try Output.print(.report(report))
        } else if !context.quiet, !plan.items.isEmpty {
            // Where nothing was found, the plan has said it all.
            for line in report.lines { Diagnostics.write(Diagnostics.oneLine(line) + "\n") }
        }
        if let code = report.code {
            let failure = report.failures.first
            throw VaultError(
                code,
                failure?.line ?? "some entries were left alone; the report says why",
                hint: failure?.error.hint
                    ?? (failure == nil ? "choose another name with --name, or vault remove NAME first" : nil),
                underlying: failure?.error
            )
        }
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

    func show(_ verb: String, _ done: Int, _ total: Int) {
        guard isShown, total >= Self.fewest else { return }
        let percent = done * 100 / total
        guard
            lastShown.withLock({ last in
                defer { last = percent }
                return last != percent
            })
        else { return }
        Diagnostics.write("\r\u{1B}[K\(verb) \(done + 1) of \(total)")
    }

    func clear() {
        guard isShown,
            lastShown.withLock({ last in
                defer { last = -1 }
                return last >= 0
            })
        else { return }
        Diagnostics.write("\r\u{1B}[K")
    }
}

extension Document {
    /// `Schemas/import-plan.schema.json`.
    fileprivate static func plan(_ plan: ImportPlan) -> Document {
        .object([
            ("items", .array(plan.items.map { .object(members(of: $0)) })),
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
