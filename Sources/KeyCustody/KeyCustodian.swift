public import VaultCrypto

/// Who can open a vault.
///
/// A custodian produces roots: secrets of 32 bytes from which a slot's key-encryption key is derived. It knows nothing
/// of headers or entries. Any conformer must pass `KeyCustodianConformance` of VaultTestKit.
public protocol KeyCustodian: Sendable {
    /// Makes the secret of a new slot, keeps it where it belongs, and returns its root.
    ///
    /// The secret is kept, and read back where others may fail to keep it, before this returns: only then is the slot
    /// written into the header.
    func enroll(_ slot: SlotDescription, vault: [UInt8]) async throws(CustodyError) -> SharedSecret

    /// The roots that may open a slot; more than one where several secrets claim to be the right one.
    ///
    /// - Throws: `.absent`, `.locked` or `.unavailable` if there is none; the next slot may do better.
    func roots(for slot: KeySlot, vault: [UInt8]) async throws(CustodyError) -> [SharedSecret]

    /// Forgets the secret of a slot that is in no header any more.
    func forget(_ slot: SlotDescription, vault: [UInt8]) async throws(CustodyError)
}

extension KeyCustodian {
    /// Nothing is kept anywhere.
    public func forget(_ slot: SlotDescription, vault: [UInt8]) async throws(CustodyError) {}
}

/// What a passphrase is wanted for, so that the question can be put in words.
public enum PassphrasePurpose: Sendable {
    /// To open a slot that exists.
    case open
    /// For a new slot: asked twice.
    case enroll
}

/// Asks for a passphrase, wherever that is possible.
///
/// - Throws: `.locked` where nobody can be asked, or the question was refused.
public typealias PassphraseSource = @Sendable (PassphrasePurpose) async throws(CustodyError) -> SharedSecret
