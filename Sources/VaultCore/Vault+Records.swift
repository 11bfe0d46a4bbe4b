internal import Synchronization
internal import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// A record as it was found, and the key it is sealed under.
struct FoundRecord: Sendable {
    var stored: StoredRecord
    var name: RecordName
    var key: DataKey
    /// Whether it lies beside the record in its place, where a sync tool left it.
    var isCopy = false
    /// Whether other versions of it say something else.
    var isContested = false
}

/// An opened entry, and the least generation its successor must exceed.
struct WritableEntry: ~Copyable {
    let summary: EntrySummary
    let secrets: EntrySecrets
    let floor: UInt64
}

/// Carries an opened entry out of a closure that can only return copyable values.
///
/// It is taken once.
final class EntryBox: Sendable {
    private let content: Mutex<OpenedEntry?>

    init(_ entry: consuming sending OpenedEntry) { content = Mutex(entry) }

    func take() throws(VaultError) -> OpenedEntry {
        guard let entry = content.withLock({ $0.take() }) else {
            preconditionFailure("VaultCore: an opened entry was taken twice")
        }
        return entry
    }
}

extension Vault {
    /// How many records a walk holds at once: 64 MiB of the largest.
    private static let pageRecords = 64

    /// The record filed under `name`, under the current key or the one a rotation is leaving.
    func locate(_ name: RecordName, _ session: Session) async throws -> FoundRecord? {
        // A rotation moves a record in one commit, so one that is at neither id at first is at the new one by now.
        for key in session.keys + (session.oldKey == nil ? [] : [session.key]) {
            if let stored = try await store.record(key.recordID(name)) {
                return FoundRecord(stored: stored, name: name, key: key)
            }
        }
        return nil
    }

    /// The record filed under `name`.
    ///
    /// - Throws: `.notFound`, but only after a check that every record is filed under its own id: damage is not absence.
    func find(_ name: RecordName, in session: Session) async throws -> FoundRecord {
        if let found = try await locate(name, session) { return found }
        try await requireHeader(session)
        var listing = Listing()
        try await walk(session) { _ in
        } fault: {
            listing.faults.append($0)
        }
        if let found = try await locate(name, session) { return found }
        try listing.requireSound()
        throw VaultError(.notFound, "there is no entry \(name.text)", hint: "vault list shows what there is")
    }

    /// Throws `headerMoved` if the session is not the header's any more.
    func requireHeader(_ session: Session) async throws {
        guard try await store.header().generation == session.header.generation else {
            throw StoreError(.headerMoved, location.directory, "the header has moved")
        }
    }

    /// Calls `visit` with every record that is filed under its own id, and `fault` with a sentence for each other one,
    /// and for each one that `visit` fails on.
    ///
    /// While a rotation runs, records move from ids still to come to ids already passed; then a second pass catches what
    /// the first one missed.
    func walk(
        _ session: Session,
        _ visit: (FoundRecord) async throws -> Void,
        fault: (String) -> Void
    ) async throws {
        var seen: Set<RecordName> = []
        var faulty: Set<RecordID> = []
        for _ in 0..<(session.oldKey == nil ? 1 : 2) {
            var last: RecordID?
            while true {
                let page = try await store.records(after: last, limit: Self.pageRecords)
                guard let end = page.last else { break }
                last = end.id
                for stored in page {
                    var stored = stored
                    do {
                        try await visitLatest(&stored, session, &seen, visit)
                    } catch {
                        try await self.fault(stored, error, session) { sentence in
                            if faulty.insert(stored.id).inserted { fault(sentence) }
                        }
                    }
                }
            }
        }
        try await requireHeader(session)
    }

    /// Refuses a record under the key a rotation is leaving, if there is one under the new key too: an old copy was put
    /// back, since a rotation moves a record in one commit.
    func requireOnlyCopy(_ found: FoundRecord, _ session: Session) async throws {
        // In this order: what is moved between the two looks is gone from where it was.
        guard try await store.record(session.key.recordID(found.name)) != nil,
            try await store.record(found.stored.id) == found.stored
        else { return }
        throw VaultError(
            .damaged,
            "the record of \(found.name.text) stands under the old data key and the new one: an old copy was put back",
            hint: "vault remove \(found.name.text), twice, gives both up; vault restore FILE brings one back"
        )
    }

    /// Visits a record as it is by now, if another process has changed it since its page was read.
    ///
    /// Beginning the whole walk again instead would never end while others write all the time.
    private func visitLatest(
        _ stored: inout StoredRecord,
        _ session: Session,
        _ seen: inout Set<RecordName>,
        _ visit: (FoundRecord) async throws -> Void
    ) async throws {
        while true {
            let found = try identify(stored, session)
            if found.key !== session.key { try await requireOnlyCopy(found, session) }
            guard !seen.contains(found.name) else { return }
            do {
                try await visit(found)
                seen.insert(found.name)
                return
            } catch let error as StoreError where error.code == .conflict {
                // One that has gone may have another name, on a page already passed.
                guard let latest = try await store.record(stored.id) else { throw error }
                stored = latest
            }
        }
    }

    /// Reports a record that did not open, unless it is just that the world moved on: the record has gone or changed
    /// since the page was read, or the header has.
    private func fault(
        _ stored: StoredRecord,
        _ error: any Error,
        _ session: Session,
        _ report: (String) -> Void
    ) async throws {
        if error is StoreError { throw error }
        if let error = error as? VaultError, error.code != .damaged { throw error }
        if let error = error as? CryptoError, error.code == .memory { throw error }
        try await requireHeader(session)
        guard try await store.record(stored.id) == stored else { return }
        report((error as? VaultError)?.message ?? "the record \(stored.id) \(Self.sentence(error))")
    }

    /// The name a record has inside; it must be filed under that name's id.
    func identify(_ stored: StoredRecord, _ session: Session) throws -> FoundRecord {
        try identify(stored, under: session.keys)
    }

    func identify(_ stored: StoredRecord, under keys: [DataKey]) throws -> FoundRecord {
        if let fault = stored.fault { throw RecordFault(sentence: fault) }
        let record = try SealedRecord(stored.sealed)
        for key in keys {
            guard let name = record.name(vault: id, under: key) else { continue }
            guard key.recordID(name) == stored.id else {
                throw RecordFault(sentence: "is filed under an id that is not its own")
            }
            return FoundRecord(stored: stored, name: name, key: key)
        }
        throw RecordFault(
            sentence: store.hasCommonLock
                ? "does not open: it is damaged, or was sealed by another vault"
                : "does not open: it is damaged, or the directory is not in step: it was sealed under another data key than "
                    + "that of the header here"
        )
    }

    /// The summary of a found record, marked where it is older than this machine has seen.
    func summary(
        _ found: FoundRecord,
        _ session: Session
    ) async throws -> (summary: EntrySummary, record: SealedRecord, binding: RecordBinding, seen: UInt64) {
        guard let name = found.name.entry else { throw RecordFault(sentence: "is no entry") }
        return try await summary(found, named: name, session)
    }

    func summary(
        _ found: FoundRecord,
        named name: EntryName,
        _ session: Session,
        seen known: [RecordID: UInt64]? = nil
    ) async throws -> (summary: EntrySummary, record: SealedRecord, binding: RecordBinding, seen: UInt64) {
        do {
            let id = found.stored.id
            let seen = if let known { known[id] ?? 0 } else { try await ledger.generation(of: id) ?? 0 }
            let record = try SealedRecord(found.stored.sealed)
            let opened = try record.openSummary(
                of: found.name,
                generation: found.stored.generation,
                vault: self.id,
                under: found.key
            )
            let read = EntrySummary(
                id: opened.binding.entry,
                name: name,
                generation: opened.binding.generation,
                encodedFields: opened.body
            )
            guard var summary = read else { throw RecordFault(sentence: "has a summary that cannot be read") }
            // A copy may well be older, and what it says of its state is its own.
            if !found.isCopy, found.stored.generation < seen {
                // The ledger is raised after the commit, so it may be ahead of what was read a moment ago.
                guard try await store.record(id) == found.stored else {
                    throw StoreError(.conflict, location.directory, "the record changed while it was read")
                }
                // Spending an old refresh token again can end the whole grant: readable, but held.
                summary.state = .held(.rolledBack)
            }
            hold(&summary, isContested: found.isContested)
            return (summary, record, opened.binding, seen)
        } catch let error where error is RecordFault || error is CryptoError {
            throw damaged(found, error)
        }
    }

    /// A found record with its secrets.
    func open(_ found: FoundRecord, _ session: Session) async throws -> OpenedEntry {
        let (summary, record, binding, _) = try await summary(found, session)
        do {
            guard let secrets = EntrySecrets(encoded: try record.openSecret(binding, under: found.key)) else {
                throw RecordFault(sentence: "has secrets that cannot be read")
            }
            return OpenedEntry(summary: summary, secrets: secrets)
        } catch let error where error is RecordFault || error is CryptoError {
            throw damaged(found, error)
        }
    }

    /// A found record with its secrets, to be replaced by a later generation.
    func openForWriting(_ found: FoundRecord, _ session: Session) async throws -> WritableEntry {
        let seen = try await ledger.generation(of: session.key.recordID(found.name)) ?? 0
        let entry = try await open(found, session)
        let floor = max(entry.summary.generation, seen)
        return WritableEntry(summary: entry.summary, secrets: try entry.secrets.copy(), floor: floor)
    }

    /// The encoded secrets in a form that can cross tasks.
    func sealable(_ secrets: borrowing EntrySecrets) throws(VaultError) -> SharedSecret {
        do throws(CryptoError) {
            return SharedSecret(
                try secrets.withEncoded { (bytes) throws(CryptoError) in try SecretBytes(copying: bytes) }
            )
        } catch {
            throw VaultError(error)
        }
    }

    /// What `sealable` made, as secrets again.
    static func secrets(_ plain: SharedSecret) throws(VaultError) -> EntrySecrets {
        do throws(CryptoError) {
            let copy = try plain.withSecret { (secret) throws(CryptoError) in try secret.copy() }
            guard let secrets = EntrySecrets(encoded: copy) else {
                preconditionFailure("VaultCore: secrets of ours do not decode")
            }
            return secrets
        } catch {
            throw VaultError(error)
        }
    }

    /// Seals an entry under the current key, and notes which secrets it holds.
    func seal(_ summary: inout EntrySummary, _ plain: SharedSecret, _ session: Session) throws -> StoredRecord {
        try seal(&summary, plain, under: session.key)
    }

    func seal(_ summary: inout EntrySummary, _ plain: SharedSecret, under key: DataKey) throws -> StoredRecord {
        summary.holds = try Self.secrets(plain).fields
        (summary.state, summary.sealedState) = (summary.keptState, nil)
        let name = RecordName(summary.name)
        let binding = RecordBinding(vault: id, entry: summary.id, generation: summary.generation, name: name)
        guard summary.isWritable else {
            throw VaultError(.unsafe, "\(summary.name) has a description that cannot be kept: a text in it is too long")
        }
        let fields = summary.encodedFields
        let sealed = try plain.withSecret { (plain) throws(CryptoError) in
            try plain.withUnsafeBytes { (bytes) throws(CryptoError) in
                try SealedRecord.seal(binding, summary: fields, secret: bytes, under: key)
            }
        }
        return StoredRecord(id: key.recordID(name), generation: summary.generation, sealed: sealed)
    }

    /// What is wrong with a record that did not open.
    ///
    /// Having no memory left is no damage.
    func damaged(_ found: FoundRecord, _ error: any Error) -> VaultError {
        if let error = error as? CryptoError, error.code == .memory { return VaultError(error) }
        return VaultError(
            .damaged,
            "the record of \(found.name.text) \(found.stored.fault ?? Self.sentence(error)); it was left as it is",
            hint: "vault restore FILE brings it back from a backup; vault remove \(found.name.text) gives it up",
            underlying: error
        )
    }

    private static func sentence(_ error: any Error) -> String {
        (error as? RecordFault)?.sentence ?? "does not open: it is damaged, or not what it is filed as"
    }

    /// A lease on an entry, waited for as long as a refresh of it may take.
    func lease(_ entry: EntryID, within limit: Duration = Vault.leasePatience) async throws -> Lease {
        guard let name = LeaseName(entry.bytes) else { preconditionFailure("VaultCore: entry id of a wrong size") }
        return try await store.lease(name, within: limit, clock: clock.pauses)
    }

    /// The changes that put `record` in the place of `found`, which may lie under the key a rotation is leaving.
    func replacing(_ found: FoundRecord, with record: StoredRecord) -> [RecordChange] {
        if found.stored.id == record.id { return [.put(record, replacing: found.stored.generation)] }
        return [.put(record, replacing: nil), .delete(found.stored.id, generation: found.stored.generation)]
    }
}
