package import VaultAPI
internal import VaultStorage

/// What a store is that the vault was moved out of, or into which it is being moved.
extension ClosedVault {
    /// The address of the store that has the vault instead; `nil` unless it was moved away, or is just being moved.
    public var movedTo: String? { header.movedTo }

    /// Whether this is the store of a move that has not come to its end.
    public var isArriving: Bool { header.isArriving }

    /// Refuses a store that is not the vault's any more, or not yet.
    func requireHere() throws(VaultError) {
        if let movedTo = header.movedTo {
            throw VaultError(
                .configuration,
                "\(location.directory): its header says that the vault was moved to \(movedTo), and this store is not written any "
                    + "more",
                hint: "vault store use \(movedTo); if the move was broken off: vault store migrate --to \(movedTo)"
                    + (store.hasCommonLock ? "" : "; vault export FILE saves what is here"),
                underlying: VaultMoved()
            )
        }
        guard header.isArriving else { return }
        throw VaultError(
            .configuration,
            "\(location.directory): its store is one that a vault was being moved to when the move was broken off",
            hint: "run vault store migrate again where the vault was before"
        )
    }

    /// The vault where its directory says it is, once a move that is under way has ended.
    ///
    /// Somebody who had it open goes on there. While a move runs, the lease of the vault's UUID is taken; where it is free,
    /// nobody is going to end the move, and there is nothing to wait for.
    ///
    /// - Throws: `.configuration` if the move was broken off, or leads where this machine does not follow.
    func settled(_ clock: VaultClock) async throws(VaultError) -> ClosedVault {
        guard header.phase == .moved else { return self }
        let deadline = clock.bootTime + UInt64(Vault.patienceSeconds) * 1000
        var pause = Duration.milliseconds(5)
        while true {
            let isMoving = await isBeingMoved()
            // In this order: whoever lets go of the lease has switched before.
            let now = try await ClosedVault.open(location)
            guard now.header.phase == .moved else { return now }
            guard isMoving, clock.bootTime < deadline else {
                try now.requireHere()
                return now
            }
            do { try await clock.pauses.sleep(for: pause) } catch { throw Vault.vaultError(error) }
            pause = min(pause * 1.5, .milliseconds(200))
        }
    }

    private func isBeingMoved() async -> Bool {
        guard let name = LeaseName(header.vault.bytes) else {
            preconditionFailure("VaultCore: vault id of a wrong size")
        }
        do throws(StoreError) {
            guard let lease = try await store.tryLease(name) else { return true }
            lease.release()
            return false
        } catch {
            return false
        }
    }
}

/// Marks the failure of whoever finds that the vault has gone to another store.
struct VaultMoved: Error {}

extension VaultError {
    /// Whether the vault was moved to another store than the one that was asked.
    package var isVaultMoved: Bool { underlying is VaultMoved }
}

extension VaultError {
    /// Whether no server of the store that was asked answers.
    package var isUnreachable: Bool { (underlying as? StoreError)?.code == .unreachable }
}
