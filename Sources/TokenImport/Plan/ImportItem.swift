public import VaultAPI

/// One grant that an import found, and what it will do with it.
///
/// It holds no secret.
public struct ImportItem: Hashable, Sendable {
    /// What an import does with a grant.
    public enum Action: String, Hashable, Sendable {
        /// Makes an entry.
        case new
        /// Nothing: the vault has it already.
        case unchanged
        /// Replaces the tokens of the entry that came from the same place.
        case update
        /// Nothing, and says why: the vault's copy is newer, or the name is another's.
        case conflict
        /// Makes no entry of its own: another file or entry has the same token, and that one's entry stands for both.
        case copy
    }

    /// The absolute path of the file.
    public let path: String
    /// The link that was given instead of it, where one was.
    public let link: String?
    /// The format it was read as.
    public let format: String
    /// The program that owns such files.
    public let tool: String
    /// The entry.
    public internal(set) var name: EntryName
    /// Where in the file the grant stands: a JSON pointer (RFC 6901).
    public let pointer: String
    /// SHA-256 of the file.
    public let sha256: [UInt8]
    /// Whose account it is, where the file says.
    public let account: String?
    /// The authorization server, where it is known.
    public let issuer: String?
    /// The scopes.
    public let scopes: [String]
    /// Until when the access token is valid.
    public let expiry: Expiry
    /// Whether the grant can be refreshed, if its client and endpoint are known.
    public let hasRefreshToken: Bool
    /// Whether an update leaves the tokens alone and only adds what options now say of the client or the server.
    public internal(set) var completesOnly = false
    /// Whether a refresh spends the refresh token.
    public let rotation: Rotation
    /// What will be done.
    public internal(set) var action: Action
    /// Whether the entry will be held: another program may refresh the same grant.
    public internal(set) var willBeHeld: Bool
    /// What a refresh would still need, in words; empty where nothing is missing.
    public let missing: [String]
    /// The other files and entries that have the same token.
    public internal(set) var alsoIn: [String] = []
    /// Who else can reach the file.
    public let exposure: FileExposure
    /// How many names (hard links) the file has.
    public let links: UInt64
    /// The file's permission bits, where group or others can reach it.
    public let wideMode: UInt32?
    /// Sentences that the user should read.
    public internal(set) var notes: [String]

    /// Whether all that a refresh needs is there.
    public var isRefreshable: Bool { hasRefreshToken && missing.isEmpty }
}

/// A path that could not be planned or imported.
public struct ImportFailure: Sendable {
    /// As it was given, or found below what was given.
    public let path: String
    /// Why.
    public let error: VaultError
}

/// A file that was found, that concerns whoever owns it, and that is not imported.
public struct FileAside: Hashable, Sendable {
    /// Why it is not.
    public enum Reason: String, Hashable, Sendable {
        /// It is known and holds nothing to import: it is encrypted already, or no token.
        case declined
        /// It cannot be told which tool it belongs to.
        case ambiguous
        /// It is a link; what it leads to is imported where it is named.
        case link
        /// It holds tokens and no program reads it: a log, or what a crash left.
        case leftover
    }

    /// The absolute path.
    public let path: String
    /// Why it is not imported.
    public let reason: Reason
    /// The same in a sentence.
    public let sentence: String
}

/// What an import would do.
///
/// It holds no secret: files are read again when it is carried out.
public struct ImportPlan: Sendable {
    /// In the order of the paths, and in each file in its own order.
    public internal(set) var items: [ImportItem] = []
    /// What was asked for and cannot be imported.
    public internal(set) var failures: [ImportFailure] = []
    /// What was found, not asked for, and is not imported.
    public internal(set) var aside: [FileAside] = []
    /// What stood in the way of looking everywhere, a sentence each.
    public internal(set) var notes: [String] = []
    /// How many files of a directory were passed over, because they are no token files.
    public internal(set) var passedOver = 0
    /// What it was made with.
    public let options: ImportOptions
    /// Where items of other programs are looked up again when it is carried out.
    var keyring: (any ForeignKeyring)?
    /// Whether a hold stays as long as a known copy has the refresh token.
    var mindsCopies = true

    init(options: ImportOptions) { self.options = options }

    /// The part of the plan that concerns one entry: for looking at an imported entry's file again.
    public func only(_ name: EntryName) -> ImportPlan {
        var plan = self
        plan.items = items.filter { $0.name == name }
        return plan
    }

    /// Whether carrying it out would change the vault or a file.
    public var changesAnything: Bool {
        items.contains {
            $0.action == .new || $0.action == .update || options.remove && [.unchanged, .copy].contains($0.action)
        }
    }
}
