internal import PrivateFiles
internal import StrictJSON
public import VaultAPI
public import VaultCore
internal import VaultCrypto

/// Hands grants back to the file that they were imported from.
public struct FileRestoration: Sendable {
    /// What became of the file.
    public enum Outcome: String, Hashable, Sendable {
        /// It was written.
        case written
        /// It was there, with these bytes.
        case present
        /// It was there, with a state of the grants that its owner has made since.
        case owned
    }

    /// The file.
    public let path: String
    /// The entries whose grants stand in it.
    public let names: [EntryName]
    /// Those that the vault no longer refreshes, because the file's owner does.
    public let held: [EntryName]
    /// What became of the file.
    public let outcome: Outcome
    /// Whether its bytes are those that were imported; otherwise tokens and their times are newer.
    public let isOriginal: Bool
    /// Sentences that the user should read.
    public let notes: [String]

    /// The file that would be written, and the entries that go with it.
    public static func preview(
        _ name: EntryName,
        in vault: Vault,
        now: Timestamp
    ) async throws(VaultError) -> (path: String, names: [EntryName]) {
        let (original, entries) = try await find(name, in: vault, now: now)
        return (original.path, entries.map(\.name).sorted())
    }

    /// Holds the entries of that file, and then writes it.
    ///
    /// Killed at any instant, it leaves each token in the vault, in the file, or in both; and from the first byte of the
    /// file on, the vault refreshes none of them.
    ///
    /// - Throws: `.notFound` where no file is kept; `.unsafe` where the file exists and holds something else, where a
    ///   command uses its grants, or where it cannot hold what the vault has; `.temporary` where its owner is at work;
    ///   `.unavailable`. The file and the entries are then as they were.
    public static func run(
        _ name: EntryName,
        in vault: Vault,
        machine: Machine = .current,
        now: Timestamp
    ) async throws(VaultError) -> FileRestoration {
        let (original, found) = try await find(name, in: vault, now: now)
        let leases = try await EntryLeases(found, in: vault)
        defer { leases.release() }
        var entries: [String: EntryCopy] = [:]
        for lease in leases.all {
            let copy = try EntryCopy(try await lease.read())
            guard let source = copy.summary.source, source.path == original.path else {
                throw VaultError(.temporary, "\(copy.summary.name) was changed meanwhile", hint: "try again")
            }
            guard copy.summary.toolRun == nil else { throw VaultError.isRunning(copy.summary) }
            entries[source.pointer] = copy
        }
        let rendering = try FileRendering.of(original, entries, now: now)
        let standing = try Standing.of(original, rendering, entries, now: now)
        let held = rendering.refreshable.filter { name in
            entries.values.contains { $0.summary.name == name && $0.summary.rotation != .never }
        }
        let restoration = FileRestoration(
            path: original.path,
            names: entries.values.map(\.summary.name).sorted(),
            held: held.sorted(),
            outcome: standing.outcome,
            isOriginal: rendering.sha256 == original.sha256,
            notes: rendering.notes + doubts(entries.values.map(\.summary))
        )
        guard standing.outcome != .owned else { return restoration }
        try await vault.keepOriginal(rendering.bytes, sha256: rendering.sha256)
        for lease in leases.all {
            try await lease.update { (summary, _) throws(VaultError) in
                if held.contains(summary.name) { summary.state = .held(.secondOwner) }
                summary.source?.sha256 = rendering.sha256
            }
        }
        guard standing.outcome == .written else { return restoration }
        do throws(VaultError) {
            try FileWriting(original: original, machine: machine).write(rendering, over: standing)
        } catch {
            // The hold ends where nobody else has the grants: an error can come after the file is there.
            guard standing.isAsItWas(original.path) else { throw error }
            for lease in leases.all {
                _ = try? await lease.update { (summary, _) throws(VaultError) in
                    guard let before = entries.values.first(where: { $0.summary.id == summary.id }) else { return }
                    summary.state = before.summary.state
                    summary.source = before.summary.source
                }
            }
            throw error
        }
        return restoration
    }

    /// The kept file and the entries whose grants stand in it.
    private static func find(
        _ name: EntryName,
        in vault: Vault,
        now: Timestamp
    ) async throws(VaultError) -> (KeptFile, [EntrySummary]) {
        let entry = try await vault.summary(of: name)
        guard entry.toolRun == nil else { throw VaultError.isRunning(entry) }
        guard let source = entry.source, let bytes = try await vault.original(sha256: source.sha256) else {
            throw VaultError(
                .notFound,
                entry.source == nil
                    ? "\(name) came from no file, so there is none to be written"
                    : "the file that \(name) came from is not kept",
                hint: "vault run TOOL --name \(name.name) -- CMD gives a program the file that it wants"
            )
        }
        let kept = try KeptFile(bytes, sha256: source.sha256, at: source.path, format: source.format, now: now)
        let pointers = Set(kept.text.contents.grants.map(\.value.pointer))
        let listing: Listing = try await vault.list()
        // Of two entries that came from one place at different times, the one of these bytes is meant.
        var byPointer: [String: EntrySummary] = [:]
        for other in listing.entries {
            guard let from = other.source, from.path == source.path, from.format == source.format,
                pointers.contains(from.pointer)
            else { continue }
            if byPointer[from.pointer] == nil || from.sha256 == source.sha256 { byPointer[from.pointer] = other }
        }
        byPointer[source.pointer] = entry
        return (kept, Array(byPointer.values))
    }

    /// What the owner may find out the hard way.
    private static func doubts(_ entries: [EntrySummary]) -> [String] {
        entries.compactMap { entry in
            switch entry.state {
            case .reauthorizationRequired, .suspect:
                "\(entry.name) is \(entry.state.word): its owner may have to log in again"
            case .held(.restored), .held(.rolledBack), .held(.otherMachine), .held(.conflict):
                "\(entry.name) was held (\(entry.state.reason ?? "")): its refresh token may be spent"
            case .active, .held(.secondOwner):
                entry.journal.map { _ in "a refresh of \(entry.name) was cut off: its refresh token may be spent" }
            }
        }
    }
}

/// What lies where a file is to be written.
struct Standing {
    let outcome: FileRestoration.Outcome
    /// What a replaced file holds; `nil` where there is none.
    let replaced: SharedSecret?
    /// What is put into the file as it is, which is neither replaced nor compared as a whole.
    var returned: [JSONValue]?

    /// What that file held when it was looked at.
    var seen: SharedSecret?

    /// Whether the file is still what it was before it was to be written.
    func isAsItWas(_ path: String) -> Bool {
        guard let replaced = replaced ?? seen else { return (try? FileStatus.of(path)) == .some(nil) }
        guard let file = try? TokenFile.read(path) else { return false }
        return file.bytes.withSecret { now in replaced.withSecret { now.equals($0) } }
    }

    /// - Throws: `.unsafe` for anything that is not ours to replace.
    static func of(
        _ original: KeptFile,
        _ rendering: FileRendering,
        _ entries: [String: EntryCopy],
        now: Timestamp
    ) throws(VaultError) -> Standing {
        let path = original.path
        guard try withFiles({ () throws(FileError) in try FileStatus.of(path) }) != nil else {
            return Standing(outcome: .written, replaced: nil)
        }
        let editor = original.text.document.editor as? any InPlaceEditor
        if editor != nil { try SQLiteFile.requireSettled(path) }
        let file = try TokenFile.read(path)
        if file.sha256 == rendering.sha256 { return Standing(outcome: .present, replaced: nil) }
        let text = try? KeptFile(file.bytes, sha256: file.sha256, at: path, format: original.format, now: now).text
        let present = Set((text?.contents.grants ?? []).map(\.value.pointer))
        let mine = Set(entries.keys)
        // Every one of them is its owner's already, whatever that has made of them.
        if mine.isSubset(of: present), entries.values.allSatisfy({ !$0.summary.state.isVaultOwned }) {
            return Standing(outcome: .owned, replaced: nil)
        }
        if let editor {
            let members = original.members(of: mine)
            switch try? editor.standing(of: members, with: rendering.replacements, in: file.bytes) {
            case .present?: return Standing(outcome: .present, replaced: nil)
            case .open?: return Standing(outcome: .written, replaced: nil, returned: members, seen: file.bytes)
            case .foreign?, nil: throw foreign(path)
            }
        }
        guard original.isWhatIsLeft(file.bytes, without: mine.subtracting(present)) else {
            throw foreign(path)
        }
        return Standing(outcome: .written, replaced: file.bytes)
    }

    private static func foreign(_ path: String) -> VaultError {
        VaultError(
            .unsafe,
            "\(printable(path)) exists and holds something else than what was left of it; nothing was changed",
            hint: "log in with the program that owns it, or move it away and run this again"
        )
    }
}

/// Writes a file where its owner looks for it.
private struct FileWriting {
    let original: KeptFile
    let machine: Machine

    func write(_ rendering: FileRendering, over standing: Standing) throws(VaultError) {
        let file = TokenPath(original.path)
        if standing.replaced == nil, standing.returned == nil {
            try withFiles { () throws(FileError) in try Self.makeParent(file.ancestor(1)) }
        }
        let facts = original.text.format.facts
        let locks = facts.places.contains { $0.matches(file.path, on: machine) } ? facts.locks : []
        try OwnerLock.holding(locks.map { ($0.kind, $0.path(for: file)) }) { () throws(VaultError) in
            try put(rendering, standing)
        }
    }

    private func put(_ rendering: FileRendering, _ standing: Standing) throws(VaultError) {
        let path = original.path
        if let members = standing.returned, let editor = original.text.document.editor as? any InPlaceEditor {
            return try editor.putBack(members, with: rendering.replacements, into: try TokenFile.read(path))
        }
        guard let replaced = standing.replaced else {
            return try withFiles { () throws(FileError) in
                try rendering.bytes.withBytes { (bytes) throws(FileError) in
                    try PrivateFiles.create(path, contents: bytes)
                }
            }
        }
        let current = try TokenFile.read(path)
        guard current.status.links == 1, current.bytes.withSecret({ now in replaced.withSecret { now.equals($0) } })
        else {
            throw VaultError(
                .temporary,
                "\(printable(path)) changes while it is written",
                hint: "end the program that owns it, and try again"
            )
        }
        try withFiles { () throws(FileError) in
            try rendering.bytes.withBytes { (bytes) throws(FileError) in
                try PrivateFiles.replace(path, contents: bytes)
            }
        }
    }

    /// Makes what is missing above the file; what exists is the owner's own affair, wide as it may be.
    private static func makeParent(_ directory: String) throws(FileError) {
        guard try FileStatus.of(directory) == nil else { return }
        try PrivateFiles.makeDirectory(directory)
    }
}

/// The leases of several entries, taken in one order by everybody.
final class EntryLeases: Sendable {
    let all: [LeasedEntry]

    init(_ entries: [EntrySummary], in vault: Vault) async throws(VaultError) {
        var taken: [LeasedEntry] = []
        for entry in entries.sorted(by: { $0.id.description < $1.id.description }) {
            do { taken.append(try await vault.lease(entry.name)) } catch {
                for lease in taken { lease.release() }
                throw error
            }
        }
        all = taken
    }

    func release() { for lease in all { lease.release() } }
}
