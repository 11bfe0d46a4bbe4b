/// What a cryptographic operation could not do.
///
/// It never carries a key, a plaintext or a length of either.
public struct CryptoError: Error, Sendable, CustomStringConvertible {
    /// The class of failure.
    public let code: Code
    /// One sentence.
    public let message: String

    /// Makes an error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }

    /// A class of failure.
    public struct Code: Hashable, Sendable {
        private enum Kind { case authentication, malformed, parameters, memory }
        private let kind: Kind

        /// The box does not open under this key: a wrong key or altered bytes, which cannot be told apart.
        public static let authentication = Code(kind: .authentication)
        /// The bytes have no valid form: a wrong length or wrong padding.
        public static let malformed = Code(kind: .malformed)
        /// A parameter is out of its bounds.
        public static let parameters = Code(kind: .parameters)
        /// No memory for secrets, or too many of them at once.
        public static let memory = Code(kind: .memory)
    }
}
