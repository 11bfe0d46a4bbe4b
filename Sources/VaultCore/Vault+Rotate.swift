internal import KeyCustody
public import VaultAPI
public import VaultCrypto
internal import VaultStorage

/// A rotation that is ready to begin: every slot's secret was asked for, and nothing is changed yet.
public struct PreparedRotation: Sendable {
    /// Slots that will be made anew.
    struct Survivor: Sendable {
        var slot: KeySlot
        var passphrase: SharedSecret?
    }

    var survivors: [Survivor]
    var hasRecoveryCode: Bool
    var session: Vault.Session

    /// Slots that will be gone: their secret was not presented, or this version does not know their kind.
    public let lost: [SlotListing]
    /// Whether there was a recovery code, so that a new one would be issued.
    public var replacesRecoveryCode: Bool { hasRecoveryCode }
}

extension Vault {
    /// Asks for the secret of every slot that is to survive a rotation, and looks whether every record can be moved.
    ///
    /// Taking a slot away is not revocation: old bytes live on in backups. So a slot survives only if its secret is
    /// presented; nothing of the old header can be carried into the new one.
    ///
    /// - Parameter dropping: Slots to give up, by the beginning of their ids.
    public func prepareRotation(dropping: [String] = []) async throws(VaultError) -> PreparedRotation {
        if let original {
            throw VaultError(
                .unsafe,
                "\(location.directory) is a copy of the vault \(original) and has the same keys; new ones here would lock it",
                hint: "vault export FILE here, and vault restore FILE into a vault of its own"
            )
        }
        if current.oldKey != nil { try await resumeRotation() }
        let listing = try await verify()
        try listing.requireSound()
        for entry in listing.entries {
            for place in spillPlaces { _ = try SpillFile.contents(of: "\(place)/\(entry.id)") }
        }
        return try await attempt { session in
            try Self.requireNoOldKey(session)
            var survivors: [PreparedRotation.Survivor] = []
            var lost: [HeaderSlot] = []
            var hasRecoveryCode = false
            for prefix in dropping {
                guard session.header.slots.count(where: { hexadecimal($0.id).hasPrefix(prefix.lowercased()) }) == 1
                else {
                    throw VaultError(.notFound, "there is no single slot \(prefix)", hint: "vault key list shows them")
                }
            }
            for slot in session.header.slots {
                let isDropped = dropping.contains { hexadecimal(slot.id).hasPrefix($0.lowercased()) }
                if isDropped { continue }
                guard let known = slot.known else {
                    lost.append(slot)
                    continue
                }
                if slot.kind == .recoveryCode {
                    hasRecoveryCode = true
                    continue
                }
                do throws(CustodyError) {
                    survivors.append(try await self.present(known))
                } catch {
                    guard error.code != .interrupted else { throw error }
                    // A disk that cannot be read for once is no reason to give a slot up: that has to be asked for.
                    if slot.kind == .keyFile, error.code == .unavailable { throw error }
                    lost.append(slot)
                }
            }
            return PreparedRotation(
                survivors: survivors,
                hasRecoveryCode: hasRecoveryCode,
                session: session,
                lost: lost.map(SlotListing.init)
            )
        }
    }

    /// A header has room for one old key.
    ///
    /// To put another in its place would lose every record still sealed under it.
    private static func requireNoOldKey(_ session: Session) throws(VaultError) {
        guard session.oldKey == nil else {
            throw VaultError(
                .unavailable,
                "an earlier rotation is not finished, and its old key is still needed; nothing was changed",
                hint: "run it again when no other vault command is running; vault doctor says what stands in the way"
            )
        }
    }

    private func present(_ slot: KeySlot) async throws(CustodyError) -> PreparedRotation.Survivor {
        let kind = slot.description.kind
        if kind == .passphrase {
            let passphrase = try await custodians.passphrase.passphrase(opening: slot, vault: id.bytes)
            return PreparedRotation.Survivor(slot: slot, passphrase: passphrase)
        }
        guard let custodian = custodians.custodian(for: kind) else {
            throw CustodyError(.absent, "unknown kind of slot")
        }
        var last = CustodyError(.absent, "the slot \(slot.description.shortID) has no key")
        for root in try await custodian.roots(for: slot, vault: id.bytes) {
            do throws(CustodyError) {
                try root.withSecret { (root) throws(CustodyError) in
                    _ = try slot.unwrap(under: root, vault: id.bytes)
                }
                let passphrase = kind.needsPassphrase ? try await custodians.passphrase.passphrase() : nil
                return PreparedRotation.Survivor(slot: slot, passphrase: passphrase)
            } catch {
                last = error
            }
        }
        throw last
    }

    /// Makes a new data key, and slots for it.
    ///
    /// - Parameters:
    ///   - issuesRecoveryCode: Whether a new recovery code takes the place of the old one.
    ///   - derivation: Argon2id's parameters for passphrases; from policy, never from the header that is replaced.
    /// - Throws: with nothing changed, or, after the new header is committed, with a rotation that the next opener
    ///   finishes; both keys are kept until then.
    public func rotate(
        _ prepared: PreparedRotation,
        issuesRecoveryCode: Bool,
        derivation: PasswordHash = .moderate
    ) async throws(VaultError) {
        var made: [(slot: KeySlot, predecessor: KeySlot?)] = []
        let lease: Lease
        var mayBeCommitted = false
        do {
            guard let name = LeaseName(id.bytes) else { preconditionFailure("VaultCore: vault id of a wrong size") }
            lease = try await store.lease(name, within: .seconds(Self.patienceSeconds), clock: clock.pauses)
            let session = prepared.session
            try Self.requireNoOldKey(session)
            // Under the lease, and before anything is put anywhere: the header must be the one that was prepared for.
            try await requireHeader(session)
            try await requireOneVersion(of: "sealed under the new key")
            let key = try DataKey.random()
            for survivor in prepared.survivors {
                made.append((try await successor(of: survivor, under: key, derivation), survivor.slot))
            }
            if issuesRecoveryCode {
                let new = NewSlot(.recoveryCode)
                made.append((try await Self.enroll(new, for: key, vault: id, custodians, now: clock.now), nil))
            }
            guard !made.isEmpty else {
                throw VaultError(
                    .unsafe,
                    "no slot would be left to open the vault with",
                    hint: "present at least one secret"
                )
            }
            var header = session.header
            header.slots = made.map { HeaderSlot($0.slot) }
            header.oldDataKey = try key.seal(old: session.key)
            header.auditKey = try key.seal(audit: try session.auditKeyToKeep())
            header.isSynced = isSynced
            header.spillKeys = []
            for old in try session.spillKeysToKeep() { header.spillKeys.append(try key.seal(spill: old)) }
            try header.checkLimits()
            header.generation = session.header.generation + 1
            let stored = StoredHeader(generation: header.generation, bytes: header.encoded(under: key))
            mayBeCommitted = true
            try await store.replaceHeader(stored, ifGeneration: session.header.generation)
            guard try await store.header().bytes == stored.bytes else {
                throw VaultError(
                    .unavailable,
                    "\(location.directory): the new header does not read back as it was written"
                )
            }
            adopt(Session(header: header, key: key, oldKey: session.key))
            try await remember([:])
        } catch {
            let hasMoved = (error as? StoreError)?.code == .headerMoved
            // In doubt the new secrets stay: one that opens nothing does no harm, a lost one locks its owner out.
            if hasMoved || !mayBeCommitted {
                for (slot, predecessor) in made {
                    await Self.forget(slot.description, vault: id, custodians)
                    if let predecessor { KeyFileCustodian().discard(slot.description, successorOf: predecessor) }
                }
            }
            if hasMoved {
                throw VaultError(
                    .unavailable,
                    "the slots were changed meanwhile; nothing was rotated",
                    hint: "run it again"
                )
            }
            throw Self.vaultError(error)
        }
        defer { lease.release() }
        do {
            for (slot, predecessor) in made where slot.description.kind == .keyFile {
                if let predecessor { try KeyFileCustodian().publish(slot.description, successorOf: predecessor) }
            }
            try await finishRotation()
        } catch {
            throw Self.vaultError(error)
        }
        for slot in prepared.session.header.knownSlots {
            await Self.forget(slot.description, vault: id, custodians)
        }
    }

    private func successor(
        of survivor: PreparedRotation.Survivor,
        under key: DataKey,
        _ derivation: PasswordHash
    ) async throws -> KeySlot {
        let old = survivor.slot
        let kind = old.description.kind
        let description = SlotDescription(newOf: kind, derivation: derivation)
        let root: SharedSecret
        switch (kind, survivor.passphrase) {
        case (.passphrase, let passphrase?):
            root = try custodians.passphrase.enroll(description, using: passphrase)
        case (.secretServiceAndPassphrase, let passphrase?):
            root = try await custodians.combined.enroll(description, using: passphrase, vault: id.bytes)
        case (.keyFile, _):
            root = try KeyFileCustodian().enrollSuccessor(description, of: old)
        default:
            guard let custodian = custodians.custodian(for: kind) else {
                preconditionFailure("VaultCore: a surviving slot of an unknown kind")
            }
            root = try await custodian.enroll(description, vault: id.bytes)
        }
        return try key.wrap(under: root, as: description, vault: id, createdAt: clock.now, path: old.path)
    }
}
