import Foundation
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

extension VectorMaker {
    private static let text = "oauth:sample"

    private func sealed(_ fields: [UInt8], _ secrets: [UInt8]? = nil) throws -> [StoredRecord] {
        let held = try secrets ?? holding([.accessToken: "fake-access-token"]).withEncoded { Array($0) }
        return [try Self.seal(Self.text, fields, held, key, header.vault), second]
    }

    /// The first record with fields behind the sound ones.
    private func adding(_ fields: [(tag: UInt16, bytes: [UInt8])]) throws -> [StoredRecord] {
        var writer = ByteWriter()
        writer.append(try summary(Self.text).encodedFields)
        for field in fields { writer.append(Field(tag: field.tag, bytes: field.bytes)) }
        return try sealed(writer.bytes)
    }

    private func adding(_ tag: UInt16, _ bytes: [UInt8]) throws -> [StoredRecord] { try adding([(tag, bytes)]) }

    /// A time of the format, with nanoseconds that may be too many.
    private func time(nanoseconds: UInt32 = 0) -> [UInt8] {
        var writer = ByteWriter()
        writer.append(noon.seconds)
        writer.append(nanoseconds)
        return writer.bytes
    }

    private func prefixed(_ texts: [[UInt8]]) -> [UInt8] {
        var writer = ByteWriter()
        for text in texts {
            writer.append(UInt16(text.count))
            writer.append(text)
        }
        return writer.bytes
    }

    func summaryFaults() throws -> [(String, Vector)] {
        let texts: [(tag: UInt16, name: String)] = [
            (2, "provider"), (4, "account"), (5, "scope"), (6, "token_type"), (11, "authorization_endpoint"),
            (12, "token_endpoint"), (13, "revocation_endpoint"), (14, "client_id"), (15, "client_authentication"),
            (16, "resource"), (21, "grant_type"), (22, "quirk"), (23, "host"), (27, "login_option"),
            (28, "registered_redirect"), (30, "endpoint_reach"), (32, "registered_scope"), (34, "program"),
        ]
        var result = try texts.map { tag, name in
            (
                "entry-\(name.replacing("_", with: "-"))",
                vector("a \(name) that is not UTF-8", records: try adding(tag, [0xC3, 0x28]))
            )
        }
        let hash = [UInt8](repeating: 3, count: 32)
        let journal = RefreshJournal(
            spent: hash,
            startedAt: noon,
            sendBefore: 5,
            boot: Array(hash.prefix(16)),
            lostAnswers: 0
        )
        .encoded
        let failure = RefreshFailure(at: noon, retryAt: noon, count: 1, unclear: 0, kind: .busy, reason: "no").encoded
        let short = Array(time().dropLast())
        func add(_ name: String, _ comment: String, _ tag: UInt16, _ bytes: [UInt8]) throws {
            result.append(("entry-\(name)", vector(comment, records: try adding(tag, bytes))))
        }
        for (word, comment) in [
            ("", "an empty state"), ("held", "held for no reason"), ("held newReason", "held for an unknown reason"),
            ("active now", "a state with a word too many"), ("reauthorizationRequired", "no reason for a new login"),
            ("Active", "a state in capitals"), ("held otherMachine", "a state that follows from where one looks"),
            ("held conflict", "a state that follows from what lies beside it"),
        ] {
            let name = word.isEmpty ? "empty" : word.lowercased().replacing(" ", with: "-")
            try add(name == "active" ? "state-capital" : "state-\(name)", comment, 1, Array(word.utf8))
        }
        try add("state-text", "a state that is not UTF-8", 1, [0xFF])
        try add("expiry", "an expiry of eleven bytes", 7, short)
        try add("created-at", "a time of making of eleven bytes", 9, short)
        try add("updated-at", "a time of changing of thirteen bytes", 10, time() + [0])
        try add("refreshed-at", "a time of refreshing of no bytes", 25, [])
        try add(
            "client-secret-expires-at",
            "an expiry of the client secret with too many nanoseconds",
            29,
            time(nanoseconds: 1_000_000_000)
        )
        try add("rotation", "a rotation of no known kind", 17, Array("sometimes".utf8))
        try add("rotation-text", "a rotation that is not UTF-8", 17, [0xFF])
        try add("source-hash", "a source without a whole hash", 18, Array(hash.dropLast()))
        try add("source-two", "a source of two texts", 18, hash + prefixed([[97], [98]]))
        try add("source-four", "a source of four texts", 18, hash + prefixed([[97], [98], [99], [100]]))
        try add(
            "source-length",
            "a source whose path is longer than it",
            18,
            hash + prefixed([[97], [98]]) + [9, 0, 99]
        )
        try add("source-text", "a source whose format is not UTF-8", 18, hash + prefixed([[0xFF], [98], [99]]))
        try add("holds-short", "a held secret of one byte", 19, [1])
        try add("holds-long", "a held secret of three bytes", 19, [1, 0, 0])
        try add("metadata-empty", "a fact of no bytes", 20, [])
        try add("metadata-length", "a fact whose key is longer than it", 20, [9, 0, 97])
        try add("metadata-key", "a fact whose key is not UTF-8", 20, [1, 0, 0xFF, 97])
        try add("metadata-value", "a fact whose value is not UTF-8", 20, [1, 0, 97, 0xFF])
        try add("journal-short", "a journal that is a byte too short", 24, Array(journal.dropLast()))
        try add("journal-long", "a journal that is a byte too long", 24, journal + [0])
        var late = journal
        for index in 40..<44 { late[index] = 0xFF }
        try add("journal-time", "a journal with too many nanoseconds", 24, late)
        try add("failure-short", "a failed refresh without a kind", 26, Array(failure.prefix(33)))
        var unknown = failure
        (unknown[32], unknown[33]) = (0xFF, 0xFF)
        try add("failure-kind", "a failed refresh of an unknown kind", 26, unknown)
        try add("failure-text", "a failed refresh whose reason is not UTF-8", 26, failure + [0xFF])
        try add("authorizations-empty", "a count of authorisations of no bytes", 31, [])
        try add("authorizations-long", "a count of authorisations of two bytes", 31, [1, 0])
        try add("confirms-use", "a mark of confirmed use that is not empty", 33, [1])
        try add("refresher-short", "a refresher of fifteen bytes", 35, Array(hash.prefix(15)))
        try add("refresher-long", "a refresher of seventeen bytes", 35, Array(hash.prefix(17)))
        let refresher = Array(hash.prefix(16))
        result += [
            (
                "entry-refresher-twice",
                vector("two refreshers", records: try adding([(35, refresher), (35, refresher)]))
            ),
            ("ok-refresher", vector("a refresher", "ok", records: try adding(35, refresher))),
            (
                "ok-summary-newer",
                vector("fields of a newer version in the summary", "ok", records: try adding([(900, [1]), (900, [])]))
            ),
            ("ok-holds-newer", vector("a held secret of a newer version", "ok", records: try adding(19, [200, 0]))),
            ("ok-never", vector("an access token that never expires", "ok", records: try adding(7, []))),
            (
                "ok-state-reason",
                vector(
                    "a reason for a new login of a newer version",
                    "ok",
                    records: try adding(1, Array("reauthorizationRequired moon".utf8))
                )
            ),
            (
                "entry-summary-field-head",
                vector(
                    "a summary that ends after a field's tag",
                    records: try sealed(try summary(Self.text).encodedFields + [44, 1])
                )
            ),
            (
                "entry-summary-field-most",
                vector(
                    "a summary with a field of the greatest length",
                    records: try sealed(try summary(Self.text).encodedFields + [44, 1, 255, 255, 255, 255])
                )
            ),
        ]
        return result
    }

    func secretFaults() throws -> [(String, Vector)] {
        let fields = try summary(Self.text).encodedFields
        let held = try holding([.accessToken: "fake-access-token"]).withEncoded { Array($0) }
        return [
            (
                "ok-secrets-newer",
                vector(
                    "a secret of a newer version",
                    "ok",
                    records: try sealed(fields, held + [200, 0, 1, 0, 0, 0, 9])
                )
            ),
            (
                "ok-secrets-none",
                vector(
                    "an entry without secrets",
                    "ok",
                    records: try sealed(fields, []),
                    entries: ["static:sample": "fake-static-secret"]
                )
            ),
            ("entry-secret-head", vector("secrets that end after a tag", records: try sealed(fields, held + [2, 0]))),
            (
                "entry-secret-length",
                vector(
                    "a secret of the greatest length",
                    records: try sealed(fields, held + [2, 0, 255, 255, 255, 255])
                )
            ),
            (
                "entry-secret-newer-twice",
                vector(
                    "a secret of a newer version twice",
                    records: try sealed(fields, held + [200, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0])
                )
            ),
        ]
    }

    func originalFaults() throws -> [(String, Vector)] {
        let file = Array(#"{"access_token": "fake-access-token"}"#.utf8)
        let hash = file.withUnsafeBytes { sha256($0) }
        var entry = try summary(Self.text)
        entry.holds = [.accessToken]
        entry.source = EntrySource(path: "/f", sha256: hash, pointer: "", format: "f")
        let held = try holding([.accessToken: "fake-access-token"]).withEncoded { Array($0) }
        let owner = try Self.seal(Self.text, entry.encodedFields, held, key, header.vault)
        let owned = try owner.sealedEntry(key, header.vault)

        func chunk(
            _ bytes: [UInt8]? = nil,
            index: Int = 0,
            of sha256: [UInt8]? = nil,
            _ head: [(tag: UInt16, bytes: [UInt8])]? = nil
        ) throws -> StoredRecord {
            let name = RecordName(original: sha256 ?? hash, chunk: index)
            var writer = ByteWriter()
            let size = withUnsafeBytes(of: UInt64(file.count).littleEndian) { Array($0) }
            for field in head ?? [(1, size), (2, owned)] { writer.append(Field(tag: field.tag, bytes: field.bytes)) }
            let binding = RecordBinding(vault: header.vault, entry: .random(), generation: 1, name: name)
            let sealed = try (bytes ?? file).withUnsafeBytes {
                try SealedRecord.seal(binding, summary: writer.bytes, secret: $0, under: key)
            }
            return StoredRecord(id: key.recordID(name), generation: 1, sealed: sealed)
        }
        func size(_ count: Int) -> (tag: UInt16, bytes: [UInt8]) {
            (1, withUnsafeBytes(of: UInt64(count).littleEndian) { Array($0) })
        }
        var sound = vector("an entry and the file it came from", "ok", records: [owner, second, try chunk()])
        sound.originals = [hexadecimal(hash): Data(file)]
        var gone = vector("an entry whose file was not kept", "ok", records: [owner, second])
        gone.originals = [:]
        let sealed = try chunk()
        let misfiled = StoredRecord(
            id: key.recordID(RecordName(original: hash, chunk: 1)),
            generation: 1,
            sealed: sealed.sealed
        )
        var cut = sealed
        cut.sealed[700] ^= 1
        return [
            ("ok-original", sound),
            ("ok-original-not-kept", gone),
            (
                "original-chunk-missing",
                vector(
                    "a kept file without its second chunk",
                    records: [
                        owner, second, try chunk(nil, [size(600_000), (2, owned)]),
                    ]
                )
            ),
            (
                "original-chunk-order",
                vector("a kept file's first chunk filed as its second", records: [owner, second, misfiled])
            ),
            ("original-chunk-box", vector("one bit of a kept file", records: [owner, second, cut])),
            (
                "original-bytes",
                vector("a kept file with other bytes", records: [owner, second, try chunk(Array("other".utf8))])
            ),
            (
                "original-size-missing",
                vector("a kept file of no stated size", records: [owner, second, try chunk(nil, [(2, owned)])])
            ),
            (
                "original-size-short",
                vector(
                    "a kept file's size in seven bytes",
                    records: [
                        owner, second, try chunk(nil, [(1, [UInt8](repeating: 0, count: 7)), (2, owned)]),
                    ]
                )
            ),
            (
                "original-size-most",
                vector(
                    "a kept file of a size that no file may have",
                    records: [
                        owner, second, try chunk(nil, [size(1 << 40), (2, owned)]),
                    ]
                )
            ),
            (
                "original-size-beyond",
                vector(
                    "a kept file of a size beyond the signed numbers",
                    records: [
                        owner, second, try chunk(nil, [(1, [UInt8](repeating: 0xFF, count: 8)), (2, owned)]),
                    ]
                )
            ),
        ]
    }
}

extension StoredRecord {
    /// The UUID of the entry that is sealed in it.
    fileprivate func sealedEntry(_ key: DataKey, _ vault: VaultID) throws -> [UInt8] {
        let name = RecordName(try VaultCoreTests.name("oauth:sample"))
        return try RawRecord(self, name: name, vault: vault, key: key).binding.entry.bytes
    }
}
