/// Reads the bytes between the quotes of a JSON string that the parser has accepted.
package enum JSONText {
    /// Calls `body` with each byte of the string's value in UTF-8, escapes resolved.
    ///
    /// - Parameter range: The string with its quotes.
    package static func decode<Failure: Error>(
        _ range: Range<Int>,
        of bytes: UnsafeRawBufferPointer,
        _ body: (UInt8) throws(Failure) -> Void
    ) throws(Failure) {
        var position = range.lowerBound + 1
        let end = range.upperBound - 1
        while position < end {
            let byte = bytes[position]
            guard byte == UInt8(ascii: "\\") else {
                try body(byte)
                position += 1
                continue
            }
            let escape = bytes[position + 1]
            position += 2
            switch escape {
            case UInt8(ascii: "b"): try body(8)
            case UInt8(ascii: "t"): try body(9)
            case UInt8(ascii: "n"): try body(10)
            case UInt8(ascii: "f"): try body(12)
            case UInt8(ascii: "r"): try body(13)
            case UInt8(ascii: "u"):
                var unit = hexadecimalUnit(bytes, at: position) ?? 0
                position += 4
                if (0xD800..<0xDC00).contains(unit) {
                    let low = hexadecimalUnit(bytes, at: position + 2) ?? 0xDC00
                    position += 6
                    unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
                }
                // The parser refused lone surrogates, so this always is a scalar.
                for byte in String(Unicode.Scalar(unit) ?? "\u{FFFD}").utf8 { try body(byte) }
            default: try body(escape)
            }
        }
    }

    /// The value of four hexadecimal digits, or `nil`.
    package static func hexadecimalUnit(_ bytes: UnsafeRawBufferPointer, at position: Int) -> UInt32? {
        guard position >= 0, position + 4 <= bytes.count else { return nil }
        var unit: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: return nil
            }
            unit = unit << 4 | UInt32(digit)
        }
        return unit
    }
}
