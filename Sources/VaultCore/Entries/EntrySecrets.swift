public import VaultAPI
public import VaultCrypto

/// What a list must not touch: the tokens and keys of one entry.
///
/// Length-prefixed fields in one piece of secret memory, read in place. It is no JSON: a JSON decoder would leave
/// `String` copies all over the heap.
public struct EntrySecrets: ~Copyable, Sendable {
    /// A secret an entry can hold.
    public typealias Field = SecretField

    private var encoded: SecretBytes

    /// No secrets.
    public init() throws(CryptoError) {
        encoded = try SecretBytes(zeroed: 0)
    }

    /// Takes over encoded fields, or gives `nil` if they are malformed or one stands twice.
    init?(encoded: consuming SecretBytes) {
        var tags: Set<UInt16> = []
        let valid = encoded.withUnsafeBytes { bytes in
            Self.walk(bytes) { tag, _ in tags.insert(tag).inserted } ?? false
        }
        guard valid else { return nil }
        self.encoded = encoded
    }

    /// The secret, while `body` runs; `nil` where there is none.
    public borrowing func withField<Result, Failure: Error>(
        _ field: Field,
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        try encoded.withUnsafeBytes { (bytes) throws(Failure) -> Result? in
            guard let range = Self.range(of: field.rawValue, in: bytes) else { return nil }
            return try body(UnsafeRawBufferPointer(rebasing: bytes[range]))
        }
    }

    /// Whether there is such a secret.
    public borrowing func has(_ field: Field) -> Bool {
        encoded.withUnsafeBytes { Self.range(of: field.rawValue, in: $0) != nil }
    }

    /// Which secrets there are.
    public var fields: Set<Field> { Set(Field.allCases.filter { has($0) }) }

    /// Sets a secret, or takes it away with `nil`.
    ///
    /// Fields of a newer version stay.
    public mutating func set(_ field: Field, to value: UnsafeRawBufferPointer?) throws(CryptoError) {
        var buffer = try SecretBuffer(capacity: encoded.count + (value?.count ?? 0) + 6)
        let end = encoded.count
        let old = encoded.withUnsafeBytes { Self.range(of: field.rawValue, in: $0) }
        let kept = old.map { [0..<$0.lowerBound - 6, $0.upperBound..<end] } ?? [0..<end]
        for range in kept {
            try encoded.withUnsafeBytes { (bytes) throws(CryptoError) -> Void in
                try buffer.append(UnsafeRawBufferPointer(rebasing: bytes[range]))
            }
        }
        if let value {
            var head = ByteWriter()
            head.append(field.rawValue)
            head.append(UInt32(value.count))
            try buffer.append(head.bytes)
            try buffer.append(value)
        }
        encoded = try buffer.finish()
    }

    /// Sets a secret to the bytes of another.
    public mutating func set(_ field: Field, to value: borrowing SecretBytes) throws(CryptoError) {
        try value.withUnsafeBytes { (bytes) throws(CryptoError) -> Void in try set(field, to: bytes) }
    }

    /// Another copy, in memory of its own.
    public borrowing func copy() throws(CryptoError) -> EntrySecrets {
        EntrySecrets(valid: try encoded.copy())
    }

    private init(valid encoded: consuming SecretBytes) { self.encoded = encoded }

    /// Whether both hold the same secrets, fields of a newer version among them, order aside, in time that depends on lengths alone.
    public borrowing func equals(_ other: borrowing EntrySecrets) -> Bool {
        // No tag stands twice, so with equal lengths it is enough that each field of one is found in the other.
        guard encoded.count == other.encoded.count else { return false }
        return encoded.withUnsafeBytes { mine in
            other.encoded.withUnsafeBytes { theirs in
                var equal = true
                _ = Self.walk(mine) { tag, range in
                    guard let match = Self.range(of: tag, in: theirs) else {
                        equal = false
                        return true
                    }
                    let left = UnsafeRawBufferPointer(rebasing: mine[range])
                    if !constantTimeEqual(left, UnsafeRawBufferPointer(rebasing: theirs[match])) { equal = false }
                    return true
                }
                return equal
            }
        }
    }

    /// The encoded fields, while `body` runs.
    borrowing func withEncoded<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try encoded.withUnsafeBytes(body)
    }

    /// The size of the encoded fields in bytes.
    var encodedCount: Int { encoded.count }

    private static func range(of tag: UInt16, in bytes: UnsafeRawBufferPointer) -> Range<Int>? {
        var found: Range<Int>?
        _ = walk(bytes) { each, range in
            if each == tag { found = range }
            return true
        }
        return found
    }

    /// Calls `visit` for each field until it says `false`; `nil` if the bytes do not end with a field.
    private static func walk(_ bytes: UnsafeRawBufferPointer, _ visit: (UInt16, Range<Int>) -> Bool) -> Bool? {
        var position = 0
        while position < bytes.count {
            guard bytes.count - position >= 6 else { return nil }
            let tag = UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt16.self))
            let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position + 2, as: UInt32.self)))
            guard length <= bytes.count - position - 6 else { return nil }
            let start = position + 6
            guard visit(tag, start..<start + length) else { return false }
            position = start + length
        }
        return true
    }
}
