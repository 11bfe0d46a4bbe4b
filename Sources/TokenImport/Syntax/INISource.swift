internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// Reads INI files: sections, `key = value`, and comments on lines of their own.
///
/// Each program has its own idea of the rest, so little of it is taken: a value is what stands on the line. One that is
/// a JSON object, as rclone writes its tokens, is an object of the view. In npm's file, which has no sections, a word
/// alone is true, `key[]` is an element of a list, and a comment may follow a value.
struct INISource {
    private let text: SourceText
    private let isNpm: Bool

    /// A `key = value` line.
    private struct Line {
        var name: [UInt8]
        var value: Range<Int>?
        var cut: Range<Int>
    }

    static func read(_ text: SourceText, at path: TokenPath, into view: inout ViewBuilder) throws(VaultError) {
        let reader = INISource(text: text, isNpm: path.fileName.lowercased().hasSuffix("npmrc"))
        try view.begin()
        try reader.addLines(&view)
        try view.end()
    }

    private func addLines(_ view: inout ViewBuilder) throws(VaultError) {
        var position = text.start
        var section: Int?
        var lists: [(name: [UInt8], lines: [Line])] = []
        while position < text.bytes.count {
            let start = position
            let content = text.trimmed(start..<text.endOfLine(start))
            position = text.nextLine(start)
            guard let first = content.first.map({ text.bytes[$0] }), !Self.beginsComment(first) else { continue }
            if first == UInt8(ascii: "[") {
                guard text.bytes[content.upperBound - 1] == UInt8(ascii: "]"), content.count > 2 else {
                    throw text.fault("a section's name does not end", at: start)
                }
                if section != nil { try view.end() }
                let name = Array(text.bytes[content.lowerBound + 1..<content.upperBound - 1])
                section = try view.begin(name)
                continue
            }
            let line = try line(content, cut: start..<position)
            if section == nil, isNpm, line.name.suffix(2) == Array("[]".utf8) {
                if let known = lists.firstIndex(where: { $0.name == line.name }) {
                    lists[known].lines.append(line)
                } else if lists.count < 256 {
                    lists.append((line.name, [line]))
                } else {
                    throw text.fault("there are more than 256 lists", at: start)
                }
                continue
            }
            try add(line, &view)
        }
        if section != nil { try view.end() }
        for list in lists {
            try view.begin(list.name, object: false)
            for line in list.lines {
                if let value = line.value { try addScalar(nil, value, cut: line.cut, &view) }
            }
            try view.end()
        }
    }

    private func line(_ content: Range<Int>, cut: Range<Int>) throws(VaultError) -> Line {
        guard let sign = text.bytes[content].firstIndex(of: UInt8(ascii: "=")) else {
            guard isNpm else {
                throw text.fault("there is neither a section nor `key = value`", at: content.lowerBound)
            }
            return Line(name: Array(text.bytes[content]), value: nil, cut: cut)
        }
        let name = text.trimmed(content.lowerBound..<sign)
        guard !name.isEmpty else { throw text.fault("a value has no name", at: content.lowerBound) }
        var value = text.trimmed(sign + 1..<content.upperBound)
        if isNpm, let comment = comment(in: value) { value = text.trimmed(value.lowerBound..<comment) }
        return Line(name: Array(text.bytes[name]), value: value, cut: cut)
    }

    /// Where a comment begins behind a value of npm's file.
    private func comment(in value: Range<Int>) -> Int? {
        value.first { index in
            index > value.lowerBound && Self.beginsComment(text.bytes[index])
                && SourceText.isBlank(text.bytes[index - 1])
        }
    }

    private func add(_ line: Line, _ view: inout ViewBuilder) throws(VaultError) {
        guard let value = line.value else {
            try view.literal(line.name, Array("true".utf8), SourcePlace(cut: line.cut))
            return
        }
        if text.byte(value.lowerBound) == UInt8(ascii: "{"), !value.isEmpty,
            let tree = try? JSONParser.parse(text.slice(value)), tree.nodes[0].end == Int32(value.count)
        {
            return try view.json(
                line.name,
                text.slice(value),
                tree,
                at: value.lowerBound,
                SourcePlace(cut: line.cut)
            )
        }
        try addScalar(line.name, value, cut: line.cut, &view)
    }

    private func addScalar(
        _ name: [UInt8]?,
        _ value: Range<Int>,
        cut: Range<Int>,
        _ view: inout ViewBuilder
    ) throws(VaultError) {
        guard isNpm, value.count >= 2, text.bytes[value.lowerBound] == UInt8(ascii: "\""),
            text.bytes[value.upperBound - 1] == UInt8(ascii: "\"")
        else {
            try view.string(name, text.slice(value), SourcePlace(cut: cut, value: value))
            return
        }
        let inside = value.lowerBound + 1..<value.upperBound - 1
        let place = SourcePlace(cut: cut, value: value, spelling: .quoted)
        guard text.bytes[inside].contains(UInt8(ascii: "\\")) else {
            try view.string(name, text.slice(inside), place)
            return
        }
        // npm reads such a value as JSON.
        let document = try? JSONParser.parse(text.slice(value))
        guard let document, document.nodes[0].kind == .string else {
            throw text.fault("a quoted value is not well-formed", at: value.lowerBound)
        }
        let decoded: SecretBytes
        do throws(CryptoError) {
            var buffer = try SecretBuffer(capacity: value.count)
            try JSONText.decode(0..<value.count, of: text.slice(value)) { (byte) throws(CryptoError) in
                try buffer.append(byte)
            }
            decoded = try buffer.finish()
        } catch { throw VaultError(.failed, "\(text.subject) cannot be held in memory: \(error.message)") }
        _ = try decoded.withUnsafeBytes { (bytes) throws(VaultError) in try view.string(name, bytes, place) }
    }

    private static func beginsComment(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "#") || byte == UInt8(ascii: ";") }
}
