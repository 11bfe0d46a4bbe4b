internal import SettingsFiles
internal import VaultAPI

/// A server that is known by name, and how its tokens are come by.
///
/// `Schemas/known-server.schema.json` describes the data.
package struct KnownServer: Sendable, Hashable {
    /// What a user types: `linear`.
    package let name: String
    package let title: String
    /// The resource: the URL that tokens are for, and where discovery begins.
    package let url: String
    package let kind: Kind
    /// What a login asks for, whatever the server's challenge and metadata name; empty leaves it to them.
    package let scopes: [String]
    /// The page where a user makes a key.
    package let keyPage: String?
    /// The header that takes the key as it is; `nil` where it goes behind `Authorization: Bearer`.
    package let header: String?
    /// For whoever reads; nothing decides by them.
    package let notes: [String]
    /// The vendor's page that says all this.
    package let source: String?

    /// The ways to a token.
    package enum Kind: String, Sendable, CaseIterable {
        /// A login: what else is needed, the server says itself.
        case oauth
        /// A static key that a user makes, and keeps as `static:NAME`.
        case apiKey = "api-key"
    }
}

extension KnownServer: CatalogEntry {
    private static let fields = ["name", "title", "kind", "url", "scopes", "key_page", "header", "notes", "source"]

    init(_ map: YAMLMap, fileName: String?) throws(VaultError) {
        try map.requireKnown(Self.fields)
        name = try Self.name(map, fileName: fileName)
        title = try map.text("title") ?? name
        let word = try map.word("kind", of: Kind.allCases.map(\.rawValue))
        kind = word.flatMap(Kind.init) ?? .oauth
        // RFC 8707 §2: The URI MUST NOT include a fragment component.
        guard let url = try map.url("url", allowing: "?") else { throw map.fault("url", "is missing") }
        self.url = url
        scopes = try map.texts("scopes") ?? []
        keyPage = try map.url("key_page", allowing: "?#")
        header = try map.text("header")
        notes = try map.texts("notes") ?? []
        source = try map.url("source", allowing: "?#")
        // Whoever wrote it believes that it does something.
        for field in kind == .oauth ? ["key_page", "header"] : ["scopes"] where map.names.contains(field) {
            throw map.fault(field, "means nothing where kind is \(kind.rawValue)")
        }
        guard header.map(Self.isHeaderName) ?? true else { throw map.fault("header", "is no header's name") }
    }

    /// RFC 9110 §5.6.2: token = 1*tchar.
    private static func isHeaderName(_ text: String) -> Bool {
        text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
            }
        }
    }
}
