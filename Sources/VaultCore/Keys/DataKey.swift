internal import VaultAPI
internal import KeyCustody
internal import VaultCrypto
internal import VaultStorage

/// The data key of a vault, and what is derived from it (`crypto_kdf`): one subkey for each purpose, so that nothing
/// made for one can be taken for another.
///
///     "vltentry"  entry parts, through keyed BLAKE2b over part, vault and name
///     "vltnames"  the name box at the head of each record
///     "vltrecid"  record ids
///     "vlthdmac"  the header's MAC
///     "vltoldky"  the old data key, while a rotation runs
///     "vltaudit"  the key of the audit log
///     "vltspill"  the key of what a refresh could not commit: a data key in its turn
///     "vltspold"  the spill keys of data keys before this one
///     "vltbackp"  the MAC of a backup file
final class DataKey: Sendable {
    private let master: SharedSecret
    private let entries: SharedSecret
    private let names: SharedSecret
    private let ids: SharedSecret
    private let headerMAC: SharedSecret

    init(_ key: consuming SecretBytes) throws(CryptoError) {
        precondition(key.count == 32, "VaultCore: data key of a wrong size")
        entries = SharedSecret(try subkey(of: key, id: 1, context: "vltentry"))
        names = SharedSecret(try subkey(of: key, id: 1, context: "vltnames"))
        ids = SharedSecret(try subkey(of: key, id: 1, context: "vltrecid"))
        headerMAC = SharedSecret(try subkey(of: key, id: 1, context: "vlthdmac"))
        master = SharedSecret(key)
    }

    /// A new random one.
    static func random() throws(CryptoError) -> DataKey { try DataKey(try SecretBytes(random: 32)) }

    /// Record id = keyed BLAKE2b of the name: the file tells nobody which services are in use.
    func recordID(_ name: RecordName) -> RecordID {
        let bytes = ids.withSecret { key in
            var hash = Blake2b(key: key, length: RecordID.length)
            hash.update(Array(name.text.utf8))
            return hash.finish()
        }
        guard let id = RecordID(bytes) else { preconditionFailure("VaultCore: record id of a wrong size") }
        return id
    }

    /// The key of one part of one record.
    func key(of part: RecordPart, _ name: RecordName, vault: VaultID) throws(CryptoError) -> SecretBytes {
        try entries.withSecret { (key) throws(CryptoError) in
            var hash = Blake2b(key: key, length: SecretBox.keyBytes)
            var bound = ByteWriter()
            bound.append(Array("entry".utf8))
            bound.append(Array(part.rawValue.utf8))
            bound.append(SealedRecord.version)
            bound.append(vault.bytes)
            bound.append(UInt16(name.text.utf8.count))
            bound.append(Array(name.text.utf8))
            hash.update(bound.bytes)
            return try hash.finishSecret()
        }
    }

    func withNamesKey<Result: ~Copyable, Failure: Error>(
        _ body: (borrowing SecretBytes) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try names.withSecret(body)
    }

    func withMaster<Result: ~Copyable, Failure: Error>(
        _ body: (borrowing SecretBytes) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try master.withSecret(body)
    }

    /// The MAC of a header over everything before it.
    func headerMAC(_ bytes: [UInt8]) -> [UInt8] {
        headerMAC.withSecret { key in
            var hash = Blake2b(key: key)
            hash.update(bytes)
            return hash.finish()
        }
    }

    /// A running MAC for a backup file.
    func backupMAC() throws(CryptoError) -> Blake2b {
        try master.withSecret { (master) throws(CryptoError) in
            Blake2b(key: try subkey(of: master, id: 1, context: "vltbackp"))
        }
    }

    /// The old data key, sealed under this one while a rotation runs.
    func seal(old: DataKey) throws(CryptoError) -> [UInt8] { try seal(old.master, for: "vltoldky") }

    /// What `seal(old:)` sealed.
    func open(old sealed: [UInt8]) throws(CryptoError) -> DataKey { try DataKey(try open(sealed, for: "vltoldky")) }

    /// The key of the audit log, sealed under this one: a rotation seals it anew, so that the chain of lines goes on.
    func seal(audit: SharedSecret) throws(CryptoError) -> [UInt8] { try seal(audit, for: "vltaudit") }

    /// What `seal(audit:)` sealed.
    func open(audit sealed: [UInt8]) throws(CryptoError) -> SharedSecret {
        SharedSecret(try open(sealed, for: "vltaudit"))
    }

    /// The key of what a refresh could not commit.
    ///
    /// A machine that cannot reach the store does not know of a rotation. So the spill key outlives its data key, and
    /// opens nothing but spill files.
    func spillKey() throws(CryptoError) -> DataKey {
        try master.withSecret { (master) throws(CryptoError) in
            try DataKey(try subkey(of: master, id: 1, context: "vltspill"))
        }
    }

    /// The spill key of a data key before this one, sealed under this one.
    func seal(spill: DataKey) throws(CryptoError) -> [UInt8] { try seal(spill.master, for: "vltspold") }

    /// What `seal(spill:)` sealed.
    func open(spill sealed: [UInt8]) throws(CryptoError) -> DataKey { try DataKey(try open(sealed, for: "vltspold")) }

    private func seal(_ secret: SharedSecret, for purpose: StaticString) throws(CryptoError) -> [UInt8] {
        try master.withSecret { (master) throws(CryptoError) in
            let key = try subkey(of: master, id: 1, context: purpose)
            return secret.withSecret { SecretBox.seal($0, under: key) }
        }
    }

    private func open(_ sealed: [UInt8], for purpose: StaticString) throws(CryptoError) -> SecretBytes {
        try master.withSecret { (master) throws(CryptoError) in
            let key = try subkey(of: master, id: 1, context: purpose)
            let opened = try SecretBox.open(sealed[...], under: key)
            guard opened.count == SecretBox.keyBytes else { throw CryptoError(.malformed, "a key of a wrong size") }
            return opened
        }
    }

    /// A slot that holds this key.
    func wrap(
        under root: SharedSecret,
        as description: SlotDescription,
        vault: VaultID,
        createdAt: Timestamp,
        path: String
    ) throws(CryptoError) -> KeySlot {
        try master.withSecret { (master) throws(CryptoError) in
            try root.withSecret { (root) throws(CryptoError) in
                try KeySlot.wrap(
                    master,
                    under: root,
                    as: description,
                    vault: vault.bytes,
                    createdAt: createdAt.seconds,
                    path: path
                )
            }
        }
    }
}
