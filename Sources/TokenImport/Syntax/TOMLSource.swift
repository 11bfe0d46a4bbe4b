internal import StrictJSON
internal import TOMLKit
internal import VaultAPI

/// Reads TOML.
///
/// TOMLKit says what a file says and not where, so the lines are looked through once more for the places; where the two
/// disagree, a value has none and cannot be edited. TOMLKit takes a `String`, gives others and keeps its own copy of
/// the tables, which nothing wipes: what it read stays in memory as long as the process. Its errors quote the text, so
/// only their line is passed on.
struct TOMLSource {
    private static let maximumMarks = 20_000

    private let text: SourceText
    private let places: [[String]: SourcePlace]

    static func read(_ text: SourceText, into view: inout ViewBuilder) throws(VaultError) {
        try requireFew(text)
        let string = String(decoding: text.bytes[text.start...], as: UTF8.self)
        let table: TOMLTable
        do { table = try TOMLTable(string: string) } catch {
            let line = (error as? TOMLParseError)?.source.begin.line
            throw VaultError(
                .damaged,
                "\(text.subject): \(line.map { "line \($0): " } ?? "")it is not well-formed TOML"
            )
        }
        var lines = TOMLLines(text)
        let reader = TOMLSource(text: text, places: lines.places())
        try view.begin()
        try reader.add(table, at: [], &view)
        try view.end()
    }

    private func add(_ table: TOMLTable, at path: [String]?, _ view: inout ViewBuilder) throws(VaultError) {
        for key in table.keys {
            guard let value = table[key] else { continue }
            try add(value, Array(key.utf8), at: path.map { $0 + [key] }, &view)
        }
    }

    private func add(
        _ value: any TOMLValueConvertible,
        _ name: [UInt8]?,
        at path: [String]?,
        _ view: inout ViewBuilder
    ) throws(VaultError) {
        let place = path.flatMap { places[$0] } ?? .none
        if let table = value.table {
            // A table that stands under a header of its own has no line that could be cut.
            try view.begin(name, SourcePlace(cut: place.cut))
            try add(table, at: path, &view)
            return try view.end()
        }
        if let array = value.array {
            try view.begin(name, object: false, SourcePlace(cut: place.cut))
            for element in array { try add(element, nil, at: nil, &view) }
            return try view.end()
        }
        if var string = value.string {
            try view.string(name, &string, place)
            return
        }
        var plain = SourcePlace(cut: place.cut, value: place.value, spelling: .bare)
        if let flag = value.bool {
            try view.literal(name, Array((flag ? "true" : "false").utf8), plain)
        } else if let range = place.value, isJSONNumber(text.slice(range)) {
            try view.literal(name, Array(text.slice(range)), plain)
        } else if let number = value.int {
            plain.value = nil
            try view.literal(name, Array(String(number).utf8), plain)
        } else if let range = place.value {
            try view.string(name, text.slice(range), plain)
        } else {
            plain.value = nil
            try view.literal(name, Array("null".utf8), plain)
        }
    }

    /// Bounds what the library has to build, and refuses a NUL, at which it would end a text.
    private static func requireFew(_ text: SourceText) throws(VaultError) {
        var marks = 0
        for index in text.bytes.indices {
            switch text.bytes[index] {
            case UInt8(ascii: "\n"), UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: "."):
                marks += 1
            case UInt8(ascii: "\\"):
                let rest = text.bytes[index...]
                if rest.starts(with: "\\u0000".utf8) || rest.starts(with: "\\U00000000".utf8)
                    || rest.starts(with: "\\x00".utf8)
                {
                    throw text.fault("there is a NUL", at: index)
                }
            default: break
            }
            guard marks <= maximumMarks else {
                throw text.fault("there are more than \(maximumMarks) values", at: index)
            }
        }
    }
}

/// The places of `key = value` lines in TOML, by the path of the key.
///
/// It trusts that the text is well-formed, and where it does not follow it finds nothing.
private struct TOMLLines {
    private let text: SourceText
    private var position: Int
    /// The table of the last header; `nil` in an array of tables.
    private var header: [String]? = []

    init(_ text: SourceText) {
        self.text = text
        position = text.start
    }

    mutating func places() -> [[String]: SourcePlace] {
        var places: [[String]: SourcePlace] = [:]
        while position < text.bytes.count {
            skipBlanks()
            guard let byte = text.byte(position) else { break }
            switch byte {
            case UInt8(ascii: "#"), UInt8(ascii: "\r"), UInt8(ascii: "\n"): position = text.nextLine(position)
            case UInt8(ascii: "["):
                readHeader()
                position = text.nextLine(position)
            default:
                let start = position
                guard let key = readKey(), take(UInt8(ascii: "=")) else { return [:] }
                skipBlanks()
                let value = position
                guard let spelling = skipValue() else { return [:] }
                if let header {
                    let place = SourcePlace(
                        cut: text.wholeLines(start..<position),
                        value: spelling.isEditable ? value..<position : nil,
                        spelling: spelling.spelling
                    )
                    places[header + key] = place
                }
                position = text.nextLine(position)
            }
        }
        return places
    }

    private mutating func readHeader() {
        position += 1
        if text.byte(position) == UInt8(ascii: "[") {
            header = nil
            return
        }
        header = readKey()
    }

    private mutating func skipBlanks() {
        while let byte = text.byte(position), SourceText.isBlank(byte) { position += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        skipBlanks()
        guard text.byte(position) == byte else { return false }
        position += 1
        return true
    }

    /// A dotted key; `nil` where a part of it is written with an escape.
    private mutating func readKey() -> [String]? {
        var parts: [String] = []
        repeat {
            skipBlanks()
            let start = position
            if let quote = text.byte(position), quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
                guard skipQuotes(quote) else { return nil }
                let inside = text.bytes[start + 1..<position - 1]
                guard !inside.contains(UInt8(ascii: "\\")) else { return nil }
                parts.append(String(decoding: inside, as: UTF8.self))
            } else {
                while let byte = text.byte(position),
                    !SourceText.isBlank(byte), !Array("=.]\r\n#".utf8).contains(byte)
                { position += 1 }
                guard position > start else { return nil }
                parts.append(String(decoding: text.bytes[start..<position], as: UTF8.self))
            }
        } while take(UInt8(ascii: "."))
        return parts
    }

    private mutating func skipValue() -> (spelling: SourcePlace.Spelling, isEditable: Bool)? {
        guard let first = text.byte(position) else { return nil }
        switch first {
        case UInt8(ascii: "\""), UInt8(ascii: "'"):
            let isLong = text.bytes[position...].starts(with: [first, first, first])
            guard skipQuotes(first) else { return nil }
            return (first == UInt8(ascii: "'") ? .tomlLiteral : .quoted, !isLong)
        case UInt8(ascii: "["), UInt8(ascii: "{"):
            return skipBrackets() ? (.bare, false) : nil
        default:
            let end = text.endOfLine(position)
            let comment = text.bytes[position..<end].firstIndex(of: UInt8(ascii: "#")) ?? end
            position = text.trimmed(position..<comment).upperBound
            return (.bare, true)
        }
    }

    /// Past a string in quotes, three of them or one.
    private mutating func skipQuotes(_ quote: UInt8) -> Bool {
        let rest = text.bytes[position...]
        let isLong = rest.starts(with: [quote, quote, quote])
        position += isLong ? 3 : 1
        while let byte = text.byte(position) {
            if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
                position += 2
            } else if byte != quote {
                if byte == UInt8(ascii: "\n"), !isLong { return false }
                position += 1
            } else if !isLong {
                position += 1
                return true
            } else if text.bytes[position...].starts(with: [quote, quote, quote]) {
                position += 3
                // Two more may belong to the text.
                var more = 0
                while more < 2, text.byte(position) == quote { (position, more) = (position + 1, more + 1) }
                return true
            } else {
                position += 1
            }
        }
        return false
    }

    private mutating func skipBrackets() -> Bool {
        var depth = 0
        while let byte = text.byte(position) {
            switch byte {
            case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
                if depth == 0 {
                    position += 1
                    return true
                }
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                guard skipQuotes(byte) else { return false }
                continue
            case UInt8(ascii: "#"):
                position = text.nextLine(position)
                continue
            default: break
            }
            position += 1
        }
        return false
    }
}
