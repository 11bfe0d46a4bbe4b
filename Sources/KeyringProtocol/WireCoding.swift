/// Puts the public fields of a frame together.
struct WireWriter {
    private(set) var written: [UInt8] = []

    mutating func byte(_ byte: UInt8) { written.append(byte) }

    mutating func bytes(_ bytes: [UInt8]) { written += bytes }

    mutating func number(_ number: Int) {
        precondition(number >= 0 && number <= 0xFFFF, "KeyringProtocol: number out of range")
        written += [UInt8(number >> 8), UInt8(number & 0xFF)]
    }

    /// Texts are for people, so one that is too long is cut, at a character.
    mutating func text(_ text: String) {
        var text = text[...]
        while text.utf8.count > KeyringWire.maximumTextBytes { text.removeLast() }
        number(text.utf8.count)
        written += Array(text.utf8)
    }

    func frame(followedBy more: Int) -> [UInt8] {
        let count = written.count + more
        precondition(count <= KeyringWire.maximumBodyBytes, "KeyringProtocol: frame too long")
        return (0..<KeyringWire.lengthBytes).reversed().map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + written
    }
}

/// Takes a body apart; whatever that holds, this ends or throws and never reads beyond it.
struct WireReader {
    private let body: UnsafeRawBufferPointer
    private var offset = 0

    init(_ body: UnsafeRawBufferPointer) { self.body = body }

    private mutating func take(_ count: Int) throws(KeyringWire.Malformed) -> Range<Int> {
        guard count <= body.count - offset else { throw KeyringWire.Malformed() }
        defer { offset += count }
        return offset..<offset + count
    }

    mutating func bytes(_ count: Int) throws(KeyringWire.Malformed) -> [UInt8] { Array(body[try take(count)]) }

    mutating func byte() throws(KeyringWire.Malformed) -> UInt8 { body[try take(1).lowerBound] }

    mutating func number() throws(KeyringWire.Malformed) -> Int { Int(try byte()) << 8 | Int(try byte()) }

    mutating func value() throws(KeyringWire.Malformed) -> Range<Int> { try take(try number()) }

    mutating func text() throws(KeyringWire.Malformed) -> String {
        let range = try value()
        guard range.count <= KeyringWire.maximumTextBytes else { throw KeyringWire.Malformed() }
        // Labels come from a keyring and may be anything; what is no UTF-8 becomes replacement characters.
        return String(decoding: body[range], as: UTF8.self)
    }

    func end() throws(KeyringWire.Malformed) {
        guard offset == body.count else { throw KeyringWire.Malformed() }
    }
}
