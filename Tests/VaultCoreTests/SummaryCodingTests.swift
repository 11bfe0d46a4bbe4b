import Testing
import VaultCrypto

import VaultAPI
@testable import VaultCore

struct SummaryCodingTests {
    /// Every optional set, none to a value it has by default.
    static func full() throws -> EntrySummary {
        var entry = try summary("oauth:full")
        entry.generation = 7
        entry.state = .held(.secondOwner)
        entry.provider = "github"
        entry.issuer = "https://issuer.example"
        entry.account = "user@example.com"
        entry.scopes = ["repo", "read:org", "repo"]
        entry.tokenType = "Bearer"
        entry.expiry = .known(noon)
        entry.issuedAt = Timestamp(seconds: -5, nanoseconds: 999_999_999)
        entry.updatedAt = try #require(Timestamp(seconds: 1_800_000_001, nanoseconds: 1))
        entry.authorizationEndpoint = "https://issuer.example/authorize"
        entry.tokenEndpoint = "https://issuer.example/token"
        entry.revocationEndpoint = "https://issuer.example/revoke"
        entry.clientID = "client"
        entry.clientAuthentication = "none"
        entry.resource = "https://api.example"
        entry.rotation = .always
        entry.loginOptions = ["--device", "--port=8123", "--scope=a"]
        entry.registeredRedirect = "http://127.0.0.1:8123/callback"
        entry.registeredScopes = ["mcp", "offline_access"]
        entry.clientSecretExpiresAt = Timestamp(seconds: 1_900_000_000)
        entry.endpointReach = "world"
        entry.authorizations = 2
        entry.confirmsUse = true
        entry.programs = ["/usr/bin/git", "/opt/ü/a b"]
        entry.source = EntrySource(path: "/home/ü/a b", sha256: Array(0..<32), pointer: "/a~1b/0", format: "codex")
        entry.holds = [.accessToken, .secret]
        entry.metadata = ["a": "b", "": "", "ключ": "значение"]
        entry.unknownFields = [
            Field(tag: 900, bytes: [1, 2]), Field(tag: 900, bytes: []), Field(tag: 901, bytes: [3]),
        ]
        return entry
    }

    private static func decoded(_ entry: EntrySummary, _ bytes: [UInt8]? = nil) -> EntrySummary? {
        EntrySummary(
            id: entry.id,
            name: entry.name,
            generation: entry.generation,
            encodedFields: bytes ?? entry.encodedFields
        )
    }

    @Test func bringsEveryFieldBack() throws {
        let entry = try Self.full()
        #expect(Self.decoded(entry) == entry)
        let empty = try summary("static:empty")
        #expect(Self.decoded(empty) == empty)
    }

    @Test(
        arguments: [
            .active, .suspect, .held(.secondOwner), .held(.restored), .held(.rolledBack),
            .reauthorizationRequired("rotationResponseLost"), .reauthorizationRequired("two words"),
        ] as [EntryState]
    )
    func bringsEveryStateBack(_ state: EntryState) throws {
        var entry = try Self.full()
        entry.state = state
        #expect(Self.decoded(entry)?.state == state)
    }

    @Test(arguments: [.unknown, .never, .known(noon)] as [Expiry], [.unknown, .never, .always] as [Rotation])
    func bringsEveryExpiryAndRotationBack(_ expiry: Expiry, _ rotation: Rotation) throws {
        var entry = try Self.full()
        (entry.expiry, entry.rotation) = (expiry, rotation)
        #expect(Self.decoded(entry) == entry)
    }

    @Test(arguments: EntrySecrets.Field.allCases)
    func bringsEverySecretsMentionBack(_ field: EntrySecrets.Field) throws {
        var entry = try Self.full()
        entry.holds = [field]
        #expect(Self.decoded(entry)?.holds == [field])
    }

    // An empty text is a text; none is none.
    @Test func tellsEmptyTextsFromNone() throws {
        var entry = try summary("a")
        entry.provider = ""
        entry.scopes = [""]
        entry.metadata = ["": ""]
        entry.source = EntrySource(path: "", sha256: [UInt8](repeating: 0, count: 32), pointer: "", format: "")
        #expect(Self.decoded(entry) == entry)
        #expect(Self.decoded(entry)?.issuer == nil)
    }

    /// Tags as the format numbers them, with bytes no such field has.
    private static let malformed: [(tag: UInt16, bytes: [UInt8])] = [
        (1, Array("held".utf8)), (1, Array("held by nobody".utf8)), (1, Array("active now".utf8)), (1, []),
        (1, Array("dormant".utf8)), (1, Array("reauthorizationRequired".utf8)), (2, [0xFF]), (3, [0xC3]),
        (5, [0xED, 0xA0, 0x80]),
        (7, [1]), (7, [UInt8](repeating: 0, count: 11)), (7, [UInt8](repeating: 0, count: 13)),
        (7, [UInt8](repeating: 0x7F, count: 12)), (8, []), (9, []), (9, [0, 0, 0, 0, 0, 0, 0, 0, 0, 202, 154, 59]),
        (10, [0]),
        (17, Array("sometimes".utf8)), (17, []), (18, []), (18, [UInt8](repeating: 0, count: 31)),
        (18, [UInt8](repeating: 0, count: 32)), (18, [UInt8](repeating: 0, count: 36)),
        (18, [UInt8](repeating: 0, count: 32) + [255, 255]),
        (18, [UInt8](repeating: 0, count: 32) + [1, 0, 0xFF, 0, 0, 0, 0]),
        (18, [UInt8](repeating: 0, count: 40)), (19, []), (19, [1]), (19, [1, 0, 0]), (20, []), (20, [5, 0, 65]),
        (20, [1, 0, 0xFF]), (20, [0, 0, 0xFF]),
    ]

    @Test(arguments: malformed.indices)
    func refusesAMalformedField(_ index: Int) throws {
        let entry = try Self.full()
        var writer = ByteWriter()
        writer.append(Field(tag: Self.malformed[index].tag, bytes: Self.malformed[index].bytes))
        #expect(Self.decoded(entry, writer.bytes) == nil)
        #expect(Self.decoded(entry, entry.encodedFields + writer.bytes) == nil)
    }

    @Test func refusesEveryCutThatSplitsAField() throws {
        let entry = try Self.full()
        let bytes = entry.encodedFields
        var reader = ByteReader(bytes)
        var ends: Set<Int> = [0]
        while reader.field() != nil { ends.insert(reader.position) }
        #expect(ends.count > 20)
        for count in 0..<bytes.count {
            #expect((Self.decoded(entry, Array(bytes[..<count])) == nil) == !ends.contains(count))
        }
    }

    @Test func aSecretOfANewerVersionIsOnlyNotMentioned() throws {
        let entry = try summary("a")
        var writer = ByteWriter()
        writer.append(Field(tag: 19, bytes: [77, 0]))
        #expect(Self.decoded(entry, entry.encodedFields + writer.bytes)?.holds == [])
    }
}
