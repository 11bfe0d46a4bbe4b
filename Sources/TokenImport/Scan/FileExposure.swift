/// Who can reach a file beside its owner, and where copies of it go by themselves.
public struct FileExposure: Hashable, Sendable {
    /// Whom the permission bits let read it, those of the directories above it counted.
    public enum Readers: String, Hashable, Sendable {
        /// Its owner alone.
        case owner
        /// Its group as well.
        case group
        /// Everybody on the machine.
        case others
    }

    /// Whom the permission bits let read it.
    public let readers: Readers
    /// Its permission bits.
    public let mode: UInt32
    /// The git work tree it lies in.
    public let workTree: String?
    /// Whether git tracks it: then its tokens are in the history.
    ///
    /// `nil` where that cannot be told.
    public let isTracked: Bool?
    /// The folder it lies in that a service copies elsewhere.
    public let syncedFolder: String?
    /// The service that does.
    public let syncService: String?

    /// Whether anybody but its owner, or another machine, can have it.
    public var isExposed: Bool { readers != .owner || workTree != nil || syncedFolder != nil }
}
