public import KeyCustody
internal import PrivateFiles
public import VaultAPI
internal import VaultStorage

extension Vault {
    /// Makes the vault's directory stand for a store that exists: on another machine of a fleet, or for a folder that is
    /// synchronised.
    ///
    /// The store is opened with one of its slots first, so what the directory is made to stand for is a vault that the user
    /// has a key of.
    ///
    /// - Throws: `.notFound` where there is no store, `.wrongKey` and `.locked` as `open`, `.failed` if the directory has a
    ///   vault of its own. Nothing is changed then.
    public static func use(
        _ address: StoreAddress,
        at location: VaultLocation,
        with custodians: CustodianSet,
        options: Options = Options()
    ) async throws(VaultError) -> Vault {
        var closed = try await ClosedVault.open(address, for: location)
        try closed.requireHere()
        try await requireNothingLost(at: location, using: address, closed)
        let vault = try await unlock(&closed, with: custodians, options)
        try location.stand(for: address)
        try await vault.begin(closed, acceptingRollback: false)
        return vault
    }

    /// Refuses a directory that has another vault, or records of this one that are nowhere else.
    private static func requireNothingLost(
        at location: VaultLocation,
        using address: StoreAddress,
        _ wanted: ClosedVault
    ) async throws(VaultError) {
        let isPointer: Bool
        do throws(FileError) {
            isPointer = try FileStatus.of(location.pointer) != nil
        } catch {
            throw VaultError(error)
        }
        let present: ClosedVault
        do throws(VaultError) {
            let holdsVault = try location.holdsVault()
            guard holdsVault else { return }
            let used = try location.storeAddress()
            guard used != address else { return }
            present = try await ClosedVault.open(location)
        } catch {
            // What a line names stays where it is. A line that names nothing, or what cannot be reached, is written anew.
            guard isPointer else { throw error }
            return
        }
        guard present.id == wanted.id else {
            throw VaultError(
                .failed,
                "\(location.directory) stands for another vault, \(present.id); it was left as it is",
                hint: "--vault DIR or --profile NAME makes another directory stand for \(address)"
            )
        }
        guard isPointer || present.movedTo != nil else {
            throw VaultError(
                .unsafe,
                "\(location.directory) holds records of this vault itself, and \(address) may not have all of them",
                hint: "vault export FILE keeps what is here; then move the directory away, and run it again"
            )
        }
    }
}
