internal import EtcdStorage
internal import Glibc
internal import PrivateFiles
public import VaultAPI

/// Which store a vault's directory stands for.
///
/// The directory holds the records itself, as a database or as the files of a directory store, or one line in the file
/// `store` that says where they are. That line weighs more than a database beside it: writing and removing it is how a
/// vault is moved. A directory without anything of that kind leaves it to `store.yaml`.
extension VaultLocation {
    static let databaseName = "vault.sqlite"
    static let headerName = "header"
    static let pointerName = "store"
    static let settingsName = "store.yaml"
    private static let longestAddress = 8192

    var pointer: String { "\(directory)/\(Self.pointerName)" }

    /// The file that makes the directory a vault; another one in its place is another vault.
    ///
    /// Of a directory store in its own place it is the directory: every change of a slot replaces its header.
    package var identityFile: String {
        func isThere(_ path: String) -> Bool { (try? FileStatus.of(path)) != nil }
        let database = "\(directory)/\(Self.databaseName)"
        if isThere(pointer) { return pointer }
        if isThere(database) { return database }
        return isThere("\(directory)/\(Self.headerName)") ? directory : database
    }

    /// Whether the directory is a vault already, or has something in the place of one.
    public func holdsVault() throws(VaultError) -> Bool {
        do throws(FileError) { return try FileStatus.of(identityFile) != nil } catch { throw VaultError(error) }
    }

    /// The store that keeps the vault's records; `.sqlite` where nothing says otherwise, whether or not there is one.
    ///
    /// - Throws: `.configuration` for a line or a file that cannot be read as what it must be, and `.unsafe` or
    ///   `.unavailable` as files are.
    public func storeAddress() throws(VaultError) -> StoreAddress {
        do throws(FileError) { try PrivateFiles.requireDirectory(directory) } catch {
            // A link, a file, or what others can reach: whoever opens a database there says so, and reads nothing.
            guard error.code == .absent else { return .sqlite }
        }
        if let address = try pointed() { return address }
        do throws(FileError) {
            if try FileStatus.of("\(directory)/\(Self.databaseName)") != nil { return .sqlite }
            if try FileStatus.of("\(directory)/\(Self.headerName)") != nil { return .directory(directory) }
        } catch {
            throw VaultError(error)
        }
        guard let settings = try storeSettings() else { return .sqlite }
        if let store = settings.store {
            do throws(VaultError) { return try StoreAddress(parsing: store, home: nil) } catch {
                throw VaultError(.configuration, "\(settings.path): store: \(error.message)", hint: error.hint)
            }
        }
        return settings.address.map { .etcd($0) } ?? .sqlite
    }

    /// The cluster of an address, with what `store.yaml` says of it.
    ///
    /// - Throws: `.configuration` where the two contradict each other.
    func cluster(_ address: EtcdAddress) throws(VaultError) -> EtcdCluster {
        try storeSettings()?.cluster(for: address) ?? EtcdCluster(address)
    }

    private func storeSettings() throws(VaultError) -> EtcdSettings? {
        try EtcdSettings.read("\(configuration)/\(Self.settingsName)")
    }

    /// Makes the directory stand for another store, from one instant to the next.
    ///
    /// - Parameter address: `nil` for what lies in the directory itself.
    func point(to address: StoreAddress?) throws(VaultError) {
        do throws(FileError) {
            guard let address else {
                guard try FileStatus.of(pointer) != nil else { return }
                try PrivateFiles.remove(pointer)
                try PrivateFiles.synchronizeDirectory(directory)
                // Where nothing else is in it, it is no vault's any more.
                rmdir(directory)
                return
            }
            try PrivateFiles.makeDirectory(directory)
            let file = try NewFile(for: pointer)
            try file.write(Array("\(address)\n".utf8))
            try file.publish(replacing: true)
        } catch {
            throw VaultError(error)
        }
    }

    private func pointed() throws(VaultError) -> StoreAddress? {
        let bytes: [UInt8]
        do throws(FileError) {
            guard try FileStatus.of(pointer) != nil else { return nil }
            bytes = try PrivateFiles.open(pointer).read(upTo: Self.longestAddress)
        } catch {
            guard error.code != .absent else { return nil }
            throw VaultError(error)
        }
        let malformed = VaultError(
            .configuration,
            "\(pointer) does not name a store, as one line",
            hint: "vault store use URL writes it anew"
        )
        guard let text = String(validating: bytes, as: UTF8.self), text.hasSuffix("\n") else { throw malformed }
        do throws(VaultError) {
            return try StoreAddress(parsing: String(text.dropLast()), home: nil)
        } catch {
            guard error.code == .unsafe else { throw malformed }
            throw error
        }
    }
}
