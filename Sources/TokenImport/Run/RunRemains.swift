internal import CVaultSystem
internal import Glibc
internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// What a command left in its private directory beside the files of the tool: copies and leftovers of those, and tokens
/// that it got elsewhere.
///
/// No token goes from memory to a disk, and none is thrown away that is nowhere else. So what holds one is taken in, or
/// it stays where it is.
struct RunRemains {
    let run: RunDirectory
    let vault: Vault
    let now: Timestamp
    /// The tool's files, each relative to the directory that the tool saw.
    let files: [RunDirectory.File]
    /// Those of whose grants an entry remembers the run.
    let remembered: Set<String>
    /// The entries that do.
    let entries: [EntrySummary]

    /// What must not go to the disk, relative to the directory that the tool saw.
    private(set) var staying: Set<String> = []

    init(_ run: RunDirectory, _ vault: Vault, _ now: Timestamp, remembered: Set<String>, _ entries: [EntrySummary]) {
        self.run = run
        self.vault = vault
        self.now = now
        self.files = run.files
        self.remembered = remembered
        self.entries = entries
    }

    /// Takes in what holds tokens; what cannot be taken in stays, with a note that says where.
    mutating func settle(_ end: inout ToolRunEnd) async throws(VaultError) {
        let sniff = try TokenSniff()
        for path in Self.regularFiles(below: run.home) where !remembered.contains(path) {
            try await settle(path, sniff, &end)
        }
        let staying = staying
        try withFiles { () throws(FileError) in try run.remember(staying: staying) }
    }

    /// All files that are the directory's own.
    private static func regularFiles(below directory: String, _ inner: String = "") -> [String] {
        Overlay.members(of: directory + "/" + inner).flatMap { name -> [String] in
            let path = inner.isEmpty ? name : "\(inner)/\(name)"
            // What cannot be looked at cannot be given back either, and that says so.
            guard let status = try? FileStatus.of("\(directory)/\(path)") else { return [] }
            switch status.kind {
            case .directory: return regularFiles(below: directory, path)
            case .regular: return Overlay.isLock(name) || status.size == 0 ? [] : [path]
            default: return []
            }
        }
    }

    private mutating func settle(_ path: String, _ sniff: TokenSniff, _ end: inout ToolRunEnd) async throws(VaultError)
    {
        let place = "\(run.home)/\(path)"
        let file = files.first { $0.path == Leftover.originalPath(of: path) }
        let isKnown = run.staying.contains(path)
        let holdsTokens = if isKnown { true } else { await holdsTokens(place) }
        guard file != nil || holdsTokens || sniff.mentionsTokens(place) else { return }
        var options = ImportOptions()
        options.format = file?.format
        options.remove = true
        let reading: FileReading
        do throws(VaultError) { reading = try FileReading.of(place, options: options, now: now) } catch {
            // A text about tokens is not one of them.
            if holdsTokens || file != nil && error.code != .notFound { stay(path, error, &end) }
            return
        }
        do throws(VaultError) {
            let made = try await takeIn(place, reading, options, isLeftover: file != nil, &end)
            if file?.path == path, let first = made.first {
                let names = made.map(\.description).joined(separator: ", ")
                end.notes.append(
                    "\(names): the command had these tokens when their entry was removed, and nothing else has them; "
                        + "vault remove \(first.name) gives them up"
                )
            }
            // What was edited is without tokens, and like any other file.
            if try holdsGrants(place, options) { throw VaultError(.unsafe, "its tokens could not be taken out") }
        } catch { stay(path, error, &end) }
    }

    private func holdsGrants(_ place: String, _ options: ImportOptions) throws(VaultError) -> Bool {
        guard try withFiles({ () throws(FileError) in try FileStatus.of(place) }) != nil else { return false }
        do throws(VaultError) {
            return try !FileReading.of(place, options: options, now: now).contents.grants.isEmpty
        } catch {
            if error.code == .notFound { return false }
            throw error
        }
    }

    private mutating func stay(_ path: String, _ error: VaultError, _ end: inout ToolRunEnd) {
        staying.insert(path)
        let place = printable("\(run.home)/\(path)")
        end.notes.append(
            "what the command left in \(place) may hold tokens and was not taken in (\(error.message)): it goes to no "
                + "disk and stays there; vault import \(place) --remove takes it in, or remove it"
        )
    }

    /// Imports one file; the names of the entries that were made.
    private func takeIn(
        _ place: String,
        _ reading: FileReading,
        _ options: ImportOptions,
        isLeftover: Bool,
        _ end: inout ToolRunEnd
    ) async throws(VaultError) -> [EntryName] {
        var plan = try await ImportPlan.make([place], options: options, for: vault, now: now)
        if let failure = plan.failures.first { throw failure.error }
        let began = run.began(with: reading)
        var isOld = isLeftover && !plan.items.isEmpty
        for index in plan.items.indices where plan.items[index].action == .new {
            let item = plan.items[index]
            guard isLeftover, let owner = try await owner(of: item) else {
                isOld = false
                continue
            }
            let grant = reading.contents.grants.first { $0.value.pointer == item.pointer }
            let order = ImportPlanner.order(grant?.summary.issuedAt, item.expiry, after: owner.issuedAt, owner.expiry)
            // A state of the grant between the one that the command was given and the one that it ended with.
            if began.contains(item.pointer) || order == .older { continue }
            isOld = false
            guard order == .newer, owner.account != nil, owner.account == item.account else { continue }
            plan.items[index].action = .update
            plan.items[index].name = owner.name
        }
        if isOld, plan.items.allSatisfy({ $0.action == .new }) {
            try withFiles { () throws(FileError) in try PrivateFiles.remove(place) }
            return []
        }
        let report = await plan.execute(into: vault, now: now)
        let made = report.outcomes.filter { $0.result == .imported }.map(\.item.name)
        end.added += made
        end.updated += report.outcomes.filter { $0.result == .updated }.map(\.item.name)
        if let failure = report.failures.first { throw failure.error }
        return made
    }

    /// The entry of this run whose grant stands in that place of the tool's file.
    private func owner(of item: ImportItem) async throws(VaultError) -> EntrySummary? {
        let original = Leftover.originalPath(of: item.path)
        let candidate = entries.first { entry in
            entry.source?.path == original && entry.source?.pointer == item.pointer
                && entry.state == .held(.secondOwner)
                && (entry.account == nil || item.account == nil || entry.account == item.account)
        }
        guard let candidate else { return nil }
        return try await vault.summary(of: candidate.name)
    }

    /// Whether a file has the very bytes of a token that the command had.
    private func holdsTokens(_ place: String) async -> Bool {
        // One that cannot be read is no smaller secret, and the reading that follows says why.
        guard let file = try? TokenFile.read(place) else { return false }
        for entry in entries {
            // An entry that went during the run has no tokens to compare with.
            let holds = try? await vault.withEntry(entry.name) { (_, secrets) throws(VaultError) -> Bool in
                for field in EntrySecrets.Field.allCases {
                    let found = secrets.withField(field) { token in file.bytes.withBytes { Self.has(token, in: $0) } }
                    if found == true { return true }
                }
                return false
            }
            if holds == true { return true }
        }
        return false
    }

    private static func has(_ token: UnsafeRawBufferPointer, in bytes: UnsafeRawBufferPointer) -> Bool {
        // Shorter ones are words that any text may have, such as the secret of a public client.
        guard let base = bytes.baseAddress, let word = token.baseAddress, token.count >= 8 else { return false }
        return vault_contains(base, bytes.count, word, token.count)
    }
}
