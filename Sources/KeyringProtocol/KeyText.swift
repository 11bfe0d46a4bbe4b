/// A key as an item keeps it: base64 with padding and without a newline.
///
/// gnome-keyring 50 writes newlines unescaped into keyrings without a password and drops the whole collection at the
/// next start, so the value is printable. Neither direction looks bytes up in a table or branches on them, since a
/// cache remembers which lines of a table were read.
package enum KeyText {
    /// The length of the text for `count` bytes.
    package static func textCount(_ count: Int) -> Int { (count + 2) / 3 * 4 }

    /// Writes the text for `bytes`, which has to fit `text` exactly.
    package static func encode(_ bytes: UnsafeRawBufferPointer, into text: UnsafeMutableRawBufferPointer) {
        precondition(text.count == textCount(bytes.count), "KeyringProtocol: base64 of another length")
        for group in 0..<text.count / 4 {
            let start = group * 3
            let have = min(3, bytes.count - start)
            var bits = 0
            for index in 0..<3 { bits = bits << 8 | (index < have ? Int(bytes[start + index]) : 0) }
            for index in 0..<4 {
                let padding = index > have
                text[group * 4 + index] = padding ? UInt8(ascii: "=") : symbol(bits >> (18 - 6 * index) & 63)
            }
        }
    }

    /// Writes the bytes that `text` stands for, if it is the one way to write just as many as fit `bytes`.
    ///
    /// - Returns: `false` for any other text; what was written until then is worthless.
    package static func decode(_ text: UnsafeRawBufferPointer, into bytes: UnsafeMutableRawBufferPointer) -> Bool {
        guard text.count == textCount(bytes.count) else { return false }
        var wrong = 0
        for group in 0..<text.count / 4 {
            let start = group * 3
            let have = min(3, bytes.count - start)
            var bits = 0
            for index in 0..<4 {
                let symbol = Int(text[group * 4 + index])
                let value = index > have ? (symbol == 0x3D ? 0 : -1) : value(symbol)
                wrong |= value
                bits = bits << 6 | (value & 63)
            }
            for index in 0..<3 {
                let byte = UInt8(bits >> (16 - 8 * index) & 0xFF)
                if index < have { bytes[start + index] = byte } else { wrong |= -Int(byte) }
            }
        }
        return wrong >= 0
    }

    private static func symbol(_ value: Int) -> UInt8 {
        UInt8(
            within(value, 0, 25) & (value + 65) | within(value, 26, 51) & (value + 71)
                | within(value, 52, 61) & (value - 4) | within(value, 62, 62) & 43 | within(value, 63, 63) & 47
        )
    }

    /// 0 to 63, or -1 for a byte outside the alphabet.
    private static func value(_ symbol: Int) -> Int {
        let found =
            within(symbol, 65, 90) & (symbol - 64) | within(symbol, 97, 122) & (symbol - 70)
            | within(symbol, 48, 57) & (symbol + 5) | within(symbol, 43, 43) & 63 | within(symbol, 47, 47) & 64
        return found - 1
    }

    /// All ones if `low <= number <= high`, else zero.
    private static func within(_ number: Int, _ low: Int, _ high: Int) -> Int {
        ~((number - low) >> 63) & ~((high - number) >> 63)
    }
}
