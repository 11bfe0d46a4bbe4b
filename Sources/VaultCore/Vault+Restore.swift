public import KeyCustody
public import VaultAPI
public import VaultCrypto
internal import VaultStorage

/// What a restore did.
public struct RestoreReport: Sendable {
    /// Entries that were brought in.
    public var restored: [EntrySummary] = []
    /// Entries that are there already, just as they are in the backup but for their state.
    public var unchanged: [EntryName] = []
    /// Entries whose name is taken by something else, or that are here under another name; they were left alone.
    public var skipped: [EntryName] = []
}

extension Vault {
    /// Brings the entries of a backup file in.
    ///
    /// Nothing that exists is overwritten.
    ///
    /// A backup may hold a spent refresh token, and spending it again can end the whole grant: so grants come in held.
    ///
    /// - Parameter adopting: Brings them in as they were.
    /// - Throws: `.wrongKey` for a wrong passphrase; `.damaged` if one byte of the file is not what it was, with nothing
    ///   restored.
    public func restore(
        from path: String,
        passphrase: SharedSecret,
        limits: DerivationLimits = DerivationLimits(),
        adopting: Bool = false
    ) async throws(VaultError) -> RestoreReport {
        // The whole file is checked before the first record is used.
        let key = try Self.verifiedKey(of: path, passphrase, limits)
        var report = RestoreReport()
        var present: [EntryID: EntryName] = [:]
        let listing: Listing = try await list()
        for entry in listing.entries { present[entry.id] = entry.name }
        // Kept files first: an entry is noted on the list of its file as it is written.
        var files: Set<[UInt8]> = []
        try await Self.forEachRecord(in: path, key) { (raw) throws(VaultError) in
            if raw.binding.name.entry == nil { try await self.restoreChunk(raw) }
            if let file = raw.binding.name.original { files.insert(file) }
        }
        try await Self.forEachRecord(in: path, key) { (raw) throws(VaultError) in
            guard let name = raw.binding.name.entry else { return }
            try await self.restore(raw, named: name, adopting: adopting, present, &report)
        }
        for file in files { try await forgetOriginalUnlessOwned(sha256: file) }
        return report
    }

    private static func forEachRecord(
        in path: String,
        _ key: DataKey,
        _ body: (borrowing RawRecord) async throws(VaultError) -> Void
    ) async throws(VaultError) {
        var reader = try Backup.Reader(path)
        let vault = try header(&reader).vault
        while try reader.integer(UInt8.self) == 1 {
            let stored = try record(&reader, key, vault)
            let raw: RawRecord
            do {
                raw = try RawRecord(stored.record, name: stored.name, vault: vault, key: key)
            } catch {
                throw vaultError(error)
            }
            try await body(raw)
        }
    }

    private func restore(
        _ raw: borrowing RawRecord,
        named name: EntryName,
        adopting: Bool,
        _ present: [EntryID: EntryName],
        _ report: inout RestoreReport
    ) async throws(VaultError) {
        // Under another name here: a second entry would be a second owner of the same grant.
        if let here = present[raw.binding.entry], here != name {
            report.skipped.append(name)
            return
        }
        let read = EntrySummary(id: raw.binding.entry, name: name, generation: 0, encodedFields: raw.summary)
        let copy: SecretBytes
        do throws(CryptoError) { copy = try raw.secret.copy() } catch {
            throw VaultError(.unavailable, error.message, underlying: error)
        }
        guard var summary = read, let secrets = EntrySecrets(encoded: copy) else {
            throw VaultError(.damaged, "the backup's \(name) cannot be read", hint: "use another copy of it")
        }
        if !adopting, name.kind == .oauth, summary.state == .active || summary.state == .suspect {
            summary.state = .held(.restored)
        }
        do throws(VaultError) {
            report.restored.append(try await insert(summary, secrets))
        } catch {
            guard error.isTaken else { throw error }
            if try await holds(summary.id, secrets, as: name) {
                report.unchanged.append(name)
            } else {
                report.skipped.append(name)
            }
        }
    }

    /// Whether the entry of that name is this one.
    ///
    /// One that is damaged is not, and stays as it is.
    private func holds(
        _ id: EntryID,
        _ secrets: borrowing EntrySecrets,
        as name: EntryName
    ) async throws(VaultError) -> Bool {
        let wanted = try sealable(secrets)
        do throws(VaultError) {
            let present = try await read(name)
            let same = present.secrets.equals(try Self.secrets(wanted))
            return same && present.summary.id == id
        } catch {
            guard error.code == .damaged else { throw error }
            return false
        }
    }

    /// Puts a chunk of a kept file back, unless it is there.
    private func restoreChunk(_ raw: borrowing RawRecord) async throws(VaultError) {
        let name = raw.binding.name
        let owner = raw.binding.entry
        // Its owners are noted again as they come in; those of the backup may not.
        let summary = Self.withoutOwners(raw.summary)
        let secret: SharedSecret
        do throws(CryptoError) { secret = SharedSecret(try raw.secret.copy()) } catch {
            throw VaultError(.unavailable, error.message, underlying: error)
        }
        try await attempt { session in
            guard try await self.locate(name, session) == nil else { return }
            let id = session.key.recordID(name)
            let generation = (try await self.ledger.generation(of: id) ?? 0) + 1
            let binding = RecordBinding(vault: self.id, entry: owner, generation: generation, name: name)
            let sealed = try secret.withSecret { (secret) throws(CryptoError) in
                try secret.withUnsafeBytes { (bytes) throws(CryptoError) in
                    try SealedRecord.seal(binding, summary: summary, secret: bytes, under: session.key)
                }
            }
            let changes = [
                RecordChange.put(StoredRecord(id: id, generation: generation, sealed: sealed), replacing: nil)
            ]
            try await self.store.commit(changes, ifHeaderGeneration: session.header.generation)
            try await self.remember(Self.generations(changes))
        }
    }

    /// The key of a backup, all of whose bytes are what they were.
    private static func verifiedKey(
        of path: String,
        _ passphrase: SharedSecret,
        _ limits: DerivationLimits
    ) throws(VaultError) -> DataKey {
        var reader = try Backup.Reader(path)
        let header = try header(&reader)
        let key = try unlock(header, passphrase, limits, path)
        guard Header.isAuthentic(header.bytes, under: key) else { throw reader.damage("was tampered with") }
        var mac: Blake2b
        do throws(CryptoError) { mac = try key.backupMAC() } catch {
            throw VaultError(.unavailable, error.message, underlying: error)
        }
        var head = ByteWriter()
        head.append(Backup.magic)
        head.append(Backup.version)
        head.append(UInt32(header.bytes.count))
        mac.update(head.bytes)
        mac.update(header.bytes)
        var count: UInt64 = 0
        while true {
            let marker = try reader.read(1)
            mac.update(marker)
            if marker == [0] { break }
            guard marker == [1] else { throw reader.damage("is damaged") }
            let fixed = try reader.read(12)
            mac.update(fixed)
            var parser = ByteReader(fixed, from: 8)
            mac.update(try reader.read(Int(parser.integer(UInt32.self) ?? 0)))
            count += 1
        }
        let stated = try reader.read(8)
        mac.update(stated)
        var parser = ByteReader(stated)
        let code = try reader.read(Backup.macBytes)
        guard constantTimeEqual(mac.finish(), code), parser.integer(UInt64.self) == count, try reader.isAtEnd() else {
            throw reader.damage("is damaged or was tampered with")
        }
        return key
    }

    private static func header(
        _ reader: inout Backup.Reader
    ) throws(VaultError) -> (vault: VaultID, slot: KeySlot, bytes: [UInt8]) {
        guard try reader.read(Backup.magic.count) == Backup.magic else {
            throw VaultError(.damaged, "that file is no backup of a vault", hint: "vault export FILE makes one")
        }
        let version = try reader.integer(UInt16.self)
        guard version == Backup.version else {
            throw reader.damage("has format version \(version), and this program knows only \(Backup.version)")
        }
        let bytes = try reader.read(Int(try reader.integer(UInt32.self)))
        do throws(HeaderFault) {
            let header = try Header(bytes)
            guard let slot = header.knownSlots.first, slot.description.kind == .passphrase, header.slots.count == 1
            else {
                throw .damaged
            }
            return (header.vault, slot, bytes)
        } catch {
            throw reader.damage("cannot be used: \(error.sentence)")
        }
    }

    private static func unlock(
        _ header: (vault: VaultID, slot: KeySlot, bytes: [UInt8]),
        _ passphrase: SharedSecret,
        _ limits: DerivationLimits,
        _ path: String
    ) throws(VaultError) -> DataKey {
        let slot = header.slot.description
        do throws(CustodyError) {
            try limits.check(slot.derivation, of: slot)
            let custodian = PassphraseCustodian(asking: { _ throws(CustodyError) in passphrase }, limits: limits)
            let root = try custodian.enroll(slot, using: passphrase)
            return try root.withSecret { (root) throws(CustodyError) in
                do throws(CryptoError) {
                    return try DataKey(try Unlocking.unwrap(header.slot, root, header.vault))
                } catch {
                    throw CustodyError(error.code == .memory ? .unavailable : .wrongKey, error.message)
                }
            }
        } catch  where error.code == .wrongKey {
            throw VaultError(
                .wrongKey,
                "\(path): wrong passphrase for this backup",
                hint: "it has its own passphrase, not the vault's",
                underlying: error
            )
        } catch {
            throw VaultError(error)
        }
    }

    private static func record(
        _ reader: inout Backup.Reader,
        _ key: DataKey,
        _ vault: VaultID
    ) throws(VaultError) -> (record: StoredRecord, name: RecordName) {
        let generation = try reader.integer(UInt64.self)
        let bytes = try reader.read(Int(try reader.integer(UInt32.self)))
        do throws(RecordFault) {
            guard let name = try SealedRecord(bytes).name(vault: vault, under: key) else {
                throw RecordFault(sentence: "does not open")
            }
            return (StoredRecord(id: key.recordID(name), generation: generation, sealed: bytes), name)
        } catch {
            throw reader.damage("has a record that \(error.sentence)")
        }
    }
}
