/// Reads a line of the agent from left to right, and its strings in place.
struct Scanner {
    let bytes: UnsafeMutableBufferPointer<UInt8>
    private var position = 0

    init(_ bytes: UnsafeMutableBufferPointer<UInt8>) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    /// Whether a string comes next.
    var isAtString: Bool { next == UInt8(ascii: "\"") }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// Goes on behind those bytes, if they come next.
    mutating func take(_ word: StaticString) -> Bool {
        guard Text(rebasing: Text(bytes)[position...]).hasPrefix(word) else { return false }
        position += word.utf8CodeUnitCount
        return true
    }

    /// Goes on behind a string, and returns where its text now is; `nil` where it is not a string by RFC 8259, or not
    /// UTF-8.
    ///
    /// No escape is shorter than what it stands for, so the text has room where the string was.
    mutating func string() -> Range<Int>? {
        guard take("\"") else { return nil }
        let start = position
        var end = start
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return start..<end
            case UInt8(ascii: "\\"):
                position += 1
                guard escape(&end) else { return nil }
            case 0..<32: return nil
            case 32..<128:
                put(byte, &end)
                position += 1
            default: guard sequence(&end) else { return nil }
            }
        }
        return nil
    }

    private func put(_ byte: UInt8, _ end: inout Int) {
        bytes[end] = byte
        end += 1
    }

    /// What stands behind a backslash.
    private mutating func escape(_ end: inout Int) -> Bool {
        guard let byte = next else { return false }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): put(byte, &end)
        case UInt8(ascii: "b"): put(8, &end)
        case UInt8(ascii: "f"): put(12, &end)
        case UInt8(ascii: "n"): put(10, &end)
        case UInt8(ascii: "r"): put(13, &end)
        case UInt8(ascii: "t"): put(9, &end)
        case UInt8(ascii: "u"):
            guard let scalar = scalar() else { return false }
            put(scalar: scalar, &end)
        default: return false
        }
        return true
    }

    /// What stands behind `\u`, and behind the second `\u` of a pair.
    private mutating func scalar() -> UInt32? {
        guard let unit = hexadecimal() else { return nil }
        switch unit {
        case 0xD800..<0xDC00:
            guard take("\\u"), let low = hexadecimal(), 0xDC00..<0xE000 ~= low else { return nil }
            return 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
        case 0xDC00..<0xE000: return nil
        default: return unit
        }
    }

    private mutating func hexadecimal() -> UInt32? {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next else { return nil }
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
            default: return nil
            }
            position += 1
        }
        return value
    }

    private func put(scalar: UInt32, _ end: inout Int) {
        func byte(_ shift: UInt32, _ mark: UInt32, _ bits: UInt32) -> UInt8 { UInt8(mark | scalar >> shift & bits) }
        switch scalar {
        case 0..<0x80: put(UInt8(scalar), &end)
        case 0x80..<0x800:
            put(byte(6, 0xC0, 0x1F), &end)
            put(byte(0, 0x80, 0x3F), &end)
        case 0x800..<0x10000:
            put(byte(12, 0xE0, 0x0F), &end)
            put(byte(6, 0x80, 0x3F), &end)
            put(byte(0, 0x80, 0x3F), &end)
        default:
            put(byte(18, 0xF0, 0x07), &end)
            put(byte(12, 0x80, 0x3F), &end)
            put(byte(6, 0x80, 0x3F), &end)
            put(byte(0, 0x80, 0x3F), &end)
        }
    }

    /// A character outside ASCII (RFC 3629 §4).
    private mutating func sequence(_ end: inout Int) -> Bool {
        let length: Int
        var second: ClosedRange<UInt8> = 0x80...0xBF
        switch bytes[position] {
        case 0xC2...0xDF: length = 2
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: length = 3
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: length = 4
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: return false
        }
        for index in 0..<length {
            guard let byte = next, index != 1 || second ~= byte, index < 2 || 0x80...0xBF ~= byte else { return false }
            put(byte, &end)
            position += 1
        }
        return true
    }
}
