internal import VaultStorage

/// What every `RecordStore` must do, as a list of cases that need no test library.
///
/// Run each of them from the tests of your backend, every one with a place of its own:
///
/// ```swift
/// @Test(arguments: RecordStoreConformance.cases)
/// func conforms(_ conformance: RecordStoreConformance.Case) async throws {
///     let place = try TemporaryPlace()
///     try await conformance.run(
///         StoreUnderTest(
///             create: { try await MyStore.create(at: place, header: $0) },
///             reopen: { try await MyStore.open(at: place) }
///         )
///     )
/// }
/// ```
///
/// A case that fails throws a `ConformanceFailure`, which says what was expected, or the store's own error.
public struct RecordStoreConformance {
    /// One behaviour.
    public struct Case: Sendable, CustomStringConvertible {
        /// What the store does, such as `refusesARecordOverOneMebibyte`.
        public let name: String
        /// Throws unless the store made in that place behaves so.
        public let run: @Sendable (StoreUnderTest) async throws -> Void

        /// The name.
        public var description: String { name }
    }

    /// All cases.
    public static let cases: [Case] =
        headerCases + commitCases + iterationCases + counterCases + leaseCases + waitingCases + fenceCases
        + concurrencyCases + crowdCases + faultCases

    static func recordID(_ first: UInt8, _ last: UInt8 = 0) throws -> RecordID {
        var bytes = [UInt8](repeating: 0, count: RecordID.length)
        bytes[0] = first
        bytes[RecordID.length - 1] = last
        guard let id = RecordID(bytes) else { throw ConformanceFailure("no record id of \(bytes.count) bytes") }
        return id
    }

    static func record(_ id: RecordID, _ generation: UInt64, _ sealed: [UInt8] = [7]) -> StoredRecord {
        StoredRecord(id: id, generation: generation, sealed: sealed)
    }

    static func put(_ id: RecordID, _ generation: UInt64, replacing: UInt64? = nil) -> RecordChange {
        .put(record(id, generation), replacing: replacing)
    }
}
