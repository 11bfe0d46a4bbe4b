internal import EtcdStorage
internal import VaultAPI
internal import VaultStorage

/// A store on other machines, as it was opened: or only its cache, where nobody answers.
struct RemoteBackend: Sendable {
    private let reach: StoreReach
    private let address: EtcdAddress
    private let isCached: Bool
    /// The store, for a look at its header.
    let store: CachedStore

    /// Opens it.
    ///
    /// - Parameter isCached: Whether what was seen before serves where nobody answers.
    /// - Throws: `.unreachable` if nobody answers, and it is not known whose the address is; what opening throws.
    static func open(
        _ cluster: EtcdCluster,
        at location: VaultLocation,
        isCached: Bool = true
    ) async throws(StoreError) -> RemoteBackend {
        let clock = VaultClock()
        let locks = location.stateBase
        let reach = StoreReach(bootTime: { clock.bootTime }) { () async throws(StoreError) in
            try await EtcdStore.open(in: cluster, locks: locks, clock: clock)
        }
        let place = CachePlace(location: location)
        let known = isCached ? place.vault(at: cluster.address) : nil
        var cache: RecordCache?
        do throws(StoreError) {
            try await reach.ask(within: known == nil ? nil : CachedStore.patience) { (_) throws(StoreError) in }
        } catch {
            guard error.code == .unreachable, let known else { throw error }
            cache = place.cache(of: known)
        }
        // With a cache only to read from: whose header it is, is not known yet.
        return RemoteBackend(
            reach: reach,
            address: cluster.address,
            isCached: isCached,
            store: CachedStore(reach, cache: cache, locks: locks)
        )
    }

    /// The store, with the vault's locks and its cache.
    func placed(for vault: VaultID, at location: VaultLocation) -> CachedStore {
        let place = CachePlace(location: location)
        if reach.failure == nil { place.remember(vault, at: address) }
        return CachedStore(reach, cache: isCached ? place.cache(of: vault) : nil, locks: location.state(of: vault))
    }
}
