/// What went wrong, in terms every caller of the vault shares.
///
/// `code` is what programs decide by; the command's exit status is one of its properties. The message says what
/// failed, where, and what was found against what was expected. It never holds a token, a body or a key.
public struct VaultError: Error, Sendable, CustomStringConvertible {
    /// The class of failure.
    public let code: Code
    /// One or more sentences without a trailing newline.
    public let message: String
    /// What to do next, naming the command; `nil` where nothing is to be done.
    public let hint: String?
    /// The error of the layer below, for debugging.
    ///
    /// It obeys the same rule about secrets.
    public let underlying: (any Error)?

    /// Makes an error.
    public init(_ code: Code, _ message: String, hint: String? = nil, underlying: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
        self.underlying = underlying
    }

    /// The message, and the hint where there is one.
    public var description: String {
        hint.map { "\(message) (\($0))" } ?? message
    }

    /// A class of failure.
    ///
    /// The set may grow; compare with the constants.
    public struct Code: Hashable, Sendable {
        private enum Kind: Int32 {
            case failed = 1
            case partial = 2
            case locked = 3
            case notFound = 4
            case loginRequired = 5
            case wrongKey = 6
            case damaged = 7
            case unavailable = 8
            case temporary = 9
            case unsafe = 10
            case usage = 64
            case configuration = 78
            case interrupted = 130
        }

        private let kind: Kind

        private init(kind: Kind) { self.kind = kind }

        /// The class of failure that `vault` ends with this status on; `nil` where there is none.
        package init?(exitStatus: Int32) {
            guard let kind = Kind(rawValue: exitStatus) else { return nil }
            self.kind = kind
        }

        /// The status with which `vault` exits on this failure.
        public var exitStatus: Int32 { kind.rawValue }

        /// Anything that has no code of its own.
        public static let failed = Code(kind: .failed)
        /// Some items were done, others skipped or failed; the output says which.
        public static let partial = Code(kind: .partial)
        /// No key without asking, and asking was not possible or was refused.
        public static let locked = Code(kind: .locked)
        /// No such entry, or no vault here.
        public static let notFound = Code(kind: .notFound)
        /// The user must log in again.
        public static let loginRequired = Code(kind: .loginRequired)
        /// Wrong passphrase or key.
        public static let wrongKey = Code(kind: .wrongKey)
        /// Damaged, tampered with, rolled back, of an unknown version, or not ours.
        public static let damaged = Code(kind: .damaged)
        /// The store or the keyring cannot be reached, read, written or waited for.
        public static let unavailable = Code(kind: .unavailable)
        /// A temporary failure at the server or on the network.
        public static let temporary = Code(kind: .temporary)
        /// Refused as unsafe: permissions, links, a hostile name or URL, two owners.
        public static let unsafe = Code(kind: .unsafe)
        /// The call itself is wrong.
        public static let usage = Code(kind: .usage)
        /// A malformed configuration.
        public static let configuration = Code(kind: .configuration)
        /// Ended by a signal from the terminal.
        public static let interrupted = Code(kind: .interrupted)
    }
}
