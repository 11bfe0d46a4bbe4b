public import VaultCrypto

/// How a slot is opened.
///
/// Versions to come may have kinds that this one does not know.
public struct SlotKind: Hashable, Sendable, CustomStringConvertible {
    /// The number in the format.
    public let rawValue: UInt16

    /// A kind of that number, known or not.
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// 32 random bytes kept in the Secret Service.
    public static let secretService = SlotKind(rawValue: 1)
    /// A passphrase, through Argon2id.
    public static let passphrase = SlotKind(rawValue: 2)
    /// Both of them are needed.
    public static let secretServiceAndPassphrase = SlotKind(rawValue: 3)
    /// A code on paper.
    public static let recoveryCode = SlotKind(rawValue: 4)
    /// 32 random bytes in a file.
    public static let keyFile = SlotKind(rawValue: 5)

    private static let names: [(kind: SlotKind, name: String)] = [
        (.secretService, "secret-service"),
        (.passphrase, "passphrase"),
        (.secretServiceAndPassphrase, "secret-service+passphrase"),
        (.recoveryCode, "recovery-code"),
        (.keyFile, "key-file"),
    ]

    /// The kind of that name, as options spell it.
    public init?(name: String) {
        guard let found = Self.names.first(where: { $0.name == name }) else { return nil }
        self = found.kind
    }

    /// Whether this version can open such a slot.
    public var isKnown: Bool { Self.names.contains { $0.kind == self } }

    /// Whether a passphrase goes into it.
    public var needsPassphrase: Bool { self == .passphrase || self == .secretServiceAndPassphrase }

    /// Whether its secret lies in the keyring.
    public var needsKeyring: Bool { self == .secretService || self == .secretServiceAndPassphrase }

    /// The name, as options spell it.
    public var description: String {
        Self.names.first { $0.kind == self }?.name ?? "unknown-\(rawValue)"
    }
}

/// What a slot says of itself before it holds anything, all of it bound into its key.
public struct SlotDescription: Hashable, Sendable {
    /// 16 random bytes.
    public let id: [UInt8]
    /// How it is opened.
    public let kind: SlotKind
    /// The derivation, where there is a passphrase.
    public let derivation: PasswordHash?
    /// The salt of that derivation; 16 bytes.
    public let salt: [UInt8]

    /// A description as it was read.
    public init(id: [UInt8], kind: SlotKind, derivation: PasswordHash?, salt: [UInt8]) {
        self.id = id
        self.kind = kind
        self.derivation = derivation
        self.salt = salt
    }

    /// A new slot with a fresh id and salt.
    ///
    /// Its derivation comes from policy, never from the slot it replaces.
    public init(newOf kind: SlotKind, derivation: PasswordHash) {
        id = randomBytes(16)
        self.kind = kind
        self.derivation = kind.needsPassphrase ? derivation : nil
        salt = kind.needsPassphrase ? randomBytes(PasswordHash.saltBytes) : [UInt8](repeating: 0, count: 16)
    }

    /// The first eight digits of the id, which is how people name a slot.
    public var shortID: String {
        id.prefix(4).map { byte in
            let digits = String(byte, radix: 16)
            return byte < 16 ? "0" + digits : digits
        }.joined()
    }
}

/// A key slot: the vault's data key, wrapped under a key-encryption key that some custodian can produce.
public struct KeySlot: Hashable, Sendable {
    /// What the slot says of itself.
    public let description: SlotDescription
    /// Tells the right key from a wrong one before the box is opened; see `wrap`.
    public let commitment: [UInt8]
    /// The sealed data key; always `wrappedBytes` long.
    public let wrapped: [UInt8]
    /// When it was made, in seconds since 1970.
    public let createdAt: Int64
    /// Where its key file lies; empty for other kinds.
    public let path: String

    /// The length of `wrapped`: a box over 32 bytes.
    public static let wrappedBytes = 32 + SecretBox.overhead
    /// The length of `commitment`.
    public static let commitmentBytes = 32

    /// A slot as it was read.
    public init(
        description: SlotDescription,
        commitment: [UInt8],
        wrapped: [UInt8],
        createdAt: Int64,
        path: String
    ) {
        self.description = description
        self.commitment = commitment
        self.wrapped = wrapped
        self.createdAt = createdAt
        self.path = path
    }

    /// Wraps a data key under a root that a custodian produced for this slot.
    ///
    /// secretbox does not commit to its key: one box can be made to open under many chosen keys, and an attacker who
    /// may plant slots can try many passphrases at one opening (a partitioning oracle). So half of a 64-byte hash of
    /// the root wraps and the other half stands in the header, and is compared before anything is opened.
    public static func wrap(
        _ dataKey: borrowing SecretBytes,
        under root: borrowing SecretBytes,
        as description: SlotDescription,
        vault: [UInt8],
        createdAt: Int64,
        path: String = ""
    ) throws(CryptoError) -> KeySlot {
        let keys = try Self.keys(root, description, vault)
        let wrapping = try keys.copy(0..<32)
        return KeySlot(
            description: description,
            commitment: keys.withUnsafeBytes { Array($0.dropFirst(32)) },
            wrapped: SecretBox.seal(dataKey, under: wrapping),
            createdAt: createdAt,
            path: path
        )
    }

    /// The data key, if `root` is the one this slot was made with.
    ///
    /// - Throws: `.wrongKey`, for a wrong root and for a forged slot alike.
    public func unwrap(under root: borrowing SecretBytes, vault: [UInt8]) throws(CustodyError) -> SecretBytes {
        do {
            let keys = try Self.keys(root, description, vault)
            let expected: [UInt8] = keys.withUnsafeBytes { Array($0.dropFirst(32)) }
            guard constantTimeEqual(expected, commitment) else { throw wrongKey }
            let wrapping = try keys.copy(0..<32)
            let dataKey = try SecretBox.open(wrapped[...], under: wrapping)
            guard dataKey.count == 32 else { throw wrongKey }
            return dataKey
        } catch let error as CustodyError {
            throw error
        } catch let error as CryptoError where error.code == .memory {
            throw CustodyError(.unavailable, error.message, underlying: error)
        } catch {
            throw wrongKey
        }
    }

    private var wrongKey: CustodyError {
        CustodyError(
            .wrongKey,
            "the slot \(description.shortID) (\(description.kind)) does not open: wrong passphrase or key"
        )
    }

    /// The wrapping key and the commitment.
    ///
    /// Every field has a fixed width, so no two slots hash the same bytes.
    private static func keys(
        _ root: borrowing SecretBytes,
        _ slot: SlotDescription,
        _ vault: [UInt8]
    ) throws(CryptoError) -> SecretBytes {
        var hash = Blake2b(key: root, length: 64)
        hash.update("vault slot 1")
        hash.update(vault)
        hash.update(slot.id)
        let algorithm: UInt32 = slot.derivation == nil ? 0 : PasswordHash.argon2id13
        hash.update(littleEndian(UInt32(slot.kind.rawValue)))
        hash.update(littleEndian(algorithm))
        hash.update(littleEndian(slot.derivation?.passes ?? 0 as UInt32))
        hash.update(littleEndian(slot.derivation?.memoryBytes ?? UInt64(0)))
        hash.update(slot.salt)
        return try hash.finishSecret()
    }

    private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
}
