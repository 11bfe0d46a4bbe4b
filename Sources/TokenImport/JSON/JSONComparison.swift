internal import StrictJSON
internal import VaultCrypto

extension JSONValue {
    /// Whether both say the same: the order of members, the spelling of strings and white space do not count.
    ///
    /// What is empty says nothing: a mapping of YAML whose last member is gone reads as null.
    func says(whatIsSaidBy other: JSONValue) -> Bool {
        if isVoid && other.isVoid { return true }
        guard kind == other.kind else { return false }
        switch kind {
        case .object:
            let mine = children.filter { !$0.isVoid }
            let theirs = other.children.filter { !$0.isVoid }
            guard mine.count == theirs.count else { return false }
            return mine.allSatisfy { member in other[member.name].map(member.says(whatIsSaidBy:)) ?? false }
        case .array:
            let (mine, theirs) = (children, other.children)
            return mine.count == theirs.count && zip(mine, theirs).allSatisfy { $0.says(whatIsSaidBy: $1) }
        case .string: return hasSameText(as: other)
        case .number: return numberText == other.numberText
        case .boolean, .null: return document.raw(range) == other.document.raw(other.range)
        }
    }

    /// Whether it is null, or a container in which nothing is left.
    private var isVoid: Bool {
        switch kind {
        case .null: true
        case .object, .array: children.allSatisfy(\.isVoid)
        case .string, .number, .boolean: false
        }
    }

    /// Compared in secret memory: it may be a token.
    private func hasSameText(as other: JSONValue) -> Bool {
        guard let mine = try? secret(), let theirs = try? other.secret() else { return false }
        return mine.equals(theirs)
    }
}
