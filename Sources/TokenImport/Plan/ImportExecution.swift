internal import StrictJSON
public import VaultAPI
internal import VaultCore
internal import VaultCrypto

extension ImportPlan {
    /// Carries the plan out, file by file: seal the original, make the entries, read them back and compare, and only
    /// then, where that was asked for, take the tokens out of the file.
    ///
    /// Killed at any instant, it leaves each token in its file, in the vault, or in both. What fails concerns its file
    /// alone; the rest goes on.
    ///
    /// - Parameters:
    ///   - now: When the import takes place.
    ///   - progress: Called before each file.
    public func execute(
        into vault: some ImportDestination,
        now: Timestamp,
        progress: @Sendable (ImportProgress) -> Void = { _ in }
    ) async -> ImportReport {
        var report = ImportReport(failures: failures)
        // Before any file loses a token: an entry must not come off its hold with a copy that nobody remembers.
        report.failures += await recordCopies(in: vault)
        let copies = copies
        var groups: [(path: String, items: [ImportItem])] = []
        var places: [String: Int] = [:]
        for item in items {
            if let place = places[item.path] {
                groups[place].items.append(item)
            } else {
                places[item.path] = groups.count
                groups.append((item.path, [item]))
            }
        }
        // A copy is compared with its entry, so what becomes one goes first.
        groups =
            groups.filter { !$0.items.allSatisfy(\.makesNoEntry) }
            + groups.filter { $0.items.allSatisfy(\.makesNoEntry) }
        let lookup = CopyLookup(options: options, keyring: keyring, now: now)
        let keyring = await ForeignItems.needed(for: groups.map(\.path), on: options.machine, from: keyring)
        var owners = FileOwners(items)
        for (index, group) in groups.enumerated() {
            progress(ImportProgress(done: index, total: groups.count, path: group.path))
            var execution = FileExecution(
                options: options,
                items: group.items,
                now: now,
                keyring: keyring,
                owners: owners,
                copies: copies,
                lookup: mindsCopies ? lookup : nil
            )
            do throws(VaultError) { try await execution.run(vault) } catch { execution.fail(error) }
            owners = execution.owners
            report.outcomes += execution.outcomes
            report.failures += execution.failures
        }
        return report
    }
}

extension ImportItem {
    fileprivate var makesNoEntry: Bool { action == .copy || action == .conflict }
}

/// How many places of the plan still hold each entry's token.
private struct FileOwners {
    private var places: [EntryName: Int] = [:]

    init(_ items: [ImportItem]) {
        // An entry of which the plan has only copies has its own file elsewhere, and is held because of that one.
        let led = Set(items.lazy.filter { $0.action != .copy }.map(\.name))
        for item in items where led.contains(item.name) { places[item.name, default: 0] += 1 }
    }

    /// Notes that a place has lost its token, and says how many are left; `nil` where the entry's own is elsewhere.
    mutating func lose(_ name: EntryName) -> Int? {
        guard let count = places[name] else { return nil }
        places[name] = count - 1
        return count - 1
    }
}

/// The import of the grants in one file.
private struct FileExecution {
    let options: ImportOptions
    let items: [ImportItem]
    let now: Timestamp
    let keyring: ForeignItems
    var owners: FileOwners
    let copies: [EntryName: [CopyPlace]]
    /// `nil` where somebody has seen to the copies.
    let lookup: CopyLookup?
    var outcomes: [ImportOutcome] = []
    var failures: [ImportFailure] = []

    init(
        options: ImportOptions,
        items: [ImportItem],
        now: Timestamp,
        keyring: ForeignItems,
        owners: FileOwners,
        copies: [EntryName: [CopyPlace]],
        lookup: CopyLookup?
    ) {
        self.copies = copies
        self.lookup = lookup
        self.options = options
        self.keyring = keyring
        self.items = items
        self.now = now
        self.owners = owners
    }

    mutating func fail(_ error: VaultError) {
        let path = items.first.map { $0.link ?? $0.path } ?? ""
        failures.append(ImportFailure(path: path, error: error))
    }

    mutating func run(_ vault: some ImportDestination) async throws(VaultError) {
        guard options.remove || items.contains(where: { $0.action == .new || $0.action == .update }) else {
            for item in items { try await leave(item, vault) }
            return
        }
        guard let first = items.first else { return }
        let reading = try reread(first)
        guard reading.file.sha256 == first.sha256 else {
            throw VaultError(
                .temporary,
                "\(printable(first.path)) changed since it was looked at and was not imported",
                hint: "end the program that owns it, or import again"
            )
        }
        // Kept for the entries that come from it, and gone with the last of them.
        if items.contains(where: { !$0.makesNoEntry }) { try await seal(reading, vault) }
        var verified: Set<String> = []
        for item in items {
            guard item.action != .conflict else {
                try await leave(item, vault)
                continue
            }
            do throws(VaultError) {
                if item.action == .copy {
                    guard try await compare(item, reading, vault) else { continue }
                } else {
                    try await take(item, reading, vault)
                }
                verified.insert(item.pointer)
            } catch { fail(error) }
        }
        guard options.remove, !verified.isEmpty else { return }
        try await remove(verified, reading, vault)
    }

    /// The file as it is now.
    ///
    /// One that is gone is nothing unusual: programs move their grants.
    private func reread(_ item: ImportItem) throws(VaultError) -> FileReading {
        do throws(VaultError) {
            return try FileReading.of(
                item.path,
                format: item.format,
                options: options,
                now: now,
                keyring: keyring
            )
        } catch {
            guard error.code == .notFound else { throw error }
            throw VaultError(
                .partial,
                "\(printable(item.path)) no longer holds what it held when it was looked at; nothing of it was imported",
                hint: "vault import again shows what is there now",
                underlying: error
            )
        }
    }

    private func seal(_ reading: FileReading, _ vault: some ImportDestination) async throws(VaultError) {
        let copy: SecretBytes
        do {
            copy = try reading.file.bytes.withSecret { (bytes) throws(CryptoError) in try bytes.copy() }
        } catch { throw VaultError(.failed, "no memory for \(printable(reading.file.path)): \(error.message)") }
        try await vault.keepOriginal(copy, sha256: reading.file.sha256)
    }

    /// Records a grant that needs nothing, or gets nothing.
    private mutating func leave(_ item: ImportItem, _ vault: some ImportDestination) async throws(VaultError) {
        let result: ImportOutcome.Result =
            switch item.action {
            case .unchanged: .unchanged
            case .copy: .copy
            default: .skipped
            }
        var state: EntryState = item.willBeHeld ? .held(.secondOwner) : .active
        if item.action == .unchanged {
            state = try await vault.withEntry(item.name) { (summary, _) throws(VaultError) in summary.state }
        }
        outcomes.append(ImportOutcome(item: item, result: result, state: state))
    }

    /// Makes sure that the entry holds all that a copy has, before its file loses it.
    ///
    /// Of a grant that can be refreshed, the access token of an older copy is worth nothing.
    ///
    /// - Returns: Whether the file may lose it.
    private mutating func compare(
        _ item: ImportItem,
        _ reading: FileReading,
        _ vault: some ImportDestination
    ) async throws(VaultError) -> Bool {
        guard options.remove else {
            try await leave(item, vault)
            return false
        }
        guard let grant = reading.contents.grants.first(where: { $0.value.pointer == item.pointer }) else {
            throw VaultError(.temporary, "\(printable(item.path)) no longer holds the grant of \(item.name)")
        }
        let secrets = try ImportedSecrets(grant, options)
        let spent: Set<EntrySecrets.Field> = item.hasRefreshToken ? [.accessToken, .idToken] : []
        let state = try await vault.withEntry(item.name) { (summary, kept) throws(VaultError) -> EntryState in
            guard secrets.areIn(kept, beside: spent) else {
                throw VaultError(
                    .unsafe,
                    "\(item.name) does not hold all that \(printable(item.path)) does; the file is left as it is",
                    hint: "vault show \(item.name)"
                )
            }
            return summary.state
        }
        outcomes.append(ImportOutcome(item: item, result: .copy, state: state))
        return true
    }

    /// Puts one grant into the vault and makes sure that it is there.
    private mutating func take(
        _ item: ImportItem,
        _ reading: FileReading,
        _ vault: some ImportDestination
    ) async throws(VaultError) {
        guard let grant = reading.contents.grants.first(where: { $0.value.pointer == item.pointer }) else {
            throw VaultError(.temporary, "\(printable(item.path)) no longer holds the grant of \(item.name)")
        }
        let secrets = try ImportedSecrets(grant, options)
        // Held until the file no longer has it, so that a crash in between leaves no second owner.
        let mayRotate = item.hasRefreshToken && (item.rotation != .never || ForeignItem(path: item.path) != nil)
        let state: EntryState = mayRotate ? .held(.secondOwner) : .active
        var result: ImportOutcome.Result = .unchanged
        if item.action == .new {
            var summary = grant.summary
            summary.name = item.name
            summary.state = state
            summary.holds = secrets.value.fields
            summary.copies = copies[item.name] ?? []
            _ = try await vault.insert(summary, secrets.value)
            result = .imported
        } else if item.action == .update {
            _ = try await vault.update(item.name) { (summary, kept) throws(VaultError) in
                if item.completesOnly {
                    summary.complete(from: grant.summary)
                    summary.source = grant.summary.source
                    summary.updatedAt = now
                    if !kept.has(.clientSecret) { try secrets.copy(.clientSecret, into: &kept) }
                } else {
                    // Under the lease: the vault may have refreshed since the plan was made.
                    var objection: String?
                    if !options.fileIsNewest {
                        objection = ImportPlanner.objection(to: grant.summary, over: summary)
                    }
                    if !summary.mayBecome(grant.summary) { objection = "\(summary.name) is another grant" }
                    if let objection {
                        throw VaultError(
                            .temporary,
                            "\(printable(item.path)) was not imported: \(objection)",
                            hint: "vault show \(item.name)"
                        )
                    }
                    let before = kept.fingerprint(.refreshToken)
                    summary.adopt(grant.summary, state: state, now: now)
                    for field in EntrySecrets.Field.allCases { try secrets.copy(field, into: &kept) }
                    if kept.fingerprint(.refreshToken) != before { summary.forgetRefreshes() }
                }
                summary.holds = kept.fields
            }
            result = .updated
        } else if options.remove {
            // The entry must name the bytes that were sealed: they are all that is left of the file.
            let source = grant.summary.source
            let current = try await vault.withEntry(item.name) { (summary, _) throws(VaultError) in summary.source }
            if current != source {
                _ = try await vault.update(item.name) { (summary, _) throws(VaultError) in summary.source = source }
            }
        }
        let found = try await vault.withEntry(item.name) { (summary, kept) throws(VaultError) -> EntryState in
            // Where only facts were added, the vault may have refreshed since, and nothing hangs on the comparison
            // unless the file is to lose its token.
            guard item.completesOnly && !options.remove || secrets.areIn(kept) else {
                throw VaultError(
                    .unsafe,
                    "\(item.name) does not hold the tokens of \(printable(item.path)); the file is left as it is",
                    hint: "vault show \(item.name)"
                )
            }
            return summary.state
        }
        outcomes.append(ImportOutcome(item: item, result: result, state: found))
    }

    /// Takes verified grants out of the file and ends the hold that was there because of it.
    private mutating func remove(
        _ verified: Set<String>,
        _ reading: FileReading,
        _ vault: some ImportDestination
    ) async throws(VaultError) {
        if let link = items.first?.link {
            throw VaultError(
                .unsafe,
                "\(printable(link)) is a symbolic link; no token is removed through one",
                hint: "name the file itself: \(printable(reading.file.path))"
            )
        }
        let removal = try TokenRemoval(reading: reading, machine: options.machine).remove(verified)
        let done = outcomes.indices.filter { verified.contains(outcomes[$0].item.pointer) }
        for index in done { outcomes[index].removal = removal }
        for index in done {
            let name = outcomes[index].item.name
            let left = owners.lose(name)
            guard left ?? 0 == 0, outcomes[index].state == .held(.secondOwner) else { continue }
            guard try await isFree(name, hasOwnFile: left == nil, vault) else { continue }
            let changed = try await vault.update(name) { (summary, _) throws(VaultError) in
                guard summary.state == .held(.secondOwner) else { return }
                summary.state = .active
                summary.copies = []
            }
            outcomes[index].state = changed.state
        }
    }

    /// Whether no file is known any more that has the entry's refresh token; which one has it is a failure of that file.
    private mutating func isFree(
        _ name: EntryName,
        hasOwnFile: Bool,
        _ vault: some ImportDestination
    ) async throws(VaultError) -> Bool {
        if let lookup, let copy = try await lookup.holders(of: name, in: vault).first {
            failures.append(ImportFailure(path: copy.path, error: .isAlso(in: copy, name)))
            return false
        }
        guard hasOwnFile else { return true }
        // The last of its copies is gone. Its own file may be as well, or may be what it is held for.
        guard let lookup else { return false }
        return try await !lookup.ownFileHolds(name, in: vault)
    }
}
