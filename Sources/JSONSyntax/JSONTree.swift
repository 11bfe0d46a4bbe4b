/// The shape of a JSON text: one node for each value, with the bytes it stands on.
///
/// It holds no byte of the text.
package struct JSONTree: Sendable {
    /// A value's type.
    package enum Kind: UInt8, Sendable {
        case object, array, string, number, boolean, null

        /// The kind in a sentence.
        package var word: String {
            switch self {
            case .object: "an object"
            case .array: "an array"
            case .string: "a string"
            case .number: "a number"
            case .boolean: "a boolean"
            case .null: "null"
            }
        }
    }

    /// One value.
    ///
    /// Offsets are 32 bits wide, because a file has 16 MiB at most and a tree 100,000 nodes.
    package struct Node: Sendable {
        package let kind: Kind
        /// Where the value begins, quotes and brackets included.
        package let start: Int32
        /// Where it ends.
        package var end: Int32
        /// The member's name with its quotes, or an empty range.
        package let keyStart: Int32
        package let keyEnd: Int32
        /// Indices of other nodes, -1 for none.
        package let parent: Int32
        package var firstChild: Int32 = -1
        package var nextSibling: Int32 = -1
    }

    /// In the order of their beginnings; the first is the whole value.
    package let nodes: [Node]
    /// The UTF-8 byte order mark, or an empty range.
    package let byteOrderMark: Range<Int>
}
