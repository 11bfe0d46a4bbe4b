import Foundation
import VaultAPI
import KeyCustody
import TestSupport
import Testing
import VaultCrypto

@testable import VaultCore

/// The layouts in `Schemas/` are those of the bytes that are really written.
@Suite(.blocking)
struct LayoutTests {
    private let home: Sandbox
    private static let directory = Sandbox.supportFile("../../Schemas")

    init() throws { home = try Sandbox() }

    private func read(_ layout: String, _ arguments: String..., input: [UInt8] = []) throws -> [String: Any] {
        let command = [Sandbox.supportFile("layout.py"), "\(Self.directory)/\(layout)"] + arguments
        let outcome = try home.run(command, input: input)
        try #require(outcome.status == 0, "\(outcome.notes)")
        return try outcome.object()
    }

    private func make() throws {
        let key = "key-file:" + home.path("key")
        let file = try home.write("p", "sesame")
        let made = try home.vault(
            "init",
            "--key",
            key,
            "--key",
            "passphrase",
            "--kdf",
            "interactive",
            "--recovery-code-file",
            home.path("code"),
            "--passphrase-file",
            file
        )
        try #require(made.status == 0, "\(made.notes)")
        for name in ["a", "b"] { #expect(try home.vault("set", "static:" + name, input: [65]).status == 0) }
    }

    /// Expects slots as the command lists them.
    private func expectSame(_ read: Any?, _ listed: Any?) throws {
        let read = try #require((read as? [String: Any])?["slot"] as? [[String: Any]])
        let listed = try #require(listed as? [[String: Any]])
        try #require(read.count == listed.count)
        for (slot, other) in zip(read, listed) {
            #expect(slot["id"] as? String == other["id"] as? String)
            #expect(slot["kind"] as? String == other["kind"] as? String)
            #expect(slot["path"] as? String == other["path"] as? String ?? "")
            #expect(slot["passes"] as? Int == other["argon2id_passes"] as? Int ?? 0)
            #expect(slot["memory_bytes"] as? Int == other["argon2id_memory_bytes"] as? Int ?? 0)
        }
    }

    @Test(arguments: ["header.json", "entry.json", "backup.json", "audit.json"])
    func layoutsAreWhatTheirSchemaSays(name: String) throws {
        let layout = try JSONSerialization.jsonObject(with: Data(home.read("\(Self.directory)/\(name)")))
        let input = try JSONSerialization.data(withJSONObject: [[name, "layout.schema.json", layout]])
        let outcome = try home.run([Sandbox.supportFile("validate.py"), Self.directory], input: Array(input))
        #expect(outcome.status == 0 && outcome.lines == [], "\(outcome.notes)")
    }

    @Test func aRealHeaderIsReadByItsLayout() throws {
        try make()
        let status = try home.vault("status", "--json").object()
        let header = try read("header.json", "--header", home.directory + "/vault.sqlite")
        #expect(header["vault"] as? String == (status["vault"] as? String)?.replacingOccurrences(of: "-", with: ""))
        #expect(header["generation"] as? Int == status["header_generation"] as? Int)
        #expect(header["phase"] as? String == "steady")
        try expectSame(header["fields"], status["slots"])
    }

    @Test func aHeaderAfterRotationsIsReadByItsLayout() throws {
        try make()
        for _ in 1...2 {
            let rotated = try home.vault("key", "rotate", "--yes", "--no-input")
            try #require(rotated.status == 0, "\(rotated.notes)")
        }
        let header = try read("header.json", "--header", home.directory + "/vault.sqlite")
        let fields = try #require(header["fields"] as? [String: Any])
        // As hexadecimal digits.
        #expect((fields["spill_key"] as? [String])?.map(\.utf8.count) == [144, 144])
        #expect(fields["old_data_key"] == nil && (fields["slot"] as? [Any])?.count == 1)
    }

    @Test func aRealBackupIsReadByItsLayout() throws {
        try make()
        let file = home.path("backup")
        let passphrase = try home.write("bp", "x")
        let made = try home.vault("export", file, "--kdf", "interactive", "--backup-passphrase-file", passphrase)
        try #require(made.status == 0, "\(made.notes)")
        let bytes = try home.read(file)
        let backup = try read("backup.json", input: bytes)
        let status = try home.vault("status", "--json").object()
        let header = try #require(backup["header"] as? [String: Any])
        #expect(header["vault"] as? String == (status["vault"] as? String)?.replacingOccurrences(of: "-", with: ""))
        let slots = (header["fields"] as? [String: Any])?["slot"] as? [[String: Any]] ?? []
        #expect(slots.compactMap { $0["kind"] as? String } == ["passphrase"])
        let records = try #require(backup["records"] as? [[String: Any]])
        #expect(records.count == 2 && backup["count"] as? Int == 2)
        #expect(records.allSatisfy { $0["generation"] as? Int == 1 })
        // And nothing but a backup is.
        for broken in [Array(bytes.dropLast()), bytes + [0], [0] + bytes] {
            let command = [Sandbox.supportFile("layout.py"), "\(Self.directory)/backup.json"]
            #expect(try home.run(command, input: broken).status != 0)
        }
    }

    @Test func aSealedRecordIsReadByItsLayout() throws {
        let key = try DataKey.random()
        let (vault, entry) = (VaultID.random(), EntryID.random())
        let name = RecordName(try EntryName(.oauth, "sample"))
        let binding = RecordBinding(vault: vault, entry: entry, generation: 7, name: name)
        let summary = try Self.sampleSummary()
        let secrets = try Self.sampleSecrets()
        let bytes = try secrets.withEncoded {
            try SealedRecord.seal(binding, summary: summary.encodedFields, secret: $0, under: key)
        }
        let record = try read("entry.json", input: bytes)
        func plain(_ part: String, _ partKey: borrowing SecretBytes) throws -> [UInt8] {
            let digits = try #require(record[part] as? String)
            return try SecretBox.openPublic(Self.bytes(digits)[...], under: partKey)
        }
        func unpadded(_ bytes: [UInt8]) -> [UInt8] { Array(bytes.prefix(bytes.lastIndex(of: 0x80) ?? 0)) }
        let box = try read("entry.json", "name_box", input: key.withNamesKey { try plain("name_box", $0) })
        #expect(box["name"] as? String == "oauth:sample")
        let parts: [(String, [UInt8])] = [
            ("summary", try plain("summary", key.key(of: .summary, name, vault: vault))),
            ("secret", try plain("secret", key.key(of: .secret, name, vault: vault))),
        ]
        for (part, plain) in parts {
            let found = try read("entry.json", part, input: unpadded(plain))
            let bound = try #require(found["binding"] as? [String: Any])
            #expect(bound["name"] as? String == "oauth:sample" && bound["generation"] as? Int == 7)
            #expect(
                bound["vault"] as? String == hexadecimal(vault.bytes)
                    && bound["entry"] as? String == hexadecimal(entry.bytes)
            )
            let fields = try #require(found["fields"] as? [String: Any])
            if part == "summary" { expectSample(fields) } else { expectSecrets(fields) }
        }
    }

    @Test func aRealAuditLogIsReadByItsLayout() throws {
        let vault = VaultID.random()
        let key = SharedSecret(try SecretBytes(random: 32))
        func plain(_ sealed: [UInt8]) throws -> [UInt8] {
            try key.withSecret { try SecretBox.openPublic(sealed[...], under: $0) }
        }
        let time = try #require(Timestamp(seconds: 1_893_456_000, nanoseconds: 5))
        var line = AuditLine(number: 9, previous: Array(1...32), time: time, event: "break")
        line.outcome = "outcome"
        line.name = "oauth:sample"
        line.entry = EntryID(Array(1...16))
        line.caller = Caller(processID: -2, userID: 3, via: .forwarded, programs: ["/a", "[b]"])
        line.unwritten = 4
        line.torn = 5
        line.broken = AuditBreak(expected: 6, found: 7, reason: "reason")
        line.oldest = 8
        line.acknowledged = [Array(1...16), Array(2...17)]
        let sealed = line.sealed(vault: vault, under: key)
        let bytes = try plain(sealed)
        let read = try read("audit.json", "line", input: Array(bytes.prefix(bytes.lastIndex(of: 0x80) ?? 0)))
        #expect(read["vault"] as? String == hexadecimal(vault.bytes) && read["number"] as? Int == 9)
        #expect(read["previous"] as? String == hexadecimal(Array(1...32)))
        #expect(read["seconds"] as? Int == 1_893_456_000 && read["nanoseconds"] as? Int == 5)
        let fields = try #require(read["fields"] as? [String: Any])
        #expect(fields.count == 13)
        #expect(fields["event"] as? String == "break" && fields["outcome"] as? String == "outcome")
        #expect(fields["name"] as? String == "oauth:sample" && fields["entry"] as? String == hexadecimal(Array(1...16)))
        #expect(fields["via"] as? String == "forwarded" && fields["program"] as? [String] == ["/a", "[b]"])
        #expect(fields["pid"] as? [String: Int] == ["id": -2] && fields["uid"] as? [String: Int] == ["id": 3])
        #expect(
            fields["unwritten"] as? [String: Int] == ["count": 4] && fields["torn"] as? [String: Int] == ["count": 5]
        )
        #expect(fields["oldest"] as? [String: Int] == ["count": 8])
        #expect((fields["break"] as? [String: Any])?["reason"] as? String == "reason")
        #expect((fields["acknowledged"] as? [String])?.count == 2)
        var head = AuditHead()
        (head.number, head.link, head.fileBytes, head.oldest) = (1, AuditLine.link(of: sealed), 1024, 2)
        (head.unwritten, head.checkpoint, head.checkedAt) = (3, AuditCheckpoint(number: 4, link: Array(1...32)), 5)
        let found = try self.read("audit.json", "head", input: plain(head.sealed(vault: vault, under: key)))
        #expect(found["link"] as? String == hexadecimal(head.link) && found["file_bytes"] as? Int == 1024)
        #expect(found["number"] as? Int == 1 && found["oldest"] as? Int == 2 && found["unwritten"] as? Int == 3)
        #expect((found["checkpoint"] as? [String: Any])?["number"] as? Int == 4 && found["checked_at"] as? Int == 5)
    }

    @Test func everyTagOfTheCodeIsInTheLayout() throws {
        let layout =
            try JSONSerialization.jsonObject(with: Data(home.read("\(Self.directory)/entry.json"))) as? [String: Any]
        let tags = try #require(layout?["tags"] as? [String: [String: [String: Any]]])
        let secrets = try #require(tags["secret_fields"])
        #expect(secrets.count == EntrySecrets.Field.allCases.count)
        for field in EntrySecrets.Field.allCases {
            #expect(secrets["\(field.rawValue)"]?["name"] as? String == field.word)
        }
        // A summary in which everything stands has every tag once; the one behind the last is unknown.
        let summary = try Self.sampleSummary()
        var reader = ByteReader(summary.encodedFields)
        let found = reader.fields()
        let fields = try #require(found)
        let known = try #require(tags["summary_fields"])
        #expect(Set(fields.map { "\($0.tag)" }) == Set(known.keys))
        var next = ByteWriter()
        next.append(Field(tag: UInt16(known.count + 1), bytes: [1]))
        let parsed = EntrySummary(id: summary.id, name: summary.name, generation: 1, encodedFields: next.bytes)
        #expect(parsed?.unknownFields.count == 1)
    }

    /// An entry in which every field says its own name.
    private static func sampleSummary() throws -> EntrySummary {
        let time = try #require(Timestamp(seconds: 1_893_456_000, nanoseconds: 5))
        var summary = EntrySummary(name: try EntryName(.oauth, "sample"), createdAt: time)
        summary.state = .held(.restored)
        summary.provider = "provider"
        summary.issuer = "issuer"
        summary.account = "account"
        summary.scopes = ["scope", "more"]
        summary.tokenType = "token_type"
        summary.expiry = .known(time)
        summary.issuedAt = time
        summary.authorizationEndpoint = "authorization_endpoint"
        summary.tokenEndpoint = "token_endpoint"
        summary.revocationEndpoint = "revocation_endpoint"
        summary.clientID = "client_id"
        summary.clientAuthentication = "client_authentication"
        summary.resource = "resource"
        summary.rotation = .always
        summary.source = EntrySource(path: "/path", sha256: Array(1...32), pointer: "/pointer", format: "format")
        summary.holds = Set(EntrySecrets.Field.allCases)
        summary.metadata = ["key": "value"]
        summary.grantType = "grant_type"
        summary.quirks = ["quirk"]
        summary.hosts = ["host"]
        summary.loginOptions = ["--device", "--port=1"]
        summary.registeredRedirect = "registered_redirect"
        summary.registeredScopes = ["registered_scope"]
        summary.clientSecretExpiresAt = time
        summary.endpointReach = "endpoint_reach"
        summary.authorizations = 3
        summary.confirmsUse = true
        summary.programs = ["/program", "/other"]
        summary.refresher = [UInt8](repeating: 9, count: 16)
        summary.journal = RefreshJournal(
            spent: Array(1...32),
            startedAt: time,
            sendBefore: 6,
            boot: Array(1...16),
            lostAnswers: 7
        )
        summary.refreshedAt = time
        summary.refreshFailure = RefreshFailure(
            at: time,
            retryAt: time,
            count: 8,
            unclear: 9,
            kind: .busy,
            reason: "reason"
        )
        return summary
    }

    private static func sampleSecrets() throws -> EntrySecrets {
        var secrets = try EntrySecrets()
        for field in EntrySecrets.Field.allCases {
            try secrets.set(field, to: try SecretBytes(Array(field.word.utf8)))
        }
        return secrets
    }

    private func expectSample(_ fields: [String: Any]) {
        for name in [
            "provider", "issuer", "account", "token_type", "authorization_endpoint", "token_endpoint",
            "revocation_endpoint",
            "client_id", "client_authentication", "resource", "grant_type", "registered_redirect", "endpoint_reach",
        ] {
            #expect(fields[name] as? String == name)
        }
        #expect(fields["state"] as? String == "held restored" && fields["rotation"] as? String == "always")
        #expect(fields["scope"] as? [String] == ["scope", "more"])
        #expect(fields["quirk"] as? [String] == ["quirk"] && fields["host"] as? [String] == ["host"])
        #expect(fields["login_option"] as? [String] == ["--device", "--port=1"])
        #expect(fields["authorizations"] as? Int == 3)
        #expect(fields["confirms_use"] as? String == "" && fields["program"] as? [String] == ["/program", "/other"])
        #expect(fields["registered_scope"] as? [String] == ["registered_scope"])
        let journal = fields["journal"] as? [String: Any]
        #expect(journal?["spent"] as? String == hexadecimal(Array(1...32)))
        #expect(journal?["send_before"] as? Int == 6 && journal?["lost_answers"] as? Int == 7)
        let failure = fields["refresh_failure"] as? [String: Any]
        #expect(failure?["count"] as? Int == 8 && failure?["unclear"] as? Int == 9 && failure?["kind"] as? Int == 2)
        #expect(failure?["reason"] as? String == "reason" && failure?["retry_seconds"] as? Int == 1_893_456_000)
        for name in [
            "expiry", "issued_at", "created_at", "updated_at", "refreshed_at", "client_secret_expires_at",
        ] {
            #expect(fields[name] as? [String: Int] == ["seconds": 1_893_456_000, "nanoseconds": 5], "\(name)")
        }
        let source = fields["source"] as? [String: Any]
        #expect(source?["path"] as? String == "/path" && source?["pointer"] as? String == "/pointer")
        #expect(source?["format"] as? String == "format" && source?["sha256"] as? String == hexadecimal(Array(1...32)))
        #expect((fields["holds"] as? [[String: Int]])?.compactMap { $0["tag"] } == [1, 2, 3, 4, 5, 6, 7])
        let fact = (fields["metadata"] as? [[String: Any]])?.first
        #expect(fact?["key"] as? String == "key" && fact?["value"] as? String == "value")
    }

    private func expectSecrets(_ fields: [String: Any]) {
        #expect(fields.count == EntrySecrets.Field.allCases.count)
        for field in EntrySecrets.Field.allCases {
            #expect(fields[field.word] as? String == hexadecimal(Array(field.word.utf8)))
        }
    }

    private static func bytes(_ digits: String) -> [UInt8] {
        stride(from: 0, to: digits.count, by: 2).compactMap { offset in
            let start = digits.index(digits.startIndex, offsetBy: offset)
            return UInt8(digits[start..<digits.index(start, offsetBy: 2)], radix: 16)
        }
    }
}
