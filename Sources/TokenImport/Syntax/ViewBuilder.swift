internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// Writes the view of a file: JSON in secret memory, and the place of each of its values.
///
/// Values are added in the order of the view, which is the order in which its nodes are numbered.
struct ViewBuilder: ~Copyable {
    private struct Container {
        let isObject: Bool
        var isEmpty = true
        var names: Set<[UInt8]> = []
    }

    let subject: String
    private var buffer: SecretBuffer
    private var places: [SourcePlace] = []
    private var open: [Container] = []

    init(capacity: Int, subject: String) throws(VaultError) {
        self.subject = subject
        do throws(CryptoError) { buffer = try SecretBuffer(capacity: capacity) } catch {
            throw Self.memory(error, subject)
        }
    }

    /// Opens an object or an array; gives the number of its node.
    @discardableResult
    mutating func begin(
        _ name: [UInt8]? = nil,
        object: Bool = true,
        _ place: SourcePlace = .none
    ) throws(VaultError) -> Int {
        try introduce(name, place)
        guard open.count < JSONParser.maximumDepth else {
            throw VaultError(.damaged, "\(subject) nests more than \(JSONParser.maximumDepth) levels")
        }
        try append([object ? UInt8(ascii: "{") : UInt8(ascii: "[")])
        open.append(Container(isObject: object))
        return places.count - 1
    }

    mutating func end() throws(VaultError) {
        guard let container = open.popLast() else { preconditionFailure("TokenImport: nothing is open") }
        try append([container.isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")])
    }

    /// Adds a string; the bytes are UTF-8.
    @discardableResult
    mutating func string(
        _ name: [UInt8]? = nil,
        _ bytes: UnsafeRawBufferPointer,
        _ place: SourcePlace
    ) throws(VaultError) -> Int {
        try introduce(name, place)
        try quote(bytes)
        return places.count - 1
    }

    /// Adds a string of a library's.
    @discardableResult
    mutating func string(_ name: [UInt8]?, _ text: inout String, _ place: SourcePlace) throws(VaultError) -> Int {
        let added: Result<Int, VaultError> = text.withUTF8 { bytes in
            do throws(VaultError) {
                return .success(try string(name, UnsafeRawBufferPointer(bytes), place))
            } catch { return .failure(error) }
        }
        return try added.get()
    }

    /// Adds a number, `true`, `false` or `null`; the bytes are JSON.
    @discardableResult
    mutating func literal(
        _ name: [UInt8]? = nil,
        _ bytes: [UInt8],
        _ place: SourcePlace
    ) throws(VaultError) -> Int {
        try introduce(name, place)
        try append(bytes)
        return places.count - 1
    }

    /// Adds a value that is JSON in the file already; each value within it can be replaced, none cut.
    mutating func json(
        _ name: [UInt8],
        _ bytes: UnsafeRawBufferPointer,
        _ tree: JSONTree,
        at offset: Int,
        _ place: SourcePlace
    ) throws(VaultError) {
        try introduce(name, place)
        for node in tree.nodes.dropFirst() {
            let range = offset + Int(node.start)..<offset + Int(node.end)
            places.append(SourcePlace(value: range, spelling: .quoted))
        }
        do throws(CryptoError) { try buffer.append(bytes) } catch { throw Self.memory(error, subject) }
    }

    /// Gives a value its place once that is known.
    mutating func set(cut: Range<Int>?, of node: Int) { places[node].cut = cut }

    /// The view, and the place of each of its values.
    consuming func finish() throws(VaultError) -> (view: JSONDocument, places: [SourcePlace]) {
        precondition(open.isEmpty, "TokenImport: a container is open")
        let (subject, places) = (subject, places)
        let text: SharedSecret
        do throws(CryptoError) { text = SharedSecret(try buffer.finish()) } catch { throw Self.memory(error, subject) }
        let view = try JSONDocument(text, subject: subject)
        precondition(view.tree.nodes.count == places.count, "TokenImport: a value has no place")
        return (view, places)
    }

    private mutating func introduce(_ name: [UInt8]?, _ place: SourcePlace) throws(VaultError) {
        guard places.count < JSONParser.maximumNodes else {
            throw VaultError(.damaged, "\(subject) has more than \(JSONParser.maximumNodes) values")
        }
        if let last = open.indices.last {
            if !open[last].isEmpty { try append([UInt8(ascii: ",")]) }
            open[last].isEmpty = false
            if let name {
                guard open[last].names.insert(name).inserted else {
                    throw VaultError(.damaged, "\(subject) says the same name twice in one place")
                }
                try name.withUnsafeBufferPointer { (bytes) throws(VaultError) in
                    try quote(UnsafeRawBufferPointer(bytes))
                }
                try append([UInt8(ascii: ":")])
            }
        }
        places.append(place)
    }

    /// RFC 8259 §7.
    private mutating func quote(_ bytes: UnsafeRawBufferPointer) throws(VaultError) {
        try append([UInt8(ascii: "\"")])
        do throws(CryptoError) {
            var run = 0
            for index in bytes.indices {
                let byte = bytes[index]
                guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else { continue }
                try buffer.append(UnsafeRawBufferPointer(rebasing: bytes[run..<index]))
                run = index + 1
                if byte < 0x20 {
                    let digits = Array("0123456789abcdef".utf8)
                    try buffer.append(Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]])
                } else {
                    try buffer.append([UInt8(ascii: "\\"), byte])
                }
            }
            try buffer.append(UnsafeRawBufferPointer(rebasing: bytes[run...]))
        } catch { throw Self.memory(error, subject) }
        try append([UInt8(ascii: "\"")])
    }

    private mutating func append(_ bytes: [UInt8]) throws(VaultError) {
        do throws(CryptoError) { try buffer.append(bytes) } catch { throw Self.memory(error, subject) }
    }

    private static func memory(_ error: CryptoError, _ subject: String) -> VaultError {
        VaultError(.failed, "\(subject) cannot be held in memory: \(error.message)", underlying: error)
    }
}

/// Whether bytes are a number of JSON (RFC 8259 §6).
func isJSONNumber(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let first = bytes.first, first == UInt8(ascii: "-") || first >= 48 && first <= 57,
        let tree = try? JSONParser.parse(bytes)
    else { return false }
    return tree.nodes[0].kind == .number && tree.nodes[0].end == Int32(bytes.count) && tree.nodes[0].start == 0
}
