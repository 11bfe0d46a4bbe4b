import StrictJSON
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import TokenImport

struct JSONParserTests {
    private func document(_ bytes: [UInt8]) throws -> JSONDocument {
        try JSONDocument(SharedSecret(try SecretBytes(bytes)), subject: "text")
    }

    private func document(_ text: String) throws -> JSONDocument { try document(Array(text.utf8)) }

    @Test(arguments: [
        "{}", "[]", " \t\r\n{ } \n", "null", "true", "false", "0", "-0", "-0.5e+10", "1E400", "\"\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"", "\"\\uD83D\\uDE00\"", "\"é😀\u{10FFFF}\"", "[1,[2,[3]],{\"a\":{}}]",
        "{\"a\":1,\"A\":2,\"\":3}", "{\"\u{E9}\":1,\"e\u{301}\":2}",
    ])
    func acceptsJSON(_ text: String) throws { _ = try document(text) }

    @Test(arguments: [
        "", " ", "{", "[", "\"", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "[1,]", "[,1]", "[1 2]",
        "{1:2}", "{'a':1}", "{a:1}", "nul", "nulll", "tru", "TRUE", "NaN", "Infinity", "-", "+1", "01", "1.", ".5",
        "1e",
        "1e+", "0x10", "{}{}", "{} x", "[1}", "{\"a\":1]", "\"\u{1}\"", "\"a\nb\"", "\"\\x\"", "\"\\u12\"",
        "\"\\u12G4\"",
        "\"\\uD800\"", "\"\\uD800\\u0041\"", "\"\\uDC00\"", "\"\\uD800x\"", "\"\\", "// a\n{}", "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}", "{\"x\":{\"b\":1,\"b\":1}}",
    ])
    func refusesWhatIsNone(_ text: String) {
        let error = #expect(throws: VaultError.self) { try document(text) }
        #expect(error?.code == .damaged)
        #expect(error?.message.contains("at byte") == true)
    }

    @Test(
        arguments: [
            [0x22, 0x80, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xC3, 0x22], [0x22, 0xE0, 0x80, 0x80, 0x22],
            [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], [0x22, 0xFF, 0x22],
            [0x22, 0xF0, 0x9F],
            [0xFE, 0xFF, 0x00, 0x7B], [0x00], [0xEF, 0xBB], [0x7B, 0x7D, 0x00],
        ] as [[UInt8]]
    )
    func refusesInvalidUTF8(_ bytes: [UInt8]) {
        #expect(throws: VaultError.self) { try document(bytes) }
    }

    @Test func skipsAByteOrderMark() throws {
        let document = try document([0xEF, 0xBB, 0xBF] + Array("{\"a\":1}".utf8))
        #expect(document.tree.byteOrderMark == 0..<3)
        #expect(document.root["a"]?.numberText == "1")
    }

    @Test(arguments: ["[", "{\"a\":"])
    func refusesDeepNesting(_ opening: String) {
        let error = #expect(throws: VaultError.self) { try document(String(repeating: opening, count: 100_000)) }
        #expect(error?.message.contains("64 levels") == true)
    }

    @Test func acceptsSixtyFourLevels() throws {
        _ = try document(String(repeating: "[", count: 64) + String(repeating: "]", count: 64))
        #expect(throws: VaultError.self) {
            try document(String(repeating: "[", count: 65) + String(repeating: "]", count: 65))
        }
    }

    @Test func refusesMoreValuesThanAnyTokenFileHas() {
        let error = #expect(throws: VaultError.self) {
            try document("[" + String(repeating: "0,", count: 100_001) + "0]")
        }
        #expect(error?.message.contains("values") == true)
    }

    @Test func findsMembersByDecodedNames() throws {
        let root = try document("{\"a\\u0062c\":\"x\",\"n\":null,\"a/b~\":[{\"k\":\"v\\u0000\\uD83D\\uDE00\"}]}").root
        #expect(try root.fact("abc") == "x")
        #expect(try root.fact("n") == nil)
        #expect(root["ab"] == nil)
        let value = try #require(root["a/b~"]?.children.first?["k"])
        #expect(value.pointer == "/a~1b~0/0/k")
        let secret = try value.secret()
        #expect(secret.withUnsafeBytes { Array($0) } == Array("v\u{0}😀".utf8))
    }

    @Test(arguments: [
        "\"\\u0000\"", "\"a b\"", "\"a\\r\\nX: y\"", "\"\\u00e9\"", "\"\\u2028\"", "\"a\\u007f\"", "1", "{}", "[]",
        "true",
    ])
    func refusesTokensThatAreNone(_ value: String) throws {
        let root = try document("{\"t\":\(value)}").root
        let error = #expect(throws: VaultError.self) { try root.token("t") }
        #expect(error?.code == .damaged)
    }

    @Test(arguments: ["\"\"", "null"])
    func takesEmptyTokensForAbsent(_ value: String) throws {
        #expect(try document("{\"t\":\(value)}").root.token("t") == nil)
    }

    @Test(arguments: ["\"\\u001b[31m\"", "\"\\u202e\"", "\"a\\nb\"", "7", "[\"\\u0000\"]"])
    func refusesFactsThatATerminalActsOn(_ value: String) throws {
        let root = try document("{\"f\":\(value)}").root
        #expect(throws: VaultError.self) { try root.fact("f") }
    }

    @Test func showsNothingOfTheText() throws {
        let document = try document("{\"t\":\"canary-7fb3\"}")
        var dumped = ""
        dump(document, to: &dumped)
        dump(document.root, to: &dumped)
        #expect(!"\(document) \(String(reflecting: document)) \(document.root) \(dumped)".contains("canary"))
        let error = #expect(throws: VaultError.self) { try self.document("{\"t\":\"canary-7fb3\" \"canary-7fb3\"}") }
        #expect(!"\(String(describing: error))".contains("canary"))
    }
}

struct DecimalTimeTests {
    @Test(arguments: [
        ("1893456000", DecimalTime.Unit.seconds, "2030-01-01T00:00:00Z"),
        ("1893456000000", .milliseconds, "2030-01-01T00:00:00Z"),
        ("1893456000001", .milliseconds, "2030-01-01T00:00:00.001Z"),
        ("1893456000.123456", .seconds, "2030-01-01T00:00:00.123456Z"),
        ("1893456000.123456789123", .seconds, "2030-01-01T00:00:00.123456789Z"),
        ("1.893456e9", .seconds, "2030-01-01T00:00:00Z"), ("18934560000E-1", .seconds, "2030-01-01T00:00:00Z"),
        ("-1", .seconds, "1969-12-31T23:59:59Z"), ("-0.5", .seconds, "1969-12-31T23:59:59.5Z"),
        ("0", .seconds, "1970-01-01T00:00:00Z"), ("0e999999999999999999", .seconds, "1970-01-01T00:00:00Z"),
        ("1e-400", .seconds, "1970-01-01T00:00:00Z"),
    ])
    func readsInstants(_ text: String, _ unit: DecimalTime.Unit, _ expected: String) {
        #expect(DecimalTime.instant(text, unit)?.description == expected)
    }

    @Test(arguments: [
        "1e400", "1e99999999999999999999", "253402300800", "-62135596801", String(repeating: "9", count: 10_000),
        "9223372036854775808", "1e30",
    ])
    func refusesWhatIsOutOfRange(_ text: String) { #expect(DecimalTime.instant(text, .seconds) == nil) }

    @Test func tellsSecondsFromMilliseconds() {
        #expect(DecimalTime.unitByMagnitude("1893456000") == .seconds)
        #expect(DecimalTime.unitByMagnitude("99999999999.9") == .seconds)
        #expect(DecimalTime.unitByMagnitude("100000000000") == .milliseconds)
        #expect(DecimalTime.unitByMagnitude("1e400") == .milliseconds)
    }
}

struct EndpointTests {
    @Test(arguments: [
        "https://a.example", "https://a.example:8443/p?q=1", "http://localhost:1", "http://127.0.0.1/x",
        "http://[::1]:80/",
    ])
    func accepts(_ url: String) { #expect(Endpoint.isAcceptable(url)) }

    @Test(arguments: [
        "", "http://a.example", "http://localhost.evil/", "http://127.0.0.1@evil/", "http://0x7f.1/", "http://127.1/",
        "https://u@a.example", "https://a.example#f", "https://", "javascript:1", "https://a b", "https://a\\b",
        "https://a:99999", "https://a:x", "HTTPS://a", "file:///etc/passwd", "http://127.0.0.1.evil",
        "https://\u{202E}a",
    ])
    func refuses(_ url: String) { #expect(!Endpoint.isAcceptable(url)) }
}
