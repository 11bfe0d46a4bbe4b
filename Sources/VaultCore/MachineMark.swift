internal import PrivateFiles
internal import Synchronization
internal import VaultAPI
internal import VaultCrypto
internal import VaultStorage

extension Vault {
    /// What stands for this machine in what is sealed: 16 bytes, a hash of its id, the vault's UUID, the state directory
    /// and random bytes of that directory.
    ///
    /// The state directory goes in because one machine may have two, as with containers, and their locks and logs know
    /// nothing of each other; its random bytes, because machines made from one image may have one id, or none.
    ///
    /// - Parameter purpose: Keeps apart what the marks are for.
    func machineMark(_ purpose: StaticString) -> [UInt8] {
        // Where nothing can be kept, nobody is this machine for longer than this process: what it does not know to be its
        // own it does not refresh.
        let random = (try? keptMachineBytes()) ?? unkeptMachineBytes
        var hash = Blake2b(length: 16)
        hash.update(purpose)
        hash.update(id.bytes)
        hash.update(Self.machineID)
        hash.update(Array(location.state(of: id).utf8))
        hash.update(random)
        return hash.finish()
    }

    /// The random bytes by which this machine will be known again.
    func keptMachineBytes() throws(FileError) -> [UInt8] {
        let state = location.state(of: id)
        return try machineBytes.withLock { (known) throws(FileError) in
            if let known { return known }
            let bytes = try MachineFile.bytes(in: state)
            known = bytes
            return bytes
        }
    }

    /// Which machine refreshes an entry: what the sealed entry calls this one.
    var refresherMark: [UInt8] { machineMark("vault refresher") }

    /// `machine-id(5)`; a container may have none.
    private static let machineID: [UInt8] = {
        do throws(FileError) {
            return try Descriptor.open("/etc/machine-id").read(upTo: 64)
        } catch {
            return []
        }
    }()
}
