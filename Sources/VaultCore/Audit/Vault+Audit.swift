internal import PrivateFiles
internal import Synchronization
internal import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// Hand-outs go on record: one line each, sealed and chained, in the state directory.
///
/// A line that cannot be written stops nothing: whoever fills the disk must not log the user out of everything. Such
/// hand-outs are counted, and the next line that can be written says how many there were.
extension Vault {
    /// After so many lines the store remembers the last one.
    private static let linesPerCheckpoint: UInt64 = 64
    private static let secondsPerCheckpoint: Int64 = 60

    var auditFiles: AuditFiles { AuditFiles(directory: location.state(of: id)) }

    /// Writes a line.
    ///
    /// - Returns: Why that was not possible, in a sentence; `nil` where it is written, or where this machine keeps no log:
    ///   its state directory cannot be written, and `vault doctor` says so.
    @discardableResult
    package func record(_ event: AuditEvent) async -> String? {
        guard let key = current.auditKey, ledger.isWritable else { return nil }
        var isCounted = false
        do {
            try await withAuditLog(key) { writer in
                let lost = unwritten.withLock { count in
                    defer { count = 0 }
                    return count
                }
                writer.add(unwritten: lost)
                do throws(FileError) {
                    try writer.append(event, at: clock.now)
                } catch {
                    isCounted = writer.hasCountedLoss
                    if !isCounted { unwritten.withLock { $0 += lost } }
                    throw error
                }
            }
            return nil
        } catch {
            if !isCounted { unwritten.withLock { $0 += 1 } }
            return "this use is not in the audit log: \(Self.vaultError(error).message)"
        }
    }

    /// Makes the store remember the last line, if it does not yet; for who is about to stop.
    package func flushAudit() async {
        guard let key = current.auditKey, ledger.isWritable else { return }
        do {
            guard try AuditWriter.readHead(auditFiles, vault: id, key: key) != nil else { return }
            try await withAuditLog(key, checksNow: true) { _ in }
        } catch {
            // The next writer does it.
        }
    }

    /// Does `body` at the end of the log, under its lease, and makes the store remember the end from time to time.
    func withAuditLog(
        _ key: SharedSecret,
        checksNow: Bool = false,
        _ body: (inout AuditWriter) throws -> Void
    ) async throws {
        let files = auditFiles
        let lease = try await auditLease()
        defer { lease.release() }
        let head = try AuditWriter.readHead(files, vault: id, key: key)
        let known = head == nil ? try await auditCheckpoint() : nil
        var writer = try AuditWriter(files, vault: id, key: key, head: head, checkpoint: known)
        try body(&writer)
        let now = clock.now.seconds
        let isDue =
            checksNow || writer.head.number >= writer.head.checkpoint.number + Self.linesPerCheckpoint
            || abs(now - writer.head.checkedAt) >= Self.secondsPerCheckpoint
        // A store that the vault has left is not written any more.
        guard isDue, current.header.phase != .moved, writer.head.number > writer.head.checkpoint.number else { return }
        do {
            try await check(&writer, now: now)
        } catch {
            // The line is written; that it is not remembered elsewhere yet is no failure of the hand-out.
        }
    }

    /// Compares the log with what the store remembers of it, and moves that on.
    private func check(_ writer: inout AuditWriter, now: Int64) async throws {
        if let remembered = try await auditCheckpoint(), remembered != writer.head.checkpoint,
            try !Self.holds(remembered, writer)
        {
            writer.breakOff(expecting: remembered)
            try writer.appendBreak(at: clock.now)
        }
        try writer.synchronize()
        let checkpoint = AuditCheckpoint(number: writer.head.number, link: writer.head.link)
        try await remember(checkpoint)
        try writer.remember(checkpoint, at: now)
    }

    /// Whether a line that the store remembers is the one in the log.
    static func holds(_ checkpoint: AuditCheckpoint, _ writer: borrowing AuditWriter) throws(FileError) -> Bool {
        guard checkpoint.number <= writer.head.number else { return false }
        let (link, isDropped) = try writer.link(ofLine: checkpoint.number)
        return isDropped || link == checkpoint.link
    }

    /// Waits for the lock that everybody takes who touches the log.
    ///
    /// This machine's, wherever the entries are: the log is. Real time, whatever clock the vault has: it is held for a
    /// fraction of a millisecond.
    func auditLease() async throws(StoreError) -> Lease {
        var hash = Blake2b(length: 16)
        hash.update("vault audit lease")
        hash.update(id.bytes)
        guard let name = LeaseName(hash.finish()) else { preconditionFailure("VaultCore: lease name of a wrong size") }
        let leases = LeaseFile(directory: location.state(of: id))
        return try await LeaseWaiting.wait(within: .seconds(Self.patienceSeconds), on: ContinuousClock()) {
            () throws(StoreError) in try leases.tryLease(name)
        }
    }

    /// What the store calls this machine's log.
    private var auditRecord: RecordName { RecordName(audit: machineMark("vault audit machine")) }

    /// The line that the store remembers.
    func auditCheckpoint() async throws(VaultError) -> AuditCheckpoint? {
        try await attempt { session in
            guard let found = try await self.locate(self.auditRecord, session) else { return nil }
            let raw = try self.openRaw(found)
            let bytes = raw.secret.withUnsafeBytes { Array($0) }
            var reader = ByteReader(bytes)
            guard let checkpoint = AuditCheckpoint(&reader) else {
                throw VaultError(.damaged, "the record of \(found.name.text) cannot be read")
            }
            return checkpoint
        }
    }

    private func remember(_ checkpoint: AuditCheckpoint) async throws(VaultError) {
        try await attempt { session in
            let name = self.auditRecord
            let found = try await self.locate(name, session)
            let id = session.key.recordID(name)
            let seen = try await self.ledger.generation(of: id) ?? 0
            let generation = max(found?.stored.generation ?? 0, seen) + 1
            let binding = RecordBinding(
                vault: self.id,
                entry: EntryID.random(),
                generation: generation,
                name: name
            )
            let sealed = try checkpoint.encoded.withUnsafeBytes { (bytes) throws(CryptoError) in
                try SealedRecord.seal(binding, summary: [], secret: bytes, under: session.key)
            }
            let record = StoredRecord(id: id, generation: generation, sealed: sealed)
            let changes = found.map { self.replacing($0, with: record) } ?? [.put(record, replacing: nil)]
            try await self.store.commit(changes, ifHeaderGeneration: session.header.generation)
            try await self.remember(Self.generations(changes))
        }
    }

    /// Gives the log a key, in a vault that has none: one made by a version that knew of no log.
    ///
    /// Where that is not possible there is simply no log: the vault is on read-only media, or a copy whose original has a
    /// log of its own in the same place.
    func addAuditKey() async {
        guard current.lacksAuditKey, original == nil else { return }
        do throws(VaultError) {
            try await attempt { session in
                guard session.lacksAuditKey else { return }
                var header = session.header
                let audit = SharedSecret(try SecretBytes(random: SecretBox.keyBytes))
                header.auditKey = try session.key.seal(audit: audit)
                try await self.commit(header, session)
            }
        } catch {
            // No secret is less safe for it.
        }
    }
}

extension Vault.Session {
    /// The audit key that a new data key is to seal: the same one, so that the chain of lines goes on.
    func auditKeyToKeep() throws(VaultError) -> SharedSecret {
        if let auditKey { return auditKey }
        do throws(CryptoError) {
            guard lacksAuditKey else { throw CryptoError(.memory, "there is no memory for the audit key") }
            return SharedSecret(try SecretBytes(random: SecretBox.keyBytes))
        } catch {
            throw VaultError(error)
        }
    }
}
