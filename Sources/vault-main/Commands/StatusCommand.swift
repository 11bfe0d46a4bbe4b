internal import AgentClient
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
        let agent = await AgentReport.of(context)
        var listing: Listing?
        var locked: VaultError?
        do throws(VaultError) {
            listing = try await context.brokerAskingNobody().list()
        } catch {
            locked = error
        }
        if context.json {
            try Output.print(document(context, closed, keyring, agent, listing, locked))
        } else {
            var rows: [[String]] = [
                ["vault", "\(context.location.directory) (\(closed.id))"],
                ["store", closed.storeDescription + (closed.isReadOnly ? ", read-only" : "")],
            ]
            if let note = closed.storeNote { rows.append(["", note]) }
            for slot in closed.slots { rows.append(["slot", "\(slot.id.prefix(8)) \(slot.kind)"]) }
            rows.append(["keyring", keyring.state + (keyring.detail.map { ": \($0)" } ?? "")])
            if let backend = keyring.backend { rows.append(["", backend]) }
            rows.append(["agent", agent.sentence])
            if closed.isRotating {
                rows.append(["rotation", "under way; the next command that opens the vault goes on"])
            }
            if let rollback = closed.rollback { rows.append(["rollback", rollback]) }
            if let listing {
                let counts = listing.states.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
                rows.append([
                    "entries",
                    "\(listing.entries.count)" + (counts.isEmpty ? "" : ": " + counts.joined(separator: ", ")),
                ])
                for entry in listing.entries where entry.state == .held(.conflict) {
                    rows.append(["conflict", "\(entry.name) has several versions; vault store conflicts shows them"])
                }
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

    private func document(
        _ context: Context,
        _ closed: ClosedVault,
        _ keyring: KeyringReport,
        _ agent: AgentReport,
        _ listing: Listing?,
        _ locked: VaultError?
    ) -> Document {
        let failures = (listing?.entries ?? []).compactMap { entry in
            entry.refreshFailure.map { failure -> Document in
                .object([
                    ("name", .string(entry.name.description)), ("at", .time(failure.at)),
                    ("kind", .string(failure.kind.word)), ("reason", .string(failure.reason)),
                ])
            }
        }
        let members: [(String, Document)] = [
            ("directory", .string(context.location.directory)),
            ("vault", .string(closed.id.description)),
            ("store", .string(closed.storeDescription)),
            (
                "conflicts",
                listing.map { .number(Int64($0.entries.count { $0.state == .held(.conflict) })) } ?? .null
            ),
            ("read_only", .bool(closed.isReadOnly)),
            ("header_generation", .number(Int64(clamping: closed.headerGeneration))),
            ("rotating", .bool(closed.isRotating)),
            ("rollback", .optional(closed.rollback)),
            ("slots", .array(closed.slots.map { .slot($0) })),
            ("keyring", keyring.document),
            ("agent", agent.document),
            ("opens_without_asking", .bool(locked == nil)),
            ("locked_because", .optional(locked?.message)),
            ("entries", listing?.counts ?? .null),
            ("refresh_failures", .array(failures)),
        ]
        return .object(members)
    }
}

extension Listing {
    /// How many entries there are in each state.
    fileprivate var states: [String: Int64] {
        entries.reduce(into: [:]) { $0[$1.state.word, default: 0] += 1 }
    }

    fileprivate var counts: Document {
        let byState = states.sorted { $0.key < $1.key }.map { ($0.key, Document.number($0.value)) }
        return .object(
            [("total", .number(Int64(entries.count)))] + byState + [("damaged", .number(Int64(faults.count)))]
        )
    }
}

/// The agent's state as `status` shows it.
struct AgentReport {
    /// `none`, `locked`, `unlocked`, or `unusable`.
    let state: String
    let detail: String?
    let agent: AgentStatus?
    let held: HeldVaultStatus?

    static func of(_ context: Context) async -> AgentReport {
        guard let client = context.agent else {
            return AgentReport(state: "none", detail: AgentStarter.noPlace.message, agent: nil, held: nil)
        }
        do throws(AgentFailure) {
            let agent = try await client.status(of: context.location.directory)
            let held = agent.vaults.first { $0.directory == context.location.directory }
            return AgentReport(
                state: agent.holds == true ? "unlocked" : "locked",
                detail: nil,
                agent: agent,
                held: held
            )
        } catch {
            if case .absent = error { return AgentReport(state: "none", detail: nil, agent: nil, held: nil) }
            return AgentReport(state: "unusable", detail: error.sentence, agent: nil, held: nil)
        }
    }

    var sentence: String { state + (held?.limits ?? "") + (detail.map { ": \($0)" } ?? "") }

    var document: Document {
        .object([
            ("state", .string(state)), ("detail", .optional(detail)), ("version", .optional(agent?.version)),
            ("process_id", agent.map { .number(Int64($0.processID)) } ?? .null),
            ("held", held.map { .held($0) } ?? .null),
        ])
    }
}

/// The keyring's state as `status` and `doctor` show it.
struct KeyringReport {
    let state: String
    let detail: String?
    let backend: String?

    var document: Document {
        .object([
            ("state", .string(state)), ("detail", .optional(detail)), ("backend", .optional(backend)),
        ])
    }

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
