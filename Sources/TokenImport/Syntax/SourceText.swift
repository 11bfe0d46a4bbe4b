internal import StrictJSON
internal import VaultAPI

/// The bytes of a text file, checked for what no text syntax takes, and its lines.
///
/// The pointer is that of the secret memory they lie in: a value of this type does not outlive the closure it was made
/// in.
struct SourceText {
    let bytes: UnsafeRawBufferPointer
    /// After the byte order mark, where there is one.
    let start: Int
    let subject: String

    /// Checks the bytes.
    ///
    /// - Throws: `.damaged` for what is no UTF-8, and for control characters: none of the libraries behind this is to
    ///   meet them, and a NUL would end a text early in one that is written in C.
    init(_ bytes: UnsafeRawBufferPointer, subject: String) throws(VaultError) {
        self.bytes = bytes
        self.subject = subject
        start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        for index in bytes.indices where bytes[index] < 0x20 || bytes[index] == 0x7F {
            switch bytes[index] {
            case UInt8(ascii: "\n"), UInt8(ascii: "\t"): continue
            case UInt8(ascii: "\r") where index + 1 < bytes.count && bytes[index + 1] == UInt8(ascii: "\n"): continue
            default: throw fault("there is a control character", at: index)
            }
        }
        var parser = Unicode.UTF8.ForwardParser()
        var iterator = bytes.makeIterator()
        parsing: while true {
            switch parser.parseScalar(from: &iterator) {
            case .valid: continue
            case .emptyInput: break parsing
            case .error: throw VaultError(.damaged, "\(subject) is no text in UTF-8")
            }
        }
    }

    /// The error for something at a byte; it quotes nothing of the text.
    func fault(_ reason: String, at offset: Int) -> VaultError {
        let line = 1 + bytes[..<min(offset, bytes.count)].count { $0 == UInt8(ascii: "\n") }
        return VaultError(.damaged, "\(subject): line \(line): \(reason)")
    }

    /// Where the line begins in which this byte stands.
    func beginningOfLine(_ offset: Int) -> Int {
        var position = offset
        while position > start, bytes[position - 1] != UInt8(ascii: "\n") { position -= 1 }
        return position
    }

    /// Where the text of the line ends in which this byte stands, before its line feed and carriage return.
    func endOfLine(_ offset: Int) -> Int {
        var position = offset
        while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
        if position > offset, position < bytes.count, bytes[position - 1] == UInt8(ascii: "\r") { position -= 1 }
        return position
    }

    /// Where the line after this one begins.
    func nextLine(_ offset: Int) -> Int {
        var position = offset
        while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
        return min(position + 1, bytes.count)
    }

    /// The whole lines from one byte to another, if nothing else stands on them but a comment at the end.
    ///
    /// What describes a line goes with it; a comment on a line of its own may be about more, and stays.
    func wholeLines(_ range: Range<Int>, comment: UInt8 = UInt8(ascii: "#")) -> Range<Int>? {
        let beginning = beginningOfLine(range.lowerBound)
        guard bytes[beginning..<range.lowerBound].allSatisfy(Self.isBlank) else { return nil }
        let end = endOfLine(range.upperBound)
        guard let rest = bytes[range.upperBound..<end].first(where: { !Self.isBlank($0) }) else {
            return beginning..<nextLine(range.upperBound)
        }
        return rest == comment ? beginning..<nextLine(range.upperBound) : nil
    }

    /// A range without the blanks at its ends.
    func trimmed(_ range: Range<Int>) -> Range<Int> {
        var (low, high) = (range.lowerBound, range.upperBound)
        while low < high, Self.isBlank(bytes[low]) { low += 1 }
        while low < high, Self.isBlank(bytes[high - 1]) { high -= 1 }
        return low..<high
    }

    /// Whether it is a space or a tab.
    static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    func slice(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[range]) }

    func byte(_ offset: Int) -> UInt8? { bytes.indices.contains(offset) ? bytes[offset] : nil }
}
