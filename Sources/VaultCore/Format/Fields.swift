internal import VaultAPI

/// One field of a header, a summary or a backup: a tag and its bytes.
///
/// On the wire: tag (2 bytes), length (4 bytes), bytes; integers little-endian, everywhere in this format. A reader
/// keeps the tags it does not know and writes them back as they were.
typealias Field = TaggedField

/// Writes the integers and fields of the format.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ more: [UInt8]) { bytes += more }

    mutating func append<Integer: FixedWidthInteger>(_ value: Integer) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func append(_ field: Field) {
        append(field.tag)
        append(UInt32(field.bytes.count))
        append(field.bytes)
    }
}

/// Reads what `ByteWriter` wrote.
///
/// Every read says `nil` at the end of the bytes; none traps.
struct ByteReader {
    private let bytes: [UInt8]
    private(set) var position: Int

    init(_ bytes: [UInt8], from position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    var isAtEnd: Bool { position == bytes.count }

    mutating func read(_ count: Int) -> [UInt8]? {
        guard count >= 0, count <= bytes.count - position else { return nil }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    mutating func integer<Integer: FixedWidthInteger>(_ type: Integer.Type = Integer.self) -> Integer? {
        let size = MemoryLayout<Integer>.size
        guard size <= bytes.count - position else { return nil }
        defer { position += size }
        return bytes.withUnsafeBytes { Integer(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: type)) }
    }

    mutating func field() -> Field? {
        guard let tag = integer(UInt16.self), let length = integer(UInt32.self), let bytes = read(Int(length)) else {
            return nil
        }
        return Field(tag: tag, bytes: bytes)
    }

    /// All fields up to the end, or `nil` if the bytes do not end with one.
    mutating func fields() -> [Field]? {
        var fields: [Field] = []
        while !isAtEnd {
            guard let field = field() else { return nil }
            fields.append(field)
        }
        return fields
    }
}
