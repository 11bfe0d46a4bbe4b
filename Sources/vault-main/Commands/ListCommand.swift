internal import ArgumentParser
internal import VaultAPI
internal import VaultCore

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Show names, issuers, scopes, expiries and states."
    )

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let listing = try await context.broker().list()
        if context.json {
            try Output.print(
                .object([
                    ("entries", .array(listing.entries.map { .listed($0) })),
                    ("damaged", .strings(listing.faults)),
                ])
            )
        } else if listing.entries.isEmpty {
            context.note("there are no entries; vault import FILE or vault set static:NAME makes one")
        } else {
            try Output.print(
                Table.lines(
                    ["NAME", "STATE", "EXPIRES", "ISSUER", "SCOPE"],
                    listing.entries.map { entry in
                        [
                            entry.name.description, entry.stateText, entry.expiryText, entry.issuer ?? "-",
                            entry.scopes.isEmpty ? "-" : entry.scopes.joined(separator: " "),
                        ]
                    }
                )
            )
        }
        context.warnOfVersions(listing.entries)
        try listing.requireSound()
    }
}
