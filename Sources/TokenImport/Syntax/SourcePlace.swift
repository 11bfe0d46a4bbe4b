internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// Where a value of the view stands in the bytes of its file.
struct SourcePlace: Sendable {
    /// What leaves the file with the member, as a rule whole lines; `nil` where it cannot be cut cleanly.
    var cut: Range<Int>?
    /// The value with its quotes; `nil` where no other can be put there.
    var value: Range<Int>?
    /// How the value is spelt.
    var spelling = Spelling.bare

    /// A way of spelling a scalar.
    enum Spelling: Sendable {
        /// As it is.
        case bare
        /// In double quotes, with `\"` and `\\`: so in JSON, and in YAML, TOML and netrc where text is visible ASCII.
        case quoted
        /// YAML without quotes, while the text does not read as something else.
        case yamlPlain
        /// In single quotes, within which YAML writes one twice.
        case yamlSingle
        /// In single quotes, within which TOML has no way to write one.
        case tomlLiteral
    }

    /// Nowhere that could be edited.
    static let none = SourcePlace()
}

extension SourcePlace.Spelling {
    /// A text in this spelling, or in double quotes where this one does not take it.
    func spell(_ text: SharedSecret, subject: String) throws(VaultError) -> SharedSecret {
        switch self {
        case .bare: return text
        case .quoted: return try JSONEdit.quoted(text, subject)
        case .yamlPlain:
            return text.withBytes { Self.isPlain($0) } ? text : try JSONEdit.quoted(text, subject)
        case .tomlLiteral, .yamlSingle:
            let hasQuote = text.withBytes { $0.contains(UInt8(ascii: "'")) }
            guard !hasQuote else { return try JSONEdit.quoted(text, subject) }
            do throws(CryptoError) {
                return try text.withBytes { (bytes) throws(CryptoError) in
                    var buffer = try SecretBuffer(capacity: bytes.count + 2)
                    try buffer.append(UInt8(ascii: "'"))
                    try buffer.append(bytes)
                    try buffer.append(UInt8(ascii: "'"))
                    return SharedSecret(try buffer.finish())
                }
            } catch { throw VaultError(.failed, "\(subject) cannot be edited in memory: \(error.message)") }
        }
    }

    /// Whether YAML reads these bytes as the text they are, without quotes.
    ///
    /// Stricter than YAML is: each reader has its own idea of what is a number or a boolean, so what might be one is
    /// quoted. A date stays plain, as programs write it.
    private static func isPlain(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let first = bytes.first, let last = bytes.last, last != UInt8(ascii: ":") else { return false }
        let inside = Array("-_./+=:~@%".utf8)
        guard bytes.allSatisfy({ isLetter($0) || isDigit($0) || inside.contains($0) }) else { return false }
        if isLetter(first) {
            return bytes.count > 5 || !words.contains(String(decoding: bytes, as: UTF8.self).lowercased())
        }
        guard isDigit(first) else { return first == UInt8(ascii: "_") || first == UInt8(ascii: "/") }
        let isDate =
            bytes.count >= 10 && bytes[4] == UInt8(ascii: "-") && bytes[7] == UInt8(ascii: "-")
            && bytes[..<4].allSatisfy(isDigit)
        let numeric = Array("xXoObBeEaAcCdDfF_.:+-".utf8)
        return isDate || !bytes.allSatisfy { isDigit($0) || numeric.contains($0) }
    }

    private static let words: Set<String> = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }

    private static func isLetter(_ byte: UInt8) -> Bool { byte | 0x20 >= 97 && byte | 0x20 <= 122 }
}

/// Edits a file by the places its reader has found.
struct PlacedEditor: SourceEditor {
    let text: SharedSecret
    let view: JSONDocument
    let syntax: FileSyntax
    let path: TokenPath
    /// One for each node of the view.
    let places: [SourcePlace]

    func removing(_ members: [JSONValue]) throws(VaultError) -> SecretBytes {
        var edits: [TextEdit] = []
        for member in members {
            guard let cut = places[Int(member.index)].cut else { throw refusal(member) }
            edits.append(TextEdit(range: cut, text: nil))
        }
        return try TextEdit.apply(edits, to: text, subject: view.subject)
    }

    /// - Throws: Besides what every editor throws, `.unsafe` where the edited file would not say what is meant: it is
    ///   read again to know.
    func replacing(_ values: [Replacement]) throws(VaultError) -> SecretBytes {
        var edits: [TextEdit] = []
        for replacement in values {
            let place = places[Int(replacement.value.index)]
            guard let range = place.value else { throw refusal(replacement.value) }
            let isString = replacement.value.kind == .string
            let spelt = isString ? try place.spelling.spell(replacement.text, subject: view.subject) : replacement.text
            edits.append(TextEdit(range: range, text: spelt))
        }
        let edited = SharedSecret(try TextEdit.apply(edits, to: text, subject: view.subject))
        let expected = try JSONDocument(
            SharedSecret(try JSONEdit(document: view).replacing(values)),
            subject: view.subject
        )
        let found = try SourceDocument.read(edited, as: syntax, at: path, subject: view.subject)
        guard found.root.says(whatIsSaidBy: expected.root) else {
            throw VaultError(.unsafe, "\(view.subject) would say something else with these tokens in it")
        }
        do throws(CryptoError) {
            return try edited.withSecret { (bytes) throws(CryptoError) in try bytes.copy() }
        } catch {
            throw VaultError(.failed, "\(view.subject) cannot be edited in memory: \(error.message)")
        }
    }

    private func refusal(_ value: JSONValue) -> VaultError {
        VaultError(
            .failed,
            "\(value.subject) is written in a way that cannot be edited cleanly; the file is left as it is",
            hint: "edit it by hand, one `name: value` to a line, then import it again"
        )
    }
}
