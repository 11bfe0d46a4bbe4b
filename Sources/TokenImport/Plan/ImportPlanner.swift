internal import PrivateFiles
internal import StrictJSON
public import VaultAPI
internal import VaultCore

/// How far an operation over many files has come.
public struct ImportProgress: Hashable, Sendable {
    /// How many files are behind it.
    public let done: Int
    /// How many there are.
    public let total: Int
    /// The one it is at.
    public let path: String
}

extension ImportPlan {
    /// Looks at files and directories and at the vault, and says what an import would do.
    ///
    /// It changes neither.
    ///
    /// - Parameters:
    ///   - paths: Files, and directories to be walked. A file that is no token file is a failure if it was named, and
    ///     passed over in a directory.
    ///   - now: When the import takes place.
    ///   - keyring: Where grants are looked up that their owner keeps there, and keys of encrypted files. `nil` leaves
    ///     those paths (`keyring:…`) and files unread.
    ///   - progress: Called before each file.
    /// - Throws: What is wrong with the options or with the vault as a whole; what is wrong with a file is in `failures`.
    public static func make(
        _ paths: [String],
        options: ImportOptions,
        for vault: some ImportDestination,
        now: Timestamp,
        keyring: (any ForeignKeyring)? = nil,
        progress: @Sendable (ImportProgress) -> Void = { _ in }
    ) async throws(VaultError) -> ImportPlan {
        try options.check()
        var planner = try ImportPlanner(options: options, existing: await vault.list(), now: now)
        let files = planner.locate(paths)
        planner.keyring = await ForeignItems.needed(for: files.map(\.path), on: options.machine, from: keyring)
        for (index, file) in files.enumerated() {
            progress(ImportProgress(done: index, total: files.count, path: file.path))
            await planner.plan(file, vault)
        }
        await planner.noticeCopies(vault)
        var plan = try planner.finish()
        plan.keyring = keyring
        return plan
    }
}

/// The plan in the making.
struct ImportPlanner {
    /// A file to be looked at.
    struct Candidate {
        let path: String
        /// The link that was given, where one was.
        var link: String?
        /// Whether it was named, as opposed to found.
        let isNamed: Bool
    }

    fileprivate var keyring = ForeignItems()
    private var plan: ImportPlan
    private let key: FingerprintKey
    private let now: Timestamp
    private let existing: [EntrySummary]
    private var bySource: [String: EntrySummary] = [:]
    private var taken: Set<EntryName>
    /// Who has a refresh token, by its fingerprint.
    private var owners: [[UInt8]: (name: EntryName, path: String)] = [:]
    /// The refresh token of each item, by its place in the plan.
    private var refreshTokens: [Int: [UInt8]] = [:]

    init(options: ImportOptions, existing: [EntrySummary], now: Timestamp) throws(VaultError) {
        plan = ImportPlan(options: options)
        key = try FingerprintKey()
        self.now = now
        self.existing = existing
        taken = Set(existing.map(\.name))
        for entry in existing {
            if let source = entry.source { bySource[Self.place(source.path, source.pointer)] = entry }
        }
    }

    private static func place(_ path: String, _ pointer: String) -> String { "\(path)\u{0}\(pointer)" }

    func finish() throws(VaultError) -> ImportPlan {
        if plan.options.name != nil, plan.items.count > 1 {
            throw VaultError(
                .usage,
                "--name goes with a file that holds one entry; \(plan.items.count) were found",
                hint: "leave --name out and use: vault rename"
            )
        }
        return plan
    }

    // MARK: Where

    /// The files behind the paths, each once.
    mutating func locate(_ paths: [String]) -> [Candidate] {
        var candidates: [Candidate] = []
        var seen: Set<String> = []
        for path in paths {
            do throws(VaultError) {
                for candidate in try candidatesAt(path) where seen.insert(candidate.path).inserted {
                    candidates.append(candidate)
                }
            } catch {
                plan.failures.append(ImportFailure(path: path, error: error))
            }
        }
        return candidates
    }

    private mutating func candidatesAt(_ path: String) throws(VaultError) -> [Candidate] {
        if ForeignItem(path: path) != nil { return [Candidate(path: path, isNamed: true)] }
        guard !path.isEmpty, !path.utf8.contains(0) else { throw VaultError(.usage, "an empty path names no file") }
        var place = PathResolution.absolute(path)
        var link: String?
        if try status(place).kind == .symbolicLink {
            link = place
            place = try PathResolution.target(of: place)
        }
        guard try status(place).kind == .directory else {
            return [Candidate(path: place, link: link, isNamed: true)]
        }
        let walk = try DirectoryWalk.files(below: place)
        plan.passedOver += walk.passedOver
        return walk.files.map { Candidate(path: $0, isNamed: false) }
    }

    private func status(_ path: String) throws(VaultError) -> FileStatus {
        let found = try withFiles { () throws(FileError) in try FileStatus.of(path) }
        guard let found else { throw VaultError(.notFound, "\(printable(path)) does not exist") }
        return found
    }

    // MARK: What

    /// Adds what one file holds, or why it does not count.
    mutating func plan(_ candidate: Candidate, _ vault: some ImportDestination) async {
        do throws(VaultError) {
            let reading = try FileReading.of(candidate.path, options: plan.options, now: now, keyring: keyring)
            for grant in reading.contents.grants { try await add(grant, of: reading, candidate, vault) }
        } catch {
            if candidate.isNamed || reports(error, candidate.path) {
                plan.failures.append(ImportFailure(path: candidate.link ?? candidate.path, error: error))
            } else {
                plan.passedOver += 1
            }
        }
    }

    /// Whether an error with a file that was only found concerns the user: a token file that cannot be taken in does, a
    /// file of another kind does not.
    private func reports(_ error: VaultError, _ path: String) -> Bool {
        switch error.code {
        case .failed, .configuration, .temporary: true
        case .damaged: FileReading.mentionsTokens(path)
        default: false
        }
    }

    private mutating func add(
        _ grant: FoundGrant,
        of reading: FileReading,
        _ candidate: Candidate,
        _ vault: some ImportDestination
    ) async throws(VaultError) {
        let summary = grant.summary
        let refreshToken = try key.refreshToken(of: grant)
        let status = reading.file.status
        var item = ImportItem(
            path: candidate.path,
            link: candidate.link,
            format: reading.format.identifier,
            name: summary.name,
            pointer: grant.value.pointer,
            sha256: reading.file.sha256,
            account: summary.account,
            issuer: summary.issuer,
            scopes: summary.scopes,
            expiry: summary.expiry,
            hasRefreshToken: refreshToken != nil,
            rotation: summary.rotation,
            action: .new,
            willBeHeld: false,
            wideMode: status.isWide ? status.mode : nil,
            notes: grant.notes + reading.contents.notes
        )
        if let link = candidate.link {
            item.notes.append("\(printable(link)) is a symbolic link to it")
        }
        if status.links > 1 { item.notes.append("the file has \(status.links) names (hard links)") }
        let isForeign = ForeignItem(path: candidate.path) != nil
        let canRemove = plan.options.remove && candidate.link == nil && status.links == 1 && !isForeign
        item.willBeHeld = refreshToken != nil && (summary.rotation != .never || isForeign) && !canRemove
        if let entry = bySource[Self.place(candidate.path, item.pointer)] {
            item.name = entry.name
            try await compare(&item, grant, entry, vault)
            if item.action == .unchanged { settle(&item, grant, entry, canRemove) }
        } else {
            try choose(&item)
        }
        taken.insert(item.name)
        if let refreshToken { refreshTokens[plan.items.count] = refreshToken }
        plan.items.append(item)
    }

    /// Finds a name for a new entry: the one that was asked for, or the format's, numbered where it is taken.
    private mutating func choose(_ item: inout ImportItem) throws(VaultError) {
        if let asked = plan.options.name {
            let name = try asked.contains(":") ? EntryName(parsing: asked) : EntryName(item.name.kind, asked)
            guard name.kind == item.name.kind else {
                throw VaultError(.usage, "--name \(name) does not fit: it is a \(item.name.kind.rawValue) entry")
            }
            item.name = name
            if taken.contains(name) {
                item.action = .conflict
                item.notes.append("\(name) exists and did not come from here")
            }
            return
        }
        let suggested = item.name
        var number = 2
        while taken.contains(item.name) {
            item.name = suggested.numbered(number)
            number += 1
        }
    }

    /// Decides what to do with a grant whose place an entry came from before.
    ///
    /// While the entry is held, the file's owner refreshes and the file is right unless it is older for certain. Once
    /// the vault refreshes by itself, the vault is right unless the file is newer for certain: an older refresh token
    /// is a spent one.
    private func compare(
        _ item: inout ImportItem,
        _ grant: FoundGrant,
        _ entry: EntrySummary,
        _ vault: some ImportDestination
    ) async throws(VaultError) {
        guard entry.source?.sha256 != item.sha256 else {
            item.action = .unchanged
            return
        }
        let prints = try key.secrets(of: grant)
        let same = try await vault.withEntry(entry.name) { [key] (_, secrets) throws(VaultError) in
            key.match(prints, secrets)
        }
        if same {
            item.action = .unchanged
            return
        }
        if !plan.options.fileIsNewest, let objection = Self.objection(to: grant.summary, over: entry) {
            item.action = .conflict
            item.notes.append(objection)
        } else {
            item.action = .update
        }
    }

    /// Why a file's tokens must not take the place of an entry's; `nil` if they may.
    static func objection(to file: EntrySummary, over entry: EntrySummary) -> String? {
        let ownerIsVault = entry.state.isVaultOwned && entry.holds.contains(.refreshToken)
        switch order(of: file, after: entry) {
        case .newer?: return nil
        case .older?: return "the vault's \(entry.name) is newer than the file"
        case nil where !ownerIsVault: return nil
        case nil: return "the vault refreshes \(entry.name) itself, and the file does not say that it is newer"
        }
    }

    /// Says what becomes of an entry that has the file's tokens: what it lacks and options now say is added, and its
    /// hold ends with the file's token.
    private func settle(_ item: inout ImportItem, _ grant: FoundGrant, _ entry: EntrySummary, _ canRemove: Bool) {
        let addsSecret = plan.options.clientSecretFile != nil && !entry.holds.contains(.clientSecret)
        if entry.lacksFacts(of: grant.summary) || addsSecret && entry.name.kind == .oauth {
            item.action = .update
            item.completesOnly = true
            item.notes.append("adds what is now known of its client or server; the tokens stay as they are")
        }
        item.willBeHeld = !entry.state.isVaultOwned && !(canRemove && entry.state == .held(.secondOwner))
    }

    private enum Order { case older, newer }

    /// Which is newer by the time of issue, or by the expiry; `nil` where neither tells.
    private static func order(of file: EntrySummary, after entry: EntrySummary) -> Order? {
        if let mine = file.issuedAt, let theirs = entry.issuedAt, mine != theirs {
            return mine > theirs ? .newer : .older
        }
        if case .known(let mine) = file.expiry, case .known(let theirs) = entry.expiry, mine != theirs {
            return mine > theirs ? .newer : .older
        }
        return nil
    }

    // MARK: Copies

    /// Notes which grants stand in two places.
    ///
    /// Two owners of one refresh token log each other out, so the copy is held even where its file goes.
    mutating func noticeCopies(_ vault: some ImportDestination) async {
        guard !refreshTokens.isEmpty else { return }
        let planned = Set(plan.items.map(\.name))
        for entry in existing where entry.holds.contains(.refreshToken) && !planned.contains(entry.name) {
            // An entry that does not open is no reason not to import another.
            let found = try? await vault.withEntry(entry.name) { [key] (_, secrets) throws(VaultError) in
                key.refreshToken(of: secrets)
            }
            if let print = found { owners[print] = (entry.name, entry.source?.path ?? "") }
        }
        for index in plan.items.indices {
            guard let print = refreshTokens[index], plan.items[index].action != .conflict else { continue }
            if let owner = owners[print] {
                let place = owner.path.isEmpty ? "" : " (\(printable(owner.path)))"
                let rotates = plan.items[index].rotation != .never
                plan.items[index].notes.append(
                    "its refresh token is also that of \(owner.name)\(place)"
                        + (rotates ? ": whichever is refreshed second will be logged out" : "")
                )
                plan.items[index].isCopy = true
                if rotates { plan.items[index].willBeHeld = true }
            } else {
                owners[print] = (plan.items[index].name, plan.items[index].path)
            }
        }
    }
}

extension EntryState {
    /// Whether the vault is the one that refreshes.
    var isVaultOwned: Bool {
        if case .held = self { false } else { true }
    }
}
