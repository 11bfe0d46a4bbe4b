/// Why a text is no JSON that this importer accepts, and where.
///
/// It never quotes the text.
struct JSONFault: Error, Sendable {
    /// Bytes from the start of the file.
    let offset: Int
    /// Ends the sentence "byte 17: …".
    let reason: String

    init(_ reason: String, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}
