internal import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// The move of one vault from a store into another, as far as the two stores are concerned.
///
///     source                         target
///     steady, g                      nothing
///     steady, g                      arriving, of move m          (1) records are copied; the vault is used meanwhile
///     moved to target, m, g+1        arriving, of move m          (2) nobody writes anywhere
///     moved to target, m, g+1        the same records             (3) what changed since is taken over; all is compared
///     moved to target, m, g+1        steady, m, above g+1         (4) the vault is in the target
///                                                                 (5) the vault's directory names the target
///
/// Each line is one replaced header or any number of commits in between, so a kill leaves one of the lines, and each of
/// them is enough to go on or back:
///
/// - **One vault.** At most one of the two headers is one that a vault can be used with. Phases 2 and 3 are unknown to
///   older programs, which take such a header for damaged and write nothing. It is the source up to (2) and the target
///   from (4) on; in between it is neither, and every command says so, and which command ends that.
/// - **No update is lost.** Every write of records names the header's generation it was decided under, so after (2) every
///   other writer, in whatever process and on whatever machine, fails and changes nothing. Whatever was written before is
///   in the source when (3) reads it. A writer that can wait decides again in the target; a refresh whose answer came
///   meanwhile is spilled, on its own machine, under a subkey of the data key, which stays the same, and is taken in by
///   the next who opens the vault, wherever it is then.
/// - **The right one.** A target is gone on with only if it carries the mark and the vault's UUID; whatever else is there
///   is left alone. The id of the move is in both headers: of two copies of a vault that move to one place, the second to
///   claim the place takes it from the first, whose move then can only be taken back; it can never come to its end with
///   the other's records.
/// - **Back.** Taking a move back first claims the target under another id, so that nobody who is still at the move can
///   complete it, and only then thaws the source. Whoever removes a store does the same before. Once the target is complete there is no way back; a move in the other
///   direction is one.
/// - **Where one cannot look.** A database or a directory is on one machine. Whether the move into it was completed can
///   only be seen there, so only that machine ends it or takes it back; its mark is in the header.
///
/// It knows the stores by their protocol only, and the caller holds the lease of the vault's UUID in the source, which
/// is also that of rotations: neither begins while the other runs.
struct StoreMove: Sendable {
    /// The place that the vault is moved to.
    struct Place: Sendable {
        /// As `movedTo` says it.
        let address: StoreAddress
        /// The store there, or `nil` where there is none.
        let open: @Sendable () async throws -> (any RecordStore)?
        /// Makes a store there.
        let create: @Sendable (StoredHeader) async throws -> any RecordStore
        /// Removes the store there.
        let remove: @Sendable () async throws -> Void
    }

    /// A target that carries the mark of this move.
    struct Target: Sendable {
        let store: any RecordStore
        let header: Header
    }

    /// What is at the place.
    enum Found: Sendable {
        case nothing
        case arriving(Target)
        /// The vault, moved there completely; perhaps it went on from there.
        case complete(any RecordStore, Header)
        /// An earlier store of the vault, which was moved away from there since.
        case left(Target)
        case foreign
    }

    /// Bytes of records in one commit, unless one record alone is larger: what a store on another machine takes at once.
    private static let commitBytes = 1 << 20
    private static let page = 64

    let vault: VaultID
    let key: DataKey
    let source: any RecordStore
    let place: Place
    /// What stands for this machine in a header.
    let machine: [UInt8]

    // MARK: - What there is

    /// Looks at the place, without changing anything.
    ///
    /// - Parameter source: The header of the source: the vault was never at the place in a later generation unless the move
    ///   is complete, and what was left there by the very move that made the source has nothing that the source has not.
    func look(from source: Header) async throws -> Found {
        guard let store = try await place.open() else { return .nothing }
        let header: Header
        do {
            header = try Self.header(of: try await store.header())
        } catch let fault as HeaderFault {
            // Damage is not absence: it may be this vault, complete.
            throw VaultError(
                .damaged,
                "\(place.address): \(fault.sentence), so it is not known what is there; nothing was changed",
                hint: "name another place, or look there first"
            )
        }
        guard header.vault == vault else { return .foreign }
        switch header.phase {
        case .arriving: return .arriving(Target(store: store, header: header))
        case .moved where header.generation < source.generation && header.move == source.move:
            return .left(Target(store: store, header: header))
        case .moved, .steady, .rotating:
            return header.generation > source.generation ? .complete(store, header) : .foreign
        }
    }

    private static func header(of stored: StoredHeader) throws(HeaderFault) -> Header {
        let header = try Header(stored.bytes)
        guard header.generation == stored.generation else { throw .damaged }
        return header
    }

    // MARK: - The steps

    /// The place as the target of a new move of a vault with that header.
    func prepare(for header: Header) async throws -> Target {
        var marked = header
        marked.move = Header.Move(id: EntryID.random().bytes, machine: machine)
        marked.isArriving = true
        marked.isSynced = place.address.isSynced
        switch try await look(from: header) {
        case .nothing:
            return Target(store: try await place.create(stored(marked)), header: marked)
        case .arriving(let found), .left(let found):
            return try await claim(found, marked)
        case .complete, .foreign:
            throw Self.exists(place.address)
        }
    }

    /// What is there already, for this move from now on.
    func claim(_ found: Target, _ header: Header) async throws -> Target {
        var marked = header
        marked.movedTo = nil
        marked.isArriving = true
        marked.generation = max(header.generation, found.header.generation) + 1
        try await found.store.replaceHeader(stored(marked), ifGeneration: found.header.generation)
        return Target(store: found.store, header: marked)
    }

    /// Takes it from whatever move it belongs to, which can be taken back from then on and not completed.
    func takeAway(_ found: Target) async throws -> Target {
        var header = found.header
        header.move = Header.Move(id: EntryID.random().bytes, machine: machine)
        return try await claim(found, header)
    }

    /// The header with which the source is no vault any more.
    func frozen(_ header: Header, for target: Target) -> Header {
        var frozen = header
        frozen.generation += 1
        frozen.movedTo = "\(place.address)"
        frozen.move = target.header.move
        return frozen
    }

    /// Replaces the source's header.
    func replaceSource(_ header: Header, by next: Header) async throws {
        try await source.replaceHeader(stored(next), ifGeneration: header.generation)
    }

    /// Writes the target's header without the mark: the vault is there from now on.
    ///
    /// - Returns: The header.
    func complete(_ target: Target, from frozen: Header) async throws -> Header {
        var header = frozen
        header.movedTo = nil
        header.isArriving = false
        header.isSynced = place.address.isSynced
        header.generation = max(frozen.generation, target.header.generation) + 1
        let next = stored(header)
        try await target.store.replaceHeader(next, ifGeneration: target.header.generation)
        guard try await target.store.header() == next else {
            throw VaultError(.unavailable, "\(place.address): the new header does not read back as it was written")
        }
        return header
    }

    private func stored(_ header: Header) -> StoredHeader {
        StoredHeader(generation: header.generation, bytes: header.encoded(under: key))
    }

    // MARK: - Records

    /// Makes the target's records those of the source, byte for byte, and removes what is no record of the source.
    ///
    /// Both are read in the order of their ids, side by side.
    func copy(into target: Target) async throws {
        var changes: [RecordChange] = []
        var bytes = 0
        func flush() async throws {
            guard !changes.isEmpty else { return }
            try await target.store.commit(changes, ifHeaderGeneration: target.header.generation)
            (changes, bytes) = ([], 0)
        }
        var pairs = RecordPairs(source: source, target: target.store, page: Self.page)
        while let (wanted, present) = try await pairs.next() {
            if let wanted, let fault = wanted.fault {
                throw VaultError(
                    .damaged,
                    "the record \(wanted.id) \(fault), and cannot be moved",
                    hint: "vault doctor says what there is to do; vault store migrate --abort takes the move back"
                )
            }
            guard wanted != present else { continue }
            let size = wanted?.sealed.count ?? 0
            if changes.count == RecordLimits.changesPerCommit || bytes + size > Self.commitBytes { try await flush() }
            if let wanted {
                changes.append(.put(wanted, replacing: present?.generation))
                bytes += size
            } else if let present {
                changes.append(.delete(present.id, generation: present.generation))
            }
        }
        try await flush()
    }

    /// Compares every record of the two stores: id, generation, sealed bytes.
    ///
    /// - Returns: What they are.
    /// - Throws: `.damaged` if there is a difference.
    func compare(with target: Target) async throws -> LeftRecords {
        var records = LeftRecords()
        var pairs = RecordPairs(source: source, target: target.store, page: Self.page)
        while let (wanted, present) = try await pairs.next() {
            guard let wanted, wanted == present else {
                let id = (wanted ?? present)?.id.description ?? ""
                throw VaultError(
                    .damaged,
                    "\(place.address): the record \(id) does not read back as it was written",
                    hint: "vault store migrate --to \(place.address) tries again; --abort instead takes the move back"
                )
            }
            records.append(wanted)
        }
        return records
    }

    static func exists(_ address: StoreAddress) -> VaultError {
        VaultError(
            .failed,
            "\(address): there is something here already; it was left as it is",
            hint:
                "choose another place; vault store use \(address) if it is this vault, vault store remove \(address) if the "
                + "vault was moved away from there before"
        )
    }
}

/// The records of two stores, each beside the one of the same id.
///
/// Others may write to the stores meanwhile; a record that moves behind what was read already is not seen.
private struct RecordPairs {
    private var left: RecordPages
    private var right: RecordPages

    init(source: any RecordStore, target: any RecordStore, page: Int) {
        left = RecordPages(source, page)
        right = RecordPages(target, page)
    }

    mutating func next() async throws -> (StoredRecord?, StoredRecord?)? {
        let (first, second) = (try await left.peek(), try await right.peek())
        guard let id = [first?.id, second?.id].compactMap(\.self).min() else { return nil }
        let pair = (first?.id == id ? first : nil, second?.id == id ? second : nil)
        if pair.0 != nil { left.advance() }
        if pair.1 != nil { right.advance() }
        return pair
    }
}

/// The records of a store, one after the other.
private struct RecordPages {
    private let store: any RecordStore
    private let size: Int
    private var page: ArraySlice<StoredRecord> = []
    private var last: RecordID?
    private var isAtEnd = false

    init(_ store: any RecordStore, _ size: Int) {
        self.store = store
        self.size = size
    }

    mutating func peek() async throws -> StoredRecord? {
        if page.isEmpty, !isAtEnd {
            page = try await store.records(after: last, limit: size)[...]
            isAtEnd = page.isEmpty
            last = page.last?.id ?? last
        }
        return page.first
    }

    mutating func advance() { page.removeFirst() }
}
