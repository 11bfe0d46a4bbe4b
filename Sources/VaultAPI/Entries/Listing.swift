/// What a walk through all records found.
public struct Listing: Sendable {
    /// The entries, in order of their names.
    public var entries: [EntrySummary] = []
    /// A sentence for each record that is damaged, or not what it is filed as.
    public var faults: [String] = []

    /// An empty one.
    public init() {}

    /// Throws what the faults amount to, if there are any.
    public func requireSound() throws(VaultError) {
        guard let first = faults.first else { return }
        let more = faults.count > 1 ? ", and \(faults.count - 1) more" : ""
        throw VaultError(
            .damaged,
            "\(first)\(more); nothing was changed",
            hint: "vault doctor names every damaged record; vault restore FILE brings entries back from a backup"
        )
    }
}
