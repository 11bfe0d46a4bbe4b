internal import VaultAPI

/// Reads a file that is a token and nothing else: an object with one member, `text`, or none.
enum BareTextSource {
    static func read(_ text: SourceText, into view: inout ViewBuilder) throws(VaultError) {
        var range = text.start..<text.bytes.count
        while let last = range.last, text.bytes[last] <= 0x20 { range = range.lowerBound..<last }
        while let first = range.first, text.bytes[first] <= 0x20 { range = first + 1..<range.upperBound }
        try view.begin()
        if !range.isEmpty {
            try view.string(Array("text".utf8), text.slice(range), SourcePlace(cut: range, value: range))
        }
        try view.end()
    }
}
