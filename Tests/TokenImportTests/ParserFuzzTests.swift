import StrictJSON
import TestSupport
import Testing
import VaultAPI
import VaultCrypto

@testable import TokenImport

struct ParserFuzzTests {
    private static let seeds = [
        "claude/.credentials.json", "codex/auth.json", "gemini/oauth_creds.json", "google-auth-python/token.json",
        "generic/go-oauth2-token.json", "azure/msal_token_cache.json", "opencode/mcp-auth.json",
        "gcloud/application_default_credentials.json",
    ]

    /// Whatever a file holds, it is read or refused; nothing traps.
    @Test func mutatedFilesNeverTrap() throws {
        var random = SplitMix(state: 20_300_101)
        let seeds = try Self.seeds.map { Array(try Fixture.text($0).utf8) }
        let odd: [UInt8] = Array("{}[]\",:\\u0eE+-.9 \n".utf8) + [0, 0x7F, 0x80, 0xC2, 0xED, 0xF4, 0xFF]
        var accepted = 0
        let clock = ContinuousClock()
        let end = clock.now + .seconds(2)
        for _ in 0..<3_000 where clock.now < end {
            var bytes = seeds[Int.random(in: 0..<seeds.count, using: &random)]
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = odd[Int.random(in: 0..<odd.count, using: &random)]
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(odd[Int.random(in: 0..<odd.count, using: &random)], at: place)
                default: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...64, using: &random)))
                }
                if bytes.isEmpty { bytes = [0x7B] }
            }
            let text = SharedSecret(try SecretBytes(bytes))
            guard let document = try? JSONDocument(text, subject: "text") else { continue }
            accepted += 1
            exercise(document)
        }
        #expect(accepted > 0)
    }

    /// Offers the document to every format, reads it with each, and cuts each member out.
    private func exercise(_ document: JSONDocument) {
        let path = TokenPath("/home/u/.gemini/oauth_creds.json")
        let context = ReadingContext(path: path, options: ImportOptions(), now: testNow)
        for format in Formats.all {
            _ = format.recognise(document.root, at: path)
            _ = try? format.read(document.root, in: context)
        }
        for member in document.root.children {
            guard let edited = try? JSONEdit(document: document).removing([member]) else { continue }
            let isJSON = edited.withUnsafeBytes { (try? JSONParser.parse($0)) != nil }
            #expect(isJSON)
        }
    }
}
