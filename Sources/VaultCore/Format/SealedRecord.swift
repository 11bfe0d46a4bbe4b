internal import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// What a record is filed under: an entry's full name, a chunk of a kept original, or one machine's place in the audit
/// log.
///
/// Names of entries begin with `oauth:` or `static:`, those of chunks with `file:`, those of places with `audit:`; so no
/// entry can be named like one.
struct RecordName: Hashable, Sendable {
    let text: String

    static let maximumBytes = SealedRecord.nameBoxBytes - SecretBox.overhead - 18

    init(_ entry: EntryName) { text = entry.description }

    init(original sha256: [UInt8], chunk: Int) { text = "file:\(hexadecimal(sha256)):\(chunk)" }

    /// - Parameter machine: 16 bytes that stand for one machine's log.
    init(audit machine: [UInt8]) { text = "audit:\(hexadecimal(machine))" }

    /// Whether it is a place in an audit log: of one machine, and no part of a backup.
    var isAudit: Bool { text.hasPrefix("audit:") }

    /// `nil` if the bytes are no name that fits.
    init?(_ bytes: [UInt8]) {
        guard !bytes.isEmpty, bytes.count <= Self.maximumBytes, let text = String(validating: bytes, as: UTF8.self)
        else {
            return nil
        }
        self.text = text
    }

    /// The SHA-256 of the kept file that this is the first chunk of, if it is that.
    var original: [UInt8]? {
        let parts = text.split(separator: ":")
        guard parts.count == 3, parts[0] == "file", parts[2] == "0", parts[1].utf8.count == 64 else { return nil }
        let digits = Array(parts[1])
        let bytes = stride(from: 0, to: 64, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
        return bytes.count == 32 ? bytes : nil
    }

    /// The entry's name, if it is one.
    var entry: EntryName? {
        guard !text.hasPrefix("file:"), !isAudit, let name = try? EntryName(parsing: text), name.description == text
        else {
            return nil
        }
        return name
    }
}

/// The two parts of a record that are sealed apart.
///
/// The raw values have one length, so that no part and name can run together into another part and name.
enum RecordPart: String {
    case summary = "summary."
    case secret = "secret.."
}

/// What stands at the head of both parts, inside the seal.
///
/// secretbox has no associated data. So the name is bound twice: it goes into the key of each part, and the plaintext
/// repeats what the record must be. Swapped, renamed or foreign records fail the one or the other.
struct RecordBinding: Hashable {
    var vault: VaultID
    var entry: EntryID
    var generation: UInt64
    var name: RecordName

    static let schemaVersion: UInt16 = 1

    var encoded: [UInt8] {
        var writer = ByteWriter()
        writer.append(Self.schemaVersion)
        writer.append(vault.bytes)
        writer.append(entry.bytes)
        writer.append(generation)
        writer.append(UInt16(name.text.utf8.count))
        writer.append(Array(name.text.utf8))
        return writer.bytes
    }

    init(vault: VaultID, entry: EntryID, generation: UInt64, name: RecordName) {
        self.vault = vault
        self.entry = entry
        self.generation = generation
        self.name = name
    }

    init?(_ reader: inout ByteReader) {
        guard let version = reader.integer(UInt16.self), version == Self.schemaVersion,
            let vault = reader.read(16).flatMap({ VaultID($0) }), let entry = reader.read(16).flatMap({ EntryID($0) }),
            let generation = reader.integer(UInt64.self), let length = reader.integer(UInt16.self),
            let name = reader.read(Int(length)).flatMap({ RecordName($0) })
        else { return nil }
        self.init(vault: vault, entry: entry, generation: generation, name: name)
    }
}

/// Why a record cannot be used.
struct RecordFault: Error {
    let sentence: String
}

/// The bytes of one record as a store keeps them.
///
///     version          2   1
///     zero             2
///     summary length   4   of the sealed summary: a power of two from 256
///     name box       248   nonce, box over { vault UUID, length (2), name, zeros }
///     summary              nonce, box over { binding, fields }, padded
///     secret               nonce, box over { binding, fields or raw bytes }, padded
///
/// The whole is a power of two from 1 KiB to 1 MiB. `Schemas/entry.json` says the same as data.
struct SealedRecord {
    static let version: UInt16 = 1
    static let nameBoxBytes = 248
    private static let headBytes = 8 + nameBoxBytes
    private static let smallestSummary = 256
    private static let smallestRecord = 1024

    let bytes: [UInt8]
    private let summaryBytes: Int

    /// Looks at the cleartext head; nothing is decrypted.
    init(_ bytes: [UInt8]) throws(RecordFault) {
        guard bytes.count >= Self.smallestRecord, bytes.count <= RecordLimits.recordBytes,
            bytes.count & (bytes.count - 1) == 0
        else { throw RecordFault(sentence: "has a size of \(bytes.count) bytes, which no record has") }
        var reader = ByteReader(bytes)
        guard let version = reader.integer(UInt16.self), let zero = reader.integer(UInt16.self),
            let summary = reader.integer(UInt32.self)
        else { throw RecordFault(sentence: "is too short") }
        guard version == Self.version else {
            throw RecordFault(sentence: "has version \(version), and this program knows only \(Self.version)")
        }
        guard zero == 0, summary >= Self.smallestSummary, summary & (summary - 1) == 0,
            Self.headBytes + Int(summary) + SecretBox.overhead < bytes.count
        else { throw RecordFault(sentence: "has a damaged head") }
        self.bytes = bytes
        summaryBytes = Int(summary)
    }

    /// Seals a record.
    ///
    /// - Throws: `.malformed` if it would be larger than 1 MiB.
    static func seal(
        _ binding: RecordBinding,
        summary: [UInt8],
        secret: UnsafeRawBufferPointer,
        under key: DataKey
    ) throws(CryptoError) -> [UInt8] {
        let head = binding.encoded
        let summarySize = powerOfTwo(
            atLeast: head.count + summary.count + 1 + SecretBox.overhead,
            from: smallestSummary
        )
        let secretSize = head.count + secret.count + 1 + SecretBox.overhead
        let total = powerOfTwo(atLeast: headBytes + summarySize + secretSize, from: smallestRecord)
        guard total <= RecordLimits.recordBytes else {
            throw CryptoError(
                .malformed,
                "the entry is too large: sealed, it would take \(total) bytes of at most 1 MiB"
            )
        }
        var writer = ByteWriter()
        writer.append(version)
        writer.append(UInt16(0))
        writer.append(UInt32(summarySize))
        writer.append(sealName(binding, under: key))
        writer.append(
            try seal(
                head + summary,
                paddedTo: summarySize - SecretBox.overhead,
                under: try key.key(of: .summary, binding.name, vault: binding.vault)
            )
        )
        var plain = try SecretBuffer(capacity: total - headBytes - summarySize)
        try plain.append(head)
        try plain.append(secret)
        let padded = try plain.finish().padded(to: total - headBytes - summarySize - SecretBox.overhead)
        writer.append(SecretBox.seal(padded, under: try key.key(of: .secret, binding.name, vault: binding.vault)))
        return writer.bytes
    }

    /// The name in the name box, whatever the record is filed under; `nil` if it does not open under this key.
    func name(vault: VaultID, under key: DataKey) -> RecordName? {
        let plain = key.withNamesKey { names in try? SecretBox.openPublic(bytes[8..<Self.headBytes], under: names) }
        guard let plain else { return nil }
        var reader = ByteReader(plain)
        guard reader.read(16) == vault.bytes, let length = reader.integer(UInt16.self) else { return nil }
        return reader.read(Int(length)).flatMap { RecordName($0) }
    }

    /// The summary's binding and fields.
    ///
    /// - Throws: if it does not open, or is not the record of that name and generation.
    func openSummary(
        of name: RecordName,
        generation: UInt64,
        vault: VaultID,
        under key: DataKey
    ) throws -> (binding: RecordBinding, body: [UInt8]) {
        let partKey = try key.key(of: .summary, name, vault: vault)
        var plain = try SecretBox.openPublic(bytes[Self.headBytes..<Self.headBytes + summaryBytes], under: partKey)
        while plain.last == 0 { plain.removeLast() }
        guard plain.popLast() == 0x80 else { throw RecordFault(sentence: "has a summary without valid padding") }
        var reader = ByteReader(plain)
        guard let binding = RecordBinding(&reader) else {
            throw RecordFault(sentence: "has a summary of an unknown version")
        }
        guard binding.vault == vault, binding.name == name, binding.generation == generation else {
            throw RecordFault(
                sentence: "is not what it is filed as: another vault, name or generation is sealed inside"
            )
        }
        return (binding, Array(plain[reader.position...]))
    }

    /// The secret part behind its binding, which must equal the summary's.
    func openSecret(_ binding: RecordBinding, under key: DataKey) throws -> SecretBytes {
        let partKey = try key.key(of: .secret, binding.name, vault: binding.vault)
        let plain = try SecretBox.open(bytes[(Self.headBytes + summaryBytes)...], under: partKey)
        let count = try plain.unpaddedCount()
        let head = binding.encoded
        guard count >= head.count, plain.withUnsafeBytes({ $0.starts(with: head) }) else {
            throw RecordFault(sentence: "has two parts that do not belong together")
        }
        return try plain.copy(head.count..<count)
    }

    private static func sealName(_ binding: RecordBinding, under key: DataKey) -> [UInt8] {
        var plain = ByteWriter()
        plain.append(binding.vault.bytes)
        plain.append(UInt16(binding.name.text.utf8.count))
        plain.append(Array(binding.name.text.utf8))
        let size = nameBoxBytes - SecretBox.overhead
        precondition(plain.bytes.count <= size, "VaultCore: record name too long")
        plain.append([UInt8](repeating: 0, count: size - plain.bytes.count))
        return key.withNamesKey { names in plain.bytes.withUnsafeBytes { SecretBox.seal($0, under: names) } }
    }

    /// ISO/IEC 7816-4 padding by hand: `sodium_pad` works in place, and what a list shows needs no secret memory.
    private static func seal(
        _ plain: [UInt8],
        paddedTo size: Int,
        under key: borrowing SecretBytes
    ) throws(CryptoError) -> [UInt8] {
        var padded = plain
        padded.append(0x80)
        padded += [UInt8](repeating: 0, count: size - padded.count)
        return padded.withUnsafeBytes { SecretBox.seal($0, under: key) }
    }

    private static func powerOfTwo(atLeast size: Int, from smallest: Int) -> Int {
        var result = smallest
        while result < size { result *= 2 }
        return result
    }
}
