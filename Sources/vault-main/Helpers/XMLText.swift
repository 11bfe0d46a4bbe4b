internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// The elements of a small XML answer, which stays in the secret memory it was read into.
///
/// A part of XML 1.0 that needs no library: elements, attributes that are skipped, text with the five named references
/// and numeric ones. Foundation's parser would bring libxml2 into the process that holds keys, and hand every secret key
/// on as a `String`. What it leaves out it refuses: document types, so that nothing expands, CDATA, comments and
/// processing instructions behind the declaration, more than 16 levels, a namespace prefix.
struct XMLText {
    private struct Element {
        let name: Range<Int>
        let parent: Int
        /// Between the tags; of no meaning for one that has children.
        var content: Range<Int>
        var hasChildren = false
    }

    private let text: SharedSecret
    private let elements: [Element]
    private let subject: String

    private static let deepest = 16
    private static let mostElements = 200

    /// - Throws: `.temporary`: a server answers like that whose answer is another one's.
    init(_ text: SharedSecret, subject: String) throws(VaultError) {
        self.text = text
        self.subject = subject
        do throws(XMLFault) {
            elements = try text.withBytes { (bytes) throws(XMLFault) in try Self.parse(bytes) }
        } catch {
            throw VaultError(
                .temporary,
                "\(subject) is no XML that is read here: at byte \(error.offset) \(error.reason)"
            )
        }
    }

    /// The text of the element at that path; `nil` where there is none.
    func text(_ path: String...) throws(VaultError) -> SharedSecret? { try text(path) }

    /// The text of the element at that path; `nil` where there is none.
    ///
    /// - Throws: `.temporary` where there are two, or it holds elements.
    func text(_ path: [String]) throws(VaultError) -> SharedSecret? {
        let found = elements.indices.filter { has($0, path[...]) }
        guard let index = found.first else { return nil }
        guard found.count == 1, !elements[index].hasChildren else {
            throw VaultError(.temporary, "\(subject) has more than one \(path.last ?? "") or it holds elements")
        }
        do throws(CryptoError) {
            let range = elements[index].content
            var buffer = try SecretBuffer(capacity: range.count + 1)
            try text.withBytes { (bytes) throws(CryptoError) in try Self.decode(bytes, range, into: &buffer) }
            return SharedSecret(try buffer.finish())
        } catch {
            throw VaultError(.unavailable, error.message)
        }
    }

    private func has(_ index: Int, _ path: ArraySlice<String>) -> Bool {
        var (index, path) = (index, path)
        while let name = path.popLast() {
            guard index >= 0 else { return false }
            let element = elements[index]
            guard text.withBytes({ $0[element.name].elementsEqual(name.utf8) }) else { return false }
            index = element.parent
        }
        return index < 0
    }

    // MARK: Parsing

    private static func parse(_ bytes: UnsafeRawBufferPointer) throws(XMLFault) -> [Element] {
        var elements: [Element] = []
        var open: [Int] = []
        var scanner = XMLScanner(bytes)
        try scanner.skipDeclaration()
        while true {
            let textStart = scanner.position
            try scanner.skipText(allowsOnlySpace: open.isEmpty)
            guard !scanner.isAtEnd else { break }
            let textEnd = scanner.position
            if scanner.skip("</") {
                let name = try scanner.name()
                scanner.skipSpace()
                guard scanner.skip(">") else { throw scanner.fault("a closing tag holds more than a name") }
                guard let index = open.popLast(), bytes[elements[index].name].elementsEqual(bytes[name]) else {
                    throw scanner.fault("a tag closes what is not open")
                }
                elements[index].content = textStart..<textEnd
            } else {
                guard scanner.skip("<") else { throw scanner.fault("there is no tag") }
                guard !open.isEmpty || elements.isEmpty else { throw scanner.fault("there is a second root") }
                let name = try scanner.name()
                let isEmpty = try scanner.skipAttributes()
                if let parent = open.last { elements[parent].hasChildren = true }
                elements.append(Element(name: name, parent: open.last ?? -1, content: 0..<0))
                guard elements.count <= mostElements else { throw scanner.fault("there are too many elements") }
                if !isEmpty { open.append(elements.count - 1) }
                guard open.count <= deepest else { throw scanner.fault("elements are nested too deeply") }
            }
        }
        guard open.isEmpty, !elements.isEmpty else { throw scanner.fault("it ends too early") }
        return elements
    }

    /// The text with its references resolved; that they are sound was looked at before.
    private static func decode(
        _ bytes: UnsafeRawBufferPointer,
        _ range: Range<Int>,
        into buffer: inout SecretBuffer
    ) throws(CryptoError) {
        var position = range.lowerBound
        while position < range.upperBound {
            guard bytes[position] == UInt8(ascii: "&"), let (scalar, end) = XMLScanner.reference(bytes, at: position)
            else {
                try buffer.append(bytes[position])
                position += 1
                continue
            }
            try buffer.append(Array(String(scalar).utf8))
            position = end
        }
    }
}

/// Where a text is not what is read here.
struct XMLFault: Error {
    let offset: Int
    let reason: String
}

/// Goes through the bytes of an XML text.
private struct XMLScanner {
    private let bytes: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { position >= bytes.count }

    func fault(_ reason: String) -> XMLFault { XMLFault(offset: position, reason: reason) }

    mutating func skip(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard position + count <= bytes.count else { return false }
        for offset in 0..<count where bytes[position + offset] != text.utf8Start[offset] { return false }
        position += count
        return true
    }

    mutating func skipSpace() {
        while position < bytes.count, [9, 10, 13, 32].contains(bytes[position]) { position += 1 }
    }

    /// `<?xml version="1.0"?>`, where it is there.
    mutating func skipDeclaration() throws(XMLFault) {
        _ = skip("\u{FEFF}")
        guard skip("<?xml ") else { return }
        while position < bytes.count, bytes[position] != UInt8(ascii: ">") { position += 1 }
        guard position > 0, bytes[position - 1] == UInt8(ascii: "?"), skip(">") else {
            throw fault("the declaration does not end")
        }
    }

    /// Text up to the next tag.
    mutating func skipText(allowsOnlySpace: Bool) throws(XMLFault) {
        while position < bytes.count, bytes[position] != UInt8(ascii: "<") {
            let byte = bytes[position]
            guard !allowsOnlySpace || [9, 10, 13, 32].contains(byte) else {
                throw fault("there is text outside the root")
            }
            guard byte >= 32 || [9, 10, 13].contains(byte) else { throw fault("there is a control character") }
            if byte == UInt8(ascii: "&") {
                guard let (_, end) = Self.reference(bytes, at: position) else {
                    throw fault("there is a reference to something else than a character")
                }
                position = end
            } else {
                position += 1
            }
        }
    }

    /// An element's name without a prefix.
    mutating func name() throws(XMLFault) -> Range<Int> {
        let start = position
        while position < bytes.count, isNameByte(bytes[position], first: position == start) { position += 1 }
        guard position > start else { throw fault("there is no element's name") }
        return start..<position
    }

    /// Everything up to the end of a tag.
    ///
    /// - Returns: Whether the element is empty.
    mutating func skipAttributes() throws(XMLFault) -> Bool {
        while true {
            skipSpace()
            if skip("/>") { return true }
            if skip(">") { return false }
            _ = try name()
            if skip(":") { _ = try name() }
            guard skip("="), !isAtEnd, [UInt8(ascii: "\""), UInt8(ascii: "'")].contains(bytes[position]) else {
                throw fault("there is no attribute's value")
            }
            let quote = bytes[position]
            position += 1
            while position < bytes.count, bytes[position] != quote {
                guard bytes[position] != UInt8(ascii: "<") else { throw fault("an attribute holds a tag") }
                position += 1
            }
            guard !isAtEnd else { throw fault("an attribute does not end") }
            position += 1
        }
    }

    private func isNameByte(_ byte: UInt8, first: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."): !first
        default: false
        }
    }

    /// The character that a reference stands for, and where it ends.
    static func reference(_ bytes: UnsafeRawBufferPointer, at start: Int) -> (Unicode.Scalar, end: Int)? {
        let window = bytes[start..<min(bytes.count, start + 12)]
        guard let semicolon = window.firstIndex(of: UInt8(ascii: ";")) else { return nil }
        let body = String(decoding: bytes[(start + 1)..<semicolon], as: UTF8.self)
        let named: [String: Unicode.Scalar] = ["lt": "<", "gt": ">", "amp": "&", "quot": "\"", "apos": "'"]
        if let scalar = named[body] { return (scalar, semicolon + 1) }
        let value =
            body.hasPrefix("#x")
            ? UInt32(body.dropFirst(2), radix: 16)
            : body.hasPrefix("#") ? UInt32(body.dropFirst(1)) : nil
        guard let value, value >= 32, let scalar = Unicode.Scalar(value) else { return nil }
        return (scalar, semicolon + 1)
    }
}
