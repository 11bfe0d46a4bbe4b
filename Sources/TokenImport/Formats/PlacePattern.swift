internal import Glibc
internal import StrictJSON
internal import VaultAPI

/// A place where a program keeps its tokens, written as a shell would: `${CODEX_HOME:-~/.codex}/auth.json`.
///
/// `${NAME}` is the value of a variable, and the place does not exist where that is unset or no absolute path;
/// `${NAME:-other}` falls back. `~` at the beginning is the home directory. `*` stands for any characters of one part.
struct PlacePattern: Hashable, Sendable {
    let text: String
    /// The variables it depends on.
    let variables: [String]

    init(_ text: String) throws(VaultError) {
        self.text = text
        var variables: [String] = []
        var rest = text[...]
        while let start = rest.firstIndex(of: "$") {
            rest = rest[rest.index(after: start)...]
            guard rest.first == "{" else { throw VaultError(.damaged, "\(text) is no pattern of a place") }
            variables.append(String(rest.dropFirst().prefix { $0 != ":" && $0 != "}" }))
        }
        self.variables = variables
    }

    /// The absolute path with its `*` still in it; `nil` where a variable it needs is not set.
    func path(on machine: Machine) -> String? {
        guard let expanded = Self.expand(text[...], machine) else { return nil }
        return expanded.hasPrefix("/") ? expanded : nil
    }

    private static func expand(_ text: Substring, _ machine: Machine) -> String? {
        if text.hasPrefix("~") {
            guard let home = machine.home, let rest = expand(text.dropFirst(), machine) else { return nil }
            return home + rest
        }
        guard let start = text.firstIndex(of: "$") else { return String(text) }
        let open = text.index(start, offsetBy: 2)
        guard let end = closing(text[open...]) else { return nil }
        let inside = text[open..<end]
        let name = inside.prefix { $0 != ":" }
        let value: String?
        if let set = machine.variables[String(name)], set.hasPrefix("/") {
            value = set
        } else if inside.count > name.count {
            value = expand(inside.dropFirst(name.count + 2), machine)
        } else {
            value = nil
        }
        guard let value, let rest = expand(text[text.index(after: end)...], machine) else { return nil }
        return text[..<start] + value + rest
    }

    /// The brace that ends what begins here, inner ones passed over.
    private static func closing(_ text: Substring) -> Substring.Index? {
        var depth = 0
        for index in text.indices {
            if text[index] == "{" { depth += 1 }
            if text[index] == "}" {
                if depth == 0 { return index }
                depth -= 1
            }
        }
        return nil
    }

    /// Whether a path is such a place.
    func matches(_ path: String, on machine: Machine) -> Bool {
        guard let pattern = self.path(on: machine) else { return false }
        return fnmatch(pattern, path, FNM_PATHNAME) == 0
    }
}

/// What of the machine decides where programs keep their files.
///
/// A value, so that a test brings its own. It holds the variables that places depend on and no other: an environment
/// is full of secrets.
public struct Machine: Hashable, Sendable {
    /// The home directory; `nil` where there is none.
    public let home: String?
    /// Variables by name.
    public let variables: [String: String]

    /// What places depend on, and by which name Moat's key is kept.
    private static var names: Set<String> {
        Set(FormatFacts.all.values.flatMap { $0.places.flatMap(\.variables) } + ["MOAT_KEYRING_SERVICE"])
    }

    /// Takes from an environment what places depend on.
    public init(home: String?, environment: [String: String]) {
        self.home = home.flatMap { $0.hasPrefix("/") ? PathResolution.absolute($0) : nil }
        let names = Self.names
        variables = environment.filter { names.contains($0.key) }
    }

    /// The one this process runs on.
    public static var current: Machine {
        let names = Self.names
        var environment: [String: String] = [:]
        for name in names {
            if let value = getenv(name) { environment[name] = String(cString: value) }
        }
        return Machine(home: getenv("HOME").map { String(cString: $0) }, environment: environment)
    }
}

/// What a program locks while it writes a file.
struct LockPattern: Hashable, Sendable {
    /// How it is taken.
    enum Kind: String, Hashable, Sendable {
        /// A directory that whoever makes it holds (npm's proper-lockfile).
        case directory
        /// A file that whoever makes it holds, and removes.
        case file
        /// flock(2) on a file that stays.
        case flock
    }

    let kind: Kind
    /// The path; `{file}` is the token file, `{directory}` its directory, `{stem}` its path without extension.
    let pattern: String

    init(_ value: JSONValue) throws(VaultError) {
        guard let kind = try value.fact("kind").flatMap({ Kind(rawValue: $0) }), let path = try value.fact("path")
        else {
            throw VaultError(.damaged, "\(value.subject) is no lock")
        }
        self.kind = kind
        pattern = path
    }

    func path(for file: TokenPath) -> String {
        let directory = file.ancestor(1)
        let name = file.fileName
        let stem = name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
        return [("{file}", file.path), ("{directory}", directory), ("{stem}", directory + "/" + stem)]
            .reduce(pattern) { text, part in text.replacing(part.0, with: part.1) }
    }
}
