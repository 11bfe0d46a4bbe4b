package import VaultAPI

/// A JSON value on its way into a message.
///
/// It is no `Codable` type: secrets in it stay in memory that is wiped until they are written.
package indirect enum WireContent: Sendable {
    case object([(String, WireContent)])
    case array([WireContent])
    case string(String)
    case number(Int64)
    case bool(Bool)
    case null
    /// Bytes that must be UTF-8.
    case secret(SecretText)

    package static func optional(_ text: String?) -> WireContent { text.map { .string($0) } ?? .null }
    package static func strings(_ texts: [String]) -> WireContent { .array(texts.map { .string($0) }) }
    package static func time(_ time: Timestamp?) -> WireContent { optional(time?.description) }

    /// The value in JSON and a line feed: one message of the protocol.
    ///
    /// No white space, members in the order given, escapes only where RFC 8259 §7 wants them: a client without a JSON
    /// library can rely on that.
    package func line() -> SecretText {
        var size = ByteCount()
        write(to: &size)
        return SecretText(count: size.count + 1) { buffer in
            var sink = ByteSink(buffer: buffer)
            write(to: &sink)
            sink.append(UInt8(ascii: "\n"))
        }
    }

    private func write(to sink: inout some WireSink) {
        switch self {
        case .null: sink.append("null")
        case .bool(let value): sink.append(value ? "true" : "false")
        case .number(let value): "\(value)".utf8.forEach { sink.append($0) }
        case .string(let text): sink.quote(text.utf8)
        case .secret(let secret): secret.withUnsafeBytes { sink.quote($0) }
        case .array(let elements):
            sink.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { sink.append(UInt8(ascii: ",")) }
                element.write(to: &sink)
            }
            sink.append(UInt8(ascii: "]"))
        case .object(let members):
            sink.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { sink.append(UInt8(ascii: ",")) }
                sink.quote(member.0.utf8)
                sink.append(UInt8(ascii: ":"))
                member.1.write(to: &sink)
            }
            sink.append(UInt8(ascii: "}"))
        }
    }
}

/// Where the bytes of a message go: first they are counted, then written, so that no buffer grows and leaves a copy.
private protocol WireSink {
    mutating func append(_ byte: UInt8)
}

extension WireSink {
    fileprivate mutating func append(_ text: StaticString) {
        for byte in UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount) { append(byte) }
    }

    fileprivate mutating func quote(_ bytes: some Sequence<UInt8>) {
        append(UInt8(ascii: "\""))
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                append(UInt8(ascii: "\\"))
                append(byte)
            case 10: append("\\n")
            case 13: append("\\r")
            case 9: append("\\t")
            case 0..<32:
                append("\\u00")
                append(Self.digit(byte >> 4))
                append(Self.digit(byte & 15))
            default: append(byte)
            }
        }
        append(UInt8(ascii: "\""))
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}

private struct ByteCount: WireSink {
    var count = 0

    mutating func append(_ byte: UInt8) { count += 1 }
}

private struct ByteSink: WireSink {
    let buffer: UnsafeMutableRawBufferPointer
    var count = 0

    mutating func append(_ byte: UInt8) {
        buffer[count] = byte
        count += 1
    }
}
