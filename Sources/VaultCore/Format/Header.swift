internal import VaultAPI
internal import KeyCustody
internal import VaultCrypto
internal import VaultStorage

/// The head of a vault: who can open it, and how far a rotation or a move has come.
///
///     magic            8   "VAULTHDR"
///     major, minor     2+2
///     length           4   of the whole header
///     vault UUID      16
///     generation       8
///     created at       8   seconds since 1970
///     phase            1   0 steady, 1 rotating, 2 moved away, 3 arriving
///     fields               until 64 bytes before the end; those of unknown tags are carried along
///       1  key slot, one field each
///       2  the old data key, sealed under the new one; only while rotating
///       4  the key of the audit log, sealed under the data key (3 is left out: a sample vault has it as an unknown tag)
///       5  the address of the store that the vault was moved to; only in one that was moved away
///       6  which move that was, or which one made this store: 16 random bytes, and 16 that stand for the machine
///       7  the spill key of a data key that was rotated away, sealed under the data key; the oldest first
///       8  1 where the vault is in a directory that machines synchronise, and have no lock in common
///     MAC             32   keyed BLAKE2b-256 over all before it, under a subkey of the data key
///     digest          32   BLAKE2b-256 over all before it
///
/// The digest is checked first and needs no key: damage. The MAC is checked as soon as a slot opens: tampering.
/// A program that does not know a phase takes the header for damaged: it neither reads nor writes the store, which is
/// what a store that is no vault any more, or not yet, needs. `Schemas/header.json` says the same as data.
struct Header: Sendable {
    static let magic = Array("VAULTHDR".utf8)
    static let major: UInt16 = 1
    static let minor: UInt16 = 0
    static let maximumSlots = 64
    static let maximumPassphraseSlots = 8
    /// For so many rotations, a machine that was away brings back what it has spilled.
    static let maximumSpillKeys = 16
    private static let fixedBytes = 8 + 2 + 2 + 4 + 16 + 8 + 8 + 1
    private static let digestBytes = 32

    enum Phase: UInt8 {
        case steady = 0
        case rotating = 1
        /// The vault was moved to another store; nothing may be written here any more.
        case moved = 2
        /// The vault is being moved to this store, and is not here yet.
        case arriving = 3
    }

    /// One move of a vault from store to store.
    struct Move: Hashable {
        static let idBytes = 16

        /// Tells it from every other move, also of a copy of the vault.
        var id: [UInt8]
        /// The machine that began it.
        var machine: [UInt8]
    }

    enum Tag {
        static let slot: UInt16 = 1
        static let oldDataKey: UInt16 = 2
        static let auditKey: UInt16 = 4
        static let movedTo: UInt16 = 5
        static let move: UInt16 = 6
        static let spillKey: UInt16 = 7
        static let synced: UInt16 = 8
    }

    var vault: VaultID
    var generation: UInt64
    var createdAt: Int64
    var minor: UInt16 = Header.minor
    var slots: [HeaderSlot]
    /// The old data key sealed under the new one.
    ///
    /// A header is rotating just while it has one.
    var oldDataKey: [UInt8]?
    /// The key of the audit log sealed under the data key; `nil` in a vault that no version with a log has opened yet.
    var auditKey: [UInt8]?
    /// The store that the vault was moved to, as an address says it; a header is moved just while it has one.
    var movedTo: String?
    /// The move that goes on or, in a steady header, the last one; `nil` where there was none.
    var move: Move?
    /// The spill keys of earlier data keys sealed under the data key, the oldest first; at most `maximumSpillKeys`.
    var spillKeys: [[UInt8]] = []
    /// Whether it is in a directory that machines synchronise.
    ///
    /// Who may write that directory could put a database with the same header and records into it, and the machine would
    /// take itself for the only one that refreshes.
    var isSynced = false
    /// Whether this is the store of a move that has not come to its end.
    var isArriving = false
    var unknownFields: [Field] = []

    var phase: Phase {
        if movedTo != nil { return .moved }
        if isArriving { return .arriving }
        return oldDataKey == nil ? .steady : .rotating
    }

    /// The slots that this version can open.
    var knownSlots: [KeySlot] { slots.compactMap(\.known) }

    /// The header as it is stored, authenticated under `key`.
    func encoded(under key: DataKey) -> [UInt8] {
        var body = ByteWriter()
        for slot in slots { body.append(Field(tag: Tag.slot, bytes: slot.encoded)) }
        if let oldDataKey { body.append(Field(tag: Tag.oldDataKey, bytes: oldDataKey)) }
        if let auditKey { body.append(Field(tag: Tag.auditKey, bytes: auditKey)) }
        if let movedTo { body.append(Field(tag: Tag.movedTo, bytes: Array(movedTo.utf8))) }
        if let move { body.append(Field(tag: Tag.move, bytes: move.id + move.machine)) }
        for key in spillKeys { body.append(Field(tag: Tag.spillKey, bytes: key)) }
        if isSynced { body.append(Field(tag: Tag.synced, bytes: [1])) }
        for field in unknownFields { body.append(field) }
        var writer = ByteWriter()
        writer.append(Self.magic)
        writer.append(Self.major)
        writer.append(minor)
        writer.append(UInt32(Self.fixedBytes + body.bytes.count + 2 * Self.digestBytes))
        writer.append(vault.bytes)
        writer.append(generation)
        writer.append(createdAt)
        writer.append(phase.rawValue)
        writer.append(body.bytes)
        writer.append(key.headerMAC(writer.bytes))
        writer.append(Self.digest(of: writer.bytes))
        return writer.bytes
    }

    /// Reads a header whose MAC is still to be checked.
    init(_ bytes: [UInt8]) throws(HeaderFault) {
        guard bytes.count <= RecordLimits.headerBytes else { throw .tooLarge }
        guard bytes.starts(with: Self.magic) else { throw .foreign }
        guard bytes.count >= Self.fixedBytes + 2 * Self.digestBytes else { throw .damaged }
        let signed = Array(bytes.dropLast(Self.digestBytes))
        guard constantTimeEqual(Self.digest(of: signed), Array(bytes.suffix(Self.digestBytes))) else { throw .damaged }
        // What follows has the digest of something that was written on purpose.
        var reader = ByteReader(Array(signed.dropLast(Self.digestBytes)), from: Self.magic.count)
        guard let major = reader.integer(UInt16.self), let minor = reader.integer(UInt16.self) else { throw .damaged }
        guard major == Self.major else { throw .version(major) }
        guard let length = reader.integer(UInt32.self), Int(length) == bytes.count,
            let uuid = reader.read(16), let vault = VaultID(uuid),
            let generation = reader.integer(UInt64.self), let createdAt = reader.integer(Int64.self),
            let phase = reader.integer(UInt8.self).flatMap(Phase.init), let fields = reader.fields()
        else { throw .damaged }
        self.vault = vault
        self.generation = generation
        self.createdAt = createdAt
        self.minor = minor
        isArriving = phase == .arriving
        slots = []
        for field in fields {
            switch field.tag {
            case Tag.slot:
                guard let slot = HeaderSlot(field.bytes) else { throw .damaged }
                slots.append(slot)
            case Tag.oldDataKey:
                guard oldDataKey == nil, field.bytes.count == KeySlot.wrappedBytes else { throw .damaged }
                oldDataKey = field.bytes
            case Tag.auditKey:
                guard auditKey == nil, field.bytes.count == KeySlot.wrappedBytes else { throw .damaged }
                auditKey = field.bytes
            case Tag.movedTo:
                guard movedTo == nil, !field.bytes.isEmpty, let text = String(validating: field.bytes, as: UTF8.self)
                else { throw .damaged }
                movedTo = text
            case Tag.move:
                guard move == nil, field.bytes.count == 2 * Move.idBytes else { throw .damaged }
                move = Move(
                    id: Array(field.bytes.prefix(Move.idBytes)),
                    machine: Array(field.bytes.suffix(Move.idBytes))
                )
            case Tag.spillKey:
                guard spillKeys.count < Self.maximumSpillKeys, field.bytes.count == KeySlot.wrappedBytes
                else { throw .damaged }
                spillKeys.append(field.bytes)
            case Tag.synced:
                guard !isSynced, field.bytes == [1] else { throw .damaged }
                isSynced = true
            default: unknownFields.append(field)
            }
        }
        // No vault is moved before its rotation is finished; and what is under way is some move.
        guard phase == .steady || phase == .rotating || (move != nil && oldDataKey == nil) else { throw .damaged }
        guard self.phase == phase, Set(slots.map(\.id)).count == slots.count, !slots.isEmpty else { throw .damaged }
        try checkLimits()
    }

    /// A header of a new vault, or of its next key.
    init(vault: VaultID, generation: UInt64, createdAt: Int64, slots: [KeySlot]) {
        self.vault = vault
        self.generation = generation
        self.createdAt = createdAt
        self.slots = slots.map(HeaderSlot.init)
    }

    /// Refuses more slots than one opening may try.
    func checkLimits() throws(HeaderFault) {
        guard slots.count <= Self.maximumSlots,
            knownSlots.count(where: { $0.description.kind.needsPassphrase }) <= Self.maximumPassphraseSlots
        else { throw .tooManySlots }
    }

    /// Whether the header was written by whoever holds `key`.
    static func isAuthentic(_ bytes: [UInt8], under key: DataKey) -> Bool {
        guard bytes.count > 2 * digestBytes else { return false }
        let end = bytes.count - 2 * digestBytes
        return constantTimeEqual(key.headerMAC(Array(bytes[..<end])), Array(bytes[end..<end + digestBytes]))
    }

    /// BLAKE2b-256: what the header ends with, and what the ledger remembers of it.
    static func digest(of bytes: [UInt8]) -> [UInt8] {
        var hash = Blake2b()
        hash.update(bytes)
        return hash.finish()
    }
}

/// Why some bytes are no header that can be used.
enum HeaderFault: Error, Equatable {
    case foreign
    case damaged
    case version(UInt16)
    case tooLarge
    case tooManySlots

    var sentence: String {
        switch self {
        case .foreign: "the header does not begin as a vault's does"
        case .damaged: "the header is damaged"
        case .version(let version):
            "the vault has format version \(version), and this program knows only \(Header.major)"
        case .tooLarge: "the header is larger than 1 MiB"
        case .tooManySlots:
            "the header has more than \(Header.maximumSlots) slots, or more than \(Header.maximumPassphraseSlots) passphrases"
        }
    }
}

/// A slot in a header: one that this version knows, or one that it carries along byte for byte.
///
///     kind             2
///     slot id         16
///     created at       8   seconds since 1970      (from here on for known kinds)
///     algorithm        4   0 none, 2 Argon2id 1.3
///     passes           4
///     memory           8   bytes
///     salt            16
///     commitment      32
///     wrapped key     72
///     path                 of a key file, UTF-8, up to the end
struct HeaderSlot: Hashable, Sendable {
    let id: [UInt8]
    let kind: SlotKind
    let known: KeySlot?
    let encoded: [UInt8]

    init(_ slot: KeySlot) {
        id = slot.description.id
        kind = slot.description.kind
        known = slot
        var writer = ByteWriter()
        writer.append(kind.rawValue)
        writer.append(id)
        writer.append(slot.createdAt)
        writer.append(slot.description.derivation == nil ? UInt32(0) : PasswordHash.argon2id13)
        writer.append(slot.description.derivation?.passes ?? 0)
        writer.append(slot.description.derivation?.memoryBytes ?? 0)
        writer.append(slot.description.salt)
        writer.append(slot.commitment)
        writer.append(slot.wrapped)
        writer.append(Array(slot.path.utf8))
        encoded = writer.bytes
    }

    /// `nil` if the bytes are no slot.
    init?(_ bytes: [UInt8]) {
        var reader = ByteReader(bytes)
        guard let number = reader.integer(UInt16.self), let id = reader.read(16) else { return nil }
        let kind = SlotKind(rawValue: number)
        self.id = id
        self.kind = kind
        encoded = bytes
        guard kind.isKnown else {
            known = nil
            return
        }
        guard let createdAt = reader.integer(Int64.self), let algorithm = reader.integer(UInt32.self),
            let passes = reader.integer(UInt32.self), let memory = reader.integer(UInt64.self),
            let salt = reader.read(PasswordHash.saltBytes), let commitment = reader.read(KeySlot.commitmentBytes),
            let wrapped = reader.read(KeySlot.wrappedBytes), let path = reader.read(bytes.count - reader.position),
            algorithm == (kind.needsPassphrase ? PasswordHash.argon2id13 : 0),
            let path = String(validating: path, as: UTF8.self)
        else { return nil }
        let derivation = kind.needsPassphrase ? PasswordHash(passes: passes, memoryBytes: memory) : nil
        known = KeySlot(
            description: SlotDescription(id: id, kind: kind, derivation: derivation, salt: salt),
            commitment: commitment,
            wrapped: wrapped,
            createdAt: createdAt,
            path: path
        )
    }
}
