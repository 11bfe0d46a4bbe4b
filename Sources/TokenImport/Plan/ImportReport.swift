public import VaultAPI

/// What an import did with one grant.
public struct ImportOutcome: Hashable, Sendable {
    /// What happened to the entry.
    public enum Result: String, Hashable, Sendable {
        /// It was made, read back and compared.
        case imported
        /// Its tokens were replaced, read back and compared.
        case updated
        /// It was as it should be.
        case unchanged
        /// It is the copy of another, whose entry stands for both.
        case copy
        /// It was left alone, as the plan said.
        case skipped
    }

    /// What happened to the file.
    public enum Removal: String, Hashable, Sendable {
        /// It is as it was.
        case kept
        /// The grant was cut out of it.
        case edited
        /// It is gone; nothing else of value was in it.
        case deleted
    }

    /// What was planned.
    public let item: ImportItem
    /// What happened to the entry.
    public let result: Result
    /// What happened to the file.
    public internal(set) var removal: Removal = .kept
    /// The entry's state afterwards.
    public internal(set) var state: EntryState
}

/// What an import did.
public struct ImportReport: Sendable {
    /// One for each grant that is in the vault, or was skipped as planned.
    public internal(set) var outcomes: [ImportOutcome] = []
    /// The plan's failures and those on the way.
    ///
    /// A file can be in both: imported, and not removed.
    public internal(set) var failures: [ImportFailure] = []

    /// What to end with: `nil` where all went well; the failure's own code where nothing was imported and nothing was
    /// there before; otherwise `.partial`.
    public var code: VaultError.Code? {
        let skipped = outcomes.contains { $0.result == .skipped }
        let worked = outcomes.contains { $0.result != .skipped }
        if failures.isEmpty && !skipped { return nil }
        if worked { return .partial }
        return failures.first?.error.code ?? .unsafe
    }
}
