/// The random UUID (RFC 9562, version 4) of an entry.
public struct EntryID: Hashable, Sendable, CustomStringConvertible {
    /// 16 bytes.
    public let bytes: [UInt8]

    /// An id of these bytes, or `nil` unless there are 16.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// Reads the usual text of a UUID, in lower case.
    public init?(text: String) {
        let digits = text.utf8.filter { $0 != UInt8(ascii: "-") }
        guard digits.count == 32 else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: 32, by: 2) {
            guard let byte = UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(byte)
        }
        self.bytes = bytes
        guard description == text else { return nil }
    }

    /// A new one.
    public static func random() -> EntryID { EntryID(uuid: randomUUID()) }

    private init(uuid: [UInt8]) { bytes = uuid }

    /// The usual text of a UUID, in lower case.
    public var description: String { uuidText(bytes) }
}

/// The random UUID (RFC 9562, version 4) of a vault.
public struct VaultID: Hashable, Sendable, CustomStringConvertible {
    /// 16 bytes.
    public let bytes: [UInt8]

    /// An id of these bytes, or `nil` unless there are 16.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        self.bytes = bytes
    }

    /// A new one.
    public static func random() -> VaultID { VaultID(uuid: randomUUID()) }

    private init(uuid: [UInt8]) { bytes = uuid }

    /// The usual text of a UUID, in lower case.
    public var description: String { uuidText(bytes) }
}

/// 16 random bytes with the version and variant bits of RFC 9562 §5.4.
private func randomUUID() -> [UInt8] {
    // On Linux the system's generator reads getrandom(2).
    var bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max) }
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    return bytes
}

private func uuidText(_ bytes: [UInt8]) -> String {
    let digits = hexadecimal(bytes)
    var text = ""
    for (index, digit) in digits.enumerated() {
        if [8, 12, 16, 20].contains(index) { text += "-" }
        text.append(digit)
    }
    return text
}

/// Lower-case hexadecimal.
public func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(bytes.count * 2)
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}
