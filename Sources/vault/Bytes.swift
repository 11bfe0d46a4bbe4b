internal import CVaultFront

/// Bytes that grow, and are wiped where they were: those of an answer hold a token.
struct Bytes: ~Copyable {
    private var memory: UnsafeMutableBufferPointer<UInt8>
    private let isSecret: Bool
    private(set) var count = 0

    /// Room for so many bytes, and for more as they come.
    ///
    /// - Parameter isSecret: Whether it is kept out of swap.
    init(capacity: Int, isSecret: Bool = false) {
        memory = .allocate(capacity: capacity)
        self.isSecret = isSecret
        lock()
    }

    deinit {
        Self.wipe(memory)
        memory.deallocate()
    }

    /// What is in it, until it changes.
    var text: Text { Text(rebasing: Text(memory)[..<count]) }

    /// The same, for changes in place.
    func mutable(_ range: Range<Int>) -> UnsafeMutableBufferPointer<UInt8> {
        UnsafeMutableBufferPointer(rebasing: memory[range])
    }

    mutating func append(_ byte: UInt8) {
        reserve(1)
        memory[count] = byte
        count += 1
    }

    mutating func append(_ bytes: Text) {
        reserve(bytes.count)
        for index in 0..<bytes.count { memory[count + index] = bytes[index] }
        count += bytes.count
    }

    mutating func append(_ word: StaticString) {
        append(Text(start: word.utf8Start, count: word.utf8CodeUnitCount))
    }

    /// A decimal number.
    mutating func append(decimal number: Int64) {
        if number >= 10 { append(decimal: number / 10) }
        append(UInt8(ascii: "0") + UInt8(number % 10))
    }

    /// What a JSON string has between its quotes, escaped where JSON needs it.
    mutating func append(json text: Text) {
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                append(UInt8(ascii: "\\"))
                append(byte)
            case 0..<32:
                append("\\u00")
                append(UInt8(ascii: "0") + byte >> 4)
                append(byte & 15 < 10 ? UInt8(ascii: "0") + byte & 15 : UInt8(ascii: "a") - 10 + byte & 15)
            default: append(byte)
            }
        }
    }

    mutating func removeLast() { count -= 1 }

    /// Leaves out what comes first.
    mutating func removeFirst(_ length: Int) {
        for index in length..<count { memory[index - length] = memory[index] }
        count -= length
    }

    /// Takes in what `source` writes to the free part, whose size it is told; its result is the number of bytes.
    @discardableResult
    mutating func read(_ source: (UnsafeMutablePointer<UInt8>, Int) -> Int) -> Int {
        reserve(1)
        guard let start = memory.baseAddress else { return 0 }
        let result = source(start + count, memory.count - count)
        if result > 0 { count += result }
        return result
    }

    /// Writes all of it; `false` where that fails.
    func write(to descriptor: Int32) -> Bool {
        guard count > 0, let start = memory.baseAddress else { return true }
        return front_write(descriptor, start, count) == 0
    }

    private mutating func reserve(_ length: Int) {
        guard memory.count - count < length else { return }
        let larger = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(memory.count * 2, count + length))
        for index in 0..<count { larger[index] = memory[index] }
        Self.wipe(memory)
        memory.deallocate()
        memory = larger
        lock()
    }

    private func lock() {
        if isSecret, let start = memory.baseAddress { front_keep_in_memory(start, memory.count) }
    }

    private static func wipe(_ memory: UnsafeMutableBufferPointer<UInt8>) {
        if let start = memory.baseAddress { front_wipe(start, memory.count) }
    }
}
