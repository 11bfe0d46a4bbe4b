public import KeyCustody
public import VaultAPI
internal import PrivateFiles
internal import VaultStorage

/// What a move did.
public struct MoveReport: Sendable {
    /// Where the vault was.
    public let from: StoreAddress
    /// Where it is.
    public let to: StoreAddress
    /// How many records it has, kept files included; `nil` where others have used it there already.
    public let records: Int?
    /// Whether it went on with a move that was broken off.
    public let wasResumed: Bool
    /// Whether the store that it was in is still there; nothing uses it any more.
    public internal(set) var keepsOld = true
    /// Why that store could not be removed, where that was asked for.
    public internal(set) var leftover: VaultError?
}

extension Vault {
    /// Opens the vault for `move` or `takeBack`: also where a move was broken off.
    ///
    /// - Throws: As `open`.
    public static func openForMove(
        _ location: VaultLocation,
        with custodians: CustodianSet,
        options: Options = Options()
    ) async throws(VaultError) -> Vault {
        var closed = try await ClosedVault.open(location)
        let vault = try await unlock(&closed, with: custodians, options, isMoving: closed.movedTo != nil)
        // Of one that was moved away nothing is changed but by the move itself.
        if closed.movedTo == nil { try await vault.begin(closed, acceptingRollback: false) }
        return vault
    }

    /// Moves the vault into another store, or ends a move there that was broken off.
    ///
    /// `StoreMove` says how, and why nothing is lost. The vault goes on in the other store.
    ///
    /// - Parameters:
    ///   - removingOld: Whether the store that it was in is removed at the end; otherwise it stays, and nothing uses it.
    ///   - limit: How long refreshes that are under way are waited for.
    /// - Throws: `.failed` if something else is at that place, `.unsafe` for a copy of a vault, and what the stores say.
    ///   Before the vault is frozen nothing has changed for anybody; afterwards the same call ends the move, and `takeBack`
    ///   undoes it.
    public func move(
        to address: StoreAddress,
        removingOld: Bool = false,
        within limit: Duration = Vault.leasePatience
    ) async throws(VaultError) -> MoveReport {
        let from = try location.storeAddress()
        try location.requireElsewhere(address)
        try requireMovable()
        try location.requireRoom(for: address)
        var report = try await move(
            into: StoreMove.Place(address, for: id, at: location),
            from: from,
            within: limit,
            // What is made at the place must not be taken for the vault before it is.
            naming: { [location] () throws(VaultError) in try location.name(from) },
            switching: { [location] () throws(VaultError) in try location.stand(for: address) }
        )
        guard removingOld else { return report }
        guard report.records != nil else {
            report.leftover = VaultError(.failed, "it was not compared again, since others have used \(address) since")
            return report
        }
        do throws(VaultError) {
            try await remove(from, insteadOf: address)
            report.keepsOld = false
        } catch {
            report.leftover = error
        }
        return report
    }

    private func requireMovable() throws(VaultError) {
        if let original {
            throw VaultError(
                .unsafe,
                "\(location.directory) is a copy of the vault \(original); moved, it would be a second vault of that name",
                hint: "vault export FILE here, and vault restore FILE into a vault of its own"
            )
        }
        guard !store.isReadOnly else {
            throw VaultError(
                .unavailable,
                "\(location.directory): the vault cannot be written, so it cannot be marked as moved; nothing was changed",
                hint: "vault export FILE, and vault restore FILE into another vault, copies it"
            )
        }
    }

    /// The move itself, into whatever place.
    ///
    /// - Parameters:
    ///   - naming: Makes the vault's directory name the source, before there is a target.
    ///   - switching: Makes it stand for the target.
    func move(
        into place: StoreMove.Place,
        from: StoreAddress,
        within limit: Duration = Vault.leasePatience,
        naming: @Sendable () throws(VaultError) -> Void,
        switching: @Sendable () throws(VaultError) -> Void
    ) async throws(VaultError) -> MoveReport {
        do {
            let lease = try await moveLease()
            defer { lease.release() }
            let wasResumed = current.header.phase == .moved
            if !wasResumed {
                try await finishRotation()
                try await requireOneVersion(of: "moved")
                try await requireRefreshedHere(from: from, to: place.address)
                try await requireNobodyAway(from: from, to: place.address)
            }
            let move = storeMove(to: place)
            var records: Int?
            switch wasResumed ? try await resumed(move) : try await begun(move, naming) {
            case .open(let target):
                try await drain(within: limit)
                try await requireNobodyAway(from: from, to: place.address)
                try await move.copy(into: target)
                let left = try await move.compare(with: target)
                records = left.count
                if !store.hasCommonLock { left.write(for: from, in: location.state(of: id)) }
                let header = try await move.complete(target, from: current.header)
                adopt(Session(header: header, key: current.key, oldKey: nil), in: target.store)
                try await claimUnnamed()
            case .complete(let store, let header):
                // Whoever uses it there may have given it another data key since, or moved it on.
                let bytes = try await store.header().bytes
                guard header.phase == .steady, Header.isAuthentic(bytes, under: current.key) else {
                    try await requireOpens(store)
                    break
                }
                adopt(Session(header: header, key: current.key, oldKey: nil), in: store)
                records = try await store.recordCount()
                try await claimUnnamed()
            }
            try switching()
            if records != nil {
                try await remember([:])
                self.place.remember()
                await adoptSpills()
            }
            return MoveReport(from: from, to: place.address, records: records, wasResumed: wasResumed)
        } catch {
            throw Self.vaultError(error)
        }
    }

    /// Refuses to take along what another machine goes on refreshing, until it hears of the move at the next sync.
    private func requireRefreshedHere(from: StoreAddress, to address: StoreAddress) async throws {
        guard !store.hasCommonLock else { return }
        if case .directory = address { return }
        if address == .sqlite, from == .directory(location.directory) {
            throw VaultError(
                .unsafe,
                "\(location.directory) is the directory that is synced, and a database in it would be synced too",
                hint: "vault --vault DIR init makes a vault elsewhere; vault export and vault restore fill it"
            )
        }
        let others = try await list().entries.filter { $0.state == .held(.otherMachine) }.map(\.name.name)
        guard let first = others.first else { return }
        throw VaultError(
            .unsafe,
            "another machine refreshes \(others.joined(separator: ", ")), and would not know of the move before it synchronises",
            hint: "let it synchronise, then: vault adopt \(first)"
        )
    }

    /// Refuses a store whose header none of our slots opens: it only says that the move is complete.
    private func requireOpens(_ store: any RecordStore) async throws {
        var closed = try await ClosedVault.look(at: store, ledger: ledger, location: location)
        let unlocking = Unlocking(custodians: custodians, onlySlot: nil)
        let unlocked = try await unlocking.open(&closed, acceptsRollback: false)
        _ = try closed.session(under: unlocked.key, isMoving: true)
    }

    private func moveLease() async throws -> Lease {
        guard let name = LeaseName(id.bytes) else { preconditionFailure("VaultCore: vault id of a wrong size") }
        return try await store.lease(name, within: .seconds(Self.patienceSeconds), clock: clock.pauses)
    }

    private func storeMove(to place: StoreMove.Place) -> StoreMove {
        StoreMove(
            vault: id,
            key: current.key,
            source: store,
            place: place,
            machine: machineMark("vault move")
        )
    }

    private enum Stage {
        /// The source is frozen, and the target may lack what was written last.
        case open(StoreMove.Target)
        case complete(any RecordStore, Header)
    }

    /// Steps 1 and 2.
    private func begun(_ move: StoreMove, _ naming: @Sendable () throws(VaultError) -> Void) async throws -> Stage {
        // Before anything is named or made: most mistakes are found here.
        switch try await move.look(from: current.header) {
        case .complete, .foreign: throw StoreMove.exists(move.place.address)
        case .nothing, .arriving, .left: break
        }
        try naming()
        let target = try await move.prepare(for: current.header)
        try await move.copy(into: target)
        while true {
            let header = current.header
            let frozen = move.frozen(header, for: target)
            do {
                try await move.replaceSource(header, by: frozen)
                adopt(Session(header: frozen, key: current.key, oldKey: nil))
                return .open(target)
            } catch let error as StoreError where error.code == .headerMoved {
                // A slot was added meanwhile; it goes along.
                try await reload()
                try await finishRotation()
            }
        }
    }

    /// Where a move stands that was broken off after step 2.
    private func resumed(_ move: StoreMove) async throws -> Stage {
        let frozen = current.header
        try requireGoal(move.place.address, frozen)
        switch try await move.look(from: frozen) {
        case .arriving(let target) where target.header.move == frozen.move:
            return .open(target)
        case .complete(let store, let header) where header.move == frozen.move || header.phase == .moved:
            return .complete(store, header)
        case .arriving, .complete, .nothing, .left, .foreign:
            throw VaultError(
                .failed,
                "\(move.place.address) does not hold what was moved there: it was removed, or taken by another move",
                hint: "vault store migrate --abort takes the vault back to where it was"
            )
        }
    }

    /// Refuses another goal than the one under way, and one that only another machine can see.
    private func requireGoal(_ address: StoreAddress, _ frozen: Header) throws(VaultError) {
        guard frozen.movedTo == "\(address)" else {
            let goal = frozen.movedTo ?? ""
            throw VaultError(
                .failed,
                "\(location.directory): the vault is being moved to \(goal), not to \(address)",
                hint: "vault store migrate --to \(goal) ends that; vault store migrate --abort takes it back"
            )
        }
        if case .etcd = address { return }
        guard frozen.move?.machine == machineMark("vault move") else {
            throw VaultError(
                .failed,
                "\(location.directory): another machine moved the vault to its own \(address), which cannot be seen here",
                hint: "run vault store migrate on that machine"
            )
        }
    }

    /// Waits until nobody is refreshing any more.
    ///
    /// Whoever has sent a token has written its journal before, and holds the entry's lease until the answer is kept: in
    /// the store, or in a spill file once the store is frozen. Afterwards nobody can write a journal, so nobody sends.
    private func drain(within limit: Duration) async throws {
        for entry in try await list().entries where entry.journal != nil {
            try await lease(entry.id, within: limit).release()
        }
    }

    /// Refuses to take from a cluster what another machine may have the server's answer for: it could not bring that in
    /// where the vault goes.
    ///
    /// A lease of a cluster can end before its holder does. What a process of this machine has, it can bring in.
    private func requireNobodyAway(from: StoreAddress, to address: StoreAddress) async throws {
        guard case .etcd = from else { return }
        if case .etcd = address { return }
        let ours = LeasePlace(of: self)
        for entry in try await list().entries {
            guard let journal = entry.journal, journal.sendBefore != 0, journal.boot != ours.bytes,
                let wait = Self.graceLeft(since: entry.updatedAt, now: clock.now)
            else { continue }
            throw VaultError(
                .unavailable,
                "\(entry.name) is being refreshed on another machine, which may have the answer and could not bring it to "
                    + "\(address)",
                hint: "run the same command again in \(wait) s"
            )
        }
    }

    /// Takes a move back that was broken off: the vault is again where it was.
    ///
    /// - Parameters:
    ///   - address: Where it was to go; `nil` for what the vault says itself.
    ///   - blindly: Whether to do so even if that place cannot be reached. Had the move been completed there, there would be
    ///     two vaults.
    /// - Returns: Where it was to go.
    /// - Throws: `.failed` if no move is under way, or if it is complete. Nothing is changed then.
    @discardableResult
    public func takeBack(
        from address: StoreAddress? = nil,
        blindly: Bool = false
    ) async throws(VaultError) -> StoreAddress {
        var goal = address
        if goal == nil, let text = current.header.movedTo { goal = try StoreAddress(parsing: text, home: nil) }
        guard let goal else {
            throw VaultError(
                .failed,
                "\(location.directory): no move is under way; nothing was changed",
                hint:
                    "vault store migrate --to URL --abort removes what a move left at URL that never came to its middle"
            )
        }
        let used = try location.storeAddress()
        guard goal != used else {
            throw VaultError(.failed, "\(location.directory): the vault is in \(goal), and stays there")
        }
        try await takeBack(StoreMove.Place(goal, for: id, at: location), blindly: blindly)
        return goal
    }

    func takeBack(_ place: StoreMove.Place, blindly: Bool = false) async throws(VaultError) {
        do {
            let lease = try await moveLease()
            defer { lease.release() }
            let move = storeMove(to: place)
            let header = current.header
            let isFrozen = header.phase == .moved
            if isFrozen { try requireGoal(place.address, header) }
            var target: StoreMove.Target?
            do {
                switch try await move.look(from: header) {
                case .arriving(let found): target = found
                case .complete(_, let there) where isFrozen && (there.move == header.move || there.phase == .moved):
                    throw VaultError(
                        .failed,
                        "the move is complete: the vault is in \(place.address)",
                        hint: "vault store migrate --to \(place.address) makes this machine use it there"
                    )
                case .complete, .nothing, .left, .foreign:
                    guard isFrozen else {
                        throw VaultError(.failed, "no move to \(place.address) is under way; nothing was changed")
                    }
                }
                // First nobody can complete the move any more, and only then the vault is used here again.
                if isFrozen, let found = target { target = try await move.takeAway(found) }
            } catch let error as StoreError where error.code == .unreachable && isFrozen && blindly {
                target = nil
            }
            if isFrozen {
                var thawed = header
                (thawed.movedTo, thawed.move) = (nil, nil)
                thawed.generation = header.generation + 1
                try await move.replaceSource(header, by: thawed)
                adopt(Session(header: thawed, key: current.key, oldKey: nil))
                try await remember([:])
            }
            if let target {
                if !isFrozen { _ = try await move.takeAway(target) }
                try await place.remove()
            }
            await adoptSpills()
        } catch {
            throw Self.vaultError(error)
        }
    }

    /// Removes a store that the vault was moved out of, or that a move did not reach.
    ///
    /// - Parameter withLate: Whether also what other machines have written there since; it is put aside.
    /// - Throws: `.unsafe` for any other, `.notFound` where there is none. Nothing is changed then.
    public func removeRemains(at address: StoreAddress, withLate: Bool = false) async throws(VaultError) {
        try await remove(address, insteadOf: try location.storeAddress(), withLate: withLate)
    }

    private func remove(
        _ address: StoreAddress,
        insteadOf used: StoreAddress,
        withLate: Bool = false
    ) async throws(VaultError) {
        guard address != used else {
            throw VaultError(
                .unsafe,
                "\(address) is the store that the vault is in",
                hint: "vault destroy deletes the vault"
            )
        }
        let place = StoreMove.Place(address, for: id, at: location)
        do {
            guard let store = try await place.open() else {
                throw VaultError(.notFound, "there is no store at \(address)")
            }
            let header = try Header(try await store.header().bytes)
            guard header.vault == id, header.phase == .moved || header.phase == .arriving else {
                throw VaultError(
                    .unsafe,
                    "\(address) is no store that this vault has left, so it was left as it is",
                    hint: "vault --vault DIR destroy deletes another vault"
                )
            }
            if let shared = store as? DirectoryStore, let copy = try await shared.conflicts().first {
                throw VaultError(
                    .unsafe,
                    "\(shared.path)/\(copy.file) is another version of something in \(address), and would go with it",
                    hint: "move that file away first"
                )
            }
            let late = header.phase == .moved ? try await late(in: store, address) : []
            guard late.isEmpty || withLate else { throw self.late(late, address) }
            if let shared = store as? DirectoryStore { for record in late { try await shared.keepAside(record) } }
            // From here on nobody can complete a move to it, so what is removed is no vault.
            _ = try await storeMove(to: place).takeAway(StoreMove.Target(store: store, header: header))
            try await place.remove()
            try location.unname(after: address)
            LeftRecords.forget(address, in: location.state(of: id))
        } catch {
            throw Self.vaultError(error)
        }
    }

    /// What came to a directory after the vault had left it: a machine that had not heard of the move has written it.
    private func late(in old: any RecordStore, _ address: StoreAddress) async throws -> [StoredRecord] {
        guard !old.hasCommonLock else { return [] }
        let session = current
        let wasMoved = LeftRecords.lookUp(address, in: location.state(of: id))
        let seen = try await ledger.generations()
        var late: [StoredRecord] = []
        var last: RecordID?
        repeat {
            let page = try await old.records(after: last, limit: 64)
            for stored in page {
                if let wasMoved {
                    if wasMoved(stored) { continue }
                } else {
                    // Another machine has moved the vault: what it had then, this one can only guess.
                    let here = try await store.record(stored.id)?.generation ?? 0
                    if max(seen[stored.id] ?? 0, here) >= stored.generation { continue }
                }
                // What a machine remembers of its own audit log is of no use without that log.
                if let name = (try? identify(stored, session))?.name, name.entry == nil, name.original == nil {
                    continue
                }
                late.append(stored)
            }
            last = page.last?.id
        } while last != nil
        return late
    }

    private func late(_ records: [StoredRecord], _ address: StoreAddress) -> VaultError {
        let session = current
        let names = Set(
            records.map { record in
                guard let name = (try? identify(record, session))?.name else { return "\(record.id)" }
                return name.entry.map { "\($0)" } ?? "a kept file"
            }
        )
        .sorted()
        let shown = names.prefix(8).joined(separator: ", ") + (names.count > 8 ? " and \(names.count - 8) more" : "")
        var path = "DIR"
        if case .directory(let directory) = address { path = shellQuoted(directory) }
        return VaultError(
            .unsafe,
            "\(address) holds what a machine wrote that had not heard of the move: \(shown); nothing was deleted",
            hint:
                "vault --vault \(path) export FILE, and vault restore FILE, bring along what has no namesake here; then "
                + "remove it with --with-late, which puts the rest aside"
        )
    }
}

extension RecordStore {
    /// How many records there are, counted page by page.
    fileprivate func recordCount() async throws(StoreError) -> Int {
        var count = 0
        var last: RecordID?
        while true {
            let page = try await records(after: last, limit: 64)
            guard let end = page.last else { return count }
            count += page.count
            last = end.id
        }
    }
}
