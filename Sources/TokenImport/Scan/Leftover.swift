/// Names that programs and editors give to what they leave beside a token file.
///
/// A crash leaves the temporary file of an atomic write, an editor its backup; both hold whole tokens, and neither is
/// where anybody looks for them.
enum Leftover {
    private static let endings = ["~", ".bak", ".old", ".orig", ".save", ".backup", ".tmp", ".new"]

    /// What the file was written for: `auth.json` for `auth.json.tmp`, `auth.json~` or `auth.json.4711.1700000000.tmp`.
    ///
    /// `nil` where the name is no such name.
    static func original(of name: String) -> String? {
        if isSwapFile(name) { return String(name.dropFirst().dropLast(4)) }
        if name.count > 2, name.hasPrefix("#"), name.hasSuffix("#") { return String(name.dropFirst().dropLast()) }
        if let ending = endings.first(where: { name.hasSuffix($0) && name.count > $0.count }) {
            return withoutNumbers(String(name.dropLast(ending.count)))
        }
        // Terraform's own way: `credentials.tfrc.json123456`.
        let digits = name.utf8.reversed().prefix { $0 >= 48 && $0 <= 57 }.count
        guard digits > 0 else { return nil }
        let rest = String(name.dropLast(digits))
        return rest.hasSuffix(".json") ? rest : nil
    }

    /// The same for a path; a path that is no leftover's stays as it is.
    static func originalPath(of path: String) -> String {
        let start = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        guard let original = original(of: String(path[start...])) else { return path }
        return String(path[..<start]) + original
    }

    /// Whether an editor names its swap files like that; its bytes are no copy of the file's.
    static func isSwapFile(_ name: String) -> Bool {
        name.hasPrefix(".") && name.count > 6 && (name.hasSuffix(".swp") || name.hasSuffix(".swo"))
    }

    /// Without a process id and a time, as in `tokens.json.4711.1700000000`.
    private static func withoutNumbers(_ name: String) -> String {
        var parts = name.split(separator: ".", omittingEmptySubsequences: false)
        while parts.count > 2, let last = parts.last, !last.isEmpty, last.utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }) {
            parts.removeLast()
        }
        return parts.joined(separator: ".")
    }
}
