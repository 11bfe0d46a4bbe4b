import Testing
internal import VaultAPI
import VaultCrypto

@testable import VaultCore

struct EntrySecretsTests {
    @Test func setsReplacesAndTakesAway() throws {
        var held = try holding([.accessToken: "one", .refreshToken: "two"])
        #expect(held.fields == [.accessToken, .refreshToken])
        let longer = try SecretBytes(Array("a longer one".utf8))
        try held.set(.accessToken, to: longer)
        #expect(held.text(.accessToken) == "a longer one")
        #expect(held.text(.refreshToken) == "two")
        try held.set(.refreshToken, to: nil)
        #expect(held.text(.refreshToken) == nil)
        #expect(held.has(.refreshToken) == false)
        #expect(held.text(.accessToken) == "a longer one")
        try held.set(.refreshToken, to: nil)
        #expect(held.fields == [.accessToken])
        try held.set(.accessToken, to: nil)
        #expect(held.encodedCount == 0)
    }

    @Test func tellsAnEmptySecretFromNone() throws {
        let held = try holding([.idToken: ""])
        #expect(held.has(.idToken) == true)
        #expect(held.text(.idToken) == "")
        #expect(held.has(.secret) == false)
    }

    @Test func keepsFieldsOfANewerVersion() throws {
        let held = try #require(try Self.decoded([99, 0, 2, 0, 0, 0, 7, 8, 1, 0, 1, 0, 0, 0, 65]))
        let token = try SecretBytes(Array("BC".utf8))
        try held.set(.accessToken, to: token)
        let encoded = held.withEncoded { Array($0) }
        #expect(encoded == [99, 0, 2, 0, 0, 0, 7, 8, 1, 0, 2, 0, 0, 0, 66, 67])
        #expect(held.fields == [.accessToken])
    }

    // Tag and length, little-endian; then a tag twice, lengths beyond the end, and remainders.
    @Test(
        arguments: [
            [1], [1, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0], [1, 0, 255, 255, 255, 255, 0], [1, 0, 0, 0, 0, 128, 1],
            [1, 0, 0, 0, 0, 0, 9], [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0], [9, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0],
            [1, 0, 2, 0, 0, 0, 65], [UInt8](repeating: 0, count: 7),
        ] as [[UInt8]]
    )
    func refusesMalformedFields(_ bytes: [UInt8]) throws {
        #expect(try Self.decoded(bytes) == nil)
    }

    @Test func readsNoFieldsAtAll() throws {
        let held = try #require(try Self.decoded([]))
        #expect(held.fields == [])
    }

    @Test func comparesEverySecretOrderAside() throws {
        let held = try #require(try Self.decoded([1, 0, 1, 0, 0, 0, 65, 2, 0, 1, 0, 0, 0, 66]))
        let others: [([UInt8], Bool)] = [
            ([2, 0, 1, 0, 0, 0, 66, 1, 0, 1, 0, 0, 0, 65], true),
            ([1, 0, 1, 0, 0, 0, 65, 2, 0, 1, 0, 0, 0, 67], false),
            ([1, 0, 1, 0, 0, 0, 65, 3, 0, 1, 0, 0, 0, 66], false), ([1, 0, 1, 0, 0, 0, 65], false),
            ([1, 0, 1, 0, 0, 0, 66, 2, 0, 1, 0, 0, 0, 65], false), ([], false),
        ]
        for (bytes, expected) in others {
            let other = try #require(try Self.decoded(bytes))
            #expect(held.equals(other) == expected)
            #expect(other.equals(held) == expected)
        }
    }

    @Test func comparesFieldsOfANewerVersionToo() throws {
        let held = try #require(try Self.decoded([99, 0, 1, 0, 0, 0, 65]))
        for bytes: [UInt8] in [[99, 0, 1, 0, 0, 0, 66], [98, 0, 1, 0, 0, 0, 65]] {
            let other = try #require(try Self.decoded(bytes))
            #expect(!held.equals(other))
        }
    }

    @Test func copiesIntoMemoryOfItsOwn() throws {
        let held = try holding([.secret: "kept"])
        var copy = try held.copy()
        try copy.set(.secret, to: nil)
        #expect(held.text(.secret) == "kept")
    }

    /// Decoded fields in a box that macros can hold.
    private static func decoded(_ bytes: [UInt8]) throws -> Decoded? {
        let encoded = try SecretBytes(bytes)
        guard let held = EntrySecrets(encoded: encoded) else { return nil }
        return Decoded(held)
    }

    /// Decoded secrets that can be copied, in a test.
    private final class Decoded: Equatable {
        private var held: EntrySecrets

        init(_ held: consuming EntrySecrets) { self.held = held }

        var fields: Set<EntrySecrets.Field> { held.fields }
        func set(_ field: EntrySecrets.Field, to value: borrowing SecretBytes) throws { try held.set(field, to: value) }
        func withEncoded(_ body: (UnsafeRawBufferPointer) -> [UInt8]) -> [UInt8] { held.withEncoded(body) }
        func equals(_ other: Decoded) -> Bool { held.equals(other.held) }
        static func == (left: Decoded, right: Decoded) -> Bool { left === right }
    }
}
