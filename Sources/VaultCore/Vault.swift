public import KeyCustody
internal import PrivateFiles
internal import Synchronization
public import VaultAPI
internal import VaultCrypto
public import VaultStorage

/// An open vault: sealed records in a store, and the data key that opens them.
///
/// Every write is one commit of the store, guarded by the generations it was decided on. Whoever else wrote in between
/// makes it fail, and it is decided anew; so it is done whole or not at all, whatever dies in between. What this
/// machine has seen is remembered after the commit, and an older state is recognised by it.
public final class Vault: Sendable {
    /// Where it lives.
    public let location: VaultLocation
    /// Its UUID.
    public let id: VaultID
    /// The slot that opened it; `nil` where it was opened with the data key itself.
    public let openedBy: String?
    /// Slots whose secret the keyring has definitely lost, by id; `vault key change` replaces them.
    public let deadSlots: [String]

    /// The directory of the vault that this one is a copy of, as far as this machine knows.
    public var original: String? { place.original() }

    /// Whether its records are in a directory that machines synchronise, with no lock in common.
    public var isSynced: Bool { !store.hasCommonLock }

    var place: VaultPlace { VaultPlace(location: location, vault: id) }

    /// Where its records are; another store once the vault has been moved and this process has noticed.
    var store: any RecordStore { records.withLock { $0 } }
    private let records: Mutex<any RecordStore>
    let ledger: GenerationLedger
    let custodians: CustodianSet
    /// Whether it was opened with the data key itself, so that nobody opens it again under a new one.
    let isLent: Bool
    let clock: VaultClock
    private let session: Mutex<Session>
    /// Hand-outs of this process that have no line in the audit log, and that its head does not know of.
    let unwritten = Mutex<UInt64>(0)
    /// The random bytes of the state directory, once they were read.
    let machineBytes = Mutex<[UInt8]?>(nil)
    let unkeptMachineBytes = EntryID.random().bytes

    /// What a look at the header gave, and what holds until the header moves.
    struct Session: Sendable {
        var header: Header
        var key: DataKey
        /// The key of records that a rotation has not reached yet.
        var oldKey: DataKey?
        /// The key of the audit log; `nil` where there is none yet, or no memory for it.
        let auditKey: SharedSecret?
        /// Whether the header has no audit key that opens: a version that knew of none rotated the data key, or made the
        /// vault.
        let lacksAuditKey: Bool

        init(header: Header, key: DataKey, oldKey: DataKey?) {
            self.header = header
            self.key = key
            self.oldKey = oldKey
            var (audit, lacks): (SharedSecret?, Bool) = (nil, true)
            do throws(CryptoError) {
                if let sealed = header.auditKey {
                    audit = try key.open(audit: sealed)
                    lacks = false
                }
            } catch {
                // A key that only could not be had now must not be replaced: the log would end with it.
                if error.code == .memory { lacks = false }
            }
            auditKey = audit
            lacksAuditKey = lacks
        }

        /// The keys a record may be sealed under, the current one first.
        var keys: [DataKey] { [key] + (oldKey.map { [$0] } ?? []) }
    }

    /// How to open a vault.
    public struct Options: Sendable {
        /// The only slot to try, by the beginning of its id.
        public var slot: String?
        /// Whether an older state than this machine has seen is taken as the true one.
        public var acceptsRollback = false
        /// Tells the time, and waits for leases.
        public var clock = VaultClock()

        /// The default: any slot, no rollback, the system's clock.
        public init() {}
    }

    init(
        location: VaultLocation,
        store: any RecordStore,
        ledger: GenerationLedger,
        custodians: CustodianSet,
        clock: VaultClock,
        session: Session,
        openedBy: SlotDescription?,
        deadSlots: [SlotDescription]
    ) {
        self.location = location
        id = session.header.vault
        records = Mutex(store)
        self.ledger = ledger
        self.custodians = custodians
        self.clock = clock
        self.session = Mutex(session)
        isLent = openedBy == nil
        self.openedBy = openedBy.map { hexadecimal($0.id) }
        self.deadSlots = deadSlots.map { hexadecimal($0.id) }
    }

    /// Opens the vault at `location` with the first slot that works.
    ///
    /// - Throws: `.notFound` where there is none; `.damaged` for damage, another version, or an older state than this
    ///   machine has seen; `.wrongKey`, `.locked`, `.unavailable` or `.unsafe` as the slots and the store say. Nothing
    ///   is changed in any of these cases.
    public static func open(
        _ location: VaultLocation,
        with custodians: CustodianSet,
        options: Options = Options()
    ) async throws(VaultError) -> Vault {
        try await open(try await ClosedVault.open(location).settled(options.clock), with: custodians, options)
    }

    /// Opens the vault whose records are in a store of the caller's.
    ///
    /// - Parameters:
    ///   - location: Where this machine keeps what belongs to the vault, such as what it has seen of it; its directory
    ///     serves in messages alone.
    ///   - store: Any that passes `RecordStoreConformance` of VaultTestKit.
    /// - Throws: As `open(_:with:options:)`.
    public static func open(
        _ location: VaultLocation,
        in store: any RecordStore,
        with custodians: CustodianSet,
        options: Options = Options()
    ) async throws(VaultError) -> Vault {
        try await open(try await ClosedVault.open(location, in: store), with: custodians, options)
    }

    private static func open(
        _ found: ClosedVault,
        with custodians: CustodianSet,
        _ options: Options
    ) async throws(VaultError) -> Vault {
        var closed = found
        let vault = try await unlock(&closed, with: custodians, options)
        try await vault.begin(closed, acceptingRollback: options.acceptsRollback)
        return vault
    }

    /// Opens what was found with the first slot that works, and changes nothing yet.
    ///
    /// - Parameter isMoving: Whether one that was moved away, or is being moved, is opened as well.
    static func unlock(
        _ closed: inout ClosedVault,
        with custodians: CustodianSet,
        _ options: Options,
        isMoving: Bool = false
    ) async throws(VaultError) -> Vault {
        if !options.acceptsRollback { try closed.requireNoRollback() }
        let unlocking = Unlocking(custodians: custodians, onlySlot: options.slot)
        let unlocked = try await unlocking.open(&closed, acceptsRollback: options.acceptsRollback)
        return Vault(
            location: closed.location,
            store: closed.store,
            ledger: closed.ledger,
            custodians: custodians,
            clock: options.clock,
            session: try closed.session(under: unlocked.key, isMoving: isMoving),
            openedBy: unlocked.slot,
            deadSlots: unlocked.deadSlots
        )
    }

    /// What is done first in a vault that has just been opened.
    func begin(_ closed: ClosedVault, acceptingRollback: Bool) async throws(VaultError) {
        try await remember(closed, acceptingRollback: acceptingRollback)
        place.remember()
        await settleCopies()
        await adoptSpills()
        if current.header.phase == .rotating { try await resumeRotation() }
        await addAuditKey()
    }

    /// The session as of the last look at the header.
    var current: Session { session.withLock { $0 } }

    /// Makes `session` the current one.
    func adopt(_ session: Session) { self.session.withLock { $0 = session } }

    /// Makes `session` the current one, and `store` the one that it is of.
    ///
    /// What began on another store fails there or here, because no two headers of a vault have one generation.
    func adopt(_ session: Session, in store: any RecordStore) {
        records.withLock { $0 = store }
        adopt(session)
    }

    /// Looks at the header again, because it has moved: another process added a slot, made a new data key, or moved the
    /// vault to another store, and then this process goes on there.
    ///
    /// With a new data key the slot must open again; the custodians remember what was typed.
    func reload() async throws(VaultError) {
        var closed = try await ClosedVault.look(at: store, ledger: ledger, location: location).settled(clock)
        try closed.requireNoRollback()
        let before = current
        guard closed.header.vault == id else {
            throw VaultError(.damaged, "\(location.directory): another vault was put in its place while it was open")
        }
        if Header.isAuthentic(closed.bytes, under: before.key) {
            adopt(try closed.session(under: before.key), in: closed.store)
        } else {
            guard !isLent else { throw Self.keyChanged(location) }
            let unlocking = Unlocking(custodians: custodians, onlySlot: nil)
            let unlocked = try await unlocking.open(&closed, acceptsRollback: false)
            adopt(try closed.session(under: unlocked.key), in: closed.store)
        }
        try await remember(closed, acceptingRollback: false)
    }

    /// Does `body` on the current session, and again on a new one if the header moves or a record is changed meanwhile.
    ///
    /// `body` must decide everything from what it reads; the store refuses what was decided on older generations.
    func attempt<Result>(
        within patience: Duration = .seconds(Vault.patienceSeconds),
        _ body: (Session) async throws -> Result
    ) async throws(VaultError) -> Result {
        let deadline = clock.now.seconds + patience.components.seconds
        while true {
            do {
                return try await body(current)
            } catch let error as StoreError where error.code == .headerMoved {
                try await reload()
            } catch let error as StoreError where error.code == .conflict {
                // Somebody else's write went through, so the system as a whole makes progress.
                guard clock.now.seconds <= deadline else {
                    throw VaultError(
                        .unavailable,
                        "\(location.directory): others keep changing the same entry",
                        underlying: error
                    )
                }
                await Task.yield()
            } catch {
                throw Self.vaultError(error)
            }
        }
    }

    /// How long concurrent commands wait for each other.
    static let patienceSeconds: Int64 = 10

    /// Whatever a layer below threw, in terms every caller shares.
    static func vaultError(_ error: any Error) -> VaultError {
        switch error {
        case let error as VaultError: error
        case let error as StoreError: VaultError(error)
        case let error as CustodyError: VaultError(error)
        case let error as CryptoError: VaultError(error)
        case let error as RecordFault: VaultError(.damaged, "a record \(error.sentence)")
        case let fault as HeaderFault where fault == .tooManySlots:
            VaultError(.unsafe, fault.sentence, hint: "remove one first: vault key remove SLOT")
        case let fault as HeaderFault: VaultError(.damaged, fault.sentence)
        case let error as FileError: VaultError(error)
        default: VaultError(.failed, "\(error)", underlying: error)
        }
    }

    /// Remembers a header that turned out authentic.
    func remember(_ closed: ClosedVault, acceptingRollback: Bool) async throws(VaultError) {
        let seen = closed.seenNow
        do throws(StoreError) {
            if acceptingRollback {
                try await ledger.accept(header: seen)
            } else if closed.seen?.generation != seen.generation {
                try await ledger.raise(header: seen, records: [:])
            }
        } catch {
            throw VaultError(error)
        }
    }

    /// Remembers what a commit made true.
    ///
    /// It runs after the commit and only raises numbers, so dying before it loses nothing but the chance to notice one
    /// rollback.
    func remember(_ records: [RecordID: UInt64]) async throws(VaultError) {
        do throws(StoreError) {
            let header = try await store.header()
            let counter = try await store.changeCounter()
            let digest = Header.digest(of: header.bytes)
            let seen = SeenHeader(generation: header.generation, digest: digest, changeCounter: counter)
            try await ledger.raise(header: seen, records: records)
        } catch {
            throw VaultError(
                .unavailable,
                "the change is stored, but this machine could not remember it: \(error)",
                hint: error.hint
                    ?? "make room for \(location.state(of: id)); an older copy of the vault may go unnoticed",
                underlying: error
            )
        }
    }
}
