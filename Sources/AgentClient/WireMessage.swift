package import JSONSyntax
package import VaultAPI

/// One line that was received: its bytes, in memory that is wiped, and their shape.
package final class WireMessage: Sendable {
    /// A list of a hundred thousand entries has so many values.
    private static let longestAnswer = 8_000_000

    fileprivate let text: SecretText
    fileprivate let tree: JSONTree

    /// Parses a line.
    package init(_ text: SecretText, nodeLimit: Int = longestAnswer) throws(JSONFault) {
        self.text = text
        tree = try text.withUnsafeBytes { (bytes) throws(JSONFault) in
            try JSONParser.parse(bytes, nodeLimit: nodeLimit)
        }
    }

    /// The whole value.
    package var root: WireValue { WireValue(message: self, index: 0) }
}

/// One value of a message: a place in it, no copy of it.
package struct WireValue: Sendable {
    fileprivate let message: WireMessage
    fileprivate let index: Int32

    private var node: JSONTree.Node { message.tree.nodes[Int(index)] }

    /// The value's type.
    package var kind: JSONTree.Kind { node.kind }

    /// Elements of an array; of an object its members' values.
    package var elements: [WireValue] { children.map { WireValue(message: message, index: $0) } }

    /// The members of an object with their names.
    package var members: [(name: String, value: WireValue)] {
        guard kind == .object else { return [] }
        return children.map { child in
            let node = message.tree.nodes[Int(child)]
            let name = message.string(Int(node.keyStart)..<Int(node.keyEnd))
            return (name, WireValue(message: message, index: child))
        }
    }

    /// The member of that name.
    package subscript(_ name: String) -> WireValue? { members.first { $0.name == name }?.value }

    /// The string, or `nil` where it is none.
    package var string: String? {
        kind == .string ? message.string(Int(node.start)..<Int(node.end)) : nil
    }

    /// The string in memory that is wiped.
    package var secret: SecretText? {
        kind == .string ? message.bytes(Int(node.start)..<Int(node.end)) : nil
    }

    /// The integer, or `nil` where it is none.
    package var integer: Int64? { kind == .number ? Int64(raw) : nil }

    /// The truth value, or `nil` where it is none.
    package var bool: Bool? { kind == .boolean ? raw == "true" : nil }

    /// The instant, or `nil` where it is none.
    package var time: Timestamp? { string.flatMap { Timestamp(rfc3339: $0) } }

    /// The strings of an array; `nil` where anything else stands in it.
    package var strings: [String]? {
        guard kind == .array else { return nil }
        let texts = elements.map(\.string)
        return texts.contains(nil) ? nil : texts.compactMap(\.self)
    }

    private var raw: String {
        message.text.withUnsafeBytes { String(decoding: $0[Int(node.start)..<Int(node.end)], as: UTF8.self) }
    }

    private var children: [Int32] {
        var found: [Int32] = []
        var next = node.firstChild
        while next >= 0 {
            found.append(next)
            next = message.tree.nodes[Int(next)].nextSibling
        }
        return found
    }
}

extension WireMessage {
    /// The value of a string that is no secret, escapes resolved.
    fileprivate func string(_ range: Range<Int>) -> String {
        text.withUnsafeBytes { bytes in
            var decoded: [UInt8] = []
            decoded.reserveCapacity(range.count)
            JSONText.decode(range, of: bytes) { decoded.append($0) }
            return String(decoding: decoded, as: UTF8.self)
        }
    }

    /// The value of a string, escapes resolved.
    fileprivate func bytes(_ range: Range<Int>) -> SecretText {
        text.withUnsafeBytes { bytes in
            var count = 0
            JSONText.decode(range, of: bytes) { _ in count += 1 }
            return SecretText(count: count) { buffer in
                var position = 0
                JSONText.decode(range, of: bytes) { byte in
                    buffer[position] = byte
                    position += 1
                }
            }
        }
    }
}
