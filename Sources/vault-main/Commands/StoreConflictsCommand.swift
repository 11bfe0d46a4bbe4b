internal import ArgumentParser
internal import VaultAPI
internal import VaultCore

struct StoreConflictsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conflicts",
        abstract: "Show entries of which a sync tool has left several versions.",
        discussion: """
            While there are several, the access token of the one that was issued later is handed out, and none is \
            refreshed. vault store resolve chooses one and sets the others aside.
            """
    )

    @OptionGroup var global: GlobalOptions

    func run() async throws {
        let context = try Context(global)
        let report = try await context.open().conflicts()
        if context.json {
            try Output.print(.conflicts(report))
        } else if report.isEmpty {
            context.note("there is one version of everything")
        } else {
            try Output.print(report.entries.flatMap { ["\($0.name)"] + VersionTable.lines($0).map { "  " + $0 } })
            try Output.print(report.headers.map(\.sentence))
        }
        for fault in report.faults { Diagnostics.warn(fault) }
        if !report.faults.isEmpty {
            throw VaultError(
                .damaged,
                "\(report.faults.count == 1 ? "a copy" : "\(report.faults.count) copies") cannot be read, and was left alone",
                hint: "vault doctor says what to do about each"
            )
        }
    }
}

/// The versions of an entry, for people.
enum VersionTable {
    static func lines(_ conflict: EntryConflict) -> [String] {
        let latest = conflict.latest.number
        return Table.lines(
            ["VERSION", "ISSUED", "EXPIRES", "STATE", "CHANGED", "GENERATION", "REFRESHED BY", "FILE"],
            conflict.versions.map { version in
                let entry = version.summary
                return [
                    "\(version.number)" + (version.number == latest ? " (later)" : ""),
                    entry.issuedAt?.description ?? "unknown", entry.expiryText, entry.stateText,
                    entry.updatedAt.description, "\(entry.generation)", version.refresher.text, version.file,
                ]
            }
        )
    }
}

extension EntryVersion.Refresher {
    fileprivate var text: String {
        switch self {
        case .thisMachine: "this machine"
        case .anotherMachine: "another machine"
        case .nobody: "nobody"
        }
    }
}

extension HeaderConflict {
    /// What sets it apart, and what can be done.
    var sentence: String {
        let differences = [
            isForeign ? "it is under another data key, or not this vault's" : nil,
            added.isEmpty ? nil : "it has the slots \(added.joined(separator: ", ")) besides",
            missing.isEmpty ? nil : "it lacks the slots \(missing.joined(separator: ", "))",
        ].compactMap { $0 }
        let difference = differences.isEmpty ? "it has the same slots" : differences.joined(separator: "; ")
        return "\(file) is another version of the header, of generation \(generation): \(difference)"
    }

    /// How it is settled: by hand, since nobody else knows which slots are wanted.
    var remedy: String {
        isForeign
            ? "keep the file until every entry opens; entries that only open under it are read from a copy of the directory "
                + "with it in the header's place"
            : "make the missing slots anew with vault key add, then remove the file"
    }
}

extension Document {
    /// `Schemas/store-conflicts.schema.json`.
    static func conflicts(_ report: ConflictReport) -> Document {
        .object([
            (
                "entries",
                .array(
                    report.entries.map { conflict in
                        .object([
                            ("name", .string(conflict.name.description)),
                            ("latest", .number(Int64(conflict.latest.number))),
                            ("versions", .array(conflict.versions.map { .version($0) })),
                        ])
                    }
                )
            ),
            (
                "headers",
                .array(
                    report.headers.map { header in
                        .object([
                            ("file", .string(header.file)),
                            ("generation", .number(Int64(clamping: header.generation))),
                            ("added_slots", .strings(header.added)), ("missing_slots", .strings(header.missing)),
                            ("foreign", .bool(header.isForeign)),
                        ])
                    }
                )
            ),
            ("damaged", .strings(report.faults)),
        ])
    }

    /// One version of an entry, without its secrets.
    static func version(_ version: EntryVersion) -> Document {
        let entry = version.summary
        return .object([
            ("version", .number(Int64(version.number))),
            ("file", .string(version.file)),
            ("in_place", .bool(version.isInPlace)),
            ("id", .string(entry.id.description)),
            ("generation", .number(Int64(clamping: entry.generation))),
            ("state", .string(entry.state.word)),
            ("state_reason", .optional(entry.state.reason)),
            ("issued_at", .time(entry.issuedAt)),
            ("expires_at", .time(entry.expiresAt)),
            ("expiry", .string(entry.expiry.word)),
            ("updated_at", .time(entry.updatedAt)),
            ("has_refresh_token", .bool(entry.holds.contains(.refreshToken))),
            ("refreshed_by", .string(version.refresher.word)),
        ])
    }
}

extension EntryVersion.Refresher {
    fileprivate var word: String {
        switch self {
        case .thisMachine: "this"
        case .anotherMachine: "another"
        case .nobody: "nobody"
        }
    }
}
