/// How a token file is written.
enum FileSyntax: String, Sendable, CaseIterable {
    case json, yaml, toml, ini, netrc, text, sqlite, moat

    /// Tells the syntax from the first bytes, and where those say nothing from the file's name.
    ///
    /// `nil` where neither says anything: such a file is no token file, unless somebody names its format.
    static func of(_ bytes: UnsafeRawBufferPointer, at path: TokenPath) -> FileSyntax? {
        if bytes.starts(with: "SQLite format 3\0".utf8) { return .sqlite }
        // A byte order mark is no part of what is written.
        let rest = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
        let first = rest.first { $0 != 0x20 && $0 != 0x0A && $0 != 0x0D && $0 != 0x09 }
        // One box in 256 begins with a brace, by its nonce; no text holds what else is in one.
        if first == UInt8(ascii: "{") { return named(path.fileName) == .moat && isBinary(bytes) ? .moat : .json }
        if let named = named(path.fileName) { return named }
        // An array of JSON begins as a section of an INI file does.
        guard first == UInt8(ascii: "[") else { return nil }
        return beginsWithSection(rest) ? .ini : .json
    }

    /// Whether the first line is `[name]` and more follows: of no array of JSON can that be said.
    private static func beginsWithSection(_ bytes: Slice<UnsafeRawBufferPointer>) -> Bool {
        let text = bytes.drop { $0 <= 0x20 }
        let line = text.prefix { $0 != 0x0A }
        guard let close = line.lastIndex(where: { $0 > 0x20 }), line[close] == UInt8(ascii: "]") else { return false }
        return text[line.endIndex...].contains { $0 > 0x20 }
    }

    /// Whether there is a control character that no text has.
    private static func isBinary(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.contains { $0 < 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D || $0 == 0x7F }
    }

    /// By the name alone.
    private static func named(_ name: String) -> FileSyntax? {
        let lower = name.lowercased()
        switch lower {
        case ".netrc", "netrc", "_netrc": return .netrc
        case ".npmrc", "npmrc": return .ini
        case "access-token": return .text
        default: break
        }
        guard let dot = lower.lastIndex(of: ".") else { return nil }
        switch lower[dot...] {
        case ".json": return .json
        case ".yml", ".yaml": return .yaml
        case ".toml": return .toml
        case ".conf", ".ini": return .ini
        case ".enc": return .moat
        default: return nil
        }
    }
}
