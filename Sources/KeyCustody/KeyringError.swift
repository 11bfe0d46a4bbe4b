/// Why a keyring did not do what it was asked.
///
/// It never carries a key, nor anything a keyring answered but names and labels, stripped of what is not printable.
public struct KeyringError: Error, Sendable, CustomStringConvertible {
    /// The class of failure.
    public let code: Code
    /// What failed, and found against expected; one sentence without a full stop.
    public let message: String
    /// What to do next; `nil` where nothing is to be done.
    public let hint: String?

    /// Makes an error.
    public init(_ code: Code, _ message: String, hint: String? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    /// The message, and the hint where there is one.
    public var description: String { hint.map { "\(message) (\($0))" } ?? message }

    /// A class of failure: one for each state of a keyring that leads to a different next step.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind {
            case absent, locked, unavailable, noDefaultCollection, volatile, dismissed, timedOut, refused, failed
            case programMissing
        }

        private let kind: Kind

        /// The keyring is open and has no key for the slot; looked for twice.
        public static let absent = Code(kind: .absent)
        /// Somebody would have to unlock the keyring, and nobody was asked.
        public static let locked = Code(kind: .locked)
        /// There is no session bus, or no Secret Service on it, or it went away.
        public static let unavailable = Code(kind: .unavailable)
        /// The keyring has no default collection: nowhere to keep a key.
        public static let noDefaultCollection = Code(kind: .noDefaultCollection)
        /// The default collection vanishes with the session.
        public static let volatile = Code(kind: .volatile)
        /// Somebody was asked to unlock the keyring and did not.
        public static let dismissed = Code(kind: .dismissed)
        /// The keyring did not answer before the deadline.
        public static let timedOut = Code(kind: .timedOut)
        /// The environment would send the key somewhere else.
        public static let refused = Code(kind: .refused)
        /// Anything else: the keyring reports an error, or `vault-keyring` broke off or answered nonsense.
        public static let failed = Code(kind: .failed)
        /// `vault-keyring` is not installed, or cannot be started.
        public static let programMissing = Code(kind: .programMissing)

        /// The name of the constant.
        public var description: String { "\(kind)" }
    }
}
