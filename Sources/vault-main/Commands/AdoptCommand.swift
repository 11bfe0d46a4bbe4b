internal import ArgumentParser
internal import PrivateFiles
internal import TokenImport
internal import VaultAPI
internal import VaultCore

struct AdoptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adopt",
        abstract: "End the hold on an entry: from now on the vault refreshes it."
    )

    @Argument(help: "NAME or oauth:NAME.")
    var name: String

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let name = try EntryName(parsing: name)
        let vault = try await context.open()
        let summary = try await vault.summary(of: name)
        switch summary.state {
        case .held(.secondOwner): try await takeOver(summary, vault, context)
        case .held(let reason):
            try context.confirm(
                "The refresh token of \(name) may be spent (\(reason.rawValue)), and spending it again may end the grant. "
                    + "Use it all the same?",
                confirmation
            )
        case .active, .suspect, .reauthorizationRequired:
            context.note("\(name) is not held; there is nothing to adopt")
        }
        let adopted = try await vault.update(name) { (summary, _) throws(VaultError) in
            if case .held = summary.state { summary.state = .active }
        }
        if context.json { try Output.print(.listed(adopted)) }
        if case .held = summary.state { context.note("\(name) is the vault's own now") }
    }

    /// Newer tokens of the file win; then the file must lose the grant, or two owners would log each other out.
    private func takeOver(_ summary: EntrySummary, _ vault: Vault, _ context: Context) async throws(VaultError) {
        let now = Timestamp.systemNow
        // The owner's newest refresh token counts, even if the access token beside it has run out: any other is spent.
        _ = try await ImportPlan.reread(summary, into: vault, now: now, evenExpired: true)
        let current = try await vault.summary(of: summary.name)
        guard let source = current.source, try await SourceFile.stillHolds(current, in: vault, now: now) else { return }
        guard current.tokenEndpoint != nil, current.clientID != nil else {
            throw VaultError(
                .configuration,
                "\(current.name) does not say where, or by which client, it is refreshed, and \(source.path) is what its "
                    + "owner does that with; nothing was changed",
                hint: "vault import \(shellQuoted(source.path)) --token-url URL --client-id ID, and then adopt it"
            )
        }
        do throws(VaultError) {
            try context.confirm(
                "\(source.path) still holds the grant of \(name). Take it out of that file?",
                confirmation
            )
        } catch {
            guard error.code == .locked else { throw error }
            throw VaultError(
                .unsafe,
                "\(source.path) still holds the grant of \(summary.name), and two owners of one refresh token log each "
                    + "other out; nothing was changed",
                hint:
                    "log out of the program that owns it, or take it out of the file: vault adopt \(summary.name.name) --yes"
            )
        }
        try await SourceFile.remove(current, from: vault, now: now)
    }
}
