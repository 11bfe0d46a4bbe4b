internal import ArgumentParser
internal import KeyCustody
internal import VaultAPI
internal import VaultCore

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show what is where: store, slots, keyring, agent, entries by state."
    )

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let closed = try await ClosedVault.open(context.location)
        let keyring = await KeyringReport.of(context)
        // Asking nobody: a status that prompts is no status.
        var listing: Listing?
        var locked: VaultError?
        do throws(VaultError) {
            let vault = try await Vault.open(
                context.location,
                with: context.custodians(asksNobody: true)
            )
            let all: Listing = try await vault.list()
            listing = all
        } catch {
            locked = error
        }
        var states: [String: Int64] = [:]
        for entry in listing?.entries ?? [] { states[entry.state.word, default: 0] += 1 }
        if context.json {
            try Output.print(
                .object([
                    ("directory", .string(context.location.directory)),
                    ("vault", .string(closed.id.description)),
                    ("store", .string("sqlite")),
                    ("read_only", .bool(closed.isReadOnly)),
                    ("header_generation", .number(Int64(clamping: closed.headerGeneration))),
                    ("rotating", .bool(closed.isRotating)),
                    ("rollback", .optional(closed.rollback)),
                    ("slots", .array(closed.slots.map { .slot($0) })),
                    (
                        "keyring",
                        .object([
                            ("state", .string(keyring.state)),
                            ("detail", .optional(keyring.detail)),
                            ("backend", .optional(keyring.backend)),
                        ])
                    ),
                    ("agent", .string("none")),
                    ("opens_without_asking", .bool(locked == nil)),
                    ("locked_because", .optional(locked?.message)),
                    (
                        "entries",
                        listing.map { listing in
                            .object(
                                [("total", .number(Int64(listing.entries.count)))]
                                    + states.sorted { $0.key < $1.key }.map { ($0.key, .number($0.value)) }
                                    + [("damaged", .number(Int64(listing.faults.count)))]
                            )
                        } ?? .null
                    ),
                    (
                        "refresh_failures",
                        .array(
                            (listing?.entries ?? []).compactMap { entry in
                                entry.refreshFailure.map { failure in
                                    .object([
                                        ("name", .string(entry.name.description)), ("at", .time(failure.at)),
                                        ("kind", .string(failure.kind.word)), ("reason", .string(failure.reason)),
                                    ])
                                }
                            }
                        )
                    ),
                ])
            )
        } else {
            var rows: [[String]] = [
                ["vault", "\(context.location.directory) (\(closed.id))"],
                ["store", "sqlite" + (closed.isReadOnly ? ", read-only" : "")],
            ]
            for slot in closed.slots { rows.append(["slot", "\(slot.id.prefix(8)) \(slot.kind)"]) }
            rows.append(["keyring", keyring.state + (keyring.detail.map { ": \($0)" } ?? "")])
            if let backend = keyring.backend { rows.append(["", backend]) }
            rows.append(["agent", "none"])
            if closed.isRotating {
                rows.append(["rotation", "under way; the next command that opens the vault goes on"])
            }
            if let rollback = closed.rollback { rows.append(["rollback", rollback]) }
            if let listing {
                let counts = states.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
                rows.append([
                    "entries",
                    "\(listing.entries.count)" + (counts.isEmpty ? "" : ": " + counts.joined(separator: ", ")),
                ])
                for entry in listing.entries where entry.refreshFailure != nil {
                    rows.append(["refresh", "\(entry.name) \(entry.refreshText ?? "")"])
                }
            } else {
                rows.append(["entries", "not shown: \(locked?.message ?? "")"])
            }
            let width = rows.map { $0[0].count }.max() ?? 0
            try Output.print(
                rows.map { row in row[0] + String(repeating: " ", count: width - row[0].count) + "  " + row[1] }
            )
        }
        try listing?.requireSound()
        if let locked, locked.code == .damaged || locked.code == .unsafe { throw locked }
    }
}

/// The keyring's state as `status` and `doctor` show it.
struct KeyringReport {
    let state: String
    let detail: String?
    let backend: String?

    static func of(_ context: Context) async -> KeyringReport {
        do throws(KeyringError) {
            let found = try await context.keyring.probe(interactive: false)
            let backend = [found.backend, found.collection].filter { !$0.isEmpty }.joined(separator: ", ")
            return KeyringReport(
                state: found.obstacle?.code.description ?? "usable",
                detail: found.obstacle?.message,
                backend: backend.isEmpty ? nil : backend
            )
        } catch {
            return KeyringReport(state: error.code.description, detail: error.message, backend: nil)
        }
    }
}
