package import VaultStorage

extension EtcdStore: RemoteStore {
    /// The header, of one instant with the counter and the revision.
    package func seenHeader() async throws(StoreError) -> Seen<StoredHeader> {
        let state = try await state()
        return Seen(state.header, counter: state.changeCounter, revision: state.revision)
    }

    /// The record filed under `id`, of one instant with the counter and the revision.
    package func seenRecord(_ id: RecordID) async throws(StoreError) -> Seen<StoredRecord?> {
        let look = try await look(at: id)
        return Seen(look.record, counter: look.changeCounter, revision: look.revision)
    }

    /// The same store, its lock file in `locks`.
    package func placed(in locks: String) -> any RemoteStore { leasing(in: locks) }
}
