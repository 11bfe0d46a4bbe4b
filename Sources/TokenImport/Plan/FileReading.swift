internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// A token file in memory, recognised and taken apart: what the plan looks at and the execution looks at again.
struct FileReading {
    let file: TokenFile
    let document: SourceDocument
    let format: any TokenFileFormat
    let contents: FileContents

    /// Reads a file and recognises it, or takes the format that the options name.
    ///
    /// - Throws: `.damaged` for what is no token file, `.configuration` where the format is ambiguous, `.failed` for
    ///   one that is known and not supported, `.notFound` where there is no token in it, and the errors of the file.
    ///
    /// - Parameter keyring: What the keyring holds of other programs; empty where there is none at hand.
    static func of(
        _ path: String,
        format: String? = nil,
        options: ImportOptions,
        now: Timestamp,
        keyring: ForeignItems = ForeignItems()
    ) throws(VaultError) -> FileReading {
        if let item = ForeignItem(path: path) {
            let (file, document, format) = try keyring.read(item)
            let text = try FileText(document, format, of: file.sha256, at: path, options, now: now)
            return FileReading(file: file, document: text.document, format: text.format, contents: text.contents)
        }
        let file = try TokenFile.read(path)
        let isDatabase = file.bytes.withBytes { FileSyntax.of($0, at: TokenPath(path)) == .sqlite }
        if isDatabase { try SQLiteFile.requireSettled(path) }
        let text = try FileText.of(
            file.bytes,
            sha256: file.sha256,
            at: path,
            format: format ?? options.format,
            options: options,
            now: now,
            modified: file.modified,
            keyring: keyring
        )
        return FileReading(file: file, document: text.document, format: text.format, contents: text.contents)
    }
}

/// The bytes of a token file, recognised and taken apart, wherever they come from.
struct FileText {
    let document: SourceDocument
    let format: any TokenFileFormat
    let contents: FileContents

    /// Takes apart bytes that lie, or once lay, at `path`.
    ///
    /// - Parameters:
    ///   - modified: When the file was last written, where it is one.
    ///   - keyring: Where the key of an encrypted file may lie.
    /// - Throws: As `FileReading.of` does where the file itself is sound.
    static func of(
        _ bytes: SharedSecret,
        sha256: [UInt8],
        at path: String,
        format: String?,
        options: ImportOptions,
        now: Timestamp,
        modified: Timestamp? = nil,
        keyring: ForeignItems = ForeignItems()
    ) throws(VaultError) -> FileText {
        let subject = printable(path)
        // A backup is judged as what it is a backup of.
        let place = TokenPath(Leftover.originalPath(of: path))
        var asked: (any TokenFileFormat)?
        if let format { asked = try Formats.named(format) }
        try EncryptedFile.decline(bytes, subject)
        let document = try SourceDocument.read(
            bytes,
            as: try syntax(of: bytes, at: place, asked, subject),
            at: place,
            subject: subject,
            keys: SourceKeys(machine: options.machine, keyring: keyring)
        )
        let chosen: any TokenFileFormat
        if let asked { chosen = asked } else { chosen = try recognise(document, at: place) }
        return try FileText(document, chosen, of: sha256, at: path, options, now: now, modified: modified)
    }

    /// Reads the grants of a document.
    fileprivate init(
        _ document: SourceDocument,
        _ format: any TokenFileFormat,
        of sha256: [UInt8],
        at path: String,
        _ options: ImportOptions,
        now: Timestamp,
        modified: Timestamp? = nil
    ) throws(VaultError) {
        var contents = try format.read(
            document.root,
            in: ReadingContext(path: TokenPath(path), options: options, now: now, modified: modified)
        )
        guard !contents.grants.isEmpty else {
            throw VaultError(.notFound, "\(document.view.subject) holds no token (read as \(format.identifier))")
        }
        for index in contents.grants.indices {
            options.complete(&contents.grants[index])
            let source = EntrySource(
                path: path,
                sha256: sha256,
                pointer: contents.grants[index].value.pointer,
                format: format.identifier
            )
            contents.grants[index].summary.source = source
        }
        self.document = document
        self.format = format
        self.contents = contents
    }

    /// The syntax that the bytes or the name tell, or the only one that the named format has.
    private static func syntax(
        of bytes: SharedSecret,
        at path: TokenPath,
        _ asked: (any TokenFileFormat)?,
        _ subject: String
    ) throws(VaultError) -> FileSyntax {
        let told = bytes.withBytes { FileSyntax.of($0, at: path) }
        if let asked {
            if let told, asked.facts.syntaxes.contains(told) { return told }
            if let only = asked.facts.syntaxes.first, asked.facts.syntaxes.count == 1 { return only }
        }
        if let told { return told }
        throw VaultError(
            .damaged,
            "\(subject) is no token file that is known",
            hint: "if it is one, say of which kind with --format",
            underlying: FileVerdict.unknown
        )
    }

    private static func recognise(
        _ document: SourceDocument,
        at path: TokenPath
    ) throws(VaultError) -> any TokenFileFormat {
        for format in Formats.all where format.facts.syntaxes.contains(document.syntax) {
            switch format.recognise(document.root, at: path) {
            case .no: continue
            case .yes: return format
            case .ambiguous(let reason):
                throw VaultError(
                    .configuration,
                    "\(document.view.subject) is ambiguous: \(reason)",
                    hint: "say what it is with --format, for example --format \(format.identifier)",
                    underlying: FileVerdict.ambiguous
                )
            case .declined(let reason):
                throw VaultError(
                    .failed,
                    "\(document.view.subject) is not imported: \(reason)",
                    underlying: FileVerdict.declined
                )
            }
        }
        throw VaultError(
            .damaged,
            "\(document.view.subject) is no token file that is known",
            hint: "if it is one, say of which kind with --format",
            underlying: FileVerdict.unknown
        )
    }
}
