import Foundation
import KeyCustody
import VaultCrypto

/// A session bus and a home of its own, held up by `Tests/Support/keyring/private-bus` for as long as this object lives.
final class PrivateBus {
    /// What keeps the keyring on it.
    enum Keeper {
        case realKeyring, lockedRealKeyring, nobody
        case standIn(String)

        fileprivate var options: [String] {
            switch self {
            case .realKeyring: []
            case .lockedRealKeyring: ["--locked"]
            case .nobody: ["--no-keyring"]
            case .standIn(let mode): ["--stand-in", mode]
            }
        }
    }

    /// The variables of a program that runs on this bus.
    let environment: [String: String]
    private let holder: Program

    init(_ keeper: Keeper = .realKeyring) throws {
        let command = [Self.supportFile("private-bus")] + keeper.options
        holder = try Program(
            command + ["--", "sh", "-c", "env -0; echo; exec cat >/dev/null"],
            environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"]
        )
        let printed = holder.read { $0.suffix(2) == [0, 10] }
        guard printed.last == 10 else {
            throw Broken(what: "private-bus ended: \(String(decoding: printed, as: UTF8.self))")
        }
        environment = printed.dropLast().split(separator: 0).reduce(into: [:]) { environment, entry in
            let variable = String(decoding: entry, as: UTF8.self).split(separator: "=", maxSplits: 1)
            if variable.count == 2 { environment[String(variable[0])] = String(variable[1]) }
        }
    }

    /// A client that speaks to this bus and to nothing else.
    func client(unattended: Duration = .seconds(20), interactive: Duration = .seconds(20)) -> KeyringClient {
        KeyringClient(environment: environment, deadlines: .init(unattended: unattended, interactive: interactive))
    }

    /// Runs a program on this bus and returns what it printed.
    @discardableResult
    func run(_ command: [String]) throws -> String {
        let program = try Program(command, environment: environment)
        program.closeInput()
        return String(decoding: program.read(), as: UTF8.self)
    }

    /// A file of `Tests/Support/keyring`.
    static func supportFile(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Support/keyring/\(name)").standardized.path()
    }
}

/// The harness itself does not work.
struct Broken: Error { let what: String }

/// A vault's and a slot's UUID, and what they look like as attributes.
enum Sample {
    static let vault: [UInt8] = (0..<16).map { $0 * 17 }
    static let slot: [UInt8] = (0..<16).map { 255 - $0 }
    static let vaultText = "00112233-4455-6677-8899-aabbccddeeff"
    static let slotText = "fffefdfc-fbfa-f9f8-f7f6-f5f4f3f2f1f0"
    static let label = "vault: key for /home/user/vault"
    /// 32 bytes that need both of base64's odd symbols.
    static let keyBytes = [UInt8](repeating: 0xFB, count: 16) + (0..<16).map { 0xF0 | $0 }
    static var keyText: String { Data(keyBytes).base64EncodedString() }

    static func key(_ bytes: [UInt8] = keyBytes) throws -> SharedSecret { SharedSecret(try SecretBytes(bytes)) }

    static func bytes(_ secret: SharedSecret) -> [UInt8] { secret.withSecret { $0.withUnsafeBytes { Array($0) } } }
}
