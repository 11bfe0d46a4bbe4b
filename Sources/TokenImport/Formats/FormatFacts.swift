internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// What is known of a format beside its shape: data, in `formats.json` (`Schemas/token-format.schema.json`).
struct FormatFacts: Sendable {
    /// What `--format` calls it, and what an entry's source says.
    let identifier: String
    /// Other words `--format` takes for it.
    let aliases: [String]
    /// The program that owns such files, as people call it.
    let tool: String
    /// Where the program keeps them.
    let places: [PlacePattern]
    /// How they may be written.
    let syntaxes: Set<FileSyntax>
    /// What the program locks while it writes one.
    let locks: [LockPattern]
    /// What it means to the program that its grant is gone, as a sentence: "Codex is logged out".
    let whenRemoved: String
    /// How else the program can be given a secret; `nil` where no way is known.
    let instead: String?
    /// How the program is pointed at another file; `nil` where it cannot be.
    let redirection: Redirection?

    /// A variable that names another file, or the directory that the file lies in.
    struct Redirection: Hashable, Sendable {
        let variable: String
        /// The path of the file below the directory that the variable names; `nil` where it names the file itself.
        let file: String?
        /// The program's command.
        let commands: [String]
    }

    /// All of them, by identifier.
    ///
    /// The data is part of the program and a test reads all of it, so a mistake in it is a programming error.
    static let all: [String: FormatFacts] = {
        do {
            let text = SharedSecret(try SecretBytes(PackageResources.formats_json))
            let document = try JSONDocument(text, subject: "formats.json")
            var facts: [String: FormatFacts] = [:]
            for value in document.root["formats"]?.children ?? [] {
                let read = try FormatFacts(value)
                guard facts.updateValue(read, forKey: read.identifier) == nil else {
                    throw VaultError(.damaged, "\(read.identifier) stands twice in formats.json")
                }
            }
            return facts
        } catch { preconditionFailure("TokenImport: \(error)") }
    }()

    /// The facts of a format that has some.
    static func of(_ identifier: String) -> FormatFacts {
        guard let facts = all[identifier] else {
            preconditionFailure("TokenImport: formats.json does not know \(identifier)")
        }
        return facts
    }

    private init(_ value: JSONValue) throws(VaultError) {
        func required(_ name: String) throws(VaultError) -> String {
            guard let text = try value.fact(name) else {
                throw VaultError(.damaged, "\(value.subject) has no \(name)")
            }
            return text
        }
        identifier = try required("id")
        aliases = try value.words("aliases")
        tool = try required("tool")
        whenRemoved = try required("when_removed")
        instead = try value.fact("instead")
        var places: [PlacePattern] = []
        for text in try value.strings("places") { places.append(try PlacePattern(text)) }
        self.places = places
        var locks: [LockPattern] = []
        for lock in value["locks"]?.children ?? [] { locks.append(try LockPattern(lock)) }
        self.locks = locks
        var syntaxes: Set<FileSyntax> = []
        for word in try value.words("syntaxes") {
            guard let syntax = FileSyntax(rawValue: word) else {
                throw VaultError(.damaged, "\(value.subject) names the unknown syntax \(word)")
            }
            syntaxes.insert(syntax)
        }
        self.syntaxes = syntaxes.isEmpty ? [.json] : syntaxes
        guard let run = value["run"] else {
            redirection = nil
            return
        }
        redirection = Redirection(
            variable: try run.fact("variable") ?? "",
            file: try run.fact("file"),
            commands: try run.words("commands")
        )
    }
}

extension JSONValue {
    /// The strings of an array, spaces and all.
    fileprivate func strings(_ name: String) throws(VaultError) -> [String] {
        var strings: [String] = []
        for child in self[name]?.children ?? [] {
            if let text = try child.fact() { strings.append(text) }
        }
        return strings
    }
}
