/// What this machine remembers of a vault's header.
public struct SeenHeader: Hashable, Sendable {
    /// The length of a digest in bytes.
    public static let digestLength = 32

    /// The header's generation.
    public var generation: UInt64
    /// A digest of its bytes, which tells two headers of one generation apart: 32 bytes.
    public var digest: [UInt8]
    /// The store's change counter when it was seen.
    public var changeCounter: UInt64

    /// Makes one.
    public init(generation: UInt64, digest: [UInt8], changeCounter: UInt64) {
        self.generation = generation
        self.digest = digest
        self.changeCounter = changeCounter
    }

    /// What is remembered after `other` was seen as well.
    ///
    /// A header of a later generation may be that of another store, into which the vault was moved, and each store counts
    /// its own changes. So the counter is never less for one generation, and begins anew with the next.
    ///
    /// Of two headers with one generation and different digests the first one seen stays; the other is a fork, and it
    /// is for the reader to say so.
    func raised(by other: SeenHeader) -> SeenHeader {
        if other.generation > generation { return other }
        guard other.generation == generation, other.digest == digest else { return self }
        return SeenHeader(
            generation: generation,
            digest: digest,
            changeCounter: max(changeCounter, other.changeCounter)
        )
    }
}
