package import VaultAPI
package import VaultCrypto

/// One value of a document: a place in it, no copy of it.
package struct JSONValue: Sendable {
    package let document: JSONDocument
    package let index: Int32

    private var node: JSONTree.Node { document.tree.nodes[Int(index)] }

    /// The value's type.
    package var kind: JSONTree.Kind { node.kind }
    /// The bytes of the value.
    package var range: Range<Int> { Int(node.start)..<Int(node.end) }
    /// The bytes of the member's name with its quotes; empty for an element.
    package var keyRange: Range<Int> { Int(node.keyStart)..<Int(node.keyEnd) }
    /// What it is a member or element of.
    package var parent: JSONValue? { node.parent < 0 ? nil : JSONValue(document: document, index: node.parent) }

    /// The member's name, `""` for an element.
    package var name: String { keyRange.isEmpty ? "" : document.string(keyRange) }

    /// Members of an object or elements of an array, in the order of the text.
    package var children: [JSONValue] {
        var values: [JSONValue] = []
        var next = node.firstChild
        while next >= 0 {
            values.append(JSONValue(document: document, index: next))
            next = document.tree.nodes[Int(next)].nextSibling
        }
        return values
    }

    /// The member of that name.
    package subscript(_ name: String) -> JSONValue? {
        guard kind == .object else { return nil }
        let wanted = Array(name.utf8)
        // An escape makes a name longer, never shorter, so most members are ruled out by their length.
        let shortest = Int32(clamping: wanted.count + 2)
        let found = document.tree.nodes.withUnsafeBufferPointer { nodes -> Int32? in
            var next = nodes[Int(index)].firstChild
            while next >= 0 {
                let member = nodes[Int(next)]
                if member.keyEnd - member.keyStart >= shortest, document.has(member, named: wanted) { return next }
                next = member.nextSibling
            }
            return nil
        }
        return found.map { JSONValue(document: document, index: $0) }
    }

    /// Whether there is a member of that name, `null` counted.
    package func has(_ name: String) -> Bool { self[name] != nil }

    /// Whether there is a string of that name.
    package func hasString(_ name: String) -> Bool { self[name]?.kind == .string }

    /// Whether there is a number of that name.
    package func hasNumber(_ name: String) -> Bool { self[name]?.kind == .number }

    /// Whether it is an object with members, each of which is an object that satisfies `predicate`.
    package func isMap(where predicate: (JSONValue) -> Bool) -> Bool {
        guard kind == .object, node.firstChild >= 0 else { return false }
        var next = node.firstChild
        while next >= 0 {
            let child = JSONValue(document: document, index: next)
            guard child.kind == .object, predicate(child) else { return false }
            next = document.tree.nodes[Int(next)].nextSibling
        }
        return true
    }

    /// The JSON pointer (RFC 6901) of this value; `""` for the document.
    package var pointer: String {
        guard let parent else { return "" }
        let token: String
        if parent.kind == .object {
            token = name.unicodeScalars.reduce(into: "") { text, scalar in
                switch scalar {
                case "~": text += "~0"
                case "/": text += "~1"
                default: text.unicodeScalars.append(scalar)
                }
            }
        } else {
            token = String(parent.children.firstIndex { $0.index == index } ?? 0)
        }
        return parent.pointer + "/" + token
    }

    /// A sentence's subject: the file and the place in it, free of control characters.
    package var subject: String { "\(document.subject)\(pointer.isEmpty ? "" : " at \(printable(pointer))")" }

    /// The error for a value of the wrong type.
    package func mismatch(expected: String) -> VaultError {
        VaultError(.damaged, "\(subject) is \(kind.word), expected \(expected)")
    }
}

// MARK: - Facts: what a list may show

extension JSONValue {
    /// More than any name, scope or URL needs.
    private static var longestFact: Int { 4096 }

    /// The first of these members that is there and not null.
    package func first(of names: [String]) -> JSONValue? {
        for name in names {
            if let value = self[name], value.kind != .null { return value }
        }
        return nil
    }

    /// The string of that name, or of the first of these names, where it is no secret; `nil` where it is absent, null
    /// or empty.
    ///
    /// - Throws: `.damaged` if it is of another type, very long, or holds what a terminal acts on.
    package func fact(_ names: String...) throws(VaultError) -> String? {
        guard let value = first(of: names) else { return nil }
        return try value.fact()
    }

    /// This string, where it is no secret; `nil` where it is empty.
    package func fact() throws(VaultError) -> String? {
        guard kind == .string else { throw mismatch(expected: "a string") }
        guard range.count <= Self.longestFact else {
            throw VaultError(.damaged, "\(subject) is longer than \(Self.longestFact) bytes")
        }
        let text = document.string(range)
        guard text.unicodeScalars.allSatisfy({ !isUnprintable($0) }) else {
            throw VaultError(.damaged, "\(subject) holds a control character")
        }
        return text.isEmpty ? nil : text
    }

    /// The strings of an array, or the words of one string; empty where it is absent or null.
    package func words(_ name: String) throws(VaultError) -> [String] {
        guard let value = self[name], value.kind != .null else { return [] }
        guard value.kind == .array else {
            return (try value.fact() ?? "").split(separator: " ").map(String.init)
        }
        var words: [String] = []
        for child in value.children {
            if let word = try child.fact() { words.append(word) }
        }
        return words
    }

    /// The text of a number: digits as they stand, for numbers that no machine type holds.
    package var numberText: String { document.raw(range) }
}

// MARK: - Secrets

extension JSONValue {
    /// The token of that name, or of the first of these names, checked to be one, still in its place; `nil` where it is
    /// absent, null or empty.
    ///
    /// A token goes into an HTTP header (RFC 6750 §2.1), a secret into a form (RFC 6749 appendix A): visible ASCII. What
    /// else a file holds there would be a header of the file's author, so it is refused and not repaired.
    ///
    /// - Parameter allowingSpaces: For client secrets, whose `VSCHAR` begins with the space.
    package func token(_ names: String..., allowingSpaces: Bool = false) throws(VaultError) -> JSONValue? {
        guard let value = first(of: names) else { return nil }
        guard value.kind == .string else { throw value.mismatch(expected: "a string") }
        let lowest: UInt8 = allowingSpaces ? 0x20 : 0x21
        var (count, sound) = (0, true)
        document.text.withBytes { bytes in
            JSONText.decode(value.range, of: bytes) { byte in
                count += 1
                if byte < lowest || byte > 0x7E { sound = false }
            }
        }
        guard sound else {
            throw VaultError(
                .damaged,
                "\(value.subject) holds a byte that no token may hold: a space, a control character or one outside ASCII"
            )
        }
        return count == 0 ? nil : value
    }

    /// A copy of the string's value in memory of its own, escapes resolved.
    package func secret() throws(VaultError) -> SecretBytes {
        let range = range
        do throws(CryptoError) {
            var buffer = try SecretBuffer(capacity: range.count)
            try document.text.withBytes { (bytes) throws(CryptoError) in
                try JSONText.decode(range, of: bytes) { (byte) throws(CryptoError) in try buffer.append(byte) }
            }
            return try buffer.finish()
        } catch {
            throw VaultError(.failed, "\(subject) cannot be held in memory: \(error.message)", underlying: error)
        }
    }

    /// Whether the string's value begins with `prefix`.
    package func hasSecretPrefix(_ prefix: StaticString) -> Bool {
        var position = 0
        var same = true
        document.text.withBytes { bytes in
            JSONText.decode(range, of: bytes) { byte in
                if position < prefix.utf8CodeUnitCount, prefix.utf8Start[position] != byte { same = false }
                position += 1
            }
        }
        return same && position >= prefix.utf8CodeUnitCount
    }
}

extension JSONDocument {
    /// The value of a string that is no secret.
    package func string(_ range: Range<Int>) -> String {
        var decoded: [UInt8] = []
        text.withBytes { bytes in JSONText.decode(range, of: bytes) { decoded.append($0) } }
        return String(decoding: decoded, as: UTF8.self)
    }

    /// Whether a member's name, escapes resolved, is that one.
    fileprivate func has(_ member: JSONTree.Node, named wanted: [UInt8]) -> Bool {
        text.withBytes { bytes in
            var (position, same) = (0, true)
            JSONText.decode(Int(member.keyStart)..<Int(member.keyEnd), of: bytes) { byte in
                if position >= wanted.count || wanted[position] != byte { same = false }
                position += 1
            }
            return same && position == wanted.count
        }
    }

    /// Bytes of the text as they are, for numbers.
    package func raw(_ range: Range<Int>) -> String {
        text.withBytes { String(decoding: $0[range], as: UTF8.self) }
    }
}
