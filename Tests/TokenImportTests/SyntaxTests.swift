import Foundation
import StrictJSON
import Testing
import VaultAPI
import VaultCrypto

@testable import TokenImport

/// What a text says as JSON, and what becomes of its bytes when it is edited.
struct SyntaxTests {
    static func document(
        _ text: String,
        as syntax: FileSyntax,
        at path: String = "/x/file"
    ) throws -> SourceDocument {
        try document(Array(text.utf8), as: syntax, at: path)
    }

    static func document(
        _ bytes: [UInt8],
        as syntax: FileSyntax,
        at path: String = "/x/file"
    ) throws -> SourceDocument {
        let secret = SharedSecret(try SecretBytes(bytes))
        return try SourceDocument.read(secret, as: syntax, at: TokenPath(path), subject: "file")
    }

    private func view(_ text: String, as syntax: FileSyntax, at path: String = "/x/file") throws -> String {
        try Self.document(text, as: syntax, at: path).view.text.withBytes { String(decoding: $0, as: UTF8.self) }
    }

    static func value(_ pointer: String, in root: JSONValue) throws -> JSONValue {
        var value = root
        for part in pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            let name = String(part).replacing("~1", with: "/").replacing("~0", with: "~")
            value = try #require(value[name], "\(pointer) is not there")
        }
        return value
    }

    private func removing(
        _ pointers: [String],
        from text: String,
        as syntax: FileSyntax,
        at path: String = "/x/file"
    ) throws -> String {
        let document = try Self.document(text, as: syntax, at: path)
        let edited = try document.editor.removing(pointers.map { try Self.value($0, in: document.root) })
        return edited.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    private func replacing(
        _ pointer: String,
        with new: String,
        in text: String,
        as syntax: FileSyntax,
        at path: String = "/x/file"
    ) throws -> String {
        let document = try Self.document(text, as: syntax, at: path)
        let replacement = Replacement(
            value: try Self.value(pointer, in: document.root),
            text: SharedSecret(try SecretBytes(Array(new.utf8)))
        )
        return try document.editor.replacing([replacement]).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    private func isDamaged(_ bytes: [UInt8], as syntax: FileSyntax, at path: String = "/x/file") -> Bool {
        do {
            _ = try Self.document(bytes, as: syntax, at: path)
            return false
        } catch let error as VaultError {
            return error.code == .damaged && !"\(error)".contains("SECRET")
        } catch { return false }
    }

    // MARK: - YAML

    @Test func readsYAML() throws {
        let text = """
            # a comment
            a: plain text
            b: "double \\" é"
            'c d': 'sing''le'
            n: 12.50
            i: 1893456000
            h: 0x10
            yes: no
            t: true
            empty:
            at: 2030-01-01T00:00:00.123456789Z
            list:
            - 1
            - x: y
              z:
                - deep
            flow: {p: [q, "r"], s: ''}
            block: |
              two
              lines

            """
        #expect(
            try view(text, as: .yaml)
                == #"{"a":"plain text","b":"double \" é","c d":"sing'le","n":12.50,"i":1893456000,"h":"0x10","yes":"no","#
                + #""t":true,"empty":null,"at":"2030-01-01T00:00:00.123456789Z","#
                + #""list":[1,{"x":"y","z":["deep"]}],"flow":{"p":["q","r"],"s":""},"block":"two\u000alines\u000a"}"#
        )
        #expect(try view("", as: .yaml) == "null")
        #expect(try view("---\na: 1\n...\n", as: .yaml) == #"{"a":1}"#)
    }

    @Test func cutsWholeLinesOutOfYAML() throws {
        let text =
            "\u{FEFF}# head\r\ngithub.com:\r\n    # about the user\r\n    oauth_token: gho_é # here\r\n"
            + "    user: \"x\"   \r\n    oauth: |\r\n      one\r\n\r\n      two\r\n    # tail\r\n    last: [a,\r\n      b]\r\n"
        #expect(
            try removing(["/github.com/oauth_token"], from: text, as: .yaml)
                == text.replacing("    oauth_token: gho_é # here\r\n", with: "")
        )
        #expect(
            try removing(["/github.com/oauth", "/github.com/last"], from: text, as: .yaml)
                == text.replacing("    oauth: |\r\n      one\r\n\r\n      two\r\n", with: "")
                .replacing("    last: [a,\r\n      b]\r\n", with: "")
        )
        #expect(
            try removing(["/a"], from: "a:\n  b: c\n  d:\n  - e\n  # in\n# out\nf: g", as: .yaml)
                == "  # in\n# out\nf: g"
        )
        #expect(try removing(["/f"], from: "a: b\nf: g", as: .yaml) == "a: b\n")
        #expect(try removing(["/a/b"], from: "a:\n    b: c\nd: e\n", as: .yaml) == "a:\nd: e\n")
    }

    @Test(arguments: [("{a: b, c: d}", "/a"), ("x: {a: b}", "/x/a"), ("? a\n: b\n", "/a"), ("a: b\n c\n", "/a")])
    func leavesYAMLThatItCannotCut(_ text: String, _ pointer: String) throws {
        #expect(throws: VaultError.self) { try removing([pointer], from: text, as: .yaml) }
    }

    @Test(arguments: [
        ("a: old # x\n", "new-token", "a: new-token # x\n"), ("a: old\n", "12345", "a: \"12345\"\n"),
        ("a: old\n", "1e5", "a: \"1e5\"\n"), ("a: old\n", "x: y", "a: \"x: y\"\n"),
        ("a: old\n", "null", "a: \"null\"\n"),
        ("a: 'old'\n", "n#w", "a: 'n#w'\n"), ("a: 'old'\n", "n'w", "a: \"n'w\"\n"),
        ("a: \"old\"\n", "q\"\\", "a: \"q\\\"\\\\\"\n"), ("a: 1893456000\n", "1893459600.5", "a: 1893459600.5\n"),
        ("a: 2030-01-01T00:00:00Z\n", "2031-01-01T00:00:00Z", "a: 2031-01-01T00:00:00Z\n"),
        ("{a: old, b: [c]}", "x,y", "{a: \"x,y\", b: [c]}"), ("a: old\n", "@x", "a: \"@x\"\n"),
        ("a: old\n", "-x", "a: \"-x\"\n"), ("a: old\n", "1//rt-NEW", "a: 1//rt-NEW\n"),
    ])
    func replacesInYAML(_ text: String, _ new: String, _ expected: String) throws {
        #expect(try replacing("/a", with: new, in: text, as: .yaml) == expected)
    }

    @Test(arguments: [
        "a: &x SECRET\nb: *x\n", "a: !!str SECRET\n", "a: SECRET\na: SECRET\n", "a: SECRET\n--- \nb: c\n",
        "a: b\n<<: {c: SECRET}\n", "\ta: SECRET\n", "a: SECRET\u{0}\n", "a: SECRET\rb: c\n", "a: SECRET\u{85}\n",
        "a: 'SECRET\n", "a: SECRET: b\n", "{a: SECRET", "? [a]\n: SECRET\n", "%TAG ! x\n--- !a SECRET\n",
        String(repeating: "[", count: 100_000), String(repeating: "- ", count: 100_000),
        String(repeating: "a: [", count: 65), (0..<70).map { String(repeating: " ", count: $0) + "a:\n" }.joined(),
        String(repeating: "- SECRET\n", count: 30_000),
    ])
    func refusesOtherYAML(_ text: String) { #expect(isDamaged(Array(text.utf8), as: .yaml)) }

    @Test func refusesABombWithoutBuildingIt() {
        var text = "a: &a [x,x,x,x,x,x,x,x,x]\n"
        for (name, before) in zip("bcdefghi", "abcdefgh") {
            text += "\(name): &\(name) [" + Array(repeating: "*\(before)", count: 9).joined(separator: ",") + "]\n"
        }
        #expect(isDamaged(Array(text.utf8), as: .yaml))
        // Hidden from whoever follows quotes.
        #expect(isDamaged(Array("a: \"x\n # \", b: *y\n".utf8), as: .yaml))
    }

    // MARK: - TOML

    @Test func readsTOML() throws {
        let text = """
            # wrangler
            oauth_token = "at\\u0041"
            'lit' = 'C:\\x'
            n = 1_000
            f = 1.5
            on = true
            at = 2030-01-01T00:00:00Z
            scopes = [ "a", # one
              "b" ]
            x.y = { z = 1 }
            [t."u v"]
            w = \"\"\"
            long\"\"\"
            [[many]]
            p = 1
            """
        let document = try Self.document(text, as: .toml)
        let root = document.root
        #expect(try Self.value("/oauth_token", in: root).fact() == "atA")
        #expect(try Self.value("/lit", in: root).fact() == "C:\\x")
        #expect(root["n"]?.numberText == "1000")
        #expect(root["f"]?.numberText == "1.5")
        #expect(root["on"]?.kind == .boolean)
        #expect(try Self.value("/at", in: root).fact() == "2030-01-01T00:00:00Z")
        #expect(try root.words("scopes") == ["a", "b"])
        #expect(try Self.value("/x/y/z", in: root).numberText == "1")
        #expect(
            try Self.value("/t/u v/w", in: root).document.string(try Self.value("/t/u v/w", in: root).range) == "long"
        )
        #expect(root["many"]?.children.first?["p"]?.numberText == "1")
    }

    @Test func editsTOMLInPlace() throws {
        let text =
            "# head\r\noauth_token = \"old\" # here\r\n'refresh_token'='old'\r\nscopes = [ \"a\",\r\n \"b\" ]\r\n"
            + "[x]\r\nn = 12 \r\nd = 2030-01-01\r\n"
        #expect(
            try removing(["/oauth_token", "/scopes"], from: text, as: .toml)
                == "# head\r\n'refresh_token'='old'\r\n[x]\r\nn = 12 \r\nd = 2030-01-01\r\n"
        )
        #expect(try removing(["/x/n", "/x/d"], from: text, as: .toml).hasSuffix("[x]\r\n"))
        let quoted = text.replacing("\"old\"", with: "\"n\\\"w\"")
        #expect(try replacing("/oauth_token", with: "n\"w", in: text, as: .toml) == quoted)
        #expect(try replacing("/refresh_token", with: "new", in: text, as: .toml).contains("'refresh_token'='new'\r\n"))
        #expect(try replacing("/refresh_token", with: "n'w", in: text, as: .toml).contains("=\"n'w\"\r\n"))
        #expect(try replacing("/x/n", with: "13", in: text, as: .toml).contains("n = 13 \r\n"))
        #expect(throws: VaultError.self) { try removing(["/a/b"], from: "a = { b = 'x' }\n", as: .toml) }
    }

    @Test(arguments: [
        "a = SECRET\n", "a = 'SECRET'\na = 'b'\n", "a = 'SECRET\n", "a = \"SECRET\\u0000x\"\n", "a = 'SECRET\u{0}'\n",
        "[a\n", "a = " + String(repeating: "[", count: 10_000), String(repeating: "a = 'SECRET'\n", count: 30_000),
        "a = " + String(repeating: "[", count: 100) + String(repeating: "]", count: 100),
    ])
    func refusesOtherTOML(_ text: String) { #expect(isDamaged(Array(text.utf8), as: .toml)) }

    // MARK: - INI

    @Test func readsINI() throws {
        let text = "; c\ntop = 1\n[a b]\n# c\ntype=drive\ntoken = {\"x\":{\"y\":\"z\"}}\nodd = {no json\nempty =\n"
        #expect(
            try view(text, as: .ini)
                == #"{"top":"1","a b":{"type":"drive","token":{"x":{"y":"z"}},"odd":"{no json","empty":""}}"#
        )
        let npm = "a\nca[]=1\n//r/:_authToken=\"t\\\"\" ; c\nca[] = 2\nk = v # x\n"
        #expect(
            try view(npm, as: .ini, at: "/home/u/.npmrc")
                == #"{"a":true,"//r/:_authToken":"t\"","k":"v","ca[]":["1","2"]}"#
        )
    }

    @Test func editsINIInPlace() throws {
        let text = "\u{FEFF}[a]\r\n# c\r\ntoken = {\"x\": \"old\"}\r\ntype = t\r\n[b]\r\ntoken=y"
        #expect(
            try removing(["/a/token"], from: text, as: .ini)
                == "\u{FEFF}[a]\r\n# c\r\ntype = t\r\n[b]\r\ntoken=y"
        )
        #expect(try removing(["/b/token"], from: text, as: .ini).hasSuffix("[b]\r\n"))
        #expect(
            try replacing("/a/token/x", with: "n\"w", in: text, as: .ini)
                == text.replacing("\"old\"", with: "\"n\\\"w\"")
        )
        #expect(try replacing("/b/token", with: "new", in: text, as: .ini).hasSuffix("[b]\r\ntoken=new"))
        #expect(throws: VaultError.self) { try removing(["/a/token/x"], from: text, as: .ini) }
    }

    @Test(arguments: [
        "[a\n", "[]\n", "alone\n", "= SECRET\n", "a = SECRET\na = b\n", "[a]\n[a]\n", "a = SECRET\u{1}\n",
    ])
    func refusesOtherINI(_ text: String) { #expect(isDamaged(Array(text.utf8), as: .ini)) }

    // MARK: - netrc and bare text

    @Test func readsNetrc() throws {
        let text =
            "# c\nmachine a.example login u password p#1\nmachine b.example\n\tlogin \"q \\\" x\"\n\taccount z\n"
            + "macdef init\ncd /machine\nget x\n\ndefault login anonymous\n"
        #expect(
            try view(text, as: .netrc)
                == #"{"a.example":{"login":"u","password":"p#1"},"b.example":{"login":"q \" x","account":"z"},"#
                + #""default":{"login":"anonymous"}}"#
        )
    }

    @Test func editsNetrcInPlace() throws {
        let text =
            "machine a login u password p machine b login v password \"q\"\r\n# c\r\nmachine c\r\n  login w\r\n"
            + "  password r\r\n\r\nmachine d login x password s # d\r\n"
        #expect(
            try removing(["/a"], from: text, as: .netrc)
                == String(text.dropFirst("machine a login u password p ".count))
        )
        #expect(
            try removing(["/b"], from: text, as: .netrc)
                == text.replacing(" machine b login v password \"q\"", with: "")
        )
        #expect(
            try removing(["/c", "/d"], from: text, as: .netrc)
                == "machine a login u password p machine b login v password \"q\"\r\n# c\r\n\r\n"
        )
        #expect(try removing(["/c/password"], from: text, as: .netrc) == text.replacing("  password r\r\n", with: ""))
        #expect(try replacing("/b/password", with: "n\"w", in: text, as: .netrc).contains("password \"n\\\"w\"\r\n"))
        #expect(try replacing("/d/password", with: "new", in: text, as: .netrc).contains("password new # d\r\n"))
    }

    @Test(arguments: [
        "login SECRET\n", "machine\n", "machine a password\n", "machine a SECRET\n", "machine a login b machine a\n",
        "machine a password \"SECRET\n", "machine a password \"SECRET\"x\n",
    ])
    func refusesOtherNetrc(_ text: String) { #expect(isDamaged(Array(text.utf8), as: .netrc)) }

    @Test func readsBareText() throws {
        #expect(try view("\u{FEFF} tok\"en \r\n", as: .text) == #"{"text":"tok\"en"}"#)
        #expect(try replacing("/text", with: "new", in: "old\n", as: .text) == "new\n")
        #expect(try view("", as: .text) == "{}")
    }

    @Test(arguments: [FileSyntax.yaml, .toml, .ini, .netrc, .text])
    func refusesWhatIsNoText(_ syntax: FileSyntax) {
        #expect(isDamaged([0x61, 0xFF, 0x62], as: syntax))
        #expect(isDamaged(Array("a\u{0}b".utf8), as: syntax))
        #expect(isDamaged(Array("a\u{1B}[0m".utf8), as: syntax))
        #expect(isDamaged([0xFF, 0xFE, 0x61, 0x00], as: syntax))
    }
}
