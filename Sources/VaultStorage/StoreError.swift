/// What a store could not do.
public struct StoreError: Error, Sendable, CustomStringConvertible {
    /// The class of failure.
    public let code: Code
    /// The path or address it is about.
    public let subject: String
    /// A sentence: what failed, and found against expected.
    public let message: String
    /// What to do next, naming a command; `nil` where nothing is to be done.
    public let hint: String?
    /// The error of the layer below.
    public let underlying: (any Error)?

    /// Makes an error.
    public init(
        _ code: Code,
        _ subject: String,
        _ message: String,
        hint: String? = nil,
        underlying: (any Error)? = nil
    ) {
        self.code = code
        self.subject = subject
        self.message = message
        self.hint = hint
        self.underlying = underlying
    }

    /// The subject and the sentence.
    public var description: String { "\(subject): \(message)" }

    /// A class of failure.
    public struct Code: Hashable, Sendable {
        private enum Kind {
            case absent, exists, conflict, headerMoved, leaseLost, invalid, damaged, unsafe, unavailable, unreachable
            case misconfigured
        }
        private let kind: Kind

        /// There is no store here.
        public static let absent = Code(kind: .absent)
        /// There is something here already.
        public static let exists = Code(kind: .exists)
        /// A record is not of the generation that was expected; nothing was changed.
        public static let conflict = Code(kind: .conflict)
        /// The header is not of the generation that was expected; nothing was changed.
        public static let headerMoved = Code(kind: .headerMoved)
        /// The lease that the changes were decided under had ended; nothing was changed.
        public static let leaseLost = Code(kind: .leaseLost)
        /// The request breaks a rule that holds for every store: a size, a count, an id that stands twice, a header that
        /// does not grow; nothing was changed.
        public static let invalid = Code(kind: .invalid)
        /// Damaged, of an unknown version, or not ours; it was left untouched.
        public static let damaged = Code(kind: .damaged)
        /// Permissions, owner or links make it unsafe to use; it was left untouched.
        public static let unsafe = Code(kind: .unsafe)
        /// It cannot be reached, read, written or waited for: full, read-only, busy, an I/O error.
        public static let unavailable = Code(kind: .unavailable)
        /// No server of the store answers.
        ///
        /// What is cached here may still be read.
        public static let unreachable = Code(kind: .unreachable)
        /// The settings of the store are malformed, or its server refuses them.
        public static let misconfigured = Code(kind: .misconfigured)
    }
}
