/// Secret bytes that arrive piece by piece: read from a descriptor, or put together from fields.
///
/// It grows by moving into a larger `SecretBytes`; the smaller one is wiped as it goes.
public struct SecretBuffer: ~Copyable {
    private var storage: SecretBytes
    /// How many bytes it holds.
    public private(set) var count = 0

    /// An empty buffer with room for `capacity` bytes.
    public init(capacity: Int = 256) throws(CryptoError) {
        storage = try SecretBytes(zeroed: max(capacity, 16))
    }

    /// Adds a copy of `bytes`.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) throws(CryptoError) {
        try reserve(bytes.count)
        copy(bytes)
    }

    /// Adds bytes that are not secret.
    public mutating func append(_ bytes: [UInt8]) throws(CryptoError) {
        try reserve(bytes.count)
        bytes.withUnsafeBytes { copy($0) }
    }

    /// Adds bytes for which there is room.
    private mutating func copy(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        let start = count
        storage.withUnsafeMutableBytes { target in
            UnsafeMutableRawBufferPointer(rebasing: target[start...]).copyMemory(from: bytes)
        }
        count += bytes.count
    }

    /// Adds the bytes of a secret.
    public mutating func append(_ secret: borrowing SecretBytes) throws(CryptoError) {
        try secret.withUnsafeBytes { (bytes) throws(CryptoError) in try append(bytes) }
    }

    /// Adds one byte.
    public mutating func append(_ byte: UInt8) throws(CryptoError) {
        try reserve(1)
        let index = count
        storage.withUnsafeMutableBytes { $0[index] = byte }
        count += 1
    }

    /// Adds the UTF-8 bytes of a text that is not secret.
    public mutating func append(_ text: StaticString) throws(CryptoError) {
        try append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Adds up to `capacity` bytes that `fill` writes; it returns how many it wrote.
    public mutating func append<Failure: Error>(
        upTo capacity: Int,
        _ fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
    ) throws(Failure) -> Int where Failure: Error {
        do { try reserve(capacity) } catch { preconditionFailure("VaultCrypto: \(error.message)") }
        let start = count
        let added = try storage.withUnsafeMutableBytes { (target) throws(Failure) in
            try fill(UnsafeMutableRawBufferPointer(rebasing: target[start..<start + capacity]))
        }
        precondition(added >= 0 && added <= capacity, "VaultCrypto: more bytes than there was room for")
        count += added
        return added
    }

    /// Takes back what was added after the first `count` bytes.
    public mutating func truncate(to count: Int) {
        precondition(count >= 0 && count <= self.count, "VaultCrypto: truncation beyond the end")
        self.count = count
    }

    /// The bytes so far.
    public borrowing func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let count = count
        return try storage.withUnsafeBytes { (bytes) throws(Failure) in
            try body(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        }
    }

    /// The bytes so far, as a secret of just that size.
    public consuming func finish() throws(CryptoError) -> SecretBytes {
        count == storage.count ? storage : try storage.copy(0..<count)
    }

    private mutating func reserve(_ more: Int) throws(CryptoError) {
        guard count + more > storage.count else { return }
        var larger = try SecretBytes(zeroed: max(storage.count * 2, count + more))
        let used = count
        storage.withUnsafeBytes { old in
            larger.withUnsafeMutableBytes { new in
                UnsafeMutableRawBufferPointer(rebasing: new[..<used])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: old[..<used]))
            }
        }
        storage = larger
    }
}
