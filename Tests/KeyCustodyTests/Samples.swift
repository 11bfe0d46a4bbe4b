import FoundationEssentials
import Glibc
import KeyCustody
import PrivateFiles
import Synchronization
import Testing
import VaultCrypto

/// A directory of its own for one test, removed with it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        let base = FileManager.default.temporaryDirectory.path
        path = "\(base)/vault-custody-\(UUID().uuidString)"
        try PrivateFiles.makeDirectory(path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The path of what is called `name` in it.
    func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }
}

/// Writes a file of that mode, whatever the umask.
func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o600) throws {
    try Data(bytes).write(to: URL(filePath: path))
    #expect(chmod(path, mode) == 0)
}

func shared(_ bytes: [UInt8]) throws -> SharedSecret { SharedSecret(try SecretBytes(bytes)) }

func shared(_ text: String) throws -> SharedSecret { try shared(Array(text.utf8)) }

extension SharedSecret {
    /// The bytes, in a test that may show them.
    var revealed: [UInt8] { withSecret { $0.withUnsafeBytes { Array($0) } } }
    var text: String { String(decoding: revealed, as: UTF8.self) }
}

/// What cheap derivation the tests use, and what allows it.
let cheap = PasswordHash(passes: 1, memoryBytes: 8192)
let cheapLimits = DerivationLimits(minimum: cheap)

let vault: [UInt8] = (0..<16).map { $0 }

/// A source that always gives the same passphrase.
func typing(_ text: String) -> PassphraseSource {
    { _ throws(CustodyError) in
        do throws(CryptoError) { return SharedSecret(try SecretBytes(Array(text.utf8))) } catch {
            throw CustodyError(.unavailable, error.message)
        }
    }
}

/// A source that nobody answers.
let nobody: PassphraseSource = { _ throws(CustodyError) in throw CustodyError(.locked, "nobody can be asked") }

/// The code of what `body` throws.
func custodyFailure(_ body: () async throws -> Void) async -> CustodyError.Code? {
    let error = await #expect(throws: CustodyError.self) { try await body() }
    return error?.code
}

/// Hexadecimal digits.
func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
