internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// Reads a netrc file: an object for each machine, by its name, with `login`, `password` and `account`.
///
/// What `default` says stands under that name. A macro is passed over to the empty line that ends it.
struct NetrcSource {
    private let text: SourceText
    private var position: Int

    /// A word of the file: where it stands, and what it says without quotes.
    private struct Word {
        let range: Range<Int>
        let isQuoted: Bool
        /// It may be a password, so it is copied into secret memory.
        let value: SharedSecret

        func equals(_ word: StaticString) -> Bool {
            value.withBytes { bytes in
                bytes.elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
            }
        }
    }

    static func read(_ text: SourceText, into view: inout ViewBuilder) throws(VaultError) {
        var reader = NetrcSource(text: text, position: text.start)
        try view.begin()
        try reader.addMachines(&view)
        try view.end()
    }

    private init(text: SourceText, position: Int) {
        self.text = text
        self.position = position
    }

    private mutating func addMachines(_ view: inout ViewBuilder) throws(VaultError) {
        /// The machine that is being read: its node, and its bytes.
        var machine: (node: Int, range: Range<Int>)?
        while let word = try next(afterComments: true) {
            if word.equals("macdef") {
                try passMacro(word)
                // Programs read the end of a macro differently; a machine around one is not cut.
                if let open = machine { machine = (open.node, open.range.lowerBound..<open.range.lowerBound) }
                continue
            }
            if word.equals("machine") || word.equals("default") {
                if let machine { try close(machine, &view) }
                var end = word.range.upperBound
                var name = Array("default".utf8)
                if word.equals("machine") {
                    let value = try value(of: word)
                    name = value.value.withBytes { Array($0) }
                    end = value.range.upperBound
                }
                machine = (try view.begin(name), word.range.lowerBound..<end)
                continue
            }
            guard let name = ["login", "password", "account", "user"].first(where: { word.equals($0) }) else {
                throw text.fault(
                    "a word stands where machine, login, password or account is expected",
                    at: word.range.lowerBound
                )
            }
            guard let open = machine else {
                throw text.fault("there is a login before the first machine", at: word.range.lowerBound)
            }
            let value = try value(of: word)
            let whole = word.range.lowerBound..<value.range.upperBound
            let place = SourcePlace(
                cut: cut(whole),
                value: value.range,
                spelling: value.isQuoted ? .quoted : .bare
            )
            let key = name.withUTF8Buffer { Array($0) }
            _ = try value.value.withBytes { (bytes) throws(VaultError) in try view.string(key, bytes, place) }
            let isWhole = !open.range.isEmpty
            machine = (open.node, open.range.lowerBound..<(isWhole ? whole.upperBound : open.range.lowerBound))
        }
        if let machine { try close(machine, &view) }
    }

    private func close(_ machine: (node: Int, range: Range<Int>), _ view: inout ViewBuilder) throws(VaultError) {
        try view.end()
        if !machine.range.isEmpty { view.set(cut: cut(machine.range), of: machine.node) }
    }

    /// The whole lines where nothing else stands on them, or else the words and the blanks behind or before them.
    private func cut(_ range: Range<Int>) -> Range<Int> {
        if let lines = text.wholeLines(range) { return lines }
        var (low, high) = (range.lowerBound, range.upperBound)
        while let byte = text.byte(high), SourceText.isBlank(byte) { high += 1 }
        if high == text.endOfLine(high) {
            high = range.upperBound
            while low > text.start, SourceText.isBlank(text.bytes[low - 1]) { low -= 1 }
        }
        return low..<high
    }

    private mutating func value(of word: Word) throws(VaultError) -> Word {
        guard let value = try next(afterComments: false) else {
            throw text.fault("the file ends where a value should stand", at: word.range.lowerBound)
        }
        return value
    }

    /// A macro ends with an empty line, or the file.
    private mutating func passMacro(_ word: Word) throws(VaultError) {
        _ = try value(of: word)
        while position < text.bytes.count {
            position = text.nextLine(position)
            if text.trimmed(position..<text.endOfLine(position)).isEmpty { return }
        }
    }

    /// The next word; a comment can only stand where a name is expected, since a password may begin as one.
    private mutating func next(afterComments: Bool) throws(VaultError) -> Word? {
        while let byte = text.byte(position) {
            if byte <= 0x20 {
                position += 1
            } else if afterComments, byte == UInt8(ascii: "#") {
                position = text.nextLine(position)
            } else {
                break
            }
        }
        guard let first = text.byte(position) else { return nil }
        let start = position
        let isQuoted = first == UInt8(ascii: "\"")
        if isQuoted { position += 1 }
        do {
            var buffer = try SecretBuffer(capacity: 64)
            var isClosed = !isQuoted
            while let byte = text.byte(position), byte > 0x20 || isQuoted && byte != UInt8(ascii: "\n") {
                position += 1
                if isQuoted, byte == UInt8(ascii: "\"") {
                    isClosed = true
                    break
                }
                if isQuoted, byte == UInt8(ascii: "\\"), let escaped = text.byte(position) {
                    position += 1
                    try buffer.append(escaped)
                } else {
                    try buffer.append(byte)
                }
            }
            guard isClosed else { throw text.fault("a quote is not closed", at: start) }
            if isQuoted, let byte = text.byte(position), byte > 0x20 {
                throw text.fault("text follows a closing quote", at: start)
            }
            return Word(range: start..<position, isQuoted: isQuoted, value: SharedSecret(try buffer.finish()))
        } catch {
            if let error = error as? VaultError { throw error }
            throw VaultError(.failed, "\(text.subject) cannot be held in memory")
        }
    }
}
