public import VaultCrypto

/// Opens with 32 random bytes kept in the desktop's Secret Service.
public struct SecretServiceCustodian: KeyCustodian {
    private let keyring: KeyringClient
    private let isInteractive: Bool
    private let label: String

    /// A custodian that lets the keyring ask a person just where `isInteractive`.
    ///
    /// - Parameter label: What the keyring's own program shows for a new item. It is not secret.
    public init(keyring: KeyringClient, isInteractive: Bool, label: String) {
        self.keyring = keyring
        self.isInteractive = isInteractive
        self.label = label
    }

    /// Makes the secret and stores it; the client reads it back by a second run before this returns.
    public func enroll(_ slot: SlotDescription, vault: [UInt8]) async throws(CustodyError) -> SharedSecret {
        let root: SharedSecret
        do {
            root = SharedSecret(try SecretBytes(random: 32))
        } catch {
            throw CustodyError(.unavailable, error.message, underlying: error)
        }
        do {
            try await keyring.store(root, vault: vault, slot: slot.id, label: label, interactive: isInteractive)
        } catch {
            throw CustodyError(error)
        }
        return root
    }

    /// Everything the keyring holds for this slot.
    ///
    /// Another program may have planted more than one; the slot's commitment tells which is right.
    public func roots(for slot: KeySlot, vault: [UInt8]) async throws(CustodyError) -> [SharedSecret] {
        do {
            return try await keyring.lookup(vault: vault, slot: slot.description.id, interactive: isInteractive)
        } catch {
            throw CustodyError(error)
        }
    }

    /// Deletes the item.
    public func forget(_ slot: SlotDescription, vault: [UInt8]) async throws(CustodyError) {
        do {
            _ = try await keyring.delete(vault: vault, slot: slot.id, interactive: isInteractive)
        } catch {
            throw CustodyError(error)
        }
    }
}

/// Opens only with both: what the Secret Service keeps, and a passphrase.
///
/// For those who mind that any program of the session can read an unlocked keyring.
public struct CombinedCustodian: KeyCustodian {
    private let keyring: SecretServiceCustodian
    private let passphrase: PassphraseCustodian

    /// A custodian of both secrets.
    public init(keyring: SecretServiceCustodian, passphrase: PassphraseCustodian) {
        self.keyring = keyring
        self.passphrase = passphrase
    }

    /// Asks for the passphrase first: a question refused leaves nothing in the keyring.
    public func enroll(_ slot: SlotDescription, vault: [UInt8]) async throws(CustodyError) -> SharedSecret {
        let derived = try await passphrase.enroll(slot, vault: vault)
        return try Self.combine(try await keyring.enroll(slot, vault: vault), derived)
    }

    /// The root of a new slot under a passphrase that is known already, with a fresh secret in the keyring.
    public func enroll(
        _ slot: SlotDescription,
        using known: SharedSecret,
        vault: [UInt8]
    ) async throws(CustodyError) -> SharedSecret {
        let derived = try passphrase.enroll(slot, using: known)
        return try Self.combine(try await keyring.enroll(slot, vault: vault), derived)
    }

    /// The keyring first: without its half nobody need type anything.
    public func roots(for slot: KeySlot, vault: [UInt8]) async throws(CustodyError) -> [SharedSecret] {
        let kept = try await keyring.roots(for: slot, vault: vault)
        var roots: [SharedSecret] = []
        for derived in try await passphrase.roots(for: slot, vault: vault) {
            for secret in kept { roots.append(try Self.combine(secret, derived)) }
        }
        return roots
    }

    /// Deletes the keyring's half.
    public func forget(_ slot: SlotDescription, vault: [UInt8]) async throws(CustodyError) {
        try await keyring.forget(slot, vault: vault)
    }

    private static func combine(_ kept: SharedSecret, _ derived: SharedSecret) throws(CustodyError) -> SharedSecret {
        do throws(CryptoError) {
            return SharedSecret(
                try kept.withSecret { (kept) throws(CryptoError) in
                    var hash = Blake2b(key: kept)
                    hash.update("vault combined root 1")
                    derived.withSecret { hash.update($0) }
                    return try hash.finishSecret()
                }
            )
        } catch {
            throw CustodyError(.unavailable, error.message, underlying: error)
        }
    }
}
