/// Where sealed bytes live.
///
/// A store keeps one header and any number of records `(id, generation, sealed bytes)`. It knows no keys, no names
/// and no OAuth; everything it is given is sealed already. What makes it a store is what it refuses: a write whose
/// expectation no longer holds changes nothing.
///
/// A read that throws has changed nothing. A write that throws `.unavailable` or `.unreachable` may have been applied, as
/// a whole: a server's answer can be lost. With any other code nothing was changed.
///
/// Any conformer must pass `RecordStoreConformance` of VaultTestKit.
public protocol RecordStore: Sendable {
    /// Whether writes are bound to fail, because the store lies on media that cannot be written.
    var isReadOnly: Bool { get }

    /// Whether a lease keeps out everybody who uses the store, on whatever machine.
    ///
    /// Where it does not, each refreshable entry names the one machine that refreshes it.
    var hasCommonLock: Bool { get }

    /// The header, as it was last committed.
    ///
    /// - Throws: `.damaged`, `.unavailable` or `.unreachable`.
    func header() async throws(StoreError) -> StoredHeader

    /// Replaces the header if the stored one still has the generation `old`.
    ///
    /// - Parameter header: Its generation must be greater than `old`.
    /// - Throws: `.headerMoved` with nothing changed if it has another generation, `.invalid` if the new one does not
    ///   grow or is too large.
    func replaceHeader(_ header: StoredHeader, ifGeneration old: UInt64) async throws(StoreError)

    /// The record filed under `id`, or `nil` if there is none.
    ///
    /// - Throws: As `header`.
    func record(_ id: RecordID) async throws(StoreError) -> StoredRecord?

    /// Up to `limit` records in ascending order of their ids, beginning after `id` (`nil`: from the first).
    ///
    /// Between two calls others may write; each call is consistent in itself.
    ///
    /// - Throws: As `header`.
    func records(after id: RecordID?, limit: Int) async throws(StoreError) -> [StoredRecord]

    /// Applies up to `RecordLimits.changesPerCommit` changes, all or none, if the header has the generation given.
    ///
    /// When it returns, the changes are durable. No id may stand in `changes` twice.
    ///
    /// - Parameter lease: One that the changes were decided under. Where a lease can end before its holder does, the
    ///   store compares `lease.fence` in the same transaction, so that a holder who was asleep overwrites nothing.
    /// - Throws: `.headerMoved`, `.conflict`, `.leaseLost` or `.invalid` with nothing changed.
    func commit(
        _ changes: [RecordChange],
        ifHeaderGeneration generation: UInt64,
        holding lease: Lease?
    ) async throws(StoreError)

    /// A number that grows with every commit and every replaced header, and never otherwise changes.
    ///
    /// A cache that remembers it can tell cheaply that it is stale; one that falls tells of a store put back.
    ///
    /// - Throws: As `header`.
    func changeCounter() async throws(StoreError) -> UInt64

    /// An exclusive lease by that name, or `nil` if another holds it: another process, or this one.
    ///
    /// It dies with its holder: when the process ends in whatever way, or the lease is released or deallocated.
    ///
    /// - Throws: `.unavailable` or `.unreachable`.
    func tryLease(_ name: LeaseName) async throws(StoreError) -> Lease?

    /// Waits for an exclusive lease by that name, up to `limit`.
    ///
    /// The default asks `tryLease` again and again; a store that is told when a lease ends does better.
    ///
    /// - Throws: `.unavailable` when the time is over or the task is cancelled, and what `tryLease` throws.
    func lease(
        _ name: LeaseName,
        within limit: Duration,
        clock: any Clock<Duration>
    ) async throws(StoreError) -> Lease
}

extension RecordStore {
    /// A store is written to unless it says otherwise.
    public var isReadOnly: Bool { false }

    /// A lease is everybody's unless the store says otherwise.
    public var hasCommonLock: Bool { true }

    /// Applies changes that were decided under no lease.
    public func commit(
        _ changes: [RecordChange],
        ifHeaderGeneration generation: UInt64
    ) async throws(StoreError) {
        try await commit(changes, ifHeaderGeneration: generation, holding: nil)
    }
}

/// Bounds that hold for every store.
public enum RecordLimits {
    /// The greatest number of changes in one commit.
    public static let changesPerCommit = 64
    /// The greatest size of a sealed record in bytes.
    public static let recordBytes = 1 << 20
    /// The greatest size of a header in bytes.
    public static let headerBytes = 1 << 20
    /// The greatest generation of a header or record; databases count in signed numbers.
    public static let generation = UInt64(Int64.max)
}

/// The id of a record: 32 bytes that tell nothing of the name they are derived from.
public struct RecordID: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The length of every id in bytes.
    public static let length = 32

    /// The bytes.
    public let bytes: [UInt8]

    /// An id of these bytes, or `nil` unless there are exactly 32.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.length else { return nil }
        self.bytes = bytes
    }

    /// The id that 64 lower-case hexadecimal digits stand for, as `description` writes them; `nil` for anything else.
    public init?(hexadecimal digits: some Sequence<UInt8>) {
        let digits = Array(digits)
        guard digits.count == 2 * Self.length else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = Self.value(of: digits[index]), let low = Self.value(of: digits[index + 1]) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        self.bytes = bytes
    }

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }

    /// Orders by bytes, the first one weighing most.
    public static func < (left: RecordID, right: RecordID) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }

    /// Lower-case hexadecimal.
    public var description: String {
        bytes.map { byte in
            let digits = String(byte, radix: 16)
            return byte < 16 ? "0" + digits : digits
        }.joined()
    }
}

/// A header and its generation.
public struct StoredHeader: Hashable, Sendable {
    /// Grows by every change of the header.
    public var generation: UInt64
    /// At most 1 MiB.
    public var bytes: [UInt8]

    /// Makes a header.
    public init(generation: UInt64, bytes: [UInt8]) {
        self.generation = generation
        self.bytes = bytes
    }
}

/// A sealed record as a store keeps it.
public struct StoredRecord: Hashable, Sendable {
    /// Where it is filed.
    public var id: RecordID
    /// Grows by every change of the record; it is also bound inside the sealed bytes.
    public var generation: UInt64
    /// At most 1 MiB.
    public var sealed: [UInt8]
    /// What is wrong with it, where it is there and cannot be read as a record; `sealed` is what was found then.
    ///
    /// One damaged record is no reason to refuse the others: it is listed, it does not open, and it can be deleted.
    public var fault: String?

    /// Makes a record.
    public init(id: RecordID, generation: UInt64, sealed: [UInt8], fault: String? = nil) {
        self.id = id
        self.generation = generation
        self.sealed = sealed
        self.fault = fault
    }
}

/// One change of a commit, with what it expects to find.
public enum RecordChange: Hashable, Sendable {
    /// Writes `record` if the stored one has the generation `replacing`; `nil` expects that there is none.
    case put(StoredRecord, replacing: UInt64?)
    /// Deletes the record if it has that generation.
    case delete(RecordID, generation: UInt64)

    /// The id it is about.
    public var id: RecordID {
        switch self {
        case .put(let record, _): record.id
        case .delete(let id, _): id
        }
    }
}
