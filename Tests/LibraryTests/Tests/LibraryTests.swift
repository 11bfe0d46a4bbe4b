import Foundation
import TestSupport
import Testing

/// The library as another program uses it, on vaults that the command made.
@Suite(.blocking)
struct LibraryTests {
    private let home: Sandbox

    init() throws { home = try Sandbox() }

    private func make(_ arguments: String...) throws {
        let outcome = try home.run([Sandbox.program, "init", "--no-recovery-code", "--kdf", "interactive"] + arguments)
        try #require(outcome.status == 0, "\(outcome.notes)")
    }

    private func use(_ mode: String) throws -> [String] {
        let program = URL(filePath: Sandbox.program).deletingLastPathComponent().path() + "library-example"
        let outcome = try home.run([program, mode])
        try #require(outcome.status == 0, "\(outcome.notes)")
        return outcome.lines
    }

    @Test func theExampleRuns() throws {
        try make("--key", "key-file:" + home.path("key"))
        #expect(try use("example").first?.hasPrefix("sk-EXAMPLE ") == true)
        #expect(try home.vault("token", "static:example").text == "sk-EXAMPLE\n")
    }

    @Test func theREADMEShowsTheExample() throws {
        let readme = Sandbox.supportFile("../../README.md")
        let source = try home.read(Sandbox.supportFile("../LibraryTests/Example/Example.swift"))
        let between = String(decoding: source, as: UTF8.self).components(separatedBy: "// README: ")
        try #require(between.count == 5)
        let examples = [between[1], between[3]].map { Self.statements($0.split(separator: "\n").dropFirst()) }
        let blocks = String(decoding: try home.read(readme), as: UTF8.self).components(separatedBy: "```")
        let swift = blocks.filter { $0.hasPrefix("swift\n") }.map {
            Self.statements($0.split(separator: "\n").dropFirst())
        }
        #expect(swift == examples)
    }

    /// What is left without imports, comments and the breaks of lines.
    private static func statements(_ lines: some Sequence<Substring>) -> String {
        lines.map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.hasPrefix("import ") && !$0.hasPrefix("//") }
            .joined().filter { !$0.isWhitespace }
    }

    @Test func opensWithAPassphraseOfTheProgram() throws {
        try make("--key", "passphrase", "--passphrase-file", home.write("p", "sesame"))
        #expect(try use("passphrase") == ["value Bearer - Bearer token", #"["static:x"]"#, "4", "6", "3"])
    }

    @Test func saysWhatIsWrongInCodes() throws {
        try make("--key", "key-file:" + home.path("key"))
        let file = try home.write("t.json", #"{"access_token": "AT", "expiry": "2001-01-01T00:00:00Z"}"#)
        #expect(try home.vault("import", file, "--name", "t", "--yes").status == 0)
        #expect(try use("codes") == ["4", "10", "64", "10", "4", "5"])
    }
}
