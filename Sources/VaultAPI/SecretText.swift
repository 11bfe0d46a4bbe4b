internal import Glibc

/// A secret on its way out of the vault or into it, in memory that is wiped when the last owner lets go of it.
///
/// Inside the vault secrets live in memory of libsodium's; whoever only asks the agent has no need of libsodium. Here too
/// the memory is pages of its own: locked where the system allows it, and in no core dump.
package final class SecretText: @unchecked Sendable, CustomStringConvertible, CustomReflectable {
    // @unchecked: the memory is written before the initialiser returns, and never after.
    private let memory: UnsafeMutableRawBufferPointer

    /// `count` bytes that `fill` writes.
    package init<Failure: Error>(
        count: Int,
        _ fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        self.count = count
        // Zeroes, in whole pages (mmap(2), madvise(2), mlock(2)).
        let base = mmap(nil, max(count, 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let base, base != MAP_FAILED else { preconditionFailure("VaultAPI: no memory for a secret") }
        _ = madvise(base, max(count, 1), Int32(MADV_DONTDUMP))
        _ = mlock(base, count)
        memory = UnsafeMutableRawBufferPointer(start: base, count: max(count, 1))
        try fill(UnsafeMutableRawBufferPointer(rebasing: memory[..<count]))
    }

    /// A copy of `bytes`; wiping the original is the caller's affair.
    package convenience init(copying bytes: UnsafeRawBufferPointer) {
        self.init(count: bytes.count) { $0.copyMemory(from: bytes) }
    }

    deinit {
        guard let base = memory.baseAddress else { return }
        explicit_bzero(base, memory.count)
        munmap(base, memory.count)
    }

    /// The number of bytes.
    package let count: Int

    /// The bytes, which must not escape `body`.
    package func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory)[..<count]))
    }

    /// A copy of some of the bytes.
    package func slice(_ range: Range<Int>) -> SecretText {
        withUnsafeBytes { SecretText(copying: UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    /// All bytes of `pieces`, which are `count`.
    package static func joining(_ pieces: [SecretText], count: Int) -> SecretText {
        SecretText(count: count) { buffer in
            var position = 0
            for piece in pieces {
                let target = UnsafeMutableRawBufferPointer(rebasing: buffer[position...])
                piece.withUnsafeBytes { target.copyMemory(from: $0) }
                position += piece.count
            }
        }
    }

    /// The bytes as text, in memory that nobody wipes; `nil` if they are no UTF-8.
    package var text: String? { withUnsafeBytes { String(validating: $0, as: UTF8.self) } }

    /// Shows nothing.
    package var description: String { "a secret of \(count) bytes" }

    /// Has no children.
    package var customMirror: Mirror { Mirror(self, children: [(label: String?, value: Any)]()) }
}
