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
    /// How the program is pointed at another directory; `nil` where it cannot be.
    let redirection: Redirection?

    /// A variable that names the directory in which the program looks for the file.
    struct Redirection: Hashable, Sendable {
        let variable: String
        /// The directory where the variable is not set otherwise.
        let directory: PlacePattern
        /// The path of the file below it; `{name}` is the name the file has.
        let file: String
        /// The program's commands.
        let commands: [String]
        /// Other variables, by name; `{directory}` is the directory in their values, `{file}` the file.
        let settings: [String: String]
        /// Files that the program looks for in the directory once the variable is set, and elsewhere before.
        let links: [String: PlacePattern]

        init(_ value: JSONValue) throws(VaultError) {
            func required(_ name: String) throws(VaultError) -> String {
                guard let text = try value.fact(name) else {
                    throw VaultError(.damaged, "\(value.subject) has no \(name)")
                }
                return text
            }
            variable = try required("variable")
            directory = try PlacePattern(try required("directory"))
            file = try required("file")
            commands = try value.words("commands")
            var settings: [String: String] = [:]
            for setting in value["set"]?.children ?? [] { settings[setting.name] = try setting.fact() ?? "" }
            self.settings = settings
            var links: [String: PlacePattern] = [:]
            for link in value["links"]?.children ?? [] {
                links[link.name] = try PlacePattern(try link.fact() ?? "")
            }
            self.links = links
        }
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
        redirection = try Redirection(run)
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
