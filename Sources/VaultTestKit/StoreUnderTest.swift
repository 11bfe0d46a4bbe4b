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

    /// Ends every lease of the store while its holder believes to have it, as a server does to one who was asleep; `nil`
    /// where a lease ends only with its holder.
    ///
    /// With it, `reopen` opens the store as another machine would: what keeps processes of one machine apart must not keep
    /// the two apart.
    public let expireLeases: (@Sendable () async throws -> Void)?
    /// Opens the store so that it cannot be written, as on media that cannot be; `nil` where there is no such thing.
    public let openReadOnly: (@Sendable () async throws -> any RecordStore)?
    /// Begins a commit under header generation 1 and lets its process die at step 0, 1, 2 and so on.
    ///
    /// It says `false` where the commit has no such step, and has done nothing then. `nil` where nobody can make it die.
    public let interrupt: (@Sendable (_ changes: [RecordChange], _ step: Int) async throws -> Bool)?

    /// Makes one.
    ///
    /// A case that needs one of the hooks is passed where it is `nil`.
    public init(
        create: @escaping @Sendable (StoredHeader) async throws -> any RecordStore,
        reopen: @escaping @Sendable () async throws -> any RecordStore,
        snapshot: (@Sendable () async throws -> [UInt8])? = nil,
        expireLeases: (@Sendable () async throws -> Void)? = nil,
        openReadOnly: (@Sendable () async throws -> any RecordStore)? = nil,
        interrupt: (@Sendable (_ changes: [RecordChange], _ step: Int) async throws -> Bool)? = nil
    ) {
        self.create = create
        self.reopen = reopen
        self.snapshot = snapshot
        self.expireLeases = expireLeases
        self.openReadOnly = openReadOnly
        self.interrupt = interrupt
    }

    /// A store with a header of generation 1.
    func make() async throws -> any RecordStore {
        try await create(StoredHeader(generation: 1, bytes: [1, 2, 3]))
    }
}
