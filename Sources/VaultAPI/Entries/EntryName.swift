/// The name of an entry: `oauth:<name>`, or `static:<name>` for a key that has no flow.
///
/// `<name>` matches `[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}`: nothing a shell, a path, a URL or a line protocol reads as
/// more than itself, and one spelling only, so that two entries cannot look alike.
public struct EntryName: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// What an entry is.
    public enum Kind: String, Sendable, CaseIterable {
        /// A grant with an access token.
        case oauth
        /// A secret without a flow.
        case `static`
    }

    /// What the entry is.
    public let kind: Kind
    /// The part behind the colon.
    public let name: String

    /// The longest `<name>` in bytes.
    public static let maximumNameBytes = 128

    /// A name of that kind.
    ///
    /// - Throws: `.unsafe` with the reason, if `name` does not match.
    public init(_ kind: Kind, _ name: String) throws(VaultError) {
        if let reason = Self.objection(to: name) {
            throw VaultError(
                .unsafe,
                "the name \(Self.printable(name)) is refused: \(reason)",
                hint: "use letters, digits and . _ @ + -, beginning with a letter or digit, at most 128 characters"
            )
        }
        self.kind = kind
        self.name = name
    }

    /// Reads `oauth:x`, `static:x`, or `x` for `oauth:x`.
    public init(parsing text: String) throws(VaultError) {
        for kind in Kind.allCases where text.hasPrefix(kind.rawValue + ":") {
            try self.init(kind, String(text.dropFirst(kind.rawValue.count + 1)))
            return
        }
        try self.init(.oauth, text)
    }

    /// `oauth:x` or `static:x`.
    public var description: String { "\(kind.rawValue):\(name)" }

    /// Orders by the full name's bytes.
    public static func < (left: EntryName, right: EntryName) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }

    /// What is wrong with a name, or `nil`.
    private static func objection(to name: String) -> String? {
        guard let first = name.utf8.first else { return "it is empty" }
        guard name.utf8.count <= maximumNameBytes else { return "it is longer than \(maximumNameBytes) characters" }
        guard isAlphanumeric(first) else { return "it does not begin with a letter or digit" }
        for scalar in name.unicodeScalars {
            guard scalar.isASCII, let byte = UInt8(exactly: scalar.value) else {
                return "it contains a character outside ASCII"
            }
            switch byte {
            case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "@"), UInt8(ascii: "+"), UInt8(ascii: "-"): continue
            default:
                guard isAlphanumeric(byte) else {
                    return byte > 32 && byte < 127
                        ? "it contains '\(Character(scalar))'" : "it contains a space or control character"
                }
            }
        }
        return nil
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    /// The start of a hostile name in a form that a terminal shows as it is.
    private static func printable(_ name: String) -> String {
        let shown = String(name.unicodeScalars.prefix(40)).debugDescription.unicodeScalars.map { scalar in
            scalar.isASCII ? String(scalar) : "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
        }
        return shown.joined() + (name.unicodeScalars.count > 40 ? "…" : "")
    }
}
