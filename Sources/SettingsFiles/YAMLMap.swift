internal import StrictJSON
package import VaultAPI
internal import Yams

/// A mapping of a YAML file, whose every complaint names the file, the line and the field.
///
/// Only the plain core of YAML is taken: no anchors or aliases, which make a short file a long one; no tags, no
/// duplicate keys, no depth that no setting needs.
package struct YAMLMap {
    /// The file as errors name it.
    package let subject: String
    /// Above the fields of this mapping, with a dot: `redirect.`.
    package let place: String
    package let line: Int
    private let entries: [(key: String, line: Int, value: Node)]

    /// Parses a whole file.
    package init(_ bytes: [UInt8], subject: String) throws(VaultError) {
        guard let map = try Self.unlessEmpty(bytes, subject: subject) else {
            throw VaultError(.configuration, "\(printable(subject)) is empty, expected `field: value` lines")
        }
        self = map
    }

    /// Parses a whole file that may say nothing; `nil` where it does not.
    package static func unlessEmpty(_ bytes: [UInt8], subject: String) throws(VaultError) -> YAMLMap? {
        let subject = printable(subject)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw VaultError(.configuration, "\(subject) is not UTF-8")
        }
        try requirePlain(bytes, subject)
        try requireFewAliases(bytes, subject)
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw malformed(error, subject)
        }
        guard let root else { return nil }
        return try YAMLMap(root, subject: subject, place: "")
    }

    private init(_ node: Node, subject: String, place: String) throws(VaultError) {
        let line = node.mark?.line ?? 1
        guard case .mapping(let mapping) = node else {
            let what = place.isEmpty ? "" : "\(place.dropLast()): "
            throw VaultError(
                .configuration,
                "\(subject): line \(line): \(what)is \(Self.word(node)), expected `field: value` lines"
            )
        }
        var entries: [(key: String, line: Int, value: Node)] = []
        for (key, value) in mapping {
            let line = key.mark?.line ?? line
            guard case .scalar(let name) = key, key.tag == Tag(.str) else {
                throw VaultError(
                    .configuration,
                    "\(subject): line \(line): a field's name is \(Self.word(key)), expected a text"
                )
            }
            entries.append((name.string, line, value))
        }
        (self.subject, self.place, self.line, self.entries) = (subject, place, line, entries)
    }

    /// Every field's name, in order.
    package var names: [String] { entries.map(\.key) }

    /// The error for a field.
    package func fault(_ name: String, _ reason: String) -> VaultError {
        let line = entries.first { $0.key == name }?.line ?? line
        return VaultError(.configuration, "\(subject): line \(line): \(printable(place + name)): \(reason)")
    }

    /// Refuses fields of other names: a setting that is misspelt would silently not be set.
    package func requireKnown(_ known: [String]) throws(VaultError) {
        for entry in entries where !known.contains(entry.key) {
            let guess = nearestWord(to: entry.key, of: known).map { "did you mean \($0)? " } ?? ""
            throw fault(
                String(entry.key.prefix(64)),
                "is no field; \(guess)the fields are \(known.joined(separator: ", "))"
            )
        }
    }

    /// A text; `nil` where the field is not there.
    package func text(_ name: String) throws(VaultError) -> String? {
        guard let value = value(name) else { return nil }
        return try text(value, name)
    }

    /// A text, or a whole number as it is written; `nil` where the field is not there.
    package func textOrNumber(_ name: String) throws(VaultError) -> String? {
        if case .scalar(let scalar)? = value(name), value(name)?.tag == Tag(.int) { return scalar.string }
        return try text(name)
    }

    /// A text that may be empty; empty too where the field is not there.
    package func possiblyEmptyText(_ name: String) throws(VaultError) -> String {
        if case .scalar(let scalar)? = value(name), scalar.string.isEmpty, value(name)?.tag == Tag(.str) { return "" }
        return try text(name) ?? ""
    }

    /// A text that must be there.
    package func required(_ name: String) throws(VaultError) -> String {
        guard let text = try text(name) else { throw fault(name, "is missing") }
        return text
    }

    /// A list of texts; `nil` where the field is not there.
    package func texts(_ name: String) throws(VaultError) -> [String]? {
        guard let value = value(name) else { return nil }
        guard case .sequence(let sequence) = value else {
            throw fault(name, "is \(Self.word(value)), expected a list of texts")
        }
        var texts: [String] = []
        for element in sequence { texts.append(try text(element, name)) }
        return texts
    }

    /// A whole number; `nil` where the field is not there.
    package func integer(_ name: String) throws(VaultError) -> Int? {
        guard let value = value(name) else { return nil }
        guard value.tag == Tag(.int), let number = value.int else {
            throw fault(name, "is \(Self.word(value)), expected a whole number")
        }
        return number
    }

    /// True or false; `nil` where the field is not there.
    package func flag(_ name: String) throws(VaultError) -> Bool? {
        guard let value = value(name) else { return nil }
        guard value.tag == Tag(.bool), let flag = value.bool else {
            throw fault(name, "is \(Self.word(value)), expected true or false")
        }
        return flag
    }

    /// A mapping; `nil` where the field is not there.
    package func map(_ name: String) throws(VaultError) -> YAMLMap? {
        guard let value = value(name) else { return nil }
        return try YAMLMap(value, subject: subject, place: "\(place)\(name).")
    }

    /// A list of mappings; empty where the field is not there.
    package func maps(_ name: String) throws(VaultError) -> [YAMLMap] {
        guard let value = value(name) else { return [] }
        guard case .sequence(let sequence) = value else {
            throw fault(name, "is \(Self.word(value)), expected a list")
        }
        var maps: [YAMLMap] = []
        for (index, element) in sequence.enumerated() {
            maps.append(try YAMLMap(element, subject: subject, place: "\(place)\(name)[\(index)]."))
        }
        return maps
    }

    /// Names and texts, in order; empty where the field is not there.
    package func pairs(_ name: String) throws(VaultError) -> [(name: String, value: String)] {
        guard let map = try map(name) else { return [] }
        var pairs: [(name: String, value: String)] = []
        for entry in map.entries { pairs.append((entry.key, try map.text(entry.value, entry.key))) }
        return pairs
    }

    private func value(_ name: String) -> Node? { entries.first { $0.key == name }?.value }

    private func text(_ node: Node, _ name: String) throws(VaultError) -> String {
        guard case .scalar(let scalar) = node, node.tag == Tag(.str) else {
            let isScalar = if case .scalar = node { true } else { false }
            throw fault(name, "is \(Self.word(node)), expected a text\(isScalar ? "; put it in quotes" : "")")
        }
        guard !scalar.string.isEmpty else { throw fault(name, "is empty; leave the line out instead") }
        guard scalar.string.unicodeScalars.allSatisfy({ !isUnprintable($0) }) else {
            throw fault(name, "holds a control character")
        }
        return scalar.string
    }

    private static func word(_ node: Node) -> String {
        switch node {
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .alias: "an alias"
        case .scalar:
            switch node.tag {
            case Tag(.str): "a text"
            case Tag(.int), Tag(.float): "a number"
            case Tag(.bool): "true or false"
            case Tag(.null): "empty"
            case Tag(.timestamp): "a date"
            default: "of another type"
            }
        }
    }

    /// The error of the parser, without the lines of the file that it quotes.
    private static func malformed(_ error: any Error, _ subject: String) -> VaultError {
        func make(_ line: Int?, _ problem: String) -> VaultError {
            let place = line.map { "line \($0): " } ?? ""
            return VaultError(.configuration, "\(subject): \(place)is not well-formed YAML: \(printable(problem))")
        }
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return make(mark.line, problem)
        case .duplicatedKeysInMapping(let duplicates, let context):
            let names = duplicates.map { String($0.prefix(64)) }.sorted().joined(separator: ", ")
            return make(context.mark.line, "\(names) stands there twice")
        case .reader(let problem, _, _, _):
            return make(nil, problem)
        default:
            return make(nil, "it cannot be parsed")
        }
    }

    /// Refuses what might be many aliases, wherever it stands.
    ///
    /// `requirePlain` follows the scanner of YAML and may follow it wrongly. Without aliases there is no bomb, and 16 of
    /// them multiply a file by 350 at most.
    private static func requireFewAliases(_ bytes: [UInt8], _ subject: String) throws(VaultError) {
        let limit = 16
        let count = zip(bytes, bytes.dropFirst()).count { star, next in
            star == UInt8(ascii: "*") && next > UInt8(ascii: " ") && next != star
        }
        guard count <= limit else {
            throw VaultError(.configuration, "\(subject): has more than \(limit) words that begin with an asterisk")
        }
    }

    /// A CR without its LF, U+0085, U+2028 or U+2029: YAML 1.1 §4.2 breaks lines there.
    private static func isOtherLineEnd(_ bytes: ArraySlice<UInt8>) -> Bool {
        switch bytes.first {
        case UInt8(ascii: "\r"): bytes.dropFirst().first != UInt8(ascii: "\n")
        case 0xC2: bytes.dropFirst().first == 0x85
        case 0xE2: bytes.starts(with: [0xE2, 0x80, 0xA8]) || bytes.starts(with: [0xE2, 0x80, 0xA9])
        default: false
        }
    }

    /// Refuses, before anything is built of it, what would make a short file a large or deep structure.
    private static func requirePlain(_ bytes: [UInt8], _ subject: String) throws(VaultError) {
        var (line, brackets, depth) = (1, 0, 0)
        var quote: UInt8?
        var (isComment, isEscaped) = (false, false)
        // Whether a token may begin here.
        var atStart = true
        for (index, byte) in bytes.enumerated() {
            // The parser ends a line there too, and with it a comment or a plain word, which this loop would not see.
            guard !Self.isOtherLineEnd(bytes[index...]) else {
                throw VaultError(
                    .configuration,
                    "\(subject): line \(line): ends with a carriage return, NEL, or Unicode line or paragraph separator",
                    hint: "end the lines with a line feed"
                )
            }
            if byte == UInt8(ascii: "\n") {
                line += 1
                (isComment, isEscaped, atStart) = (false, false, true)
                continue
            }
            if isComment { continue }
            let next = index + 1 < bytes.count ? bytes[index + 1] : UInt8(ascii: " ")
            if let open = quote {
                if isEscaped {
                    isEscaped = false
                    // A quote within single quotes is written twice, within double quotes after a backslash.
                } else if open == UInt8(ascii: "'") ? byte == open && next == open : byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == open {
                    quote = nil
                }
                continue
            }
            let isSpace = byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                if atStart { quote = byte }
                atStart = false
            case UInt8(ascii: "#"):
                if atStart { isComment = true }
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                (brackets, depth) = (brackets + 1, depth + 1)
                guard brackets <= 256 else {
                    throw VaultError(.configuration, "\(subject): line \(line): has more than 256 brackets")
                }
                atStart = true
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                (depth, atStart) = (max(0, depth - 1), false)
            case UInt8(ascii: "&"), UInt8(ascii: "*"), UInt8(ascii: "!"):
                guard !atStart || next <= UInt8(ascii: " ") else {
                    throw VaultError(
                        .configuration,
                        "\(subject): line \(line): begins a word with \(Character(UnicodeScalar(byte))), "
                            + "which YAML takes for an anchor, alias or tag; these files take none",
                        hint: "put a text that begins so in quotes"
                    )
                }
                atStart = false
            case UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "?"):
                // Indicators only before a space, or within brackets; and then the next token begins.
                atStart = depth > 0 || atStart && next <= UInt8(ascii: " ")
            case UInt8(ascii: "-"):
                atStart = atStart && next <= UInt8(ascii: " ")
            default:
                atStart = isSpace
            }
        }
    }
}
