/// Why a key slot did not open, or could not be made.
public struct CustodyError: Error, Sendable, CustomStringConvertible {
    /// The class of failure.
    public let code: Code
    /// One sentence: what failed, and found against expected.
    ///
    /// Never a passphrase or a key.
    public let message: String
    /// What to do next, naming the command; `nil` where nothing is to be done.
    public let hint: String?
    /// The error of the layer below.
    public let underlying: (any Error)?

    /// Makes an error.
    public init(_ code: Code, _ message: String, hint: String? = nil, underlying: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
        self.underlying = underlying
    }

    /// The message.
    public var description: String { message }

    /// A class of failure.
    public struct Code: Hashable, Sendable {
        private enum Kind {
            case wrongKey, locked, absent, unavailable, unsafe, damaged, excessive, malformed, interrupted
        }
        private let kind: Kind

        /// The secret does not open the slot; a forged slot looks just the same.
        public static let wrongKey = Code(kind: .wrongKey)
        /// Somebody would have to be asked, and cannot be, or refused.
        public static let locked = Code(kind: .locked)
        /// The secret is not where the slot says: the keyring has lost it, or the key file is gone.
        public static let absent = Code(kind: .absent)
        /// The keyring or the file cannot be reached, read, written or waited for.
        public static let unavailable = Code(kind: .unavailable)
        /// A file that others can reach or replace.
        public static let unsafe = Code(kind: .unsafe)
        /// The slot asks for what no slot may ask for.
        public static let damaged = Code(kind: .damaged)
        /// The derivation would take more memory than is at hand.
        public static let excessive = Code(kind: .excessive)
        /// What was typed has no valid form: a recovery code with a wrong checksum.
        public static let malformed = Code(kind: .malformed)
        /// Whoever was asked ended the program instead: no other slot is to be tried.
        public static let interrupted = Code(kind: .interrupted)
    }
}

extension CustodyError {
    /// The state of a keyring, in terms of slots.
    public init(_ error: KeyringError) {
        let code: Code =
            switch error.code {
            case .absent: .absent
            case .locked, .dismissed: .locked
            case .refused: .unsafe
            default: .unavailable
            }
        self.init(code, error.message, hint: error.hint, underlying: error)
    }
}
