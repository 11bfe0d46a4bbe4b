internal import ArgumentParser
internal import VaultAPI
internal import VaultCore

struct StoreResolveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resolve",
        abstract: "Choose one of several versions of an entry.",
        discussion: """
            Without --latest or --keep the versions are shown, and you are asked. The other versions are put aside in \
            the store's directory, which only vault destroy deletes.
            """
    )

    @Argument(help: "NAME, oauth:NAME or static:NAME.", completion: .entryNames)
    var name: String?

    @Flag(help: "Every entry of which there are several versions; with --latest.")
    var all = false

    @Flag(help: "Take the version whose tokens were issued later.")
    var latest = false

    @Option(help: ArgumentHelp("Take this version, by its number or its file.", valueName: "version"))
    var keep: String?

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var global: GlobalOptions

    func validate() throws {
        guard all == (name == nil) else { throw ValidationError("name an entry, or give --all") }
        guard !latest || keep == nil else { throw ValidationError("--latest and --keep exclude each other") }
        guard !all || latest else { throw ValidationError("--all goes with --latest") }
    }

    func run() async throws {
        let context = try Context(global)
        let vault = try await context.open()
        var resolved: [ConflictResolution] = []
        if let name {
            let name = try EntryName(parsing: name)
            let choice = try await choice(for: name, in: vault, context)
            resolved.append(try await vault.resolve(name, keeping: choice))
        } else {
            let conflicts = try await vault.conflicts().entries
            if !conflicts.isEmpty {
                let names = conflicts.map(\.name.description).joined(separator: ", ")
                try context.confirm("Take the version issued later of \(names)?", confirmation)
            }
            for conflict in conflicts { resolved.append(try await vault.resolve(conflict.name, keeping: .latest)) }
        }
        if context.json {
            try Output.print(.object([("resolved", .array(resolved.map { .resolution($0) }))]))
        }
        if resolved.isEmpty { context.note("there is one version of everything") }
        for resolution in resolved { report(resolution, context) }
    }

    private func report(_ resolution: ConflictResolution, _ context: Context) {
        let name = resolution.summary.name
        context.note(
            "\(name) is what \(resolution.kept.file) said; what else there was is kept in \(resolution.setAside)"
        )
        if resolution.isOlder, resolution.summary.spendsRefreshToken {
            context.note(
                "a version of \(name) that was issued later was put aside, so the refresh token kept may be spent; "
                    + "vault login \(name.name) is sure to work"
            )
        }
    }

    private func choice(
        for name: EntryName,
        in vault: Vault,
        _ context: Context
    ) async throws(VaultError) -> VersionChoice {
        if latest { return .latest }
        if let keep { return .named(keep) }
        guard let conflict = try await vault.conflicts().entries.first(where: { $0.name == name }) else {
            throw VaultError(
                .notFound,
                "there are no two versions of \(name) to choose from",
                hint: "vault store conflicts shows what there is"
            )
        }
        guard !context.noInput, let terminal = Terminal() else {
            throw VaultError(
                .locked,
                "there are \(conflict.versions.count) versions of \(name), and nobody to ask which one is to stay; "
                    + "nothing was changed",
                hint: "vault store resolve \(name) --latest takes the one issued later; --keep VERSION another one"
            )
        }
        defer { terminal.close() }
        for line in ["\(name):"] + VersionTable.lines(conflict) { terminal.show(Diagnostics.oneLine(line) + "\n") }
        let answer = terminal.ask("Which version is to stay? [\(conflict.latest.number)] ")
        // By its file: others may arrive, and then the numbers are others.
        let chosen = answer.map { answer in conflict.versions.first { Int(answer) == $0.number }?.file ?? answer }
        return .named(chosen ?? conflict.latest.file)
    }
}

extension Document {
    /// What became of the versions of one entry.
    fileprivate static func resolution(_ resolution: ConflictResolution) -> Document {
        .object([
            ("name", .string(resolution.summary.name.description)),
            ("generation", .number(Int64(clamping: resolution.summary.generation))),
            ("kept", .version(resolution.kept)),
            ("set_aside", .string(resolution.setAside)),
        ])
    }
}
