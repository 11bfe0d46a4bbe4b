internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// One kind of token file: how it is recognised, and what it says.
///
/// A new one is a file with a conforming type and a line in `Formats.all`.
protocol TokenFileFormat: Sendable {
    /// What `--format` calls it, what an entry's source says, and where its facts stand in `formats.json`.
    var identifier: String { get }
    /// Whether a file is of this kind, judged by its shape first and its path second.
    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition
    /// The grants in a file of this kind.
    ///
    /// - Throws: `.damaged` where it is not of this kind after all.
    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents
    /// Members of the document that are worth nothing without a grant: where only they would be left, the file goes.
    var chaff: Set<String> { get }
    /// Whether the file stays when nothing is left in it: it is one that people write.
    var keepsFile: Bool { get }
}

extension TokenFileFormat {
    var chaff: Set<String> { [] }
    var keepsFile: Bool { false }
    /// Where such files lie, how they are written, what their owner makes of an edit.
    var facts: FormatFacts { .of(identifier) }
}

/// What a format says about a file.
enum Recognition: Sendable {
    /// Not mine; ask the next.
    case no
    /// Mine.
    case yes
    /// Path and shape say different things, or the shape fits two tools: the reason, in a sentence's end.
    case ambiguous(String)
    /// Known and not imported: the reason, in a sentence's end.
    case declined(String)
}

/// What a format may look at besides the file itself.
struct ReadingContext: Sendable {
    let path: TokenPath
    let options: ImportOptions
    /// Whose home and variables decide where programs keep their files.
    var machine: Machine { options.machine }
    /// When the import takes place.
    let now: Timestamp
    /// When the file was last written, where it is one.
    var modified: Timestamp?
}

/// The grants of one file, with places instead of tokens.
///
/// It lives as long as the file is in memory.
struct FileContents {
    var grants: [FoundGrant] = []
    /// About the file: what it holds besides, what was passed over.
    var notes: [String] = []
}

/// One grant in a file: what a list shows, and where its secrets stand.
struct FoundGrant {
    /// Its name is a suggestion.
    var summary: EntrySummary
    /// Where it stands.
    let value: JSONValue
    var secrets: [(field: EntrySecrets.Field, value: JSONValue)] = []
    /// The same tokens in other places of the file: some programs write them twice.
    var copies: [(field: EntrySecrets.Field, value: JSONValue)] = []
    /// Secrets of the grant that stand in another file, which stays as it is.
    var elsewhere: [(field: EntrySecrets.Field, value: JSONValue)] = []
    /// The times that change with the access token.
    var times: [FoundTime] = []
    /// What leaves the file with the grant: its secrets and their copies at the least.
    var members: [JSONValue] = []
    var notes: [String] = []

    init(_ name: EntryName, at value: JSONValue, in context: ReadingContext) {
        summary = EntrySummary(name: name, createdAt: context.now)
        self.value = value
    }

    /// Adds a secret where there is one.
    mutating func add(_ field: EntrySecrets.Field, _ token: JSONValue?) {
        guard let token else { return }
        secrets.append((field, token))
    }

    func token(_ field: EntrySecrets.Field) -> JSONValue? { secrets.first { $0.field == field }?.value }

    /// Keeps a fact of the file beside the entry.
    mutating func keep(_ name: String, of value: JSONValue?) throws(VaultError) {
        if let text = try value?.fact(name) { summary.metadata[name] = text }
    }

    /// Takes all of the named members that are there out with the grant.
    mutating func take(_ names: String..., of value: JSONValue) {
        members += names.compactMap { value[$0] }
    }
}

/// A file that is known and holds nothing to be imported.
///
/// Known, so that it is declined with its reason and not mistaken for a generic one.
struct DeclinedFormat: TokenFileFormat {
    let identifier: String
    /// "it is …".
    let reason: String
    let matches: @Sendable (JSONValue, TokenPath) -> Bool

    init(_ identifier: String, _ reason: String, _ matches: @escaping @Sendable (JSONValue, TokenPath) -> Bool) {
        self.identifier = identifier
        self.reason = reason
        self.matches = matches
    }

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        matches(root, path) ? .declined("it is \(reason)") : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents { FileContents() }
}

/// All formats, in the order in which a file is offered to them.
enum Formats {
    /// The order is that of the signatures: shapes that only one tool writes come before families.
    static let all: [any TokenFileFormat] =
        [ClaudeFormat(), CodexFormat()] + agents + cloud + flatAgents + text
        + [AgentOSFormat(), GeminiFormat(), GoFormat(), GooseDatabricksFormat()] + cloudFamilies + [GenericFormat()]
        + elsewhere

    /// Those that are written in other text than JSON.
    private static let text: [any TokenFileFormat] = [
        GooseSecretsFormat(), GHFormat(), FlyFormat(), WranglerFormat(), RcloneFormat(), NpmFormat(), HerokuFormat(),
        SupabaseFormat(),
    ]

    /// Those of databases, of Moat's store, and of items in the keyring.
    private static let elsewhere: [any TokenFileFormat] = [
        GcloudFormat(), CopilotDatabaseFormat(), KiroFormat(), MoatFormat(), GooseKeyringFormat(),
        DatabricksKeyringFormat(), GitHubKeyringFormat(),
    ]

    /// The format of that identifier.
    ///
    /// - Throws: `.usage` where there is none.
    static func named(_ identifier: String) throws(VaultError) -> any TokenFileFormat {
        let readable = all.filter { !($0 is DeclinedFormat) }
        if let format = readable.first(where: {
            $0.identifier == identifier || $0.facts.aliases.contains(identifier)
        }) {
            return format
        }
        throw VaultError(
            .usage,
            "no token file format is called \"\(printable(String(identifier.prefix(64))))\"",
            hint: "--format takes \(readable.map(\.identifier).joined(separator: ", "))"
        )
    }
}
