package import VaultAPI
package import VaultCrypto

/// A JSON text in secret memory together with its shape.
///
/// The values of a token file stay where they were read; what leaves is either a name or fact that a list may show, as
/// a `String`, or a token, as `SecretBytes`.
package final class JSONDocument: Sendable, CustomStringConvertible, CustomReflectable {
    package let text: SharedSecret
    package let tree: JSONTree
    /// What errors call the text: a path as a rule.
    package let subject: String

    /// Parses a text.
    ///
    /// - Throws: `.damaged`, saying at which byte.
    package init(_ text: SharedSecret, subject: String) throws(VaultError) {
        self.text = text
        self.subject = subject
        do throws(JSONFault) {
            tree = try text.withBytes { (bytes) throws(JSONFault) in try JSONParser.parse(bytes) }
        } catch {
            throw VaultError(
                .damaged,
                "\(subject) is not well-formed JSON: at byte \(error.offset) \(error.reason)",
                underlying: error
            )
        }
    }

    /// The whole value.
    package var root: JSONValue { JSONValue(document: self, index: 0) }

    /// Shows nothing of the text.
    package var description: String { "JSONDocument" }

    /// Has no children: a dump shows nothing.
    package var customMirror: Mirror { Mirror(self, children: [(label: String?, value: Any)]()) }
}

extension SharedSecret {
    /// The bytes, while `body` runs.
    package func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withSecret { (secret) throws(Failure) in
            try secret.withUnsafeBytes { (bytes) throws(Failure) in try body(bytes) }
        }
    }
}
