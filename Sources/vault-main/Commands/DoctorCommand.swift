internal import ArgumentParser
internal import Glibc
internal import KeyCustody
internal import PrivateFiles
internal import TokenImport
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Check everything, and say how to mend what is wrong."
    )

    @Flag(help: "Take an older copy of the vault as the true one.")
    var acceptRollback = false

    @Option(help: ArgumentHelp("Delete the damaged record whose id begins so.", valueName: "id"))
    var discard: String?

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        var checks = Checkup()
        checks.environment(context)
        checks.add(await Checkup.keyring(context))
        var failure: VaultError?
        do throws(VaultError) {
            let closed = try await ClosedVault.open(context.location)
            checks.files(context, closed)
            if let note = closed.storeNote { checks.add(.warning("store", note, nil)) }
            if let rollback = closed.rollback, !acceptRollback {
                throw VaultError(
                    .damaged,
                    "the vault was put back to an older copy: \(rollback)",
                    hint: "if that was you: vault doctor --accept-rollback"
                )
            }
            checks.add(.good("header", "format 1, generation \(closed.headerGeneration), \(closed.slots.count) slots"))
            let vault = try await context.open(acceptsRollback: acceptRollback)
            if acceptRollback {
                checks.add(.good("rollback", "taken as it is; entries older than seen before are held"))
            }
            if let discard {
                try context.confirm("Delete the damaged record \(discard) for good?", confirmation)
                try await vault.discard(discard)
                checks.add(.good("record", "\(discard) was deleted"))
            }
            var stuck: Set<String> = []
            for end in try await ToolRun.settleAll(
                of: vault,
                runtimeDirectory: context.environment["XDG_RUNTIME_DIR"],
                now: Timestamp.systemNow
            ) {
                if let failure = end.failure {
                    stuck.insert(end.directory)
                    checks.add(.warning("run", failure.message, failure.hint))
                } else if !end.names.isEmpty {
                    checks.add(.good("run", "a command of vault run was cut off; \(end.names) was taken back"))
                }
                for note in end.notes { checks.add(.warning("run", note, nil)) }
            }
            let listing = try await vault.verify()
            for fault in listing.faults {
                checks.add(
                    .bad(
                        "record",
                        fault,
                        (vault.isSynced ? "let the directory synchronise first; " : "")
                            + "vault remove NAME gives it up, or vault doctor --discard ID where it has no name; "
                            + "vault restore FILE"
                    )
                )
            }
            if listing.faults.isEmpty {
                checks.add(.good("records", "\(listing.entries.count) entries, all of them open"))
            }
            // What cannot be taken back has been said, and is in nobody's use.
            for entry in listing.entries where entry.toolRun.map({ !stuck.contains($0.directory) }) ?? true {
                checks.add(entry)
            }
            let conflicts = try await vault.conflicts()
            for header in conflicts.headers { checks.add(.warning("header", header.sentence, header.remedy)) }
            for fault in conflicts.faults where !listing.faults.contains(fault) {
                checks.add(
                    .warning(
                        "copy",
                        fault,
                        "move it away, or put back an earlier version from where it is synchronised"
                    )
                )
            }
            let said = Set(listing.entries.filter { $0.state == .held(.conflict) }.map(\.name))
            for conflict in conflicts.entries where !said.contains(conflict.name) {
                checks.add(
                    .warning(
                        conflict.name.description,
                        "\(conflict.latest.file) is a version of it that is not in its place",
                        "vault store conflicts shows it; vault store resolve \(conflict.name) chooses"
                    )
                )
            }
            let trail = try await vault.auditTrail { _ in false }
            checks.add(trail, isKept: vault.keepsAuditLog)
            for fault in vault.spillFaults(listing) { checks.add(.warning("spill", fault.message, fault.hint)) }
            for slot in vault.deadSlots {
                let name = slot.prefix(8)
                checks.add(.warning("slot \(name)", "the keyring has lost its key", "vault key change \(name)"))
            }
            if vault.slots.count == 1 {
                checks.add(
                    .warning(
                        "slots",
                        "one slot only: if its key is lost, so is everything",
                        "vault key add recovery-code"
                    )
                )
            }
            if !listing.faults.isEmpty { try listing.requireSound() }
            try trail.requireSound()
        } catch {
            failure = error
            if error.code != .damaged || !checks.hasBad { checks.add(.bad("vault", error.message, error.hint)) }
        }
        try checks.print(json: context.json)
        if let failure { throw failure }
    }
}

/// One line of a check-up.
struct Finding {
    enum Grade: String { case good = "ok", warning, bad = "error" }
    let grade: Grade
    let subject: String
    let text: String
    let remedy: String?

    static func good(_ subject: String, _ text: String) -> Finding {
        Finding(grade: .good, subject: subject, text: text, remedy: nil)
    }
    static func warning(_ subject: String, _ text: String, _ remedy: String?) -> Finding {
        Finding(grade: .warning, subject: subject, text: text, remedy: remedy)
    }
    static func bad(_ subject: String, _ text: String, _ remedy: String?) -> Finding {
        Finding(grade: .bad, subject: subject, text: text, remedy: remedy)
    }
}

/// What a check-up found.
struct Checkup {
    private(set) var findings: [Finding] = []

    var hasBad: Bool { findings.contains { $0.grade == .bad } }

    mutating func add(_ finding: Finding) { findings.append(finding) }

    /// What is odd about the machine.
    mutating func environment(_ context: Context) {
        add(
            MemoryLocking.works
                ? .good("memory", "keys are locked in memory")
                : .warning("memory", "memory cannot be locked, so keys could reach a swap device", "raise ulimit -l")
        )
        if context.environment["VAULT_ADDR"] != nil {
            add(
                .warning(
                    "VAULT_ADDR",
                    "it is set: HashiCorp's vault may be meant where this one answers",
                    "look which one runs: command -v vault"
                )
            )
        }
        let own = (try? Self.executable()) ?? ""
        for other in Self.others(in: context.environment["PATH"] ?? "", than: own) {
            add(
                .warning(
                    "PATH",
                    "there is another vault at \(other)",
                    "put the directory of the one you mean first in PATH"
                )
            )
        }
    }

    /// The vault's directories and their modes were checked as it opened; what is left is what lies beside it.
    mutating func files(_ context: Context, _ closed: ClosedVault) {
        add(.good("directory", context.location.directory + (closed.isReadOnly ? ", read-only" : "")))
        if closed.storeDescription != "sqlite" { add(.good("store", closed.storeDescription)) }
        if let goal = closed.movedTo {
            add(
                .warning(
                    "move",
                    "the vault was moved to \(goal), or is on its way there",
                    "vault store use \(goal); if the move was broken off: vault store migrate --to \(goal)"
                )
            )
        } else {
            for store in (try? context.location.unusedStores()) ?? [] {
                add(.warning("store", "\(store) lies here too, and is not used", "vault store remove \(store)"))
            }
        }
        if !closed.remembersGenerations {
            let state = context.location.state(of: closed.id)
            add(.warning("state", "\(state) cannot be written: an older copy of the vault would go unnoticed", nil))
        }
        if let original = closed.original {
            add(
                .warning(
                    "copy",
                    "it is a copy of \(original) and has the same keys",
                    "export it into a vault of its own"
                )
            )
        }
        if closed.isRotating {
            add(
                .warning(
                    "rotation",
                    "a new data key is being brought in",
                    "any command that opens the vault goes on with it"
                )
            )
        }
    }

    static func keyring(_ context: Context) async -> Finding {
        let report = await KeyringReport.of(context)
        if report.state == "usable" { return .good("keyring", report.backend ?? "usable") }
        return .warning(
            "keyring",
            "\(report.state): \(report.detail ?? "")",
            "vault key add passphrase, or vault key add recovery-code, opens the vault without it"
        )
    }

    /// What an entry's state asks of its owner.
    mutating func add(_ entry: EntrySummary) {
        let (subject, name) = (entry.name.description, entry.name.name)
        switch entry.state {
        case .active:
            guard let failure = entry.refreshFailure else { break }
            add(
                .warning(
                    subject,
                    "its last refresh \(entry.refreshText ?? failure.reason)",
                    "vault token \(name) --refresh"
                )
            )
        case .held(.secondOwner) where entry.toolRun != nil:
            add(
                entry.isRunUnderWay
                    ? .good(subject, "in use by a command of vault run, which has its file")
                    : .warning(
                        subject,
                        "a command of vault run had it when the session ended: its refresh token may have been spent",
                        "vault adopt \(name), or vault login \(name)"
                    )
            )
        case .held(.secondOwner):
            add(
                .good(
                    subject,
                    "held: \(entry.source?.path ?? "its file") is its owner's; vault adopt \(name) takes it over"
                )
            )
        case .held(.otherMachine):
            add(
                .good(
                    subject,
                    (entry.refresher == nil ? "no machine is named that refreshes it" : "another machine refreshes it")
                        + "; vault adopt \(name) makes it this one"
                )
            )
        case .held(.conflict):
            add(
                .warning(
                    subject,
                    "there are two versions of it, and it is not refreshed before one is chosen",
                    "vault store conflicts shows them; vault store resolve \(subject) chooses"
                )
            )
        case .held(let reason):
            add(
                .warning(
                    subject,
                    "held (\(reason.rawValue)): its refresh token may have been spent",
                    "vault adopt \(name), or vault login \(name)"
                )
            )
        case .suspect: add(.warning(subject, "the server's refusals look like a dead grant", "vault login \(name)"))
        case .reauthorizationRequired(let reason):
            add(.warning(subject, "needs a new login (\(reason))", "vault login \(name)"))
        }
    }

    /// Whether the audit log is what was written.
    mutating func add(_ trail: AuditTrail, isKept: Bool) {
        if let fault = trail.open.first {
            let more = trail.open.count > 1 ? ", and \(trail.open.count - 1) more places" : ""
            add(.bad("audit", fault.sentence + more, "vault audit shows it, and vault audit --accept takes note of it"))
        } else if trail.unwritten > 0 {
            add(
                .warning(
                    "audit",
                    "\(trail.unwritten) uses could not be written down",
                    "make room for the state directory"
                )
            )
        } else if !isKept {
            add(.warning("audit", "no log is kept: its directory or the vault cannot be written", nil))
        } else {
            add(.good("audit", "\(trail.count) lines, each follows the one before"))
        }
    }

    func print(json: Bool) throws {
        if json {
            try Output.print(
                .object([
                    (
                        "findings",
                        .array(
                            findings.map { finding in
                                .object([
                                    ("grade", .string(finding.grade.rawValue)),
                                    ("subject", .string(finding.subject)),
                                    ("text", .string(finding.text)),
                                    ("remedy", .optional(finding.remedy)),
                                ])
                            }
                        )
                    )
                ])
            )
        } else {
            try Output.print(
                findings.flatMap { finding in
                    let line = "\(finding.grade.rawValue.padding(7))  \(finding.subject): \(finding.text)"
                    return [line] + (finding.remedy.map { ["         mend: \($0)"] } ?? [])
                }
            )
        }
    }

    private static func executable() throws -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self) : ""
    }

    private static func others(in path: String, than own: String) -> [String] {
        // The front lies beside this program, or in bin above libexec/vault.
        let directory = own.lastIndex(of: "/").map { own[..<$0] } ?? ""
        let ours = ["\(directory)/vault", "\(directory)/../../bin/vault"].compactMap { try? FileStatus.of($0) }
        return path.split(separator: ":").compactMap { directory in
            let candidate = "\(directory)/vault"
            guard access(candidate, X_OK) == 0, let resolved = realpath(candidate, nil) else { return nil }
            defer { free(resolved) }
            let there = try? FileStatus.of(String(cString: resolved))
            guard let there, there.kind == .regular,
                !ours.contains(where: { there.inode == $0.inode && there.device == $0.device })
            else { return nil }
            return candidate
        }
    }
}

extension String {
    fileprivate func padding(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
