/// Where a file lies, as a hint at what wrote it.
///
/// A hint only: users move files. Leading dots do not count, so a copied `claude/` stands for `~/.claude/`.
struct TokenPath: Sendable {
    /// The absolute path.
    let path: String
    private let directories: [Substring]

    init(_ path: String) {
        self.path = path
        directories = path.split(separator: "/").dropLast().map { $0.drop { $0 == "." } }
    }

    /// The name in its directory.
    var fileName: String { path.split(separator: "/").last.map(String.init) ?? path }

    /// The name without its last extension, and without leading dots.
    var stem: String {
        let name = fileName.drop { $0 == "." }
        guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return String(name) }
        return String(name[..<dot])
    }

    /// Whether the file's directory ends with these parts.
    func lies(in parts: String...) -> Bool {
        directories.count >= parts.count && zip(directories.suffix(parts.count), parts).allSatisfy { $0 == $1 }
    }

    /// Whether one of the directories above has that name.
    func isBelow(_ part: String) -> Bool { directories.contains { $0 == part } }

    /// The name of the directory it lies in, without leading dots.
    var parentName: String { directories.last.map(String.init) ?? "" }

    /// The directory so many levels above the file: 1 is its own.
    func ancestor(_ levels: Int) -> String {
        "/" + path.split(separator: "/").dropLast(levels).joined(separator: "/")
    }
}

/// Whether a text is that many lower-case hexadecimal digits.
func isHexadecimal(_ text: String, count: Int) -> Bool {
    text.utf8.count == count
        && text.utf8.allSatisfy { byte in
            byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
                || byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "f")
        }
}
