import Foundation
import GRDB
import Glibc
import KeyCustody
import PrivateFiles
import Synchronization
import Testing
import VaultAPI
import VaultCrypto
import VaultStorage

@testable import VaultCore

/// A derivation that costs nothing, and limits that allow it.
let cheap = PasswordHash(passes: 1, memoryBytes: 8192)
let cheapLimits = DerivationLimits(minimum: cheap)

/// A directory of its own for one test, removed with it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = "\(FileManager.default.temporaryDirectory.path)/vault-core-\(UUID().uuidString)"
        try PrivateFiles.makeDirectory(path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}

/// A place for one vault: its directories, what its user types, and the bytes below it.
final class TestVault: Sendable {
    static let passphrase = "correct horse"

    let place: TemporaryDirectory
    let location: VaultLocation
    /// The recovery codes that were shown, the last one last.
    let codes = Mutex<[SharedSecret]>([])

    init() throws {
        place = try TemporaryDirectory()
        location = VaultLocation(
            directory: place("vault"),
            stateBase: place("state"),
            configuration: place("config")
        )
    }

    /// Whoever types that passphrase, or nobody for `nil`, with no keyring within reach.
    func custodians(_ passphrase: String? = TestVault.passphrase) -> CustodianSet {
        CustodianSet(
            asking: { _ throws(CustodyError) in
                guard let passphrase else { throw CustodyError(.locked, "nobody can be asked") }
                return try secret(passphrase)
            },
            keyring: KeyringClient(program: place("no-keyring"), environment: [:]),
            isInteractive: false,
            limits: cheapLimits,
            showRecoveryCode: { [self] code throws(CustodyError) in codes.withLock { $0.append(code) } }
        )
    }

    func create(_ slots: [NewSlot] = [NewSlot(.passphrase, derivation: cheap)]) async throws -> Vault {
        try await Vault.create(location, slots: slots, custodians: custodians())
    }

    func open(_ passphrase: String? = TestVault.passphrase, acceptingRollback: Bool = false) async throws -> Vault {
        var options = Vault.Options()
        options.acceptsRollback = acceptingRollback
        return try await Vault.open(location, with: custodians(passphrase), options: options)
    }

    // MARK: - Behind the vault's back

    /// Runs SQL on the database as another program could.
    func sql(_ statement: String, _ arguments: [any DatabaseValueConvertible] = []) throws {
        let queue = try DatabaseQueue(path: place("vault/vault.sqlite"))
        try queue.write { try $0.execute(sql: statement, arguments: StatementArguments(arguments)) }
        try queue.close()
    }

    /// All records, in the order of their ids.
    func records() throws -> [StoredRecord] {
        let queue = try DatabaseQueue(path: place("vault/vault.sqlite"))
        defer { try? queue.close() }
        return try queue.read { database in
            try Row.fetchAll(database, sql: "SELECT id, generation, sealed FROM record ORDER BY id").map { row in
                let id: Data = row[0]
                let generation: Int64 = row[1]
                let sealed: Data = row[2]
                return StoredRecord(
                    id: try #require(RecordID([UInt8](id))),
                    generation: UInt64(generation),
                    sealed: [UInt8](sealed)
                )
            }
        }
    }

    func header() throws -> StoredHeader {
        let queue = try DatabaseQueue(path: place("vault/vault.sqlite"))
        defer { try? queue.close() }
        let row = try queue.read { try Row.fetchOne($0, sql: "SELECT generation, bytes FROM header") }
        let generation: Int64 = try #require(row?[0])
        let bytes: Data = try #require(row?[1])
        return StoredHeader(generation: UInt64(generation), bytes: [UInt8](bytes))
    }

    func write(_ header: StoredHeader) throws {
        try sql("UPDATE header SET generation = ?, bytes = ?", [Int64(header.generation), Data(header.bytes)])
    }

    func write(_ record: StoredRecord) throws {
        try sql(
            "INSERT OR REPLACE INTO record VALUES (?, ?, ?)",
            [Data(record.id.bytes), Int64(record.generation), Data(record.sealed)]
        )
    }

    func delete(_ id: RecordID) throws { try sql("DELETE FROM record WHERE id = ?", [Data(id.bytes)]) }

    /// Every file below the place, by its path there.
    func files(below directory: String = "") throws -> [String: [UInt8]] {
        var found: [String: [UInt8]] = [:]
        let root = directory.isEmpty ? place.path : place(directory)
        for name in try FileManager.default.subpathsOfDirectory(atPath: root) {
            var isDirectory: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: "\(root)/\(name)", isDirectory: &isDirectory)
            guard !isDirectory.boolValue else { continue }
            found[name] = [UInt8](try Data(contentsOf: URL(filePath: "\(root)/\(name)")))
        }
        return found
    }

    /// Copies a directory of the place.
    func copy(_ name: String, to other: String) throws {
        try? FileManager.default.removeItem(atPath: place(other))
        try FileManager.default.copyItem(atPath: place(name), toPath: place(other))
    }
}

/// A secret out of a text, in a test.
func secret(_ text: String) throws(CustodyError) -> SharedSecret {
    do throws(CryptoError) { return SharedSecret(try SecretBytes(Array(text.utf8))) } catch {
        throw CustodyError(.unavailable, error.message)
    }
}

func shared(_ bytes: [UInt8]) throws -> SharedSecret { SharedSecret(try SecretBytes(bytes)) }

extension SharedSecret {
    var revealed: [UInt8] { withSecret { $0.withUnsafeBytes { Array($0) } } }
}

func holding(_ fields: [EntrySecrets.Field: String]) throws -> EntrySecrets {
    var secrets = try EntrySecrets()
    for (field, text) in fields.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
        let value = try SecretBytes(Array(text.utf8))
        try secrets.set(field, to: value)
    }
    return secrets
}

extension EntrySecrets {
    /// The text of a secret, in a test that may show it.
    borrowing func text(_ field: Field) -> String? {
        withField(field) { String(decoding: $0, as: UTF8.self) }
    }
}

let noon = Timestamp(seconds: 1_800_000_000) ?? .systemNow

func name(_ text: String) throws -> EntryName { try EntryName(parsing: text) }

func summary(_ text: String) throws -> EntrySummary { EntrySummary(name: try name(text), createdAt: noon) }

extension Vault {
    @discardableResult
    func insert(_ text: String, token: String = "not-a-token") async throws -> EntrySummary {
        let held = try holding([.accessToken: token])
        return try await insert(try VaultCoreTests.summary(text), held)
    }

    func token(_ text: String) async throws -> String? {
        let entry = try await read(try VaultCoreTests.name(text))
        return entry.secrets.text(.accessToken)
    }

    @discardableResult
    func setToken(_ text: String, _ token: String) async throws -> EntrySummary {
        try await update(try VaultCoreTests.name(text)) { (_, secrets) throws(VaultError) in
            do throws(CryptoError) { try secrets.set(.accessToken, to: try SecretBytes(Array(token.utf8))) } catch {
                throw VaultError(.unavailable, error.message)
            }
        }
    }

    func remove(_ text: String) async throws { try await remove(try VaultCoreTests.name(text)) }

    func names() async throws -> [String] { try await list().entries.map(\.name.description) }
}

/// The code of what `body` throws.
func failure(
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () async throws -> Void
) async -> VaultError.Code? {
    await #expect(throws: VaultError.self, sourceLocation: sourceLocation) { try await body() }?.code
}

func flipping(_ bytes: [UInt8], bit: Int) -> [UInt8] {
    var bytes = bytes
    bytes[bit / 8] ^= 1 << (bit % 8)
    return bytes
}
