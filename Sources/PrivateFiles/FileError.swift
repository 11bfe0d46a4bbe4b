/// What could not be done with a file or directory.
public struct FileError: Error, Sendable, CustomStringConvertible {
    /// The class of failure.
    public let code: Code
    /// The path it is about.
    public let path: String
    /// What failed, and found against expected.
    public let message: String
    /// What to do next, naming a command; `nil` where nothing is to be done.
    public let hint: String?

    /// Makes an error.
    public init(_ code: Code, _ path: String, _ message: String, hint: String? = nil) {
        self.code = code
        self.path = path
        self.message = message
        self.hint = hint
    }

    /// The path and the message.
    public var description: String { "\(path): \(message)" }

    /// A class of failure.
    public struct Code: Hashable, Sendable {
        private enum Kind { case absent, exists, unsafe, tooLarge, unavailable }
        private let kind: Kind

        /// Nothing is there.
        public static let absent = Code(kind: .absent)
        /// Something is there already.
        public static let exists = Code(kind: .exists)
        /// Refused: a link, a foreign owner, a wide mode, or not a regular file.
        public static let unsafe = Code(kind: .unsafe)
        /// Larger than the caller's limit.
        public static let tooLarge = Code(kind: .tooLarge)
        /// The system call failed: full, read-only, not permitted, an I/O error.
        public static let unavailable = Code(kind: .unavailable)
    }
}
