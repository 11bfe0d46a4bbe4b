import Foundation
import StrictJSON
import Testing
import VaultAPI
import VaultCore
import VaultCrypto

@testable import TokenImport

/// Moat's encrypted credentials, with a key and without.
struct MoatTests {
    private let directory: TestDirectory
    private let vault = MemoryVault()
    /// 0, 1, 2 … 31.
    private static let key = [UInt8](0..<32)
    private static let keyText = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

    init() throws { directory = try TestDirectory() }

    private func options(_ environment: [String: String] = [:]) -> ImportOptions {
        ImportOptions(machine: Machine(home: directory.path, environment: environment))
    }

    /// Encrypts with the key and writes the file.
    @discardableResult
    private func write(_ text: String, _ name: String = "oauth:notion", in place: String = ".moat/credentials") throws
        -> String
    {
        let box = Array(text.utf8).withUnsafeBytes { text in
            Self.key.withUnsafeBytes { key -> [UInt8] in
                guard let sealed = AuthenticatedBox.seal(text, under: key) else { return [] }
                return sealed.withUnsafeBytes { Array($0) }
            }
        }
        return try write(box, "\(place)/\(name).enc")
    }

    private func write(_ bytes: [UInt8], _ name: String) throws -> String {
        let file = try directory.write(name, "")
        try Data(bytes).write(to: URL(filePath: file))
        return file
    }

    private func text(_ value: JSONValue) throws -> String {
        try value.secret().withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    private func writeKey(_ text: String = keyText, mode: Int = 0o600) throws {
        try directory.write(".moat/encryption.key", text, mode: mode)
    }

    private static let notion = """
        {"provider":"oauth:notion","token":"at-EXAMPLE","scopes":["read"],"expires_at":"2030-01-01T00:00:00Z",\
        "created_at":"2026-01-01T00:00:00Z","metadata":{"client_id":"cid","refresh_token":"rt-EXAMPLE",\
        "resource":"https://mcp.notion.com/mcp","token_source":"oauth","token_url":"https://mcp.notion.com/token"}}
        """

    private func plan(_ path: String, _ keyring: (any ForeignKeyring)? = nil, remove: Bool = false) async throws
        -> ImportPlan
    {
        var options = options()
        options.remove = remove
        return try await ImportPlan.make([path], options: options, for: vault, now: testNow, keyring: keyring)
    }

    @Test func opensWithTheKeyBesideIt() async throws {
        try writeKey(Self.keyText + "\n")
        let path = try write(Self.notion)
        let report = try await plan(path, remove: true).execute(into: vault, now: testNow)
        #expect(report.code == nil, "\(report.lines)")
        let summary = try #require(vault.summary("moat-notion"))
        #expect(
            summary.resource == "https://mcp.notion.com/mcp" && summary.clientID == "cid" && summary.scopes == ["read"]
        )
        #expect(summary.tokenEndpoint == nil && summary.rotation == .unknown && summary.state == .active)
        #expect(summary.expiresAt == Timestamp(rfc3339: "2030-01-01T00:00:00Z"))
        #expect(vault.text("moat-notion", .refreshToken) == "rt-EXAMPLE")
        #expect(report.outcomes.first?.item.notes.contains { $0.contains("encryption.key") } == true)
        #expect(report.outcomes.first?.item.notes.contains { $0.contains("--token-url") } == true)
        #expect(report.outcomes.map(\.removal) == [.deleted])
        #expect(!directory.exists(path))
    }

    @Test func opensWhatAnotherImplementationSealed() throws {
        // AESGCM of Python's cryptography, key 0…31, nonce 0xA0…0xAB.
        try writeKey()
        let vector = try Fixture.text("moat/oauth-linear.enc.hex").filter(\.isHexDigit)
        let bytes = stride(from: 0, to: vector.count, by: 2).compactMap { offset -> UInt8? in
            let start = vector.index(vector.startIndex, offsetBy: offset)
            return UInt8(vector[start..<vector.index(start, offsetBy: 2)], radix: 16)
        }
        let path = try write(bytes, ".moat/credentials/profiles/work/oauth:linear.enc")
        let reading = try FileReading.of(path, options: options(), now: testNow)
        let grant = try #require(reading.contents.grants.first)
        #expect(grant.summary.name.name == "moat-linear")
        let token = try #require(grant.token(.accessToken))
        #expect(try text(token) == "at-linear-EXAMPLE")
        // Moat says nothing about its end, and refreshes it whenever it looks.
        #expect(grant.summary.expiry == .unknown)
    }

    @Test func readsAnotherProvidersTokenAsAStaticSecret() async throws {
        try writeKey()
        let path = try write(
            "{\"provider\":\"github\",\"token\":\"ghp_EXAMPLE\",\"expires_at\":\"0001-01-01T00:00:00Z\",\"created_at\":\"2026-01-01T00:00:00Z\"}",
            "github"
        )
        _ = try await plan(path).execute(into: vault, now: testNow)
        #expect(vault.text("static:moat-github", .secret) == "ghp_EXAMPLE")
        let aws = try write(
            "{\"provider\":\"aws\",\"token\":\"arn:aws:iam::1:role/x\",\"created_at\":\"2026-01-01T00:00:00Z\"}",
            "aws"
        )
        #expect(try await plan(aws).failures.map(\.error.code) == [.failed])
    }

    @Test func saysWhatIsWrongInside() async throws {
        try writeKey()
        let path = try write("{\"provider\":\"oauth:x\",\"token\":7,\"created_at\":\"\"}")
        #expect(try await plan(path).failures.map(\.error.code) == [.damaged])
        let other = try write("hunter2", "oauth:y")
        let error = try await plan(other).failures.first?.error
        #expect(error?.code == .damaged && error?.message.contains("hunter2") == false)
    }

    @Test func declinesWithoutAKeyAndWithAnother() async throws {
        let path = try write(Self.notion)
        let missing = try #require(try await plan(path).failures.first?.error)
        #expect(missing.code == .failed && missing.message.contains("no key was found"))
        try writeKey(Data(repeating: 7, count: 32).base64EncodedString())
        let wrong = try #require(try await plan(path).failures.first?.error)
        #expect(wrong.code == .failed && wrong.message.contains("does not open it"))
        try writeKey(mode: 0o640)
        let wide = try #require(try await plan(path).failures.first?.error)
        #expect(wide.code == .failed && wide.message.contains("readable by others"))
    }

    @Test func leavesOtherProgramsFilesOfThatNameAlone() async throws {
        try writeKey()
        let path = try write([UInt8](repeating: 9, count: 200), "backup/photos.enc")
        #expect(try await plan(path).failures.map(\.error.code) == [.damaged])
        let plan = try await plan(directory.path + "/backup")
        #expect(plan.failures.isEmpty && plan.passedOver == 1)
    }

    @Test func asksTheKeyringForTheKey() async throws {
        let path = try write(Self.notion)
        let keyring = MemoryKeyring([ForeignItem(service: "moat", account: "encryption-key"): Self.keyText])
        let plan = try await plan(path, keyring)
        #expect(plan.items.map(\.name.name) == ["moat-notion"])
        #expect(plan.items.first?.notes.contains { $0.contains("plain text") } == false)
        #expect(await plan.execute(into: vault, now: testNow).code == nil)
    }

    @Test func sealsUnderAFreshNonce() throws {
        try writeKey()
        let path = try write(Self.notion)
        let reading = try FileReading.of(path, options: options(), now: testNow)
        let value = try #require(reading.contents.grants.first?.token(.refreshToken))
        let newer = Replacement(value: value, text: SharedSecret(try SecretBytes(Array("rt-2-EXAMPLE".utf8))))
        let once = try reading.document.editor.replacing([newer]).withUnsafeBytes { Array($0) }
        let twice = try reading.document.editor.replacing([newer]).withUnsafeBytes { Array($0) }
        #expect(once[..<12] != twice[..<12] && once[..<12] != reading.file.bytes.withBytes { Array($0)[..<12] })
        _ = try write(once, ".moat/credentials/oauth:notion.enc")
        let again = try FileReading.of(path, options: options(), now: testNow)
        let token = try #require(again.contents.grants.first?.token(.refreshToken))
        #expect(try text(token) == "rt-2-EXAMPLE")
    }

    @Test func isNoJSONForABraceInItsNonce() {
        let path = TokenPath("/home/user/.moat/credentials/oauth:x.enc")
        let box = [UInt8(ascii: "{"), 0x22, 0xC3, 0x01, 0x80, 0x7F, 0x1B]
        #expect(box.withUnsafeBytes { FileSyntax.of($0, at: path) } == .moat)
        #expect(Array("{\"access_token\": 1}\n".utf8).withUnsafeBytes { FileSyntax.of($0, at: path) } == .json)
    }

    @Test func survivesDamage() async throws {
        try writeKey()
        let path = try write(Self.notion)
        let sound = [UInt8](try Data(contentsOf: URL(filePath: path)))
        for count in stride(from: 0, to: sound.count, by: 7) {
            _ = try write(Array(sound[..<count]), ".moat/credentials/oauth:notion.enc")
            #expect(try await !plan(path).failures.isEmpty)
            var changed = sound
            changed[count] ^= 1
            _ = try write(changed, ".moat/credentials/oauth:notion.enc")
            #expect(try await plan(path).failures.map(\.error.code) == [.failed])
        }
    }
}
