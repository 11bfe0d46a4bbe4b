internal import ArgumentParser
internal import TokenBroker
internal import VaultAPI
internal import VaultCore

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Show what was handed out to whom, and whether the log is what was written.",
        discussion: """
            Each line is sealed, and chained to the one before it. Where the chain is broken, the place is named and the \
            command exits with 7, until --accept takes note of it in a line of its own.
            """
    )

    @Option(help: ArgumentHelp("Only lines since then: 2030-01-31T12:00:00Z, or 2h ago.", valueName: "time"))
    var since: SinceArgument?

    @Option(help: ArgumentHelp("Only lines about this entry.", valueName: "name"))
    var name: String?

    @Flag(help: "Take note of what is broken, so that only what comes after is reported.")
    var accept = false

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let name = try name.map { try EntryName(parsing: $0).description }
        let vault = try await context.open()
        if accept {
            for fault in try await vault.acceptAudit(caller: .own(via: .command)) {
                context.note("taken note of: \(fault.sentence)")
            }
        }
        let start = since?.start(now: .systemNow)
        let trail = try await vault.auditTrail { line in
            (name == nil || line.name == name) && start.map { line.time >= $0 } ?? true
        }
        if !vault.keepsAuditLog {
            context.note("this machine keeps no audit log of the vault; vault doctor says why")
        }
        if context.json {
            try Output.print(.audit(trail))
        } else {
            try Output.print(Self.table(trail))
            if trail.unwritten > 0 {
                Diagnostics.warn("\(trail.unwritten) uses since the last line could not be written down")
            }
            for fault in trail.open { Diagnostics.warn("after line \(fault.after): \(fault.sentence)") }
        }
        try trail.requireSound()
    }

    private static func table(_ trail: AuditTrail) -> [String] {
        guard !trail.lines.isEmpty else { return [] }
        return Table.lines(
            ["LINE", "TIME", "EVENT", "NAME", "HOW", "PID", "UID", "OUTCOME", "PROGRAMS"],
            trail.lines.map { line in
                [
                    "\(line.number)", line.time.description, line.event, line.name ?? "-",
                    line.caller?.via.rawValue ?? "-", line.caller.map { "\($0.processID)" } ?? "-",
                    line.caller.map { "\($0.userID)" } ?? "-", remarks(line),
                    line.caller?.programs.joined(separator: " < ") ?? "-",
                ]
            }
        )
    }

    /// How it went, and what the line says of those before it.
    private static func remarks(_ line: AuditLine) -> String {
        var remarks = line.outcome.isEmpty ? [] : [line.outcome]
        if let broken = line.broken { remarks.append(broken.reason) }
        if line.unwritten > 0 { remarks.append("\(line.unwritten) before it could not be written") }
        if line.torn > 0 { remarks.append("\(line.torn) bytes of an unfinished line were cut off") }
        if let oldest = line.oldest { remarks.append("lines before \(oldest) were dropped") }
        return remarks.isEmpty ? "-" : remarks.joined(separator: "; ")
    }
}

/// An instant on the command line: RFC 3339, or a time span before now.
struct SinceArgument: ExpressibleByArgument {
    private let time: Timestamp?
    private let span: LifetimeArgument?

    init?(argument: String) {
        time = Timestamp(rfc3339: argument)
        span = time == nil ? LifetimeArgument(argument: argument) : nil
        if time == nil, span == nil { return nil }
    }

    func start(now: Timestamp) -> Timestamp? {
        if let time { return time }
        guard let span, let start = Timestamp(seconds: max(0, now.seconds - span.seconds)) else { return nil }
        return start
    }
}

extension Document {
    /// An audit log; `Schemas/audit.schema.json`.
    fileprivate static func audit(_ trail: AuditTrail) -> Document {
        .object([
            ("lines", .array(trail.lines.map { .line($0) })),
            ("sound_lines", .number(Int64(clamping: trail.count))),
            ("unwritten", .number(Int64(clamping: trail.unwritten))),
            ("faults", .array(trail.faults.map { .fault($0) })),
        ])
    }

    private static func line(_ line: AuditLine) -> Document {
        .object([
            ("number", .number(Int64(clamping: line.number))),
            ("time", time(line.time)),
            ("event", .string(line.event)),
            ("outcome", .optional(line.outcome.isEmpty ? nil : line.outcome)),
            ("name", .optional(line.name)),
            ("id", .optional(line.entry?.description)),
            ("via", .optional(line.caller?.via.rawValue)),
            ("pid", line.caller.map { .number(Int64($0.processID)) } ?? .null),
            ("uid", line.caller.map { .number(Int64($0.userID)) } ?? .null),
            ("programs", .strings(line.caller?.programs ?? [])),
            ("unwritten_before", .number(Int64(clamping: line.unwritten))),
            ("torn_bytes_before", .number(Int64(line.torn))),
            ("dropped_before", line.oldest.map { .number(Int64(clamping: $0)) } ?? .null),
            (
                "break",
                line.broken.map { broken in
                    .object([
                        ("expected", .number(Int64(clamping: broken.expected))),
                        ("found", .number(Int64(clamping: broken.found))),
                        ("reason", .string(broken.reason)),
                    ])
                } ?? .null
            ),
        ])
    }

    private static func fault(_ fault: AuditFault) -> Document {
        .object([
            ("after", .number(Int64(clamping: fault.after))),
            ("expected", .number(Int64(clamping: fault.expected))),
            ("found", fault.found.map { .number(Int64(clamping: $0)) } ?? .null),
            ("text", .string(fault.sentence)),
            ("acknowledged", .bool(fault.isAcknowledged)),
        ])
    }
}
