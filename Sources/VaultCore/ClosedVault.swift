internal import KeyCustody
public import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// What can be known of a vault without a key: its header, and what this machine has seen of it.
public struct ClosedVault: Sendable {
    let location: VaultLocation
    let store: any RecordStore
    let ledger: GenerationLedger
    let header: Header
    let bytes: [UInt8]
    let changeCounter: UInt64
    let seen: SeenHeader?

    /// The directory of the vault that this one is a copy of, as far as this machine knows.
    public var original: String? { VaultPlace(location: location, vault: header.vault).original() }

    /// The vault's UUID.
    public var id: VaultID { header.vault }
    /// The generation of its header.
    public var headerGeneration: UInt64 { header.generation }
    /// Whether this machine can remember what it has seen of the vault, so that an older copy is noticed.
    public var remembersGenerations: Bool { ledger.isWritable }
    /// Whether a rotation of the data key is under way, or was broken off.
    public var isRotating: Bool { header.phase == .rotating }
    /// Where its records are, for people: `sqlite`, `directory PATH`, or the address of a cluster.
    public var storeDescription: String {
        guard let address = try? location.storeAddress() else { return "unknown" }
        if case .directory(let path) = address { return "directory \(path)" }
        return "\(address)"
    }
    /// Whether the vault lies on media that cannot be written.
    public var isReadOnly: Bool { store.isReadOnly }
    /// The slots, as they describe themselves; nothing vouches for that before a key has opened one of them.
    public var slots: [SlotListing] { header.slots.map(SlotListing.init) }

    /// Looks at the vault at `location`.
    ///
    /// - Throws: `.notFound`, `.damaged`, `.unsafe` or `.unavailable`.
    public static func open(_ location: VaultLocation) async throws(VaultError) -> ClosedVault {
        try await open(try location.storeAddress(), for: location)
    }

    /// Looks at a store as if the vault's directory stood for it.
    static func open(
        _ address: StoreAddress,
        for location: VaultLocation
    ) async throws(VaultError) -> ClosedVault {
        do {
            let store = try await BackendStore.open(address, at: location)
            let header = try parse(try await store.records.header(), location)
            let ledger = try await GenerationLedger.open(location.state(of: header.vault))
            return try await look(at: store.placed(for: header.vault, at: location), ledger: ledger, location: location)
        } catch {
            throw Vault.vaultError(error)
        }
    }

    /// Looks at the vault whose records are in a store of the caller's.
    static func open(_ location: VaultLocation, in store: any RecordStore) async throws(VaultError) -> ClosedVault {
        do {
            let header = try parse(try await store.header(), location)
            let ledger = try await GenerationLedger.open(location.state(of: header.vault))
            return try await look(at: store, ledger: ledger, location: location)
        } catch {
            throw Vault.vaultError(error)
        }
    }

    /// Reads what was seen before what there is: a writer commits first and remembers then, so that a reader in between
    /// can never take its own race for a rollback.
    static func look(
        at store: any RecordStore,
        ledger: GenerationLedger,
        location: VaultLocation
    ) async throws(VaultError) -> ClosedVault {
        do {
            let seen = try await ledger.header()
            let stored = try await store.header()
            let counter = try await store.changeCounter()
            return ClosedVault(
                location: location,
                store: store,
                ledger: ledger,
                header: try parse(stored, location),
                bytes: stored.bytes,
                changeCounter: counter,
                seen: seen
            )
        } catch {
            throw Vault.vaultError(error)
        }
    }

    private static func parse(_ stored: StoredHeader, _ location: VaultLocation) throws(VaultError) -> Header {
        do throws(HeaderFault) {
            let header = try Header(stored.bytes)
            guard header.generation == stored.generation else { throw .damaged }
            return header
        } catch {
            throw VaultError(error, at: location.directory)
        }
    }

    /// What the ledger should hold now.
    var seenNow: SeenHeader {
        SeenHeader(generation: header.generation, digest: Header.digest(of: bytes), changeCounter: changeCounter)
    }

    /// Why this is not the state this machine saw last; `nil` if it may be.
    ///
    /// A store that the vault was moved out of is older than what there is, and is not used anyway.
    public var rollback: String? {
        guard let seen, header.phase != .moved else { return nil }
        if header.generation < seen.generation {
            return "its header has generation \(header.generation), and \(seen.generation) was seen here before"
        }
        if header.generation == seen.generation, Header.digest(of: bytes) != seen.digest {
            return "its header differs from the one of the same generation that was seen here before"
        }
        if header.generation == seen.generation, changeCounter < seen.changeCounter {
            return "it has seen \(changeCounter) changes, and had seen \(seen.changeCounter) before"
        }
        return nil
    }

    func requireNoRollback() throws(VaultError) {
        guard let rollback else { return }
        if let seen, header.generation == seen.generation, Header.digest(of: bytes) != seen.digest {
            // No two headers of ours have one generation: somebody made this one, or two machines wrote one vault.
            throw VaultError(
                .damaged,
                "\(location.directory): \(rollback): it was tampered with, or changed on another machine too",
                hint: store.hasCommonLock
                    ? "make a new vault with vault init, and bring a backup into it with vault restore FILE"
                    : "if slots were changed on two machines, vault doctor --accept-rollback takes the header that is "
                        + "there; then make the other change again"
            )
        }
        throw VaultError(
            .damaged,
            "\(location.directory): the vault was put back to an older copy: \(rollback)",
            hint: "if that was you, vault doctor --accept-rollback takes it as it is; tokens in it may be spent"
        )
    }

    /// The session that `key` opens.
    ///
    /// - Parameter isMoving: Whether it is for finishing or taking back a move. Nobody else gets a session of a store that
    ///   is no vault any more, or not yet: with one he could write.
    /// - Throws: `.damaged` if the header was not written by whoever holds it.
    func session(under key: DataKey, isMoving: Bool = false) throws(VaultError) -> Vault.Session {
        guard Header.isAuthentic(bytes, under: key) else {
            throw VaultError(
                .damaged,
                "\(location.directory): the header was tampered with: its MAC is not the data key's",
                hint: "make a new vault with vault init, and bring a backup into it with vault restore FILE"
            )
        }
        guard !header.isSynced || !store.hasCommonLock else {
            throw VaultError(
                .unsafe,
                "\(location.directory): the vault is one of a directory that machines synchronise, and was put into "
                    + "\(storeDescription) by no command of vault",
                hint: "see who has put that there, and move it away"
            )
        }
        if !isMoving { try requireHere() }
        do {
            let oldKey = try header.oldDataKey.map { sealed in try key.open(old: sealed) }
            return Vault.Session(header: header, key: key, oldKey: oldKey)
        } catch {
            throw VaultError(.damaged, "\(location.directory): the old data key in the header does not open")
        }
    }
}

/// A slot as a list shows it.
public struct SlotListing: Hashable, Sendable {
    /// 32 hexadecimal digits; the first eight name it.
    public let id: String
    /// Its kind, as options spell it.
    public let kind: String
    /// When it was made; `nil` for kinds of a newer version.
    public let createdAt: Timestamp?
    /// Passes of Argon2id, where there is a passphrase.
    public let passes: UInt32?
    /// Memory of Argon2id in bytes, where there is a passphrase.
    public let memoryBytes: UInt64?
    /// Where its key file lies.
    public let path: String?

    init(_ slot: HeaderSlot) {
        id = hexadecimal(slot.id)
        kind = slot.kind.description
        createdAt = slot.known.flatMap { Timestamp(seconds: $0.createdAt) }
        passes = slot.known?.description.derivation?.passes
        memoryBytes = slot.known?.description.derivation?.memoryBytes
        path = slot.known.flatMap { $0.path.isEmpty ? nil : $0.path }
    }
}
