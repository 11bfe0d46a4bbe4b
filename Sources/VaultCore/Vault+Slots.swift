public import KeyCustody
public import VaultAPI
public import VaultCrypto
public import VaultStorage

/// A slot to be made.
public struct NewSlot: Sendable {
    /// How it will be opened.
    public var kind: SlotKind
    /// Argon2id's parameters, where there is a passphrase.
    public var derivation: PasswordHash
    /// Where a new key file goes.
    public var keyFile: String?

    /// A slot to be made.
    public init(_ kind: SlotKind, derivation: PasswordHash = .moderate, keyFile: String? = nil) {
        self.kind = kind
        self.derivation = derivation
        self.keyFile = keyFile
    }
}

extension Vault {
    /// Makes a vault with a new data key, and opens it.
    ///
    /// - Parameters:
    ///   - address: Where its records are kept. Unless that is the directory itself, the directory names it.
    ///   - slots: At least one.
    ///   - custodians: Keep the secrets of the slots.
    /// - Throws: `.failed` where there is one already; nothing is left behind then, in the keyring neither.
    public static func create(
        _ location: VaultLocation,
        in address: StoreAddress = .sqlite,
        slots: [NewSlot],
        custodians: CustodianSet,
        clock: VaultClock = VaultClock()
    ) async throws(VaultError) -> Vault {
        try await make(location, slots, custodians, clock, address.isSynced) { id, header in
            let store = try await BackendStore.create(address, at: location, for: id, header: header)
            guard address != .sqlite, address != .directory(location.directory) else { return store }
            do {
                try location.point(to: address)
            } catch {
                // A vault that nothing names would stand in the way of the next attempt, and there is nothing in it yet.
                try? await BackendStore.remove(address, at: location, of: id, isWholeVault: true)
                throw error
            }
            return store
        } taken: { error in
            VaultError(
                .failed,
                address == .sqlite
                    ? "\(location.directory): there is a vault here already; it was left as it is"
                    : "\(error.description); it was left as it is",
                hint: address == .sqlite
                    ? "vault status shows it; --vault DIR or --profile NAME makes another one"
                    : error.hint ?? "if it is the vault you mean: vault store use \(address)",
                underlying: error
            )
        }
    }

    /// Makes a vault with a new data key in a store of the caller's, and opens it.
    ///
    /// - Parameters:
    ///   - location: Where this machine keeps what belongs to the vault; its directory serves in messages alone.
    ///   - store: Makes a store that holds that header and no records, or throws `.exists`.
    /// - Throws: As `create(_:in:slots:custodians:clock:)`.
    public static func create(
        _ location: VaultLocation,
        slots: [NewSlot],
        custodians: CustodianSet,
        clock: VaultClock = VaultClock(),
        making store: (StoredHeader) async throws -> any RecordStore
    ) async throws(VaultError) -> Vault {
        try await make(location, slots, custodians, clock, false) { _, header in
            try await store(header)
        } taken: { error in
            VaultError(.failed, "\(error.description); it was left as it is", hint: error.hint, underlying: error)
        }
    }

    private static func make(
        _ location: VaultLocation,
        _ slots: [NewSlot],
        _ custodians: CustodianSet,
        _ clock: VaultClock,
        _ isSynced: Bool,
        _ store: (VaultID, StoredHeader) async throws -> any RecordStore,
        taken: (StoreError) -> VaultError
    ) async throws(VaultError) -> Vault {
        let id = VaultID.random()
        var made: [KeySlot] = []
        var exists = false
        do {
            let key = try DataKey.random()
            for slot in slots {
                made.append(try await enroll(slot, for: key, vault: id, custodians, now: clock.now))
            }
            var header = Header(vault: id, generation: 1, createdAt: clock.now.seconds, slots: made)
            header.auditKey = try key.seal(audit: SharedSecret(try SecretBytes(random: SecretBox.keyBytes)))
            header.isSynced = isSynced
            try header.checkLimits()
            let stored = StoredHeader(generation: 1, bytes: header.encoded(under: key))
            let store = try await store(id, stored)
            exists = true
            let vault = Vault(
                location: location,
                store: store,
                ledger: try await GenerationLedger.open(location.state(of: id)),
                custodians: custodians,
                clock: clock,
                session: Session(header: header, key: key, oldKey: nil),
                openedBy: made[0].description,
                deadSlots: []
            )
            try await vault.remember([:])
            vault.place.remember()
            return vault
        } catch {
            if !exists {
                for slot in made { await forget(slot.description, vault: id, custodians) }
            }
            if let error = error as? StoreError, error.code == .exists { throw taken(error) }
            if let error = error as? StoreError, error.code == .absent {
                // Not "no vault here": its directory cannot be made.
                throw VaultError(.unavailable, error.description, hint: error.hint, underlying: error)
            }
            throw Self.vaultError(error)
        }
    }

    /// The slots, as the authenticated header has them.
    public var slots: [SlotListing] { current.header.slots.map(SlotListing.init) }

    /// Adds a slot; no entry is sealed anew.
    ///
    /// - Returns: The new slot.
    @discardableResult
    public func addSlot(_ slot: NewSlot) async throws(VaultError) -> SlotListing {
        try await replaceSlots(adding: slot, removing: nil)
    }

    /// Replaces a slot by a new one of the same kind: another passphrase, or a key where the keyring has lost it.
    @discardableResult
    public func changeSlot(
        _ id: String,
        derivation: PasswordHash = .moderate,
        keyFile: String? = nil
    ) async throws(VaultError) -> SlotListing {
        let old = try slot(id)
        guard let known = old.known else {
            throw VaultError(
                .usage,
                "the slot \(id) is of a kind this version does not know",
                hint: "vault key list shows them"
            )
        }
        return try await replaceSlots(
            adding: NewSlot(known.description.kind, derivation: derivation, keyFile: keyFile),
            removing: old
        )
    }

    /// Removes a slot.
    ///
    /// The last one stays, and so does the last that this version can open.
    ///
    /// Old copies of the vault still open with it: only `rotate` makes a new data key.
    public func removeSlot(_ id: String) async throws(VaultError) {
        _ = try await replaceSlots(adding: nil, removing: try slot(id))
    }

    /// The only slot whose id begins with `id`.
    private func slot(_ id: String) throws(VaultError) -> HeaderSlot {
        let matches = current.header.slots.filter { hexadecimal($0.id).hasPrefix(id.lowercased()) && !id.isEmpty }
        guard matches.count == 1 else {
            throw VaultError(
                .notFound,
                matches.isEmpty ? "there is no slot \(id)" : "\(id) names more than one slot",
                hint: "vault key list shows them"
            )
        }
        return matches[0]
    }

    @discardableResult
    private func replaceSlots(adding new: NewSlot?, removing old: HeaderSlot?) async throws(VaultError) -> SlotListing {
        var added: KeySlot?
        var mayBeCommitted = false
        let key = current.key
        do {
            if let new { added = try await Self.enroll(new, for: key, vault: id, custodians, now: clock.now) }
            let slot = added
            try await attempt { session in
                var header = session.header
                if let slot {
                    guard session.key === key else {
                        throw VaultError(.locked, "the vault got a new data key meanwhile", hint: "run it again")
                    }
                    header.slots.append(HeaderSlot(slot))
                }
                if let old {
                    // A rotation elsewhere has put another in its place, with the same secret perhaps.
                    guard header.slots.contains(where: { $0.id == old.id }) else {
                        throw VaultError(
                            .unavailable,
                            "the slots were changed meanwhile, and \(hexadecimal(old.id).prefix(8)) is none of them any more; "
                                + "nothing was changed",
                            hint: "vault key list shows them; run it again for the one that is meant"
                        )
                    }
                    header.slots.removeAll { $0.id == old.id }
                }
                // A slot whose secret the keyring has lost opens nothing either.
                let usable = header.knownSlots.filter { !self.deadSlots.contains(hexadecimal($0.description.id)) }
                guard !usable.isEmpty else {
                    throw VaultError(
                        .unsafe,
                        "the last slot that works cannot be removed: nothing would open the vault any more",
                        hint: "add another one first: vault key add passphrase"
                    )
                }
                try header.checkLimits()
                mayBeCommitted = true
                do {
                    try await self.commit(header, session)
                } catch let error as StoreError where error.code == .headerMoved {
                    mayBeCommitted = false
                    throw error
                }
            }
        } catch {
            // In doubt the new secret stays: one that opens nothing does no harm, a lost one locks its owner out.
            if let added, !mayBeCommitted { await Self.forget(added.description, vault: id, custodians) }
            throw Self.vaultError(error)
        }
        // Only now, with the new header on the disk and read back, may the old secret go.
        if let old = old?.known, original == nil { await Self.forget(old.description, vault: id, custodians) }
        return SlotListing(added.map(HeaderSlot.init) ?? current.header.slots[0])
    }

    /// Commits the next header of the same data key, and reads it back.
    func commit(_ next: Header, _ session: Session) async throws {
        var header = next
        header.generation = session.header.generation + 1
        header.isSynced = isSynced
        let stored = StoredHeader(generation: header.generation, bytes: header.encoded(under: session.key))
        try await store.replaceHeader(stored, ifGeneration: session.header.generation)
        guard try await store.header().bytes == stored.bytes else {
            throw VaultError(.unavailable, "\(location.directory): the new header does not read back as it was written")
        }
        adopt(Session(header: header, key: session.key, oldKey: session.oldKey))
        try await remember([:])
    }

    /// Makes the secret of a slot and the slot that holds `key` under it.
    static func enroll(
        _ slot: NewSlot,
        for key: DataKey,
        vault: VaultID,
        _ custodians: CustodianSet,
        now: Timestamp
    ) async throws -> KeySlot {
        let description = SlotDescription(newOf: slot.kind, derivation: slot.derivation)
        guard let custodian = custodians.custodian(for: slot.kind, keyFile: slot.keyFile) else {
            preconditionFailure("VaultCore: a new slot of an unknown kind")
        }
        let root = try await custodian.enroll(description, vault: vault.bytes)
        let path = slot.keyFile ?? ""
        return try key.wrap(under: root, as: description, vault: vault, createdAt: now, path: path)
    }

    /// Forgets a slot's secret as well as that goes: what stays behind opens nothing.
    static func forget(_ slot: SlotDescription, vault: VaultID, _ custodians: CustodianSet) async {
        do throws(CustodyError) {
            try await custodians.custodian(for: slot.kind)?.forget(slot, vault: vault.bytes)
        } catch {}
    }
}
