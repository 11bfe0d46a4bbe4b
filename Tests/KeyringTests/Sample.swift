import Foundation
import VaultAPI
import KeyCustody
import TestSupport
import VaultCrypto

extension PrivateBus {
    /// A client that speaks to this bus and to nothing else.
    func client(_ deadlines: KeyringClient.Deadlines = .forTests) -> KeyringClient {
        KeyringClient(environment: environment, deadlines: deadlines)
    }
}

extension KeyringClient.Deadlines {
    /// Long enough for a machine that does many other things.
    static let forTests = Self(unattended: .seconds(60), interactive: .seconds(60))
}

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
