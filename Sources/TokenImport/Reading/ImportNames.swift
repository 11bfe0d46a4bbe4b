internal import VaultAPI
internal import VaultCore

extension EntryName {
    /// The name nearest to a text from a file: what names do not allow becomes `_`, and a first character that is
    /// neither letter nor digit is dropped.
    ///
    /// Two texts may meet in one name; the plan numbers those apart.
    static func nearest(_ kind: Kind, _ text: String, fallback: StaticString = "imported") -> EntryName {
        var name = ""
        for scalar in text.unicodeScalars.prefix(maximumNameBytes - 8) {
            let allowed = (try? EntryName(kind, "x" + String(scalar))) != nil
            name += allowed ? String(scalar) : "_"
        }
        while let first = name.first, !first.isLetter, !first.isNumber { name.removeFirst() }
        if let nearest = try? EntryName(kind, name) { return nearest }
        guard let last = try? EntryName(kind, "\(fallback)") else {
            preconditionFailure("TokenImport: \(fallback) is no name")
        }
        return last
    }

    /// The same name with `-number` behind it.
    func numbered(_ number: Int) -> EntryName { .nearest(kind, "\(name.prefix(Self.maximumNameBytes - 8))-\(number)") }
}
