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
    ///   - scanning: Whether to look at all places where programs keep their tokens as well.
    ///   - now: When the import takes place.
    ///   - keyring: Where grants are looked up that their owner keeps there, and keys of encrypted files. `nil` leaves
    ///     those paths (`keyring:…`) and files unread.
    ///   - progress: Called before each file, and now and then while directories are walked.
    /// - Throws: What is wrong with the options or with the vault as a whole; what is wrong with a file is in `failures`.
    public static func make(
        _ paths: [String],
        scanning: Bool = false,
        options: ImportOptions,
        for vault: some ImportDestination,
        now: Timestamp,
        keyring: (any ForeignKeyring)? = nil,
        progress: @Sendable (ImportProgress) -> Void = { _ in }
    ) async throws(VaultError) -> ImportPlan {
        try options.check()
        var planner = try ImportPlanner(options: options, existing: await vault.list(), now: now)
        var files = planner.locate(paths, scanning: scanning, progress: progress)
        if scanning, let keyring { files += await planner.foreignCandidates(in: keyring, besides: paths) }
        planner.keyring = await ForeignItems.needed(for: files.map(\.path), on: options.machine, from: keyring)
        for (index, file) in files.enumerated() {
            progress(ImportProgress(done: index, total: files.count, path: file.path))
            await planner.plan(file, vault)
        }
        var plan = try await planner.finish(vault)
        plan.keyring = keyring
        return plan
    }
}

/// The plan in the making.
struct ImportPlanner {
    /// A file to be looked at.
    struct Candidate {
        /// Where it comes from.
        enum Origin {
            /// It was asked for.
            case named
            /// A program keeps tokens there.
            case known
            /// It was come upon.
            case walked
        }

        let path: String
        /// The link that was given, where one was.
        var link: String?
        let origin: Origin
        /// What it is beside a token file, where it is what a crash or an editor left.
        var leftover: String?
    }

    /// A grant that was found, and what decides over it beside its item.
    struct Draft {
        var item: ImportItem
        let marks: GrantMarks
        let issuedAt: Timestamp?
        let clientID: String?
        /// Whether its token leaves the file with this import.
        let canRemove: Bool
        /// Whether an entry came from its place before.
        var isMatched = false
        var isLeftover = false
    }

    fileprivate var keyring = ForeignItems()
    var plan: ImportPlan
    let key: FingerprintKey
    let existing: [EntrySummary]
    var drafts: [Draft] = []
    var taken: Set<EntryName>
    /// The number to try next, by the name that is taken.
    var nextNumber: [EntryName: Int] = [:]
    private let now: Timestamp
    private let sniff: TokenSniff
    private var exposures = ExposureLookup()
    /// More than one where another account's grant has come to stand there.
    private var bySource: [String: [EntrySummary]] = [:]

    init(options: ImportOptions, existing: [EntrySummary], now: Timestamp) throws(VaultError) {
        plan = ImportPlan(options: options)
        key = try FingerprintKey()
        sniff = try TokenSniff()
        self.now = now
        self.existing = existing
        taken = Set(existing.map(\.name))
        for entry in existing {
            if let source = entry.source {
                bySource[Self.place(source.path, source.pointer), default: []].append(entry)
            }
        }
    }

    static func place(_ path: String, _ pointer: String) -> String { "\(path)\u{0}\(pointer)" }

    // MARK: Where

    /// The files behind the paths and in the known places, each once.
    mutating func locate(
        _ paths: [String],
        scanning: Bool = false,
        progress: (ImportProgress) -> Void = { _ in }
    ) -> [Candidate] {
        var candidates: [Candidate] = []
        var seen: Set<String> = []
        func add(_ candidate: Candidate) {
            if seen.insert(candidate.path).inserted { candidates.append(candidate) }
        }
        if scanning { for candidate in knownCandidates() { add(candidate) } }
        for path in paths {
            do throws(VaultError) {
                for candidate in try candidatesAt(path, progress) { add(candidate) }
            } catch {
                plan.failures.append(ImportFailure(path: path, error: error))
            }
        }
        return candidates
    }

    private mutating func knownCandidates() -> [Candidate] {
        var places = KnownPlaces(plan.options.machine, sniff)
        let found = places.find()
        plan.aside += places.remains.map { remain in
            FileAside(path: remain.path, reason: .leftover, sentence: remain.leftover ?? "")
        }
        return found.compactMap { place in
            guard let status = try? FileStatus.of(place.path) else { return nil }
            switch status.kind {
            case .directory: return nil
            case .symbolicLink:
                // One that leads nowhere, or to a directory, is a place where nothing is.
                guard let target = try? PathResolution.target(of: place.path),
                    (try? FileStatus.of(target))??.kind == .regular
                else { return nil }
                return Candidate(path: target, link: place.path, origin: .known, leftover: place.leftover)
            default:
                return Candidate(path: place.path, origin: .known, leftover: place.leftover)
            }
        }
    }

    /// The items of known programs in the keyring, for a scan.
    fileprivate mutating func foreignCandidates(
        in keyring: any ForeignKeyring,
        besides paths: [String]
    ) async -> [Candidate] {
        let kept = await ForeignGrants.locate(in: keyring, on: plan.options.machine)
        plan.notes += kept.notes
        return kept.paths.filter { !paths.contains($0) }.map { Candidate(path: $0, origin: .known) }
    }

    private mutating func candidatesAt(
        _ path: String,
        _ progress: (ImportProgress) -> Void
    ) throws(VaultError) -> [Candidate] {
        if ForeignItem(path: path) != nil { return [Candidate(path: path, origin: .named)] }
        guard !path.isEmpty, !path.utf8.contains(0) else { throw VaultError(.usage, "an empty path names no file") }
        var place = PathResolution.absolute(path)
        var link: String?
        if try status(place).kind == .symbolicLink {
            link = place
            place = try PathResolution.target(of: place)
        }
        guard try status(place).kind == .directory else {
            return [Candidate(path: place, link: link, origin: .named)]
        }
        var walk = DirectoryWalk(sniff)
        try walk.walk(place) { seen, path in progress(ImportProgress(done: seen, total: 0, path: path)) }
        plan.passedOver += walk.passedOver
        plan.failures += walk.failures
        plan.aside += walk.links.map { link in
            FileAside(
                path: link.path,
                reason: .link,
                sentence: "it is a symbolic link to \(printable(link.target)); links below a directory are not followed"
            )
        }
        return walk.files.map { Candidate(path: $0, origin: .walked) }
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
        } catch { setAside(candidate, error) }
    }

    /// Notes why a file is not planned, where that concerns anybody.
    ///
    /// What is wrong with a file that was asked for does. One that was come upon and is of another kind does not.
    private mutating func setAside(_ candidate: Candidate, _ error: VaultError) {
        let path = candidate.link ?? candidate.path
        let failure = ImportFailure(path: path, error: error)
        if case .named = candidate.origin { return plan.failures.append(failure) }
        switch error.underlying as? FileVerdict {
        case .declined?: plan.aside.append(FileAside(path: path, reason: .declined, sentence: error.message))
        case .ambiguous?: plan.aside.append(FileAside(path: path, reason: .ambiguous, sentence: error.message))
        case .unknown?: plan.passedOver += 1
        case nil where error.code == .notFound: plan.passedOver += 1
        case nil where error.code == .damaged && !isTooLarge(error) && !sniff.mentionsTokens(candidate.path):
            plan.passedOver += 1
        case nil where candidate.leftover != nil && error.code == .damaged:
            plan.aside.append(FileAside(path: path, reason: .leftover, sentence: error.message))
        case nil: plan.failures.append(failure)
        }
    }

    /// A file that is too large to be looked at is worth a line.
    private func isTooLarge(_ error: VaultError) -> Bool {
        (error.underlying as? FileError)?.code == .tooLarge
    }

    private mutating func add(
        _ grant: FoundGrant,
        of reading: FileReading,
        _ candidate: Candidate,
        _ vault: some ImportDestination
    ) async throws(VaultError) {
        let summary = grant.summary
        let marks = try key.marks(of: grant)
        let status = reading.file.status
        var item = ImportItem(
            path: candidate.path,
            link: candidate.link,
            format: reading.format.identifier,
            tool: reading.format.facts.tool,
            name: summary.name,
            pointer: grant.value.pointer,
            sha256: reading.file.sha256,
            account: summary.account,
            issuer: summary.issuer,
            scopes: summary.scopes,
            expiry: summary.expiry,
            hasRefreshToken: marks.refreshToken != nil,
            rotation: summary.rotation,
            action: .new,
            willBeHeld: false,
            missing: plan.options.missing(for: grant),
            exposure: exposures.exposure(of: candidate.path, status),
            links: status.links,
            wideMode: status.isWide ? status.mode : nil,
            notes: grant.notes + reading.contents.notes
        )
        if let leftover = candidate.leftover { item.notes.append(leftover) }
        if let link = candidate.link {
            item.notes.append("\(printable(link)) is a symbolic link to it")
        }
        if status.links > 1 { item.notes.append("the file has \(status.links) names (hard links)") }
        let isForeign = ForeignItem(path: candidate.path) != nil
        let canRemove = plan.options.remove && candidate.link == nil && status.links == 1 && !isForeign
        item.willBeHeld = item.hasRefreshToken && (summary.rotation != .never || isForeign) && !canRemove
        if canRemove { item.notes += consequences(of: item, reading.format.facts) }
        var isMatched = false
        if let entry = try await entry(of: grant, item, vault) {
            isMatched = true
            item.name = entry.name
            try await compare(&item, grant, entry, vault)
            if item.action == .unchanged { settle(&item, grant, entry, canRemove) }
        }
        drafts.append(
            Draft(
                item: item,
                marks: marks,
                issuedAt: summary.issuedAt,
                clientID: summary.clientID,
                canRemove: canRemove,
                isMatched: isMatched,
                isLeftover: Leftover.originalPath(of: candidate.path) != candidate.path
            )
        )
    }

    /// What it means that a grant leaves its file: to its owner, and to the vault where that could not refresh it.
    private func consequences(of item: ImportItem, _ facts: FormatFacts) -> [String] {
        var notes = ["afterwards \(facts.whenRemoved)"]
        if let instead = facts.instead { notes[0] += "; instead of the file it takes \(instead)" }
        if item.hasRefreshToken, !item.missing.isEmpty {
            notes.append(
                "out of its file nothing refreshes it, since the vault lacks \(item.missing.joined(separator: ", ")); "
                    + "without --remove its owner goes on doing so"
            )
        }
        return notes
    }

    /// The entry that came from a grant's place before and is of the same grant.
    ///
    /// The place alone does not say so: a login as somebody else puts another grant there, and what the vault has of the
    /// first may be all that is left of it.
    private func entry(
        of grant: FoundGrant,
        _ item: ImportItem,
        _ vault: some ImportDestination
    ) async throws(VaultError) -> EntrySummary? {
        let known = bySource[Self.place(item.path, item.pointer)] ?? []
        guard !known.isEmpty else { return nil }
        let seen = known.first { $0.source?.sha256 == item.sha256 && !$0.isAnother(than: grant.summary) }
        if let seen { return seen }
        let prints = try key.secrets(of: grant)
        for entry in known {
            let same = try await vault.withEntry(entry.name) { [key] (_, secrets) throws(VaultError) in
                key.match(prints, secrets)
            }
            if same { return entry }
        }
        if let entry = known.first(where: { $0.mayBecome(grant.summary) }) { return entry }
        // What is no newer is taken for an older state of what the vault refreshes, whose refresh token is spent.
        return known.first { entry in
            !entry.isAnother(than: grant.summary) && Self.objection(to: grant.summary, over: entry) != nil
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
        let ownerIsVault = entry.keptState.isVaultOwned && entry.holds.contains(.refreshToken)
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
        item.willBeHeld = !entry.keptState.isVaultOwned && !(canRemove && entry.state == .held(.secondOwner))
    }

    enum Order { case older, newer }

    /// Which is newer by the time of issue, or by the expiry; `nil` where neither tells.
    private static func order(of file: EntrySummary, after entry: EntrySummary) -> Order? {
        order(file.issuedAt, file.expiry, after: entry.issuedAt, entry.expiry)
    }

    static func order(
        _ issuedAt: Timestamp?,
        _ expiry: Expiry,
        after otherIssue: Timestamp?,
        _ otherExpiry: Expiry
    ) -> Order? {
        if let mine = issuedAt, let theirs = otherIssue, mine != theirs { return mine > theirs ? .newer : .older }
        if case .known(let mine) = expiry, case .known(let theirs) = otherExpiry, mine != theirs {
            return mine > theirs ? .newer : .older
        }
        return nil
    }
}

extension EntryState {
    /// Whether the vault is the one that refreshes.
    var isVaultOwned: Bool {
        if case .held = self { false } else { true }
    }
}
