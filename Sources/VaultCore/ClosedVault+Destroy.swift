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
        do throws(StoreError) {
            try SQLiteStore.remove(in: location.directory)
        } catch {
            throw VaultError(error)
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
}
