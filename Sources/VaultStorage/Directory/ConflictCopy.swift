/// A file in a directory store that holds a version of an entry, or of the header, under a name that is not the entry's.
///
/// Sync tools make such files where two machines changed one entry: `NAME.sync-conflict-…`, `NAME (conflicted copy …)`,
/// `NAME.orig`, `NAME_REMOTE_123`. They are told by what is in them, not by their names.
public struct ConflictCopy: Hashable, Sendable {
    /// What the file holds.
    public enum Kind: Hashable, Sendable {
        /// A sealed record; perhaps of an entry that has no file of its own any more, perhaps the same as the entry's.
        case record(StoredRecord)
        /// A header.
        case header(StoredHeader)
        /// It begins as a file of ours, and is damaged, of a later version, or not safe to be read.
        case unreadable
    }

    /// Its name relative to the store's directory, such as `entries/0f/0f….sync-conflict-20260101-120000-ABCDEFG`.
    public let file: String
    /// What it holds.
    public let kind: Kind

    /// Makes one.
    public init(file: String, kind: Kind) {
        self.file = file
        self.kind = kind
    }
}
