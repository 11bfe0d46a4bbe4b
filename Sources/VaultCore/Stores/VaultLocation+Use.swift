internal import PrivateFiles
public import VaultAPI
internal import VaultStorage

/// Which store the directory stands for, and how that changes.
extension VaultLocation {
    /// What makes the directory stand for its store.
    public enum StoreOrigin: String, Sendable {
        /// The records lie in the directory itself.
        case directory
        /// The file `store` in it names the store.
        case pointer
        /// The file `store.yaml` in the configuration directory does.
        case settings
    }

    /// What makes the directory stand for its store.
    public func storeOrigin() throws(VaultError) -> StoreOrigin {
        do throws(FileError) {
            for name in [Self.pointerName, Self.databaseName, Self.headerName]
            where try FileStatus.of("\(directory)/\(name)") != nil {
                return name == Self.pointerName ? .pointer : .directory
            }
        } catch {
            throw VaultError(error)
        }
        return try storeAddress() == .sqlite ? .directory : .settings
    }

    /// Names the store that the directory stands for in its file `store`, unless it is a database there, which weighs more
    /// than anything else that has no name.
    func name(_ address: StoreAddress) throws(VaultError) {
        guard address != .sqlite, try storeOrigin() != .pointer else { return }
        try point(to: address)
    }

    /// Makes the directory stand for the store at `address`, from one instant to the next.
    func stand(for address: StoreAddress) throws(VaultError) {
        let isDatabaseHere: Bool
        do throws(FileError) {
            isDatabaseHere = try FileStatus.of("\(directory)/\(Self.databaseName)") != nil
        } catch {
            throw VaultError(error)
        }
        let isUnnamed = address == .sqlite || (address == .directory(directory) && !isDatabaseHere)
        try point(to: isUnnamed ? nil : address)
    }

    /// Takes the name away that is needed no more once another store in the directory is gone.
    func unname(after address: StoreAddress) throws(VaultError) {
        guard address == .sqlite, try storeAddress() == .directory(directory) else { return }
        try point(to: nil)
    }

    /// Takes away the line that names a store in which there is no vault any more.
    public func forgetStore() throws(VaultError) { try point(to: nil) }

    /// Refuses the store that the vault is in.
    public func requireElsewhere(_ address: StoreAddress) throws(VaultError) {
        guard try storeAddress() == address else { return }
        throw VaultError(
            .failed,
            "\(directory): the vault is in \(address) already; nothing was changed",
            hint: "vault store show says where it is"
        )
    }

    /// Refuses the directory of another vault.
    func requireRoom(for address: StoreAddress) throws(VaultError) {
        guard case .directory(let path) = address, path != directory else { return }
        do throws(FileError) {
            for name in [Self.pointerName, Self.databaseName] where try FileStatus.of("\(path)/\(name)") != nil {
                throw FileError(.exists, "\(path)/\(name)", "is another vault's")
            }
        } catch {
            guard error.code == .exists else { throw VaultError(error) }
            throw StoreMove.exists(address)
        }
    }

    /// A store of the vault beside the one in use: what a move leaves in the directory.
    public func unusedStores() throws(VaultError) -> [StoreAddress] {
        let used = try storeAddress()
        do throws(FileError) {
            var unused: [StoreAddress] = []
            if used != .sqlite, try FileStatus.of("\(directory)/\(Self.databaseName)") != nil { unused.append(.sqlite) }
            if used != .directory(directory), try FileStatus.of("\(directory)/\(Self.headerName)") != nil {
                unused.append(.directory(directory))
            }
            return unused
        } catch {
            throw VaultError(error)
        }
    }
}

extension StoreMove.Place {
    /// The place at that address, for the vault at `location`.
    init(_ address: StoreAddress, for vault: VaultID, at location: VaultLocation) {
        self.init(
            address: address,
            open: {
                do {
                    // What is decided here must be so now.
                    return try await BackendStore.open(address, at: location, isCached: false)
                        .placed(for: vault, at: location)
                } catch let error as StoreError where error.code == .absent {
                    return nil
                }
            },
            create: { try await BackendStore.create(address, at: location, for: vault, header: $0) },
            remove: { try await BackendStore.remove(address, at: location, of: vault, isWholeVault: false) }
        )
    }
}
