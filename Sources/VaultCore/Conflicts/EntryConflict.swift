public import VaultAPI

/// One of several versions of an entry.
public struct EntryVersion: Sendable {
    /// What a person calls it by: the one in its place is 1, the others follow in the order of their files' names.
    public let number: Int
    /// The file it lies in.
    public let file: String
    /// Whether it is the one that is read as the entry, as far as the store is concerned.
    public let isInPlace: Bool
    /// What a list shows of it, its state as it was sealed.
    public let summary: EntrySummary
    /// Who refreshes it.
    public let refresher: Refresher

    /// The machine that an entry names, seen from this one.
    public enum Refresher: Sendable {
        /// This one.
        case thisMachine
        /// Another one.
        case anotherMachine
        /// None: it cannot be refreshed, or nobody has adopted it.
        case nobody
    }

    /// Whether its tokens were issued later than those of another version.
    ///
    /// Every machine must come to the same answer, whatever the files are called where it looks; so what decides in the
    /// end is the generation, and then the bytes of the fields.
    func isLater(than other: EntryVersion) -> Bool {
        let (mine, theirs) = (summary, other.summary)
        // Where nobody knows when, nobody has refreshed it since it was imported: whoever has, got tokens for those.
        let (left, right) = (mine.issuedAt?.seconds ?? .min, theirs.issuedAt?.seconds ?? .min)
        if left != right { return left > right }
        if mine.updatedAt != theirs.updatedAt { return mine.updatedAt > theirs.updatedAt }
        if mine.generation != theirs.generation { return mine.generation > theirs.generation }
        return theirs.encodedFields.lexicographicallyPrecedes(mine.encodedFields)
    }
}

/// An entry of which a sync tool has left several versions.
public struct EntryConflict: Sendable {
    /// The entry's name.
    public let name: EntryName
    /// At least one; a single one if it is not in its place.
    public let versions: [EntryVersion]

    /// The one whose tokens were issued later than all others'.
    public var latest: EntryVersion {
        versions.dropFirst().reduce(versions[0]) { $1.isLater(than: $0) ? $1 : $0 }
    }
}

/// A header of which a sync tool has left another version.
public struct HeaderConflict: Sendable {
    /// The file it lies in.
    public let file: String
    /// Its generation.
    public let generation: UInt64
    /// Slots that it has and the header in its place has not, each by its short id and kind.
    public let added: [String]
    /// Slots that only the header in its place has.
    public let missing: [String]
    /// Whether the vault's data key is another one there, or the file is not authentic.
    public let isForeign: Bool
}

/// What a sync tool left of changes on two machines.
public struct ConflictReport: Sendable {
    /// Entries with several versions, in order of their names.
    public var entries: [EntryConflict] = []
    /// Other versions of the header.
    public var headers: [HeaderConflict] = []
    /// A sentence for each copy that cannot be read; those are left alone.
    public var faults: [String] = []

    /// Whether there is nothing to tell.
    public var isEmpty: Bool { entries.isEmpty && headers.isEmpty && faults.isEmpty }
}

/// Which version of an entry is to stay.
public enum VersionChoice: Sendable {
    /// The one whose tokens were issued later.
    case latest
    /// One by its number, or by its file or the end of that file's path.
    case named(String)
}

/// What became of the versions of an entry.
public struct ConflictResolution: Sendable {
    /// The entry as it is now.
    public let summary: EntrySummary
    /// The version that it is.
    public let kept: EntryVersion
    /// The directory where the other versions are now.
    public let setAside: String
    /// Whether another version was issued later than the one that was kept.
    public let isOlder: Bool
}
