import Testing
import VaultAPI
import VaultCore

struct EntryNameTests {
    @Test(arguments: [
        ("github", EntryName.Kind.oauth, "github"), ("oauth:github", .oauth, "github"), ("static:key", .static, "key"),
        ("a", .oauth, "a"), ("0", .oauth, "0"), ("a.b_c@d+e-f", .oauth, "a.b_c@d+e-f"),
        ("user@example.com", .oauth, "user@example.com"), ("A..b", .oauth, "A..b"), ("oauth", .oauth, "oauth"),
        (String(repeating: "x", count: 128), .oauth, String(repeating: "x", count: 128)),
    ])
    func readsANameWithOrWithoutItsKind(_ text: String, _ kind: EntryName.Kind, _ name: String) throws {
        let parsed = try EntryName(parsing: text)
        #expect(parsed.kind == kind)
        #expect(parsed.name == name)
        #expect(parsed.description == "\(kind.rawValue):\(name)")
        #expect(try EntryName(parsing: parsed.description) == parsed)
    }

    @Test(arguments: [
        "", "oauth:", "static:", "../x", "....//x", "/abs", ".", "..", ".hidden", "-rf", "_x", "@x", "+x", "a/b",
        "a\\b",
        "oauth:oauth:x", "static:oauth:x", "oauth:static:x", "Oauth:x", "file:x", "%2e%2e", "a%20b", "a b", " a", "a ",
        "a\n", "a\r\nb", "a\tb", "a\u{0}", "a\u{1B}[31m", "a\u{7F}", "a;b", "a|b", "a`b`", "$(calc)", "a&b", "a'b",
        "a\"b",
        "a*", "a?", "a#b", "a=b", "a,b", "a~", "a!", "caf\u{E9}", "cafe\u{301}", "a\u{202E}b", "a\u{2028}b",
        "a\u{200B}",
        "\u{FF41}", "a\u{FEFF}", "\u{43E}auth", "a\u{1F600}", String(repeating: "x", count: 129),
        String(repeating: "x", count: 4096), "oauth:" + String(repeating: "x", count: 129), "a:b", ":", "a:",
    ])
    func refusesEveryOtherNameAsUnsafeWithItsReason(_ text: String) {
        let error = #expect(throws: VaultError.self) { try EntryName(parsing: text) }
        #expect(error?.code == .unsafe)
        #expect(error?.hint != nil)
        // What is shown of a hostile name is short, and plain on any terminal.
        #expect(error?.message.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value < 127 || $0 == "…" } == true)
        #expect((error?.message.count ?? 0) < 600)
    }

    @Test func tellsCaseApart() throws {
        #expect(try EntryName(parsing: "GitHub") != EntryName(parsing: "github"))
    }

    @Test func ordersByTheBytesOfTheFullName() throws {
        let names = try ["oauth:B", "oauth:a", "oauth:a-b", "oauth:ab", "static:a"].map { try EntryName(parsing: $0) }
        #expect(names.shuffled().sorted() == names)
    }
}
