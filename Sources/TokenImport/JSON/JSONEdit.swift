internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// Cuts members out of a JSON text and leaves every other byte as it is.
///
/// A file is somebody's: its order, indentation, number texts and last newline are not ours to normalise. A member
/// goes together with the comma and white space before it, or, at the front of its object, with those behind it.
struct JSONEdit: SourceEditor {
    let document: JSONDocument

    /// The text without `members`, each of which has a parent.
    func removing(_ members: [JSONValue]) throws(VaultError) -> SecretBytes {
        let edits = Self.ranges(of: members).map { TextEdit(range: $0, text: nil) }
        return try TextEdit.apply(edits, to: document.text, subject: document.subject)
    }

    /// The text with other strings and numbers in the places of these.
    func replacing(_ values: [Replacement]) throws(VaultError) -> SecretBytes {
        var edits: [TextEdit] = []
        for replacement in values {
            let value = replacement.value
            let text = try value.kind == .string ? Self.quoted(replacement.text, document.subject) : replacement.text
            edits.append(TextEdit(range: value.range, text: text))
        }
        return try TextEdit.apply(edits, to: document.text, subject: document.subject)
    }

    /// A JSON string (RFC 8259 §7) with this value; tokens and times hold visible ASCII, so two escapes are enough.
    static func quoted(_ text: SharedSecret, _ subject: String) throws(VaultError) -> SharedSecret {
        do throws(CryptoError) {
            return try text.withBytes { (bytes) throws(CryptoError) in
                var buffer = try SecretBuffer(capacity: bytes.count + 2)
                try buffer.append(UInt8(ascii: "\""))
                for byte in bytes {
                    if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                        try buffer.append(UInt8(ascii: "\\"))
                    }
                    try buffer.append(byte)
                }
                try buffer.append(UInt8(ascii: "\""))
                return SharedSecret(try buffer.finish())
            }
        } catch { throw VaultError(.failed, "\(subject) cannot be edited in memory: \(error.message)") }
    }

    /// What to cut, in ascending order.
    private static func ranges(of members: [JSONValue]) -> [Range<Int>] {
        var parents: [Int32: JSONValue] = [:]
        for member in members {
            if let parent = member.parent { parents[parent.index] = parent }
        }
        let removed = Set(members.map(\.index))
        var cuts: [Range<Int>] = []
        for parent in parents.values {
            let children = parent.children
            guard let kept = children.firstIndex(where: { !removed.contains($0.index) }) else {
                cuts.append(parent.range.lowerBound + 1..<parent.range.upperBound - 1)
                continue
            }
            if kept > 0 { cuts.append(children[0].beginning..<children[kept].beginning) }
            for index in children.indices where index > kept && removed.contains(children[index].index) {
                cuts.append(children[index - 1].range.upperBound..<children[index].range.upperBound)
            }
        }
        return cuts.sorted { $0.lowerBound < $1.lowerBound }
    }
}

extension JSONValue {
    /// Where a member's name begins, or an element.
    fileprivate var beginning: Int { keyRange.isEmpty ? range.lowerBound : keyRange.lowerBound }
}
