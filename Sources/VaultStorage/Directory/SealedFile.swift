/// The bytes of a file of a directory store: a record or the header, and what tells them from anything else.
///
/// ```
/// magic        8   89 56 4C 'R' 0D 0A 1A 0A for a record, 'H' in the fourth place for the header
/// version      1   1
/// id          32   of a record only
/// generation   8   all numbers are big-endian
/// length       4
/// sealed bytes
/// sum          8   FNV-1a over all before it
/// ```
///
/// The magic is PNG's idea: whoever converts line ends or strips the eighth bit breaks it, and it is text to nobody. The
/// sum tells of accidents, such as a file cut off, filled with zeros or merged line by line; that nobody forged the
/// sealed bytes is shown by opening them, for which storage has no key.
enum SealedFile {
    /// What a file turns out to hold.
    enum Reading: Hashable {
        case record(StoredRecord)
        case header(StoredHeader)
        /// Ours by its first bytes, and not as it was written: what is wrong with it.
        case broken(String)
        /// Written by a later version.
        case later(UInt8)
        /// Nothing of ours.
        case foreign
    }

    private static let recordMagic: [UInt8] = [0x89, 0x56, 0x4C, 0x52, 0x0D, 0x0A, 0x1A, 0x0A]
    private static let headerMagic: [UInt8] = [0x89, 0x56, 0x4C, 0x48, 0x0D, 0x0A, 0x1A, 0x0A]
    private static let version: UInt8 = 1
    private static let overhead = 8 + 1 + 32 + 8 + 4 + 8
    static let magicLength = 8
    /// The greatest size of such a file.
    static let longest = overhead + max(RecordLimits.recordBytes, RecordLimits.headerBytes)

    static func bytes(of record: StoredRecord) -> [UInt8] {
        bytes(recordMagic, record.id.bytes, record.generation, record.sealed)
    }

    static func bytes(of header: StoredHeader) -> [UInt8] {
        bytes(headerMagic, [], header.generation, header.bytes)
    }

    private static func bytes(_ magic: [UInt8], _ id: [UInt8], _ generation: UInt64, _ body: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(overhead + body.count)
        bytes += magic
        bytes.append(version)
        bytes += id
        bytes.append(bigEndian: generation)
        bytes.append(bigEndian: UInt32(body.count))
        bytes += body
        bytes.append(bigEndian: Sum.of(bytes))
        return bytes
    }

    /// Whether a file that begins so is one of ours.
    static func isOurs(_ beginning: [UInt8]) -> Bool {
        beginning.starts(with: recordMagic) || beginning.starts(with: headerMagic)
    }

    static func read(_ bytes: [UInt8]) -> Reading {
        guard isOurs(bytes) else { return .foreign }
        let isRecord = bytes[3] == recordMagic[3]
        var rest = bytes.dropFirst(magicLength)
        guard let found = rest.popFirst() else { return .broken("it is cut off") }
        guard found == version else { return found > version ? .later(found) : .broken("it has format 0") }
        let id = isRecord ? RecordID(Array(rest.prefix(RecordID.length))) : nil
        if isRecord { rest = rest.dropFirst(RecordID.length) }
        guard rest.count >= 8 + 4 + 8, !isRecord || id != nil else { return .broken("it is cut off") }
        let generation = UInt64(bigEndian: rest.prefix(8))
        rest = rest.dropFirst(8)
        let length = Int(UInt64(bigEndian: rest.prefix(4)))
        rest = rest.dropFirst(4)
        guard rest.count == length + 8 else {
            return .broken("it has \(rest.count - 8) sealed bytes, expected \(length)")
        }
        guard Sum.of(bytes.dropLast(8)) == UInt64(bigEndian: rest.suffix(8)) else {
            return .broken("its bytes do not give the sum that stands at its end")
        }
        guard generation <= RecordLimits.generation else { return .broken("it has generation \(generation)") }
        let body = Array(rest.prefix(length))
        if let id { return .record(StoredRecord(id: id, generation: generation, sealed: body)) }
        return .header(StoredHeader(generation: generation, bytes: body))
    }
}

/// FNV-1a in 64 bits: notices accidents, and nothing that somebody did on purpose.
enum Sum {
    static let empty: UInt64 = 0xCBF2_9CE4_8422_2325

    static func of(_ bytes: some Sequence<UInt8>, from start: UInt64 = empty) -> UInt64 {
        var sum = start
        for byte in bytes { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return sum
    }

    static func of(_ numbers: UInt64..., from start: UInt64) -> UInt64 {
        numbers.reduce(start) { sum, number in
            withUnsafeBytes(of: number.bigEndian) { of($0, from: sum) }
        }
    }
}

extension [UInt8] {
    mutating func append(bigEndian number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
    }
}

extension UInt64 {
    /// The number that up to eight bytes stand for.
    init(bigEndian bytes: some Sequence<UInt8>) {
        self = bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
