/// Bytes that lie somewhere for as long as the process runs: an argument, a variable.
typealias Text = UnsafeBufferPointer<UInt8>

extension UnsafeBufferPointer<UInt8> {
    /// Bytes up to their NUL.
    init(text start: UnsafePointer<UInt8>) {
        var count = 0
        while start[count] != 0 { count += 1 }
        self.init(start: start, count: count)
    }

    /// Whether it is that word.
    func isEqual(to word: StaticString) -> Bool { count == word.utf8CodeUnitCount && hasPrefix(word) }

    /// Whether it begins with that word.
    func hasPrefix(_ word: StaticString) -> Bool {
        guard count >= word.utf8CodeUnitCount else { return false }
        for index in 0..<word.utf8CodeUnitCount where self[index] != word.utf8Start[index] { return false }
        return true
    }

    /// What is left behind the first bytes.
    func dropping(_ length: Int) -> Text { Text(rebasing: self[length...]) }

    /// What is left without the last byte.
    func droppingLast() -> Text { Text(rebasing: self[..<(count - 1)]) }

    /// Whether it is a path from the root.
    var isAbsolute: Bool { first == UInt8(ascii: "/") }
}

extension UInt8 {
    var isDigit: Bool { self >= UInt8(ascii: "0") && self <= UInt8(ascii: "9") }

    var isAlphanumeric: Bool {
        isDigit || self | 0x20 >= UInt8(ascii: "a") && self | 0x20 <= UInt8(ascii: "z")
    }
}
