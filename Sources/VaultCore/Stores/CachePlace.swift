internal import EtcdStorage
internal import Glibc
internal import PrivateFiles
internal import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// Where this machine keeps what it has seen of vaults in remote stores.
///
/// ```
/// <cacheBase>/                    0700
///     <uuid>/                     0700   one vault's
///         cache.sqlite            0600   see RecordCache
///     by-address/                 0700
///         <32 hex digits>         0600   the UUID of the vault that was found at an address, by its hash
/// ```
struct CachePlace {
    let location: VaultLocation

    /// The directory of one vault's; `nil` where there is no place for caches.
    func directory(of vault: VaultID) -> String? { location.cacheBase.map { "\($0)/\(vault)" } }

    /// The cache of one vault.
    func cache(of vault: VaultID) -> RecordCache? { directory(of: vault).map { RecordCache($0) } }

    /// The vault that was found there last: while nobody answers, nothing else says whose the address is.
    func vault(at address: EtcdAddress) -> VaultID? {
        guard let path = record(of: address) else { return nil }
        do throws(FileError) {
            let bytes = try PrivateFiles.open(path).read(upTo: 64)
            return String(validating: bytes, as: UTF8.self).flatMap { EntryID(text: $0) }.flatMap { VaultID($0.bytes) }
        } catch {
            return nil
        }
    }

    /// Remembers which vault was found there.
    ///
    /// Not being able to costs what could be read while nobody answers.
    func remember(_ vault: VaultID, at address: EtcdAddress) {
        guard let path = record(of: address), self.vault(at: address) != vault else { return }
        do throws(FileError) {
            try PrivateFiles.makeDirectory(PrivateFiles.parentDirectory(of: path))
            let file = try NewFile(for: path)
            try file.write(Array(vault.description.utf8))
            try file.publish(replacing: true, isDurable: false)
        } catch {}
    }

    /// Removes what is kept of a vault.
    func forget(_ vault: VaultID) {
        guard let base = location.cacheBase, let directory = directory(of: vault) else { return }
        RecordCache.remove(directory)
        let index = "\(base)/by-address"
        for name in (try? PrivateFiles.names(in: index)) ?? [] where !name.hasPrefix(".") {
            let path = "\(index)/\(name)"
            do throws(FileError) {
                guard try PrivateFiles.open(path).read(upTo: 64) == Array(vault.description.utf8) else { continue }
                try PrivateFiles.remove(path)
            } catch {}
        }
    }

    private func record(of address: EtcdAddress) -> String? {
        var hash = Blake2b(length: 16)
        hash.update("vault store address")
        hash.update(Array(address.description.utf8))
        let name = hexadecimal(hash.finish())
        return location.cacheBase.map { "\($0)/by-address/\(name)" }
    }
}
