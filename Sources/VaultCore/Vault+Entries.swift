public import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// An entry whose secrets are open.
public struct OpenedEntry: ~Copyable, Sendable {
    /// What a list shows.
    public let summary: EntrySummary
    /// The tokens and keys.
    public let secrets: EntrySecrets
}

extension Vault {
    /// The summary of an entry; its secrets stay sealed.
    ///
    /// - Throws: `.notFound`, or `.damaged` if the record is not what it must be.
    public func summary(of name: EntryName) async throws(VaultError) -> EntrySummary {
        try await attempt { session in
            let found = try await self.latest(try await self.find(RecordName(name), in: session), session)
            return try await self.summary(found, session).summary
        }
    }

    /// An entry with its secrets.
    ///
    /// - Throws: `.notFound`, or `.damaged` if the record is not what it must be.
    public func read(_ name: EntryName) async throws(VaultError) -> OpenedEntry {
        // A non-copyable value cannot leave a generic closure of `attempt`; it leaves in a box.
        let box = try await attempt { session in
            let found = try await self.latest(try await self.find(RecordName(name), in: session), session)
            return EntryBox(try await self.open(found, session))
        }
        return try box.take()
    }

    /// All entries that can be read, and what is wrong with the others.
    public func list() async throws(VaultError) -> Listing {
        try await attempt { session in
            var listing = Listing()
            // All at once before the records are read: what was seen can then only be older than what there is.
            let seen = try await self.ledger.generations()
            let copies = try await self.copies(session) { listing.faults.append($0) }
            try await self.walk(session) { record in
                guard let name = record.name.entry else { return }
                let record = try await self.latest(record, among: copies, session)
                listing.entries.append(try await self.summary(record, named: name, session, seen: seen).summary)
            } fault: {
                listing.faults.append($0)
            }
            listing.entries.sort { $0.name < $1.name }
            return listing
        }
    }

    /// Adds an entry.
    ///
    /// - Returns: The summary as it was sealed, with its generation.
    /// - Throws: `.failed` if the name is taken, with nothing changed.
    @discardableResult
    public func insert(
        _ summary: EntrySummary,
        _ secrets: borrowing EntrySecrets
    ) async throws(VaultError) -> EntrySummary {
        try await insert(summary, try sealable(secrets))
    }

    private func insert(_ summary: EntrySummary, _ plain: SharedSecret) async throws(VaultError) -> EntrySummary {
        try await attempt { session in
            let name = RecordName(summary.name)
            guard try await self.locate(name, session) == nil else { throw Self.taken(summary.name) }
            let id = session.key.recordID(name)
            var sealed = summary
            // Its grant is new here, so this machine is the one that has it.
            sealed.refresher = try self.refresher()
            sealed.generation = (try await self.ledger.generation(of: id) ?? 0) + 1
            var changes = [RecordChange.put(try self.seal(&sealed, plain, session), replacing: nil)]
            if let source = sealed.source {
                changes += try await self.owning(original: source.sha256, by: sealed.id, session)
            }
            try await self.store.commit(changes, ifHeaderGeneration: session.header.generation)
            try await self.remember(Self.generations(changes))
            return sealed
        }
    }

    /// Changes an entry under its lease, so that no other writer comes between the look and the write.
    ///
    /// `change` may be called more than once.
    ///
    /// - Throws: `.notFound`; what `change` throws, with nothing changed.
    @discardableResult
    public func update(
        _ name: EntryName,
        _ change: (inout EntrySummary, inout EntrySecrets) throws(VaultError) -> Void
    ) async throws(VaultError) -> EntrySummary {
        let leased = try await lease(name)
        defer { leased.release() }
        return try await leased.update(change)
    }

    /// Adds an entry, or gives an existing one of that name new contents.
    @discardableResult
    public func put(_ summary: EntrySummary, _ secrets: borrowing EntrySecrets) async throws(VaultError) -> EntrySummary
    {
        let plain = try sealable(secrets)
        do throws(VaultError) {
            return try await insert(summary, plain)
        } catch  where error.isTaken {
            return try await update(summary.name) { (old, oldSecrets) throws(VaultError) in
                let (id, generation, createdAt) = (old.id, old.generation, old.createdAt)
                let (confirmsUse, programs, refresher) = (old.confirmsUse, old.programs, old.refresher)
                old = summary
                (old.id, old.generation, old.createdAt) = (id, generation, createdAt)
                // Who may use an entry is its owner's word, and no part of a new secret.
                (old.confirmsUse, old.programs, old.refresher) = (confirmsUse, programs, refresher)
                oldSecrets = try Self.secrets(plain)
            }
        }
    }

    /// Files an entry under another name.
    ///
    /// Its UUID stays.
    ///
    /// - Throws: `.notFound`, or `.failed` if the new name is taken, with nothing changed.
    @discardableResult
    public func rename(_ old: EntryName, to new: EntryName) async throws(VaultError) -> EntrySummary {
        guard old != new else { return try await summary(of: old) }
        guard old.kind == new.kind else {
            throw VaultError(
                .usage,
                "\(old) cannot become \(new): a grant and a static secret are different things",
                hint: "name it \(old.kind.rawValue):\(new.name)"
            )
        }
        return try await attempt { session in
            let hint = try await self.summary(try await self.find(RecordName(old), in: session), session).summary
            let lease = try await self.lease(hint.id)
            defer { lease.release() }
            let found = try await self.find(RecordName(old), in: session)
            guard try await self.locate(RecordName(new), session) == nil else { throw Self.taken(new) }
            try await self.requireUndisputed(found, session)
            let entry = try await self.openForWriting(found, session)
            let id = session.key.recordID(RecordName(new))
            let seen = try await self.ledger.generation(of: id) ?? 0
            var sealed = entry.summary
            sealed.name = new
            sealed.generation = max(entry.floor, seen) + 1
            sealed.updatedAt = self.clock.now
            let record = try self.seal(&sealed, try self.sealable(entry.secrets), session)
            // If the new name is taken meanwhile, the conflict leads to another attempt, and that finds it taken.
            try await self.store.commit(
                [.put(record, replacing: nil), .delete(found.stored.id, generation: found.stored.generation)],
                ifHeaderGeneration: session.header.generation,
                holding: lease
            )
            // One more than was deleted: the old record is older than that, should it ever be put back.
            try await self.remember([id: sealed.generation, found.stored.id: found.stored.generation + 1])
            return sealed
        }
    }

    /// Removes an entry.
    ///
    /// A damaged one can be removed too: its name alone says where it is filed.
    ///
    /// The kept original of the file it was imported from goes with the last entry that came from it.
    ///
    /// - Throws: `.notFound`.
    public func remove(_ name: EntryName) async throws(VaultError) {
        try await attempt { session in
            let found = try await self.find(RecordName(name), in: session)
            var lease: Lease?
            defer { lease?.release() }
            if let summary = try? await self.summary(found, session).summary {
                lease = try await self.lease(summary.id)
            }
            // Damaged or not: what was found is deleted if it is still the same.
            try await self.delete(found, session, holding: lease)
        }
    }

    /// Deletes a record that was found, and the kept original with the last entry that came from it.
    func delete(_ found: FoundRecord, _ session: Session, holding lease: Lease?) async throws {
        var changes = [RecordChange.delete(found.stored.id, generation: found.stored.generation)]
        if let summary = try? await summary(found, session).summary, let source = summary.source {
            changes += try await releasingIfSound(original: source.sha256, from: summary.id, session)
        }
        try await store.commit(changes, ifHeaderGeneration: session.header.generation, holding: lease)
        try await remember([found.stored.id: found.stored.generation + 1])
        try await settleCopies(of: found, session)
    }

    static func taken(_ name: EntryName) -> VaultError {
        VaultError(
            .failed,
            "\(name) exists already",
            hint: "choose another name, or vault remove \(name)",
            underlying: NameTaken()
        )
    }
}

/// Marks the one failure that `put` recovers from.
struct NameTaken: Error {}

extension VaultError {
    /// Whether an entry of that name exists already.
    public var isTaken: Bool { underlying is NameTaken }
}
