internal import EtcdStorage
internal import VaultAPI
internal import VaultStorage

extension Vault {
    /// That the store does not answer, and of when what was read is; `nil` while it answers.
    public var storeNote: String? { StoreNote.of(store) }
}

extension ClosedVault {
    /// That the store does not answer, and of when what was read is; `nil` while it answers.
    public var storeNote: String? { StoreNote.of(store) }
}

enum StoreNote {
    static func of(_ store: any RecordStore) -> String? {
        guard let store = store as? CachedStore, let since = store.cachedSince else { return nil }
        let seen = Timestamp(seconds: since).map { "as of \($0)" } ?? "as it was seen last"
        guard let failure = store.failure else { return "read from the cache on this machine, \(seen)" }
        return "\(failure.description); read from the cache on this machine, \(seen)"
    }
}
