internal import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// A changed entry, sealed and not yet written: what a commit writes, and what goes into a spill file if it cannot.
struct SealedChange: Sendable {
    let summary: EntrySummary
    let found: FoundRecord
    let record: StoredRecord
    /// The secrets inside, so that another change can follow without reading the store.
    let plain: SharedSecret
    let sourceBefore: EntrySource?
}

extension Vault {
    /// The entry as `change` leaves it, sealed as its own successor.
    ///
    /// The caller holds the entry's lease.
    func change(
        _ name: EntryName,
        _ session: Session,
        _ change: (inout EntrySummary, inout EntrySecrets) throws(VaultError) -> Void
    ) async throws -> SealedChange {
        let found = try await find(RecordName(name), in: session)
        let entry = try await openForWriting(found, session)
        var summary = entry.summary
        var secrets = try entry.secrets.copy()
        try change(&summary, &secrets)
        guard summary.id == entry.summary.id, summary.name == name else {
            preconditionFailure("VaultCore: update changed an entry's identity")
        }
        // Whoever puts another refresh token there has just been given it, by the server or in a file of this machine.
        if entry.secrets.fingerprint(.refreshToken) != secrets.fingerprint(.refreshToken) {
            // Where this machine would not be known again, the entry names whom it named: the token is kept in any case.
            do throws(VaultError) { summary.refresher = try refresher() } catch {}
        }
        summary.generation = entry.floor + 1
        summary.updatedAt = clock.now
        let plain = try sealable(secrets)
        let record = try seal(&summary, plain, session)
        return SealedChange(
            summary: summary,
            found: found,
            record: record,
            plain: plain,
            sourceBefore: entry.summary.source
        )
    }

    /// What would follow `last`, sealed without a look at the store: for when the store is what fails.
    func successor(
        of last: SealedChange,
        under key: DataKey,
        _ change: (inout EntrySummary, inout EntrySecrets) throws(VaultError) -> Void
    ) throws -> StoredRecord {
        var summary = last.summary
        var secrets = try Self.secrets(last.plain)
        try change(&summary, &secrets)
        summary.generation += 1
        summary.updatedAt = clock.now
        return try seal(&summary, try sealable(secrets), under: key)
    }

    /// Keeps what would follow `last` as another version of the entry, where several can be; whether it is kept.
    func putBeside(
        _ last: SealedChange,
        _ change: (inout EntrySummary, inout EntrySecrets) throws(VaultError) -> Void
    ) async -> Bool {
        guard let shared = store as? DirectoryStore else { return false }
        do {
            try await shared.putBeside(try successor(of: last, under: current.key, change))
            return true
        } catch {
            return false
        }
    }

    /// Commits a change, and moves the entry from one kept file's list to another's where its source changed.
    func write(_ change: SealedChange, _ session: Session, holding lease: Lease) async throws -> EntrySummary {
        var changes = replacing(change.found, with: change.record)
        let (before, after) = (change.sourceBefore?.sha256, change.summary.source?.sha256)
        if let before, before != after {
            changes += try await releasing(original: before, from: change.summary.id, session)
        }
        if let after, before != after {
            changes += try await owning(original: after, by: change.summary.id, session)
        }
        try await store.commit(changes, ifHeaderGeneration: session.header.generation, holding: lease)
        try await remember(Self.generations(changes))
        return change.summary
    }
}
