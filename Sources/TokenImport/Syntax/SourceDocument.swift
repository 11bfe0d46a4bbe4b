internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// A token file's bytes, and what they say as a JSON document.
///
/// Formats look at the view alone, so one reader serves JSON, YAML and a database; edits are made in the bytes, so
/// that what is not edited stays as its owner wrote it.
struct SourceDocument: Sendable {
    let syntax: FileSyntax
    /// What the file says. For JSON it is the file.
    let view: JSONDocument
    /// Knows where in the bytes each value of the view stands.
    let editor: any SourceEditor

    var root: JSONValue { view.root }

    /// Reads the bytes.
    ///
    /// - Throws: `.damaged` for what is not well-formed; it names no byte of a value.
    static func read(
        _ bytes: SharedSecret,
        as syntax: FileSyntax,
        at path: TokenPath,
        subject: String
    ) throws(VaultError) -> SourceDocument {
        switch syntax {
        case .json:
            let view = try JSONDocument(bytes, subject: subject)
            return SourceDocument(syntax: syntax, view: view, editor: JSONEdit(document: view))
        case .yaml, .toml, .ini, .netrc, .text:
            let (view, places) = try bytes.withBytes { (raw) throws(VaultError) in
                let text = try SourceText(raw, subject: subject)
                var builder = try ViewBuilder(capacity: raw.count + 64, subject: subject)
                try text.read(as: syntax, at: path, into: &builder)
                return try builder.finish()
            }
            let editor = PlacedEditor(text: bytes, view: view, syntax: syntax, path: path, places: places)
            return SourceDocument(syntax: syntax, view: view, editor: editor)
        default:
            throw VaultError(.damaged, "\(subject) is no token file that is known")
        }
    }
}

extension SourceText {
    /// Writes the view of a text in one of the text syntaxes.
    fileprivate func read(
        as syntax: FileSyntax,
        at path: TokenPath,
        into view: inout ViewBuilder
    ) throws(VaultError) {
        switch syntax {
        case .yaml: try YAMLSource.read(self, into: &view)
        case .toml: try TOMLSource.read(self, into: &view)
        case .ini: try INISource.read(self, at: path, into: &view)
        case .netrc: try NetrcSource.read(self, into: &view)
        case .text: try BareTextSource.read(self, into: &view)
        case .json, .sqlite, .moat: preconditionFailure("TokenImport: \(syntax) is no text syntax")
        }
    }
}

/// Edits the bytes of a token file.
protocol SourceEditor: Sendable {
    /// The bytes without these members or elements, none of which stands inside another.
    func removing(_ members: [JSONValue]) throws(VaultError) -> SecretBytes

    /// The bytes with other values in the place of these.
    ///
    /// - Throws: `.failed` where a value cannot be put there, `.unsafe` where what comes of it says something else.
    func replacing(_ values: [Replacement]) throws(VaultError) -> SecretBytes
}

/// What comes into the place of a value: a scalar of the same type.
struct Replacement: Sendable {
    let value: JSONValue
    /// A string without quotes and escapes, or the text of a number.
    let text: SharedSecret
}
