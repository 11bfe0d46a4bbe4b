internal import Glibc
internal import PrivateFiles
internal import StrictJSON
internal import VaultAPI

/// The files in the places where programs keep their tokens, and what was left beside them.
struct KnownPlaces {
    /// A file in such a place.
    struct Found: Hashable {
        let path: String
        /// What it is beside a token file; `nil` for one that its program reads.
        let leftover: String?
    }

    private let machine: Machine
    private let sniff: TokenSniff
    private var listings: [String: [String]] = [:]
    private var found: [Found] = []
    private var seen: Set<String> = []
    /// Files that hold tokens and that no format reads: logs and editors' swap files.
    private(set) var remains: [Found] = []

    init(_ machine: Machine, _ sniff: TokenSniff) {
        self.machine = machine
        self.sniff = sniff
    }

    /// Looks at every place of every format; one that is missing is silent.
    mutating func find() -> [Found] {
        let facts = FormatFacts.all.values.sorted { $0.identifier < $1.identifier }
        for facts in facts {
            for place in facts.places {
                if let path = place.path(on: machine) { look(at: path, facts) }
            }
        }
        return found
    }

    private mutating func look(at pattern: String, _ facts: FormatFacts) {
        var parts = PathResolution.absolute(pattern).split(separator: "/").map(String.init)
        guard let name = parts.popLast() else { return }
        for directory in directories(parts) {
            for file in names(in: directory) {
                let path = directory == "/" ? "/" + file : directory + "/" + file
                if matches(file, name) {
                    guard seen.insert(path).inserted else { continue }
                    found.append(Found(path: path, leftover: oldVersion(path)))
                } else {
                    lookAtLeftover(path, file, name, facts)
                }
            }
        }
    }

    /// What an atomic writer, an editor or a log left beside the file.
    private mutating func lookAtLeftover(_ path: String, _ file: String, _ name: String, _ facts: FormatFacts) {
        if file.hasSuffix(".log") {
            // Only where the directory is the program's own: a home has logs of everybody.
            guard name.contains("*"), !name.hasPrefix("."), seen.insert(path).inserted, sniff.mentionsTokens(path)
            else { return }
            remains.append(Found(path: path, leftover: "it is a log of \(facts.tool) that mentions tokens"))
            return
        }
        let isTemporary = file.hasPrefix("tmp") && file.hasSuffix(".tmp") && name.contains("*")
        guard let original = Leftover.original(of: file), isTemporary || matches(original, name) else { return }
        guard seen.insert(path).inserted, sniff.mentionsTokens(path) else { return }
        if Leftover.isSwapFile(file) {
            remains.append(Found(path: path, leftover: "it is an editor's swap file that mentions tokens"))
        } else {
            found.append(Found(path: path, leftover: "left beside \(original), where \(facts.tool) keeps its own"))
        }
    }

    /// Directories of versions of mcp-remote that nobody reads any more.
    private func oldVersion(_ path: String) -> String? {
        let place = TokenPath(path)
        let directory = place.ancestor(1).split(separator: "/").last ?? ""
        guard directory.hasPrefix("mcp-remote-"), directory != "mcp-remote-v1" else { return nil }
        return "left by an older version of mcp-remote, which only looks in mcp-remote-v1"
    }

    private func matches(_ name: String, _ pattern: String) -> Bool {
        name == pattern || pattern.contains("*") && fnmatch(pattern, name, 0) == 0
    }

    /// The directories that a pattern's parts lead to.
    private mutating func directories(_ parts: [String]) -> [String] {
        var found = [""]
        for part in parts {
            if part.contains("*") {
                found = found.flatMap { above in
                    names(in: above.isEmpty ? "/" : above).filter { matches($0, part) }.map { above + "/" + $0 }
                }
            } else {
                found = found.map { $0 + "/" + part }
            }
        }
        return found.map { $0.isEmpty ? "/" : $0 }
    }

    /// Nothing where there is no such directory.
    private mutating func names(in directory: String) -> [String] {
        if let names = listings[directory] { return names }
        var names: [String] = []
        if let listing = try? DirectoryListing(directory, followingLink: true) {
            names = listing.entries.compactMap(\.name)
        }
        listings[directory] = names
        return names
    }
}
