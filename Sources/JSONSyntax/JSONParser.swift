/// A strict parser of RFC 8259 that finds values and copies none.
///
/// Why not Foundation's: `JSONSerialization` and `JSONDecoder` leave every token as a `String` on the heap, where
/// nothing wipes it; they keep one of two members with the same name without a word; and neither says where a value
/// stands, without which a member cannot be cut out of a file byte for byte. This one is a loop with a stack of its own,
/// so 100,000 opening brackets are an error and no stack overflow.
package struct JSONParser {
    /// Deeper than any token file, and no deeper than a reader of the result can walk.
    package static let maximumDepth = 64
    /// No token file comes near it; a 16 MiB file of `[0,0,0…` would have eight million.
    ///
    /// Every format looks at every member, so this bounds what a hostile file costs.
    package static let maximumNodes = 100_000

    private let nodeLimit: Int

    private struct Container {
        let node: Int32
        let isObject: Bool
        var lastChild: Int32 = -1
        /// Names are compared as bytes: `String` would take the two Unicode spellings of "é" for a duplicate.
        var names: Set<[UInt8]> = []
    }

    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private var nodes: [JSONTree.Node] = []
    private var open: [Container] = []

    private init(_ bytes: UnsafeRawBufferPointer, nodeLimit: Int) {
        self.bytes = bytes
        self.nodeLimit = nodeLimit
    }

    /// The shape of `bytes`.
    ///
    /// - Parameter nodeLimit: How many values there may be.
    package static func parse(
        _ bytes: UnsafeRawBufferPointer,
        nodeLimit: Int = maximumNodes
    ) throws(JSONFault) -> JSONTree {
        guard bytes.count < Int(Int32.max) else { throw JSONFault("the text is too long", at: 0) }
        var parser = JSONParser(bytes, nodeLimit: nodeLimit)
        return try parser.run()
    }

    private mutating func run() throws(JSONFault) -> JSONTree {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        if bytes.count >= 3, bytes.prefix(3).elementsEqual(mark) { position = 3 }
        let start = position
        var key: Range<Int> = 0..<0
        repeat {
            if try beginValue(key) { key = try nextKey() } else { key = try endValues() ?? 0..<0 }
        } while !open.isEmpty
        skipSpace()
        guard position == bytes.count else { throw fault("there is text after the value") }
        return JSONTree(nodes: nodes, byteOrderMark: 0..<start)
    }

    /// Reads a scalar or an empty container as a whole and says `false`, or opens a container and says `true`.
    private mutating func beginValue(_ key: Range<Int>) throws(JSONFault) -> Bool {
        skipSpace()
        let start = position
        guard let byte = peek() else { throw fault("the text ends where a value should stand") }
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard open.count < Self.maximumDepth else {
                throw fault("more than \(Self.maximumDepth) levels are nested")
            }
            let isObject = byte == UInt8(ascii: "{")
            position += 1
            let node = try add(isObject ? .object : .array, start..<start, key)
            skipSpace()
            if peek() == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                position += 1
                nodes[Int(node)].end = Int32(position)
                return false
            }
            open.append(Container(node: node, isObject: isObject))
            return true
        case UInt8(ascii: "\""):
            try skipString()
            _ = try add(.string, start..<position, key)
        case UInt8(ascii: "t"):
            try skipWord("true")
            _ = try add(.boolean, start..<position, key)
        case UInt8(ascii: "f"):
            try skipWord("false")
            _ = try add(.boolean, start..<position, key)
        case UInt8(ascii: "n"):
            try skipWord("null")
            _ = try add(.null, start..<position, key)
        default:
            try skipNumber()
            _ = try add(.number, start..<position, key)
        }
        return false
    }

    /// Closes what ends after a value; gives the next member's name where another value follows, `nil` at the end.
    private mutating func endValues() throws(JSONFault) -> Range<Int>? {
        // No copy of a container may live while names are added: it would share their set, and each insertion would
        // copy it whole.
        while let (node, isObject) = open.last.map({ ($0.node, $0.isObject) }) {
            skipSpace()
            guard let byte = peek() else {
                throw fault("the text ends inside \(isObject ? "an object" : "an array")")
            }
            position += 1
            if byte == UInt8(ascii: ",") { return try nextKey() }
            guard byte == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
                position -= 1
                throw fault("a comma or a closing bracket is missing")
            }
            nodes[Int(node)].end = Int32(position)
            open.removeLast()
        }
        return nil
    }

    /// Reads `"name":` in an object and nothing in an array.
    private mutating func nextKey() throws(JSONFault) -> Range<Int> {
        guard let innermost = open.indices.last, open[innermost].isObject else { return 0..<0 }
        skipSpace()
        let start = position
        guard peek() == UInt8(ascii: "\"") else { throw fault("a member's name is missing") }
        try skipString()
        let key = start..<position
        var name: [UInt8] = []
        JSONText.decode(key, of: bytes) { name.append($0) }
        guard open[innermost].names.insert(name).inserted else {
            throw JSONFault("a member's name stands twice in one object", at: start)
        }
        skipSpace()
        guard peek() == UInt8(ascii: ":") else { throw fault("a colon is missing") }
        position += 1
        return key
    }

    private mutating func add(
        _ kind: JSONTree.Kind,
        _ range: Range<Int>,
        _ key: Range<Int>
    ) throws(JSONFault) -> Int32 {
        guard nodes.count < nodeLimit else {
            throw fault("there are more than \(nodeLimit) values")
        }
        let index = Int32(nodes.count)
        nodes.append(
            JSONTree.Node(
                kind: kind,
                start: Int32(range.lowerBound),
                end: Int32(range.upperBound),
                keyStart: Int32(key.lowerBound),
                keyEnd: Int32(key.upperBound),
                parent: open.last?.node ?? -1
            )
        )
        if let innermost = open.indices.last {
            let last = open[innermost].lastChild
            if last < 0 {
                nodes[Int(open[innermost].node)].firstChild = index
            } else {
                nodes[Int(last)].nextSibling = index
            }
            open[innermost].lastChild = index
        }
        return index
    }

    private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

    private func fault(_ reason: String) -> JSONFault { JSONFault(reason, at: position) }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 32 || byte == 9 || byte == 10 || byte == 13 { position += 1 }
    }

    private mutating func skipWord(_ word: StaticString) throws(JSONFault) {
        for index in 0..<word.utf8CodeUnitCount {
            guard peek() == word.utf8Start[index] else { throw fault("this is no JSON value") }
            position += 1
        }
    }

    private mutating func skipNumber() throws(JSONFault) {
        if peek() == UInt8(ascii: "-") { position += 1 }
        if peek() == UInt8(ascii: "0") {
            position += 1
        } else {
            try skipDigits("this is no JSON value")
        }
        if peek() == UInt8(ascii: ".") {
            position += 1
            try skipDigits("a number ends with its point")
        }
        if peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") {
            position += 1
            if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { position += 1 }
            try skipDigits("a number has no digits in its exponent")
        }
    }

    private mutating func skipDigits(_ objection: String) throws(JSONFault) {
        let start = position
        while let byte = peek(), byte >= 48, byte <= 57 { position += 1 }
        guard position > start else { throw fault(objection) }
    }

    private mutating func skipString() throws(JSONFault) {
        position += 1
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return
            case UInt8(ascii: "\\"): try skipEscape()
            case 0..<32: throw fault("a string holds a control character")
            case 32..<128: position += 1
            default: try skipSequence(byte)
            }
        }
        throw fault("the text ends inside a string")
    }

    private mutating func skipEscape() throws(JSONFault) {
        guard position + 1 < bytes.count else { throw fault("the text ends inside a string") }
        switch bytes[position + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 2
        case UInt8(ascii: "u"):
            guard let unit = JSONText.hexadecimalUnit(bytes, at: position + 2) else {
                throw fault("an escape has no four hexadecimal digits")
            }
            if (0xDC00..<0xE000).contains(unit) { throw fault("a low surrogate stands alone") }
            guard (0xD800..<0xDC00).contains(unit) else {
                position += 6
                return
            }
            guard position + 7 < bytes.count, bytes[position + 6] == UInt8(ascii: "\\"),
                bytes[position + 7] == UInt8(ascii: "u"),
                let low = JSONText.hexadecimalUnit(bytes, at: position + 8), (0xDC00..<0xE000).contains(low)
            else { throw fault("a high surrogate stands alone") }
            position += 12
        default: throw fault("an escape is unknown")
        }
    }

    /// Skips one UTF-8 sequence of the table in Unicode 16 §3.9 (D92): no overlong form, no surrogate, nothing beyond U+10FFFF.
    private mutating func skipSequence(_ first: UInt8) throws(JSONFault) {
        let count: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch first {
        case 0xC2...0xDF: count = 2
        case 0xE0: (count, second) = (3, 0xA0...0xBF)
        case 0xED: (count, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: count = 3
        case 0xF0: (count, second) = (4, 0x90...0xBF)
        case 0xF4: (count, second) = (4, 0x80...0x8F)
        case 0xF1...0xF3: count = 4
        default: throw fault("a string is not UTF-8")
        }
        guard position + count <= bytes.count, second.contains(bytes[position + 1]),
            bytes[position + 2..<position + count].allSatisfy({ $0 & 0xC0 == 0x80 })
        else { throw fault("a string is not UTF-8") }
        position += count
    }
}
