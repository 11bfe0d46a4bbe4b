internal import EtcdStorage
internal import VaultAPI
internal import VaultStorage

/// A store that was made or opened, before it is known where its leases belong: the one place that chooses a backend.
///
/// The locks lie in a directory that is named after the vault's UUID, and the header has that.
enum BackendStore: Sendable {
    case sqlite(SQLiteStore)
    case directory(DirectoryStore)
    case etcd(RemoteBackend)

    /// Opens the store at `address`, for the vault at `location`.
    ///
    /// - Parameter isCached: Whether what was seen of a cluster serves where nobody answers.
    static func open(
        _ address: StoreAddress,
        at location: VaultLocation,
        isCached: Bool = true
    ) async throws -> BackendStore {
        switch address {
        case .sqlite:
            return .sqlite(try await SQLiteStore.open(in: location.directory, locks: location.stateBase))
        case .directory(let path):
            return .directory(try await DirectoryStore.open(in: path, locks: location.stateBase))
        case .etcd(let address):
            return .etcd(try await RemoteBackend.open(location.cluster(address), at: location, isCached: isCached))
        }
    }

    /// Makes a store that holds `header` and no records.
    static func create(
        _ address: StoreAddress,
        at location: VaultLocation,
        for vault: VaultID,
        header: StoredHeader
    ) async throws -> any RecordStore {
        let state = location.state(of: vault)
        switch address {
        case .sqlite:
            return try await SQLiteStore.create(in: location.directory, locks: state, header: header)
        case .directory(let path):
            return try await DirectoryStore.create(in: path, locks: state, header: header)
        case .etcd(let address):
            let cluster = try location.cluster(address)
            _ = try await EtcdStore.create(in: cluster, locks: state, header: header)
            return try await RemoteBackend.open(cluster, at: location).placed(for: vault, at: location)
        }
    }

    /// Removes that vault's store and all it holds.
    ///
    /// - Parameter isWholeVault: Whether the vault goes, and with it what was set aside in a directory; otherwise the store
    ///   must be one that the vault has left, or not reached.
    static func remove(
        _ address: StoreAddress,
        at location: VaultLocation,
        of vault: VaultID,
        isWholeVault: Bool
    ) async throws {
        switch address {
        case .sqlite: try SQLiteStore.remove(in: location.directory)
        case .directory(let path): try DirectoryStore.remove(in: path, takesSetAside: isWholeVault)
        case .etcd(let address):
            // What was known of it may be from a cache, and another vault be there by now.
            try await EtcdStore.remove(in: location.cluster(address)) { stored in
                guard let header = try? Header(stored.bytes), header.vault == vault else { return false }
                return isWholeVault || header.phase == .moved || header.isArriving
            }
        }
    }

    /// The store, for a look at its header.
    var records: any RecordStore {
        switch self {
        case .sqlite(let store): store
        case .directory(let store): store
        case .etcd(let backend): backend.store
        }
    }

    /// The store, with what belongs to it on this machine where that vault's belongs.
    func placed(for vault: VaultID, at location: VaultLocation) -> any RecordStore {
        switch self {
        case .sqlite(let store): store.leasing(in: location.state(of: vault))
        case .directory(let store): store.leasing(in: location.state(of: vault))
        case .etcd(let backend): backend.placed(for: vault, at: location)
        }
    }
}
