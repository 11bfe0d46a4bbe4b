internal import ArgumentParser
internal import OAuthFlows
internal import TokenBroker
internal import VaultAPI
internal import VaultCore

struct LogoutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout",
        abstract: "Revoke a grant at its server, then delete the entry."
    )

    @Argument(help: "NAME or oauth:NAME.", completion: .entryNames)
    var name: String

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let name = try EntryName(parsing: name)
        guard name.kind == .oauth else {
            throw VaultError(.usage, "\(name) is a static secret; it has no server", hint: "vault remove \(name)")
        }
        let broker = try await context.broker(connection)
        let summary = try await broker.summary(of: name)
        var question = "Revoke the grant of \(name) and delete it from this vault?"
        if summary.state == .held(.secondOwner), let source = summary.source {
            question = "\(source.path) holds the same grant, and its owner will be logged out. " + question
        }
        try context.confirm(question, confirmation)
        var outcome = try await broker.logout(name, deletingAnyway: false)
        if case .failed(let reason) = outcome.revocation, try deletesAnyway(because: reason, context) {
            outcome = try await broker.logout(name, deletingAnyway: true)
        }
        if context.json {
            try Output.print(
                .object([
                    ("removed", outcome.isDeleted ? .string(name.description) : .null),
                    ("revocation", .string(outcome.revocation.word)),
                    ("reason", .optional(outcome.revocation.reason)),
                ])
            )
        }
        switch outcome.revocation {
        case .revoked: context.note("\(name): revoked, and deleted here")
        case .notSupported(let reason): context.note("\(name): revocation is not supported (\(reason)); deleted here")
        case .failed(let reason) where outcome.isDeleted:
            throw VaultError(
                .partial,
                "\(name): revocation failed (\(reason)); it is deleted here, and the grant may live on at the server",
                hint: "end it on the server's own page of connected applications"
            )
        case .failed(let reason):
            throw VaultError(
                .temporary,
                "\(name): revocation failed (\(reason)); nothing was deleted",
                hint: "vault logout \(name.name) again; vault remove \(name.name) deletes it here alone"
            )
        }
    }

    private func deletesAnyway(because reason: String, _ context: Context) throws(VaultError) -> Bool {
        do throws(VaultError) {
            try context.confirm("The server did not revoke it (\(reason)). Delete it here all the same?", confirmation)
            return true
        } catch {
            guard error.code == .locked else { throw error }
            return false
        }
    }
}
