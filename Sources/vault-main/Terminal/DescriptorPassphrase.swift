internal import Synchronization
internal import VaultAPI
internal import VaultCrypto

/// A passphrase behind `--passphrase-fd`: a pipe can be read once, and some commands need the answer twice.
enum DescriptorPassphrase {
    private static let read = Mutex<[Int32: SharedSecret]>([:])

    static func read(_ descriptor: Int32) throws(VaultError) -> SharedSecret {
        if let known = read.withLock({ $0[descriptor] }) { return known }
        let secret = try SecretInput.passphrase(descriptor: descriptor)
        read.withLock { $0[descriptor] = secret }
        return secret
    }
}
