/// What the agent said: the one form of a success.
///
///     {"jsonrpc":"2.0","id":1,"result":{"access_token":"…","token_type":"Bearer","expires_at":…,"state":"…","notes":[…]}}
struct Answer: ~Copyable {
    /// The line it lies in.
    private let line: UnsafeMutableBufferPointer<UInt8>
    private let token: Range<Int>
    /// What goes to standard error.
    let notes: Bytes

    private static let authorization: StaticString = "Authorization: Bearer "

    /// Reads a line; `nil` where it is not exactly of that form.
    ///
    /// - Parameter mayNote: Whether there may be notes in it.
    static func read(_ line: UnsafeMutableBufferPointer<UInt8>, mayNote: Bool) -> Answer? {
        var scanner = Scanner(line)
        guard scanner.take(#"{"jsonrpc":"2.0","id":1,"result":{"access_token":"#), let token = scanner.string(),
            isOneLine(line[token]),
            scanner.take(#","token_type":"#), let type = scanner.string(),
            // A token that is bound to a key is worth nothing by itself.
            Text(rebasing: Text(line)[type]).isEqual(to: "Bearer"),
            scanner.take(#","expires_at":"#), scanner.take("null") || scanner.string() != nil,
            scanner.take(#","state":"#), scanner.string() != nil,
            scanner.take(#","notes":["#), let notes = Self.notes(&scanner, mayNote), scanner.take("]}}"),
            scanner.isAtEnd
        else { return nil }
        return Answer(line: line, token: token, notes: notes)
    }

    /// Whether it is something that a line holds, and a caller takes for all of the token.
    private static func isOneLine(_ token: Slice<UnsafeMutableBufferPointer<UInt8>>) -> Bool {
        for byte in token where byte == 0 || byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\n") { return false }
        return !token.isEmpty
    }

    /// The token and a newline.
    func tokenLine() -> Text {
        // In place of the quote behind it.
        line[token.upperBound] = UInt8(ascii: "\n")
        return Text(rebasing: Text(line)[token.lowerBound...token.upperBound])
    }

    /// The header and a newline; `nil` where no header may carry the token.
    func headerLine() -> Text? {
        for byte in line[token] where byte <= 32 || byte >= 127 { return nil }
        // In place of what was before it, which is longer.
        let start = token.lowerBound - Self.authorization.utf8CodeUnitCount
        guard start >= 0 else { return nil }
        for index in 0..<Self.authorization.utf8CodeUnitCount {
            line[start + index] = Self.authorization.utf8Start[index]
        }
        line[token.upperBound] = UInt8(ascii: "\n")
        return Text(rebasing: Text(line)[start...token.upperBound])
    }

    /// Lines for standard error; `nil` where something in them would have to be escaped.
    private static func notes(_ scanner: inout Scanner, _ mayNote: Bool) -> Bytes? {
        var lines = Bytes(capacity: 256)
        var isFirst = true
        while scanner.isAtString || !isFirst {
            guard mayNote, let range = scanner.string() else { return nil }
            lines.append("vault: note: ")
            for byte in scanner.bytes[range] {
                guard byte >= 32, byte < 127 else { return nil }
                lines.append(byte)
            }
            lines.append("\n")
            isFirst = false
            guard scanner.take(",") else { break }
        }
        return lines
    }
}
