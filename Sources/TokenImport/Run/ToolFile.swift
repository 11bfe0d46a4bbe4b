internal import StrictJSON
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// One file that a tool is to have, and the entries whose grants stand in it.
struct ToolFile {
    let redirection: FormatFacts.Redirection
    /// The bytes that it was imported with, or a template.
    let kept: KeptFile
    /// Whether it is made from nothing.
    let isMade: Bool
    let entries: [EntrySummary]
    /// Below the directory that the tool is pointed at.
    let relativePath: String

    private init(_ facts: FormatFacts, _ kept: KeptFile, isMade: Bool, _ entries: [EntrySummary]) throws(VaultError) {
        guard let redirection = facts.redirection else {
            throw VaultError(.usage, "\(facts.tool) cannot be pointed at another file")
        }
        self.redirection = redirection
        self.kept = kept
        self.isMade = isMade
        self.entries = entries
        relativePath = redirection.file.replacing("{name}", with: TokenPath(kept.path).fileName)
    }

    /// Where an entry's grant stands in it.
    func pointer(of entry: EntrySummary) -> String {
        isMade ? kept.text.contents.grants.first?.value.pointer ?? "" : entry.source?.pointer ?? ""
    }

    /// The file with the tokens as they are under the leases.
    func render(_ leases: EntryLeases, now: Timestamp) async throws(VaultError) -> FileRendering {
        var copies: [String: EntryCopy] = [:]
        for lease in leases.all where entries.contains(where: { $0.id == lease.id }) {
            let copy = try EntryCopy(try await lease.read())
            guard copy.summary.source?.path == entries.first?.source?.path, copy.summary.toolRun == nil else {
                throw VaultError(.temporary, "\(copy.summary.name) was changed meanwhile", hint: "try again")
            }
            try Self.requireOwn(copy.summary)
            copies[pointer(of: copy.summary)] = copy
        }
        let rendering = try FileRendering.of(kept, copies, now: now)
        if !isMade, copies.values.contains(where: { $0.summary.rotation != .never }) {
            let standing = try Standing.of(kept, rendering, copies, now: now)
            guard standing.outcome == .written else {
                throw VaultError(
                    .unsafe,
                    "\(printable(kept.path)) exists and holds the grant of \(entries[0].name): two owners of one refresh "
                        + "token log each other out",
                    hint: "vault import \(printable(kept.path)) --remove takes it out of there"
                )
            }
        }
        return rendering
    }

    /// Whether the vault is the one that has the grant to give.
    private static func requireOwn(_ entry: EntrySummary) throws(VaultError) {
        switch entry.state {
        case .active, .suspect, .reauthorizationRequired: return
        case .held(.secondOwner):
            throw VaultError(
                .unsafe,
                "\(entry.name) is held: \(printable(entry.source?.path ?? "its file")) is there, and the program has it",
                hint: "run the program as it is, or take the grant over first: vault adopt \(entry.name.name)"
            )
        case .held(let reason):
            throw VaultError(
                .unsafe,
                "\(entry.name) is held (\(reason.rawValue)): its refresh token may have been spent elsewhere",
                hint: "vault adopt \(entry.name.name), or vault login \(entry.name.name)"
            )
        }
    }

    // MARK: Which

    /// The files of a tool: of the entry that is named, or all there are.
    static func select(
        _ tool: String,
        _ name: EntryName?,
        in vault: Vault,
        machine: Machine,
        now: Timestamp
    ) async throws(VaultError) -> [ToolFile] {
        let facts = try formats(of: tool)
        let listing: Listing = try await vault.list()
        func belongs(_ entry: EntrySummary) -> Bool {
            facts.contains { $0.identifier == entry.source?.format }
        }
        var wanted = listing.entries.filter(belongs)
        if let name {
            guard let entry = listing.entries.first(where: { $0.name == name }) else {
                throw VaultError(.notFound, "there is no entry \(name)", hint: "vault list shows those there are")
            }
            if case .reauthorizationRequired(let reason) = entry.state {
                throw VaultError(
                    .loginRequired,
                    "\(name) needs a new login (\(reason))",
                    hint: "vault login \(name.name)"
                )
            }
            guard belongs(entry) else { return [try made(entry, facts, tool, machine, now)] }
            // The named one, and the others of its file; of those that came from its very place at another time, none.
            wanted = wanted.filter { other in
                other.source?.path == entry.source?.path
                    && (other.id == entry.id || other.source?.pointer != entry.source?.pointer)
            }
        } else {
            // What its owner has is not the vault's to give.
            let own = wanted.filter { $0.state != .held(.secondOwner) || $0.toolRun != nil }
            if !own.isEmpty { wanted = own }
        }
        guard !wanted.isEmpty else {
            throw VaultError(
                .notFound,
                "no entry came from a file of \(tool)",
                hint: "vault import FILE --remove takes one in; --name NAME names an entry that came from elsewhere"
            )
        }
        return try await files(wanted, facts, vault, machine, now)
    }

    /// The formats that a tool's name stands for, those that name it first.
    private static func formats(of tool: String) throws(VaultError) -> [FormatFacts] {
        let able = FormatFacts.all.values.filter { $0.redirection != nil }.sorted { $0.identifier < $1.identifier }
        let named = able.filter { $0.identifier == tool || $0.aliases.contains(tool) }
        let commanded = able.filter { facts in
            facts.redirection?.commands.contains(tool) ?? false && !named.contains { $0.identifier == facts.identifier }
        }
        guard !(named + commanded).isEmpty else {
            let words = Set(able.flatMap { [$0.identifier] + ($0.redirection?.commands ?? []) }).sorted()
            throw VaultError(
                .usage,
                "\(printable(String(tool.prefix(64)))) is no tool that can be pointed at another file",
                hint: "TOOL is one of \(words.joined(separator: ", "))"
            )
        }
        return named + commanded
    }

    private static func files(
        _ entries: [EntrySummary],
        _ facts: [FormatFacts],
        _ vault: Vault,
        _ machine: Machine,
        _ now: Timestamp
    ) async throws(VaultError) -> [ToolFile] {
        var groups: [String: [EntrySummary]] = [:]
        for entry in entries { groups[entry.source?.path ?? "", default: []].append(entry) }
        for entries in groups.values {
            let places = Dictionary(grouping: entries) { $0.source?.pointer ?? "" }
            guard let both = places.values.first(where: { $0.count > 1 }) else { continue }
            throw VaultError(
                .usage,
                "\(both.map(\.name.description).sorted().joined(separator: " and ")) came from one place, where only one "
                    + "can stand",
                hint: "--name NAME says which"
            )
        }
        var files: [ToolFile] = []
        for (_, entries) in groups.sorted(by: { $0.key < $1.key }) {
            guard let source = entries.first?.source,
                let format = facts.first(where: { $0.identifier == source.format })
            else { continue }
            let isRunning = entries.contains { $0.toolRun != nil }
            var kept: KeptFile?
            for entry in entries where kept == nil {
                guard let sha256 = entry.source?.sha256, let bytes = try await vault.original(sha256: sha256) else {
                    continue
                }
                kept = try KeptFile(bytes, sha256: sha256, at: source.path, format: source.format, now: now)
            }
            if let kept {
                files.append(try ToolFile(format, kept, isMade: false, entries))
            } else if isRunning || entries.count == 1 {
                files.append(try made(entries[0], [format], format.tool, machine, now))
            } else {
                throw VaultError(.notFound, "the file that \(entries[0].name) came from is not kept")
            }
        }
        let variables = Set(files.map(\.redirection.variable))
        let names = files.map(\.relativePath)
        guard variables.count == 1, Set(names).count == names.count else {
            throw VaultError(
                .usage,
                "several files would do: \(files.map { printable($0.kept.path) }.joined(separator: ", "))",
                hint: "--name NAME says which: \(files.map { $0.entries[0].name.name }.joined(separator: ", "))"
            )
        }
        return files
    }

    /// A file in the tool's known shape, for a grant that came from none.
    private static func made(
        _ entry: EntrySummary,
        _ facts: [FormatFacts],
        _ tool: String,
        _ machine: Machine,
        _ now: Timestamp
    ) throws(VaultError) -> ToolFile {
        for format in facts {
            guard let redirection = format.redirection, let text = FileTemplate.of(format.identifier, for: entry),
                let directory = redirection.directory.path(on: machine)
            else { continue }
            let bytes: SharedSecret
            do throws(CryptoError) { bytes = SharedSecret(try SecretBytes(Array(text.utf8))) } catch {
                throw VaultError(.unavailable, error.message, underlying: error)
            }
            let kept = try KeptFile(
                bytes,
                sha256: bytes.withBytes { VaultCrypto.sha256($0) },
                at: "\(directory)/\(redirection.file)",
                format: format.identifier,
                now: now
            )
            return try ToolFile(format, kept, isMade: true, [entry])
        }
        throw VaultError(
            .notFound,
            "\(entry.name) came from no file of \(tool), and none can be made of what it holds",
            hint: "log in with \(tool) itself, then: vault import FILE --remove"
        )
    }
}
