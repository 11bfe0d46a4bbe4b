import StrictJSON
import Testing
import VaultCrypto

@testable import TokenImport

struct JSONEditTests {
    /// Removes the members of the root, or of its member `o`, and gives the text.
    private func removing(_ names: [String], from text: String, in container: String? = nil) throws -> String {
        let document = try JSONDocument(SharedSecret(try SecretBytes(Array(text.utf8))), subject: "text")
        let target = try #require(container.map { document.root[$0] } ?? document.root)
        let edited = try JSONEdit(document: document).removing(names.compactMap { target[$0] })
        return edited.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    @Test(arguments: [
        (["a"], "{\"a\":1,\"b\":2,\"c\":3}", "{\"b\":2,\"c\":3}"),
        (["b"], "{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"c\":3}"),
        (["c"], "{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"b\":2}"),
        (["a", "b"], "{\"a\":1,\"b\":2,\"c\":3}", "{\"c\":3}"),
        (["a", "c"], "{\"a\":1,\"b\":2,\"c\":3}", "{\"b\":2}"),
        (["b", "c"], "{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1}"),
        (["a", "b", "c"], "{ \"a\":1,\n\"b\":2,\"c\":3 }\n", "{}\n"),
        (
            ["a"], "\u{FEFF}{\n  \"a\": \"}\",\n  \"b\" : 1.50e+1 ,\n\t\"c\":\"\\u0041\"\n}\n\n",
            "\u{FEFF}{\n  \"b\" : 1.50e+1 ,\n\t\"c\":\"\\u0041\"\n}\n\n"
        ),
        (["b"], "{\n  \"a\": 1,\n  \"b\": {\"x\": [1, 2]},\n  \"c\": 3\n}\n", "{\n  \"a\": 1,\n  \"c\": 3\n}\n"),
        (["c"], "{\r\n  \"a\": 1,\r\n  \"c\": 3\r\n}", "{\r\n  \"a\": 1\r\n}"),
    ])
    func keepsEveryOtherByte(_ names: [String], _ text: String, _ expected: String) throws {
        #expect(try removing(names, from: text) == expected)
    }

    @Test func cutsInsideANestedObject() throws {
        #expect(
            try removing(["x"], from: "{\"a\": 1, \"o\": { \"x\": 1, \"y\": 2 }}", in: "o")
                == "{\"a\": 1, \"o\": { \"y\": 2 }}"
        )
    }
}
