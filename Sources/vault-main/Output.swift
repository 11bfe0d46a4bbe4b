internal import Glibc
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// A document for `--json`: what a schema in `Schemas/` describes.
///
/// It is no `Codable` type: secrets in it stay in secret memory until they are written.
indirect enum Document {
    case object([(String, Document)])
    case array([Document])
    case string(String)
    case number(Int64)
    case bool(Bool)
    case null
    /// Bytes that must be UTF-8, from secret memory.
    case secret(SharedSecret)

    static func optional(_ text: String?) -> Document { text.map { .string($0) } ?? .null }
    static func strings(_ texts: [String]) -> Document { .array(texts.map { .string($0) }) }
}

/// Standard output: data goes there, and nothing else does.
enum Output {
    /// Prints a document and a newline.
    static func print(_ document: Document) throws {
        var buffer = try SecretBuffer(capacity: 4096)
        try render(document, into: &buffer, indent: 0)
        try buffer.append(10)
        try buffer.withUnsafeBytes { try write($0, to: STDOUT_FILENO) }
    }

    /// Prints lines of text that is not secret.
    static func print(_ lines: [String]) throws {
        guard !lines.isEmpty else { return }
        var text = lines.map(Diagnostics.oneLine).joined(separator: "\n") + "\n"
        try text.withUTF8 { try write(UnsafeRawBufferPointer($0), to: STDOUT_FILENO) }
    }

    /// Prints a prefix, a secret as it is, and a newline.
    static func print(secret: UnsafeRawBufferPointer, prefix: String = "") throws {
        var line = try SecretBuffer(capacity: secret.count + prefix.utf8.count + 1)
        try line.append(Array(prefix.utf8))
        try line.append(secret)
        try line.append(10)
        try line.withUnsafeBytes { try write($0, to: STDOUT_FILENO) }
    }

    /// Writes all bytes to a descriptor.
    static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) throws {
        var written = 0
        while written < bytes.count {
            let count = Glibc.write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
            if count < 0 {
                if errno == EINTR { continue }
                throw VaultError(.unavailable, "cannot write the output: \(String(cString: strerror(errno)))")
            }
            written += count
        }
    }

    private static func render(_ document: Document, into buffer: inout SecretBuffer, indent: Int) throws {
        switch document {
        case .null: try buffer.append("null")
        case .bool(let value): try buffer.append(Array("\(value)".utf8))
        case .number(let value): try buffer.append(Array("\(value)".utf8))
        case .string(let text):
            try quote(text, into: &buffer)
        case .secret(let secret):
            // A loop over a borrowed secret; JSON has no other way to carry bytes than as text.
            let bytes = try secret.withSecret { try $0.copy() }
            guard bytes.withUnsafeBytes(isText) else {
                throw VaultError(
                    .failed,
                    "the secret is not UTF-8 text, so JSON cannot carry it",
                    hint: "leave out --json"
                )
            }
            try bytes.withUnsafeBytes { try quote($0, into: &buffer) }
        case .array(let elements):
            try list(elements.map { (nil, $0) }, "[", "]", into: &buffer, indent: indent)
        case .object(let members):
            try list(members.map { ($0.0, $0.1) }, "{", "}", into: &buffer, indent: indent)
        }
    }

    /// Whether the bytes are UTF-8, found out where they lie: a `String` would leave a copy.
    private static func isText(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        while true {
            switch decoder.decode(&iterator) {
            case .scalarValue: continue
            case .emptyInput: return true
            case .error: return false
            }
        }
    }

    private static func list(
        _ items: [(key: String?, value: Document)],
        _ open: StaticString,
        _ close: StaticString,
        into buffer: inout SecretBuffer,
        indent: Int
    ) throws {
        try buffer.append(open)
        for (index, item) in items.enumerated() {
            if index > 0 { try buffer.append(UInt8(ascii: ",")) }
            try buffer.append([10] + [UInt8](repeating: 32, count: (indent + 1) * 2))
            if let key = item.key {
                try quote(key, into: &buffer)
                try buffer.append(": ")
            }
            try render(item.value, into: &buffer, indent: indent + 1)
        }
        if !items.isEmpty { try buffer.append([10] + [UInt8](repeating: 32, count: indent * 2)) }
        try buffer.append(close)
    }

    /// Text that may come from a file or a server: beside what JSON asks for, everything that a terminal acts upon is
    /// escaped.
    private static func quote(_ text: String, into buffer: inout SecretBuffer) throws {
        var escaped = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" {
                escaped.unicodeScalars.append(contentsOf: ["\\", scalar])
            } else if Diagnostics.isPrintable(scalar) {
                escaped.unicodeScalars.append(scalar)
            } else {
                for unit in UTF16.encode(scalar) ?? .init() {
                    let digits = String(unit, radix: 16)
                    escaped += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            }
        }
        escaped += "\""
        try buffer.append(Array(escaped.utf8))
    }

    private static func quote(_ text: UnsafeRawBufferPointer, into buffer: inout SecretBuffer) throws {
        let digits = Array("0123456789abcdef".utf8)
        try buffer.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                try buffer.append(UInt8(ascii: "\\"))
                try buffer.append(byte)
            case 0..<32, 127:
                try buffer.append("\\u00")
                try buffer.append(digits[Int(byte >> 4)])
                try buffer.append(digits[Int(byte & 15)])
            default: try buffer.append(byte)
            }
        }
        try buffer.append(UInt8(ascii: "\""))
    }
}
