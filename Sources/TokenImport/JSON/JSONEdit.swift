internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// Cuts members out of a JSON text and leaves every other byte as it is.
///
/// A file is somebody's: its order, indentation, number texts and last newline are not ours to normalise. A member
/// goes together with the comma and white space before it, or, at the front of its object, with those behind it.
enum JSONEdit {
    /// The text without `members`, each of which has a parent.
    static func removing(_ members: [JSONValue], from document: JSONDocument) throws(VaultError) -> SecretBytes {
        let cuts = ranges(of: members)
        do throws(CryptoError) {
            return try document.text.withBytes { (bytes) throws(CryptoError) in
                var buffer = try SecretBuffer(capacity: bytes.count)
                var position = 0
                for cut in cuts where cut.upperBound > position {
                    if cut.lowerBound > position {
                        try buffer.append(UnsafeRawBufferPointer(rebasing: bytes[position..<cut.lowerBound]))
                    }
                    position = cut.upperBound
                }
                try buffer.append(UnsafeRawBufferPointer(rebasing: bytes[position...]))
                return try buffer.finish()
            }
        } catch {
            throw VaultError(.failed, "\(document.subject) cannot be edited in memory: \(error.message)")
        }
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
