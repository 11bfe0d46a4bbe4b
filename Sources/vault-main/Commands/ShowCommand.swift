internal import ArgumentParser
internal import TokenBroker
internal import TokenImport
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

struct ShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show one entry, its secrets masked unless asked for."
    )

    @Argument(help: "NAME, oauth:NAME or static:NAME.", completion: .entryNames)
    var name: String

    @Flag(help: "Show the secrets too.")
    var reveal = false

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let name = try EntryName(parsing: name)
        let summary: EntrySummary
        var secrets: [(EntrySecrets.Field, SharedSecret)] = []
        if reveal {
            // Secrets are shown to whoever opens a key slot, and to nobody by the agent.
            let vault = try await context.open()
            let entry = try await vault.read(name)
            summary = entry.summary
            let caller = Caller.own(via: .command)
            try await context.gate.admit(summary, to: caller, in: vault)
            if let warning = await context.gate.record(.revealed, of: summary, to: caller, in: vault) {
                Diagnostics.warn(warning)
            }
            for field in EntrySecrets.Field.allCases {
                let copy = try entry.secrets.withField(field) { try SharedSecret(SecretBytes(copying: $0)) }
                if let copy { secrets.append((field, copy)) }
            }
        } else {
            summary = try await context.broker().summary(of: name)
        }
        if context.json {
            try Output.print(.shown(summary, secrets: secrets))
        } else {
            try show(summary, secrets)
        }
        context.warnOfVersions([summary])
    }

    private func show(_ entry: EntrySummary, _ secrets: [(EntrySecrets.Field, SharedSecret)]) throws {
        let facts: [(String, String?)] = [
            ("name", entry.name.description),
            ("state", entry.stateText),
            ("provider", entry.provider),
            ("issuer", entry.issuer),
            ("account", entry.account),
            ("scope", entry.scopes.isEmpty ? nil : entry.scopes.joined(separator: " ")),
            ("token type", entry.tokenType),
            ("expires", entry.expiryText),
            ("issued", entry.issuedAt?.description),
            ("last refresh", entry.refreshText),
            ("refreshed by", entry.state == .held(.otherMachine) ? "another machine" : nil),
            ("answer outstanding", entry.journal.map { "since \($0.startedAt): an answer of the server may be lost" }),
            ("grant type", entry.grantType),
            ("client", entry.clientID),
            ("registered redirect", entry.registeredRedirect),
            ("client secret until", entry.clientSecretExpiresAt?.description),
            ("authorization endpoint", entry.authorizationEndpoint),
            ("token endpoint", entry.tokenEndpoint),
            ("revocation endpoint", entry.revocationEndpoint),
            ("resource", entry.resource),
            ("hosts", entry.hosts.isEmpty ? nil : entry.hosts.joined(separator: " ")),
            ("each use", entry.confirmsUse ? "is confirmed by a person" : nil),
            ("programs", entry.programs.isEmpty ? nil : entry.programs.joined(separator: " ")),
            ("quirks", entry.quirks.isEmpty ? nil : entry.quirks.joined(separator: " ")),
            ("refresh token rotates", entry.name.kind == .oauth ? entry.rotation.rawValue : nil),
            ("imported from", entry.source.map { $0.path + ($0.pointer.isEmpty ? "" : " " + $0.pointer) }),
            ("created", entry.createdAt.description),
            ("changed", entry.updatedAt.description),
            ("id", entry.id.description),
        ]
        let labels = EntrySecrets.Field.allCases.map { $0.word.split(separator: "_").joined(separator: " ") }
        let width = (facts.map(\.0) + labels).map(\.count).max() ?? 0
        func label(_ text: String) -> String { text + String(repeating: " ", count: width - text.count) + "  " }
        try Output.print(facts.compactMap { name, value in value.map { label(name) + $0 } })
        try Output.print(
            entry.metadata.filter { $0.key != EntrySummary.copiesKey }.sorted { $0.key < $1.key }.map {
                label($0.key.prefix(width).description) + $0.value
            } + entry.copyPaths.map { label("also found in") + $0 }
        )
        for (field, word) in zip(EntrySecrets.Field.allCases, labels) where entry.holds.contains(field) {
            if let secret = secrets.first(where: { $0.0 == field })?.1 {
                let line = label(word)
                try secret.withSecret { try $0.withUnsafeBytes { try Output.print(secret: $0, prefix: line) } }
            } else {
                try Output.print([label(word) + "(kept; --reveal shows it)"])
            }
        }
    }
}
