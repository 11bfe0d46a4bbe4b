internal import StrictJSON
internal import VaultAPI
internal import Yams

/// Reads YAML: the plain core of it that programs write.
///
/// Yams takes a `String` and gives others, so for the moment of reading, tokens lie in memory that nothing wipes; they
/// are dropped when the view is there. Its errors quote the text, so only their line is passed on.
struct YAMLSource {
    /// What compiling a mapping costs is bounded by it; no program's file of tokens has a hundredth of it.
    private static let maximumMarks = 20_000
    private static let maximumIndentation = 256

    private let text: SourceText
    /// Where each line begins.
    private let lines: [Int]
    /// The last place looked up: places come in ascending order, and a line may be long.
    private var cursor = (line: 0, column: 0, offset: 0)

    static func read(_ text: SourceText, into view: inout ViewBuilder) throws(VaultError) {
        try requirePlain(text)
        let string = String(decoding: text.bytes[text.start...], as: UTF8.self)
        let root: Node?
        do {
            // Without rules every plain word is a text: what it means is decided here, as YAML 1.2 has it.
            root = try Yams.compose(yaml: string, .basic)
        } catch { throw malformed(error, text) }
        guard let root else {
            try view.literal(nil, Array("null".utf8), .none)
            return
        }
        var reader = YAMLSource(text)
        _ = try reader.add(root, named: nil, isInFlow: false, indentation: -1, &view)
    }

    private init(_ text: SourceText) {
        self.text = text
        var lines = [text.start]
        for index in text.bytes.indices where text.bytes[index] == UInt8(ascii: "\n") { lines.append(index + 1) }
        self.lines = lines
    }

    /// Adds a node and what is in it; gives where it ends and the number of its node in the view.
    private mutating func add(
        _ node: Node,
        named name: [UInt8]?,
        isInFlow: Bool,
        indentation: Int,
        _ view: inout ViewBuilder
    ) throws(VaultError) -> (end: Int?, node: Int) {
        let start = offset(of: node)
        switch node {
        case .scalar(let scalar):
            return try add(scalar, at: start, named: name, indentation, &view)
        case .sequence(let sequence):
            let isFlow = isInFlow || start.flatMap(text.byte) == UInt8(ascii: "[")
            let number = try view.begin(name, object: false)
            var end = start.map { $0 + 1 }
            for element in sequence {
                end = try add(element, named: nil, isInFlow: isFlow, indentation: indentation, &view).end
            }
            try view.end()
            return (isFlow ? end.flatMap { closing(UInt8(ascii: "]"), from: $0) } : end, number)
        case .mapping(let mapping):
            let isFlow = isInFlow || start.flatMap(text.byte) == UInt8(ascii: "{")
            let number = try view.begin(name)
            var end = start.map { $0 + 1 }
            for (key, value) in mapping { end = try addMember(key, value, isInFlow: isFlow, &view) }
            try view.end()
            return (isFlow ? end.flatMap { closing(UInt8(ascii: "}"), from: $0) } : end, number)
        case .alias:
            throw text.fault("there is an alias, which no program writes here", at: start ?? 0)
        }
    }

    private mutating func addMember(
        _ key: Node,
        _ value: Node,
        isInFlow: Bool,
        _ view: inout ViewBuilder
    ) throws(VaultError) -> Int? {
        let start = offset(of: key)
        guard case .scalar(let name) = key else {
            throw text.fault("the name of a member is no text", at: start ?? 0)
        }
        guard name.string != "<<" else { throw text.fault("there is a merge key", at: start ?? 0) }
        let indentation = start.map { $0 - text.beginningOfLine($0) } ?? 0
        let (end, node) = try add(
            value,
            named: Array(name.string.utf8),
            isInFlow: isInFlow,
            indentation: indentation,
            &view
        )
        if !isInFlow, let start, let end, end > start { view.set(cut: text.wholeLines(start..<end), of: node) }
        return end
    }

    private func add(
        _ scalar: Node.Scalar,
        at start: Int?,
        named name: [UInt8]?,
        _ indentation: Int,
        _ view: inout ViewBuilder
    ) throws(VaultError) -> (end: Int?, node: Int) {
        var string = scalar.string
        let end = start.flatMap { self.end(of: scalar, from: $0, indentation) }
        var place = SourcePlace.none
        if let start, let end, end > start {
            switch scalar.style {
            case .plain: (place.value, place.spelling) = (start..<end, .yamlPlain)
            case .singleQuoted: (place.value, place.spelling) = (start..<end, .yamlSingle)
            case .doubleQuoted: (place.value, place.spelling) = (start..<end, .quoted)
            case .any, .literal, .folded: break
            }
        }
        guard scalar.style == .plain, let word = Self.literal(&string) else {
            return (end, try view.string(name, &string, place))
        }
        return (end, try view.literal(name, word, place))
    }

    /// What a plain word means in YAML 1.2 (§10.3.2), where it is no text.
    ///
    /// A number that JSON does not know stays a text.
    private static func literal(_ word: inout String) -> [UInt8]? {
        switch word {
        case "", "~", "null", "Null", "NULL": return Array("null".utf8)
        case "true", "True", "TRUE": return Array("true".utf8)
        case "false", "False", "FALSE": return Array("false".utf8)
        default: return word.withUTF8 { isJSONNumber(UnsafeRawBufferPointer($0)) ? Array($0) : nil }
        }
    }

    // MARK: - Places

    /// Yams counts lines and columns from 1, columns in Unicode scalars.
    private mutating func offset(of node: Node) -> Int? {
        guard let mark = node.mark, lines.indices.contains(mark.line - 1), mark.column >= 1 else { return nil }
        if cursor.line != mark.line || cursor.column > mark.column { cursor = (mark.line, 1, lines[mark.line - 1]) }
        while cursor.column < mark.column, cursor.offset < text.bytes.count {
            repeat { cursor.offset += 1 } while text.byte(cursor.offset).map { $0 & 0xC0 == 0x80 } ?? false
            cursor.column += 1
        }
        return cursor.offset
    }

    /// Where a scalar ends; `nil` where its text is laid out in a way that is not followed here.
    private func end(of scalar: Node.Scalar, from start: Int, _ indentation: Int) -> Int? {
        switch scalar.style {
        case .doubleQuoted: return endOfQuotes(UInt8(ascii: "\""), from: start)
        case .singleQuoted: return endOfQuotes(UInt8(ascii: "'"), from: start)
        case .plain:
            let end = start + scalar.string.utf8.count
            guard end <= text.bytes.count, text.bytes[start..<end].elementsEqual(scalar.string.utf8) else { return nil }
            return end
        case .literal, .folded: return endOfBlock(from: start, indentation)
        case .any: return nil
        }
    }

    private func endOfQuotes(_ quote: UInt8, from start: Int) -> Int? {
        guard text.byte(start) == quote else { return nil }
        var position = start + 1
        while let byte = text.byte(position) {
            position += 1
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                position += 1
            } else if byte == quote {
                guard quote == UInt8(ascii: "'"), text.byte(position) == quote else { return position }
                position += 1
            }
        }
        return nil
    }

    /// The end of the last line that is indented deeper than the member's name.
    private func endOfBlock(from start: Int, _ indentation: Int) -> Int? {
        var (end, line) = (text.endOfLine(start), text.nextLine(start))
        while line < text.bytes.count {
            let (last, next) = (text.endOfLine(line), text.nextLine(line))
            let blanks = text.bytes[line..<last].prefix { $0 == UInt8(ascii: " ") }.count
            if line + blanks < last {
                guard blanks > indentation else { break }
                end = last
            }
            guard next > line else { break }
            line = next
        }
        return end
    }

    /// After the bracket that closes what ends here, past a comma, white space and comments.
    private func closing(_ bracket: UInt8, from start: Int) -> Int? {
        var position = start
        while let byte = text.byte(position) {
            if byte == bracket { return position + 1 }
            switch byte {
            case UInt8(ascii: "#"): position = text.nextLine(position)
            case UInt8(ascii: ","), UInt8(ascii: "\n"), UInt8(ascii: "\r"), 0x20, 0x09: position += 1
            default: return nil
            }
        }
        return nil
    }

    // MARK: - What is refused before anything is built of it

    /// Refuses anchors, aliases and tags, which no program writes here and which make a short file a long one, and what
    /// nests or counts beyond any use.
    ///
    /// It does not follow quotes, so it refuses a word within quotes that begins like an alias as well: who looks for
    /// aliases by a rule so simple cannot be led past them. The rest of a line after `#` is a comment, except where the
    /// line has a quote.
    private static func requirePlain(_ text: SourceText) throws(VaultError) {
        let bytes = text.bytes
        var (marks, brackets) = (0, 0)
        var (isBeginning, hasQuote, isComment, indentation) = (true, false, false, 0)
        // At the beginning of a word; so is what follows a bracket or comma.
        var before = UInt8(ascii: " ")
        for index in bytes.indices.dropFirst(text.start) {
            let byte = bytes[index]
            defer { before = byte }
            if byte == UInt8(ascii: "\n") {
                (marks, isBeginning, hasQuote, isComment, indentation) = (marks + 1, true, false, false, 0)
                continue
            }
            guard !isOtherLineEnd(bytes, index) else { throw text.fault("a line ends in an unusual way", at: index) }
            if isComment { continue }
            let isWord = before <= 0x20 || [UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: ",")].contains(before)
            let next = index + 1 < bytes.count ? bytes[index + 1] : 0x20
            switch byte {
            case UInt8(ascii: "#"): isComment = isWord && !hasQuote
            case UInt8(ascii: "\""), UInt8(ascii: "'"): hasQuote = true
            case UInt8(ascii: "&"), UInt8(ascii: "*"), UInt8(ascii: "!"):
                if isWord && next > 0x20 {
                    throw text.fault("a word begins like an anchor, an alias or a tag of YAML", at: index)
                }
            case UInt8(ascii: "["), UInt8(ascii: "{"): (marks, brackets) = (marks + 1, brackets + 1)
            case UInt8(ascii: ","): marks += 1
            case UInt8(ascii: ":"), UInt8(ascii: "-"), UInt8(ascii: "?"): if next <= 0x20 { marks += 1 }
            default: break
            }
            // A block can only nest where a line is indented, or by indicators before its first word.
            let isIndicator = [UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: ":")].contains(byte) && next <= 0x20
            isBeginning = isBeginning && (SourceText.isBlank(byte) || isIndicator)
            if isBeginning { indentation += 1 }
            guard indentation <= maximumIndentation, brackets <= 4 * maximumIndentation else {
                throw text.fault("more than \(JSONParser.maximumDepth) levels are nested", at: index)
            }
            guard marks <= maximumMarks else {
                throw text.fault("there are more than \(maximumMarks) values", at: index)
            }
        }
        // Whatever escapes the rule above: so few aliases cannot grow far.
        let aliases = zip(bytes, bytes.dropFirst()).count { $0 == UInt8(ascii: "*") && $1 > 0x20 && $1 != $0 }
        guard aliases <= 16 else { throw text.fault("there are many words that begin like an alias of YAML", at: 0) }
    }

    /// U+0085, U+2028 or U+2029: YAML 1.1 §4.2 breaks lines there.
    private static func isOtherLineEnd(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> Bool {
        guard bytes[index] == 0xC2 || bytes[index] == 0xE2 else { return false }
        let rest = bytes[index...]
        return rest.starts(with: [0xC2, 0x85]) || rest.starts(with: [0xE2, 0x80, 0xA8])
            || rest.starts(with: [0xE2, 0x80, 0xA9])
    }

    /// The parser's error without the text that it quotes.
    private static func malformed(_ error: any Error, _ text: SourceText) -> VaultError {
        func make(_ line: Int?, _ problem: String = "it is not well-formed YAML") -> VaultError {
            VaultError(.damaged, "\(text.subject): \(line.map { "line \($0): " } ?? "")\(problem)")
        }
        switch error as? YamlError {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _): return make(mark.line)
        case .composer(_, _, let mark, _): return make(mark.line, "there is more than one document")
        case .duplicatedKeysInMapping(_, let context): return make(context.mark.line, "a name stands there twice")
        default: return make(nil)
        }
    }
}
