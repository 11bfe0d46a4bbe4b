internal import Glibc

/// Memory for a secret on its way through this process: kept out of swap where the kernel allows it, wiped when it goes.
///
/// This program lives for a fraction of a second and links libsecret instead of libsodium, so it has no guard pages.
struct WipedBytes: ~Copyable {
    private let memory: UnsafeMutableRawPointer

    /// `count` zero bytes.
    init(zeroed count: Int) {
        memory = .allocate(byteCount: max(count, 1), alignment: 16)
        _ = mlock(memory, count)
        _ = memset(memory, 0, count)
        self.count = count
    }

    /// The number of bytes.
    let count: Int

    deinit {
        explicit_bzero(memory, count)
        // Not unlocked: other secrets may share the page, and the process ends soon.
        memory.deallocate()
    }

    /// The bytes, readable while `body` runs.
    borrowing func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: memory, count: count))
    }

    /// The bytes, writable while `body` runs.
    mutating func withUnsafeMutableBytes<Result, Failure: Error>(
        _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeMutableRawBufferPointer(start: memory, count: count))
    }
}

/// A secret that sits in an array: one match of a lookup.
final class FoundKey {
    let bytes: WipedBytes

    init(_ bytes: consuming WipedBytes) { self.bytes = bytes }
}
