internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// A token file's bytes, and what they say as a JSON document.
///
/// Formats look at the view alone, so one reader serves JSON, YAML and a database; edits are made in the bytes, so
/// that what is not edited stays as its owner wrote it.
struct SourceDocument: Sendable {
    let syntax: FileSyntax
    /// What the file says.
    ///
    /// For JSON it is the file.
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
        subject: String,
        keys: SourceKeys = SourceKeys()
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
        case .sqlite:
            let view = try SQLiteView.document(bytes, subject: subject)
            return SourceDocument(syntax: syntax, view: view, editor: SQLiteEditor(bytes: bytes, view: view))
        case .moat:
            let (view, key) = try MoatFile.open(bytes, at: path, keys, subject: subject)
            return SourceDocument(syntax: syntax, view: view, editor: MoatEditor(document: view, key: key))
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

/// Edits a token file where it lies, under the locks that the program that owns it takes: to put another file in its
/// place would leave that program with the old one open.
protocol InPlaceEditor: SourceEditor {
    /// Takes these members out of the file itself, which stays.
    ///
    /// - Throws: `.temporary` where the owner holds a lock or what is to go has changed since it was read. The file is
    ///   then as it was.
    func remove(_ members: [JSONValue], from file: TokenFile) throws(VaultError)

    /// Puts these members back into the file as it is now, some values replaced by newer ones.
    ///
    /// - Parameter file: The file as it is now; this editor is that of the bytes that were sealed.
    /// - Throws: `.temporary` where the owner holds a lock or has put something else in their place.
    func putBack(_ members: [JSONValue], with values: [Replacement], into file: TokenFile) throws(VaultError)

    /// What the file, as it is now, says where these members were.
    ///
    /// What else it says is its owner's business: an edit in place changes nothing of it.
    ///
    /// - Parameter bytes: Those of the file as it is now; this editor is that of the bytes that were sealed.
    func standing(
        of members: [JSONValue],
        with values: [Replacement],
        in bytes: SharedSecret
    ) throws(VaultError) -> InPlaceStanding
}

/// What stands in a file where members are to be put back.
enum InPlaceStanding {
    /// All that would be put there.
    case present
    /// Nothing, or what was sealed.
    case open
    /// Something else in the place of one of them.
    case foreign
}

/// What comes into the place of a value: a scalar of the same type.
struct Replacement: Sendable {
    let value: JSONValue
    /// A string without quotes and escapes, or the text of a number.
    let text: SharedSecret
}
