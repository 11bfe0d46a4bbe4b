import Synchronization
import TokenImport
import VaultAPI
import VaultCore
import VaultCrypto

/// A vault that forgets, and that can be told to fail or to lie.
final class MemoryVault: ImportDestination {
    struct Stored: Sendable {
        var summary: EntrySummary
        var secrets: Box
    }

    final class Box: Sendable {
        let value: EntrySecrets
        init(_ value: consuming EntrySecrets) { self.value = value }
    }

    private let entries = Mutex<[EntryName: Stored]>([:])
    private let originals = Mutex<[[UInt8]: Int]>([:])
    private let log = Mutex<[String]>([])
    let failsToInsert: Bool
    let corruptsSecrets: Bool

    init(failsToInsert: Bool = false, corruptsSecrets: Bool = false) {
        self.failsToInsert = failsToInsert
        self.corruptsSecrets = corruptsSecrets
    }

    var calls: [String] { log.withLock { $0 } }
    var sealedOriginals: [[UInt8]: Int] { originals.withLock { $0 } }
    var names: [String] { entries.withLock { $0.keys.map(\.description).sorted() } }

    func summary(_ name: String) -> EntrySummary? {
        guard let name = try? EntryName(parsing: name) else { return nil }
        return entries.withLock { $0[name]?.summary }
    }

    func text(_ name: String, _ field: EntrySecrets.Field) -> String? {
        guard let name = try? EntryName(parsing: name), let stored = entries.withLock({ $0[name] }) else { return nil }
        return stored.secrets.value.withField(field) { String(decoding: $0, as: UTF8.self) }
    }

    func change(_ name: String, _ body: (inout EntrySummary) -> Void) {
        guard let name = try? EntryName(parsing: name) else { return }
        entries.withLock { entries in
            if var stored = entries[name] {
                body(&stored.summary)
                entries[name] = stored
            }
        }
    }

    func list() async throws(VaultError) -> [EntrySummary] {
        entries.withLock { $0.values.map(\.summary) }.sorted { $0.name < $1.name }
    }

    func withEntry<Result: Sendable>(
        _ name: EntryName,
        _ body: (EntrySummary, borrowing EntrySecrets) throws(VaultError) -> Result
    ) async throws(VaultError) -> Result {
        note("read \(name)")
        guard let stored = entries.withLock({ $0[name] }) else { throw VaultError(.notFound, "no \(name)") }
        return try body(stored.summary, stored.secrets.value)
    }

    func insert(
        _ summary: EntrySummary,
        _ secrets: borrowing EntrySecrets
    ) async throws(VaultError) -> EntrySummary {
        note("insert \(summary.name)")
        if failsToInsert { throw VaultError(.unavailable, "the store is full") }
        guard entries.withLock({ $0[summary.name] == nil }) else { throw VaultError(.unsafe, "\(summary.name) exists") }
        let box = Box(try copied(secrets, corrupted: corruptsSecrets))
        entries.withLock { $0[summary.name] = Stored(summary: summary, secrets: box) }
        return summary
    }

    func update(
        _ name: EntryName,
        _ change: (inout EntrySummary, inout EntrySecrets) throws(VaultError) -> Void
    ) async throws(VaultError) -> EntrySummary {
        note("update \(name)")
        guard var stored = entries.withLock({ $0[name] }) else { throw VaultError(.notFound, "no \(name)") }
        var secrets = try copied(stored.secrets.value, corrupted: false)
        try change(&stored.summary, &secrets)
        stored.secrets = Box(secrets)
        entries.withLock { [stored] in $0[name] = stored }
        return stored.summary
    }

    func keepOriginal(_ bytes: borrowing SecretBytes, sha256: [UInt8]) async throws(VaultError) {
        note("seal")
        originals.withLock { [count = bytes.count] in $0[sha256] = count }
    }

    private func note(_ call: String) { log.withLock { $0.append(call) } }

    private func copied(_ secrets: borrowing EntrySecrets, corrupted: Bool) throws(VaultError) -> EntrySecrets {
        do throws(CryptoError) {
            var result = try EntrySecrets()
            for field in EntrySecrets.Field.allCases { try Self.copy(field, secrets, &result) }
            if corrupted { try result.set(.accessToken, to: try SecretBytes(Array("damaged".utf8))) }
            return result
        } catch { throw VaultError(.failed, error.message) }
    }

    private static func copy(
        _ field: EntrySecrets.Field,
        _ source: borrowing EntrySecrets,
        _ target: inout EntrySecrets
    ) throws(CryptoError) {
        _ = try source.withField(field) { (bytes) throws(CryptoError) in try target.set(field, to: bytes) }
    }
}
