internal import CSodium
internal import Synchronization

/// A fixed number of secret bytes in memory of their own.
///
/// The memory comes from `sodium_malloc`: guard pages around it, locked where the system allows it, left out of core
/// dumps, wiped as a whole before it is returned. The type cannot be copied, so there is one place to wipe; what has
/// to be shared, kept in a collection or carried across a task goes into `SharedSecret`.
///
/// At most `maximumCount` exist at once, because each costs pages of its own and a process has a bounded number of
/// memory maps (`vm.max_map_count`).
public struct SecretBytes: ~Copyable, @unchecked Sendable {
    // @unchecked: the pointer is owned by this value alone, which cannot be copied; exclusive access to the value is
    // exclusive access to the memory.

    /// How many may exist at once in a process.
    public static let maximumCount = 4096
    private static let live = Atomic<Int>(0)

    private let base: UnsafeMutableRawPointer
    /// The number of bytes.
    public let count: Int

    /// `count` zero bytes.
    ///
    /// - Throws: `.memory` where there is none, or `maximumCount` exist already.
    public init(zeroed count: Int) throws(CryptoError) {
        let base = try Self.allocate(count)
        self.init(taking: base, count: count)
        sodium_memzero(base, count)
    }

    /// `count` bytes from the system's random number generator (`randombytes_buf`).
    public init(random count: Int) throws(CryptoError) {
        let base = try Self.allocate(count)
        self.init(taking: base, count: count)
        randombytes_buf(base, count)
    }

    /// A copy of `bytes`.
    ///
    /// Wiping the original is the caller's affair.
    public init(copying bytes: UnsafeRawBufferPointer) throws(CryptoError) {
        let base = try Self.allocate(bytes.count)
        self.init(taking: base, count: bytes.count)
        if let source = bytes.baseAddress { base.copyMemory(from: source, byteCount: bytes.count) }
    }

    /// A copy of `bytes`, for constants and tests; secrets should not come from an array.
    public init(_ bytes: [UInt8]) throws(CryptoError) {
        let base = try Self.allocate(bytes.count)
        self.init(taking: base, count: bytes.count)
        bytes.withUnsafeBytes { source in
            if let address = source.baseAddress { base.copyMemory(from: address, byteCount: source.count) }
        }
    }

    // An initialiser that throws after it has begun to assign does not compile; this one cannot throw.
    private init(taking base: UnsafeMutableRawPointer, count: Int) {
        self.base = base
        self.count = count
    }

    deinit {
        sodium_free(base)  // wipes first
        Self.live.subtract(1, ordering: .relaxed)
    }

    private static func allocate(_ count: Int) throws(CryptoError) -> UnsafeMutableRawPointer {
        Sodium.ready()
        precondition(count >= 0, "VaultCrypto: negative size")
        guard live.add(1, ordering: .relaxed).newValue <= maximumCount else {
            live.subtract(1, ordering: .relaxed)
            throw CryptoError(.memory, "more than \(maximumCount) secrets are held at once")
        }
        // sodium_malloc(0) may return NULL; one byte is always there to point at.
        guard let base = sodium_malloc(max(count, 1)) else {
            live.subtract(1, ordering: .relaxed)
            throw CryptoError(.memory, "no memory for a secret")
        }
        return base
    }

    /// The bytes, readable while `body` runs.
    public borrowing func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: base, count: count).bytes)
    }

    /// The bytes, for calls that take pointers.
    ///
    /// They must not escape `body`.
    public borrowing func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: base, count: count))
    }

    /// The bytes, to be written while `body` runs.
    ///
    /// They must not escape it.
    public mutating func withUnsafeMutableBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeMutableRawBufferPointer(start: base, count: count))
    }

    /// Another copy, in memory of its own.
    public borrowing func copy() throws(CryptoError) -> SecretBytes {
        try SecretBytes(copying: UnsafeRawBufferPointer(start: base, count: count))
    }

    /// A copy of part of the bytes, in memory of its own.
    public borrowing func copy(_ range: Range<Int>) throws(CryptoError) -> SecretBytes {
        try SecretBytes(copying: UnsafeRawBufferPointer(rebasing: slice(range)))
    }

    /// Whether both hold the same bytes, in time that depends on the lengths alone (`sodium_memcmp`).
    public borrowing func equals(_ other: borrowing SecretBytes) -> Bool {
        count == other.count && sodium_memcmp(base, other.base, count) == 0
    }

    private borrowing func slice(_ range: Range<Int>) -> Slice<UnsafeRawBufferPointer> {
        UnsafeRawBufferPointer(start: base, count: count)[range]
    }
}

/// Whether both hold the same bytes, in time that depends on the lengths alone (`sodium_memcmp`).
public func constantTimeEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    Sodium.ready()
    return left.count == right.count && sodium_memcmp(left.octets, right.octets, left.count) == 0
}

/// Whether both hold the same bytes, in time that depends on the lengths alone (`sodium_memcmp`).
public func constantTimeEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.withUnsafeBytes { left in right.withUnsafeBytes { constantTimeEqual(left, $0) } }
}

/// One secret that several places hold.
///
/// Its bytes never change, so it may cross tasks; they are wiped when the last holder lets go.
public final class SharedSecret: Sendable, CustomStringConvertible, CustomReflectable {
    private let bytes: SecretBytes

    /// Takes the secret over.
    public init(_ bytes: consuming SecretBytes) {
        self.bytes = bytes
    }

    /// The number of bytes.
    public var count: Int { bytes.count }

    /// The secret, while `body` runs.
    public func withSecret<Result: ~Copyable, Failure: Error>(
        _ body: (borrowing SecretBytes) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(bytes)
    }

    /// Says that there is a secret and nothing about it.
    public var description: String { "SharedSecret" }

    /// Has no children: a dump shows nothing.
    public var customMirror: Mirror { Mirror(self, children: [(label: String?, value: Any)]()) }
}
