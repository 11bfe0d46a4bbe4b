import StrictJSON
import TestSupport
import Testing
import VaultAPI
import VaultCrypto

@testable import TokenImport

/// Mutated files of each text syntax, read, taken apart and edited.
struct SyntaxFuzzTests {
    struct Seed: CustomTestStringConvertible, Sendable {
        let fixture: String
        let place: String
        let syntax: FileSyntax
        var testDescription: String { fixture }
    }

    private static let seeds = [
        Seed(fixture: "goose/secrets.yaml", place: "/home/u/.config/goose/secrets.yaml", syntax: .yaml),
        Seed(fixture: "gh/hosts.yml", place: "/home/u/.config/gh/hosts.yml", syntax: .yaml),
        Seed(fixture: "fly/config.yml", place: "/home/u/.fly/config.yml", syntax: .yaml),
        Seed(fixture: "wrangler/config/default.toml", place: "/home/u/.wrangler/config/default.toml", syntax: .toml),
        Seed(fixture: "rclone/rclone.conf", place: "/home/u/.config/rclone/rclone.conf", syntax: .ini),
        Seed(fixture: "npm/npmrc", place: "/home/u/.npmrc", syntax: .ini),
        Seed(fixture: "heroku/netrc", place: "/home/u/.netrc", syntax: .netrc),
        Seed(fixture: "supabase/access-token", place: "/home/u/.supabase/access-token", syntax: .text),
    ]

    /// Pieces that the syntaxes give a meaning to.
    private static let pieces: [String] = [
        "\n", "\r\n", "\r", "  ", "\t", "#", " # c", ":", ": ", "- ", "? ", "|", ">", "|\n   x", "'", "\"", "\\", "&a ",
        "*a", "!!str ", "<<: ", "---\n", "...\n", "{", "}", "[", "]", "[x]\n", "[[x]]\n", ",", "=", " = ", "\"\"\"",
        "'''",
        ";", "machine ", "default ", "macdef x\n", "password ", "\u{FEFF}", "\u{85}", "\u{2028}", "é", "\0", "null",
        "1e9",
        "0x1", "{a: b, c: [d]}", "{\"a\":\"b\"}", "${X}",
    ]

    /// Whatever a file holds, it is read or refused; what an edit gives reads as it should, or there is no edit.
    @Test(arguments: seeds) func mutatedFilesNeverTrap(_ seed: Seed) throws {
        var random = SplitMix(state: 20_300_101)
        let original = Array(try Fixture.text(seed.fixture).utf8)
        let path = TokenPath(seed.place)
        var (accepted, edited) = (0, 0)
        for round in 0..<250 {
            var bytes = original
            // The first is the file itself.
            for _ in 0..<(round == 0 ? 0 : Int.random(in: 1...5, using: &random)) { mutate(&bytes, &random) }
            let text = SharedSecret(try SecretBytes(bytes))
            guard let document = try? SourceDocument.read(text, as: seed.syntax, at: path, subject: "file") else {
                continue
            }
            accepted += 1
            let context = ReadingContext(
                path: path,
                options: ImportOptions(machine: Machine(home: "/home/u", environment: [:])),
                now: testNow
            )
            for format in Formats.all where format.facts.syntaxes.contains(seed.syntax) {
                _ = format.recognise(document.root, at: path)
                _ = try? format.read(document.root, in: context)
            }
            for _ in 0..<4 { edited += try edit(document, path, &random) }
        }
        #expect(accepted > 10)
        #expect(edited > 10)
    }

    /// Cuts a member out, or puts another text into the place of a scalar; gives how many of the two there were.
    private func edit(_ document: SourceDocument, _ path: TokenPath, _ random: inout SplitMix) throws -> Int {
        var values = [document.root]
        var next = 0
        while next < values.count {
            values += values[next].children
            next += 1
        }
        let value = values[Int.random(in: 0..<values.count, using: &random)]
        var edits = 0
        if value.parent != nil, let cut = try? document.editor.removing([value]) {
            let bytes = SharedSecret(cut)
            let expected = try JSONDocument(
                SharedSecret(try JSONEdit(document: document.view).removing([value])),
                subject: "view"
            )
            let found = try? SourceDocument.read(bytes, as: document.syntax, at: path, subject: "file")
            #expect(found?.root.says(whatIsSaidBy: expected.root) == true)
            edits += 1
        }
        guard value.kind == .string || value.kind == .number else { return edits }
        let texts = [
            "new", "1", "n'w", "n\"w\\", "#x", "a: b", "{x}", "null", "[s]", "x;y", "-", "\"q\"", "@", "%",
            "2030-01-01",
        ]
        let text = value.kind == .number ? "17" : texts[Int.random(in: 0..<texts.count, using: &random)]
        let replacement = Replacement(value: value, text: SharedSecret(try SecretBytes(Array(text.utf8))))
        guard let edited = try? document.editor.replacing([replacement]) else { return edits }
        let found = try SourceDocument.read(SharedSecret(edited), as: document.syntax, at: path, subject: "file")
        let expected = try JSONDocument(
            SharedSecret(try JSONEdit(document: document.view).replacing([replacement])),
            subject: "view"
        )
        #expect(found.root.says(whatIsSaidBy: expected.root))
        return edits + 1
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        switch Int.random(in: 0..<5, using: &random) {
        case 0 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1 where place < bytes.count: bytes.remove(at: place)
        case 2: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...40, using: &random)))
        case 3:
            let from = Int.random(in: 0...bytes.count, using: &random)
            let piece = Array(bytes[from..<min(bytes.count, from + Int.random(in: 1...40, using: &random))])
            bytes.insert(contentsOf: piece, at: place)
        default:
            let piece = Self.pieces[Int.random(in: 0..<Self.pieces.count, using: &random)]
            bytes.insert(contentsOf: Array(piece.utf8), at: place)
        }
    }

    /// A large file of one thing or another is refused or read, and soon.
    @Test(
        arguments: [FileSyntax.yaml, .toml, .ini, .netrc, .text],
        ["a", "a: b\n", "- ", "[", "x\n", "\"", "'a' ", "machine a ", "a=b\n"]
    )
    func hugeFilesEnd(_ syntax: FileSyntax, _ unit: String) throws {
        let unit = Array(unit.utf8)
        var bytes: [UInt8] = []
        while bytes.count < 1 << 17 { bytes += unit }
        let text = SharedSecret(try SecretBytes(bytes))
        let clock = ContinuousClock()
        let taken = clock.measure {
            _ = try? SourceDocument.read(text, as: syntax, at: TokenPath("/x/.npmrc"), subject: "file")
        }
        #expect(taken < .seconds(20))
    }
}
