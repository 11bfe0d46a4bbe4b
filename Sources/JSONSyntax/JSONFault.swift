/// Why a text is no JSON that this parser accepts, and where.
///
/// It never quotes the text.
package struct JSONFault: Error, Sendable {
    /// Bytes from the start of the file.
    package let offset: Int
    /// Ends the sentence "byte 17: …".
    package let reason: String

    package init(_ reason: String, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}
