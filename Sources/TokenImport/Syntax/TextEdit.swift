internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// A change of a text: other bytes in the place of a range, or none.
struct TextEdit: Sendable {
    let range: Range<Int>
    /// `nil` cuts the range out.
    let text: SharedSecret?

    /// The text with all of these, whatever their order; of two that overlap the later gives way.
    static func apply(
        _ edits: [TextEdit],
        to text: SharedSecret,
        subject: String
    ) throws(VaultError) -> SecretBytes {
        let ordered = edits.sorted { $0.range.lowerBound < $1.range.lowerBound }
        do throws(CryptoError) {
            return try text.withBytes { (bytes) throws(CryptoError) in
                var buffer = try SecretBuffer(capacity: bytes.count)
                var position = 0
                for edit in ordered where edit.range.upperBound > position || edit.range.lowerBound >= position {
                    if edit.range.lowerBound > position {
                        try buffer.append(UnsafeRawBufferPointer(rebasing: bytes[position..<edit.range.lowerBound]))
                    }
                    if let text = edit.text {
                        try text.withSecret { (secret) throws(CryptoError) in try buffer.append(secret) }
                    }
                    position = max(position, edit.range.upperBound)
                }
                try buffer.append(UnsafeRawBufferPointer(rebasing: bytes[position...]))
                return try buffer.finish()
            }
        } catch { throw VaultError(.failed, "\(subject) cannot be edited in memory: \(error.message)") }
    }
}
