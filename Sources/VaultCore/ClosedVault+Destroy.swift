public import KeyCustody
internal import PrivateFiles
public import VaultAPI
internal import VaultStorage

extension ClosedVault {
    /// Deletes the vault, then the secrets of its slots, then what this machine remembers of it.
    ///
    /// In that order: killed in between, what is left over opens nothing.
    ///
    /// - Returns: A sentence for each keyring item that could not be deleted.
    public func destroy(_ custodians: CustodianSet) async throws(VaultError) -> [String] {
        let original = original
        // The keys are those of a vault that is somewhere else.
        try requireHere()
        do {
            let address = try location.storeAddress()
            // What a move has left first: the directory would seem to be a vault that was moved away.
            for address in try await remains() + [address] {
                try await BackendStore.remove(address, at: location, of: id, isWholeVault: true)
            }
            try location.point(to: nil)
        } catch {
            throw Vault.vaultError(error)
        }
        // The keys of a copy are those of the vault it was copied from.
        guard original == nil else { return [] }
        var failures: [String] = []
        for slot in header.knownSlots where slot.description.kind.needsKeyring {
            do throws(CustodyError) {
                let custodian = custodians.custodian(for: slot.description.kind)
                try await custodian?.forget(slot.description, vault: id.bytes)
            } catch {
                failures.append("the keyring item of slot \(slot.description.shortID) remains: \(error.message)")
            }
        }
        VaultPlace(location: location, vault: id).forget()
        CachePlace(location: location).forget(id)
        LocalFiles.remove(from: location.state(of: id))
        do throws(FileError) {
            try AuditFiles(directory: location.state(of: id)).remove()
        } catch {
            throw VaultError(error)
        }
        do throws(StoreError) {
            try GenerationLedger.remove(location.state(of: id))
        } catch {
            throw VaultError(error)
        }
        return failures
    }

    /// Stores in the vault's directory that it was moved out of.
    public func remains() async throws(VaultError) -> [StoreAddress] {
        var found: [StoreAddress] = []
        for address in try location.unusedStores() {
            let other = try await ClosedVault.open(address, for: location)
            if other.id == id, other.header.phase == .moved || other.isArriving { found.append(address) }
        }
        return found
    }
}
