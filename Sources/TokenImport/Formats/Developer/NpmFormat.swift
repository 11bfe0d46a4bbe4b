internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// npm's `.npmrc`: tokens and passwords of registries among settings.
///
/// A reference such as `${NPM_TOKEN}` is no token, and stays.
struct NpmFormat: TokenFileFormat {
    let identifier = "npm"
    let keepsFile = true

    private static let fields = ["_authToken", "_auth", "_password"]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.kind == .object else { return .no }
        let isNpm = root.children.contains { member in
            let (registry, field) = Self.parts(of: member.name)
            return field != nil && (registry != nil || path.fileName.hasSuffix("npmrc"))
        }
        return isNpm ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        var contents = FileContents()
        for member in root.children {
            let (registry, field) = Self.parts(of: member.name)
            guard let field, member.kind == .string else { continue }
            guard let token = try root.token(member.name) else { continue }
            if Self.isReference(member) {
                contents.notes.append("\(printable(member.name)) names a variable, no token")
                continue
            }
            let suffix = field == "_authToken" ? "" : "-" + field.dropFirst()
            let name = "npm" + (registry.map { "-" + $0 } ?? "") + suffix
            var grant = FoundGrant(.nearest(.static, name), at: member, in: context)
            grant.summary.provider = "npm"
            if let registry {
                grant.summary.metadata["registry"] = "https://" + printable(String(registry.prefix(512)))
            }
            grant.add(.secret, token)
            grant.members = [member]
            contents.grants.append(grant)
        }
        return contents
    }

    /// `//registry.npmjs.org/:_authToken` in its parts; the registry is missing where the field is npm's own.
    private static func parts(of name: String) -> (registry: String?, field: String?) {
        if fields.contains(name) { return (nil, name) }
        guard name.hasPrefix("//"), let colon = name.lastIndex(of: ":") else { return (nil, nil) }
        let field = String(name[name.index(after: colon)...])
        var registry = name[..<colon].dropFirst(2)
        if registry.hasSuffix("/") { registry = registry.dropLast() }
        return (registry.isEmpty ? nil : String(registry), fields.contains(field) ? field : nil)
    }

    /// Whether a variable's value is to stand there, or a part of it.
    private static func isReference(_ value: JSONValue) -> Bool {
        var (before, found) = (UInt8(0), false)
        value.document.text.withBytes { bytes in
            JSONText.decode(value.range, of: bytes) { byte in
                if before == UInt8(ascii: "$"), byte == UInt8(ascii: "{") { found = true }
                before = byte
            }
        }
        return found
    }
}
