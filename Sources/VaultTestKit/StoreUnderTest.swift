public import VaultStorage

/// A place in which a conformance case makes a store, and opens it again.
///
/// Every case wants a fresh one: two cases must never share what a store keeps.
public struct StoreUnderTest: Sendable {
    /// Makes the store with that header and no records.
    public let create: @Sendable (StoredHeader) async throws -> any RecordStore
    /// Opens the store that `create` made, as another process would.
    ///
    /// Called while the first instance is in use, and more than once. A store that lives in its process alone gives
    /// back the same instance.
    public let reopen: @Sendable () async throws -> any RecordStore
    /// Everything the store keeps, as raw bytes, where that can be told; `nil` where not.
    public let snapshot: (@Sendable () async throws -> [UInt8])?

    /// Makes one.
    public init(
        create: @escaping @Sendable (StoredHeader) async throws -> any RecordStore,
        reopen: @escaping @Sendable () async throws -> any RecordStore,
        snapshot: (@Sendable () async throws -> [UInt8])? = nil
    ) {
        self.create = create
        self.reopen = reopen
        self.snapshot = snapshot
    }

    /// A store with a header of generation 1.
    func make() async throws -> any RecordStore {
        try await create(StoredHeader(generation: 1, bytes: [1, 2, 3]))
    }
}
