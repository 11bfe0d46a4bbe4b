public import VaultAPI
public import VaultCrypto
internal import VaultStorage

/// Whole files that entries were imported from, kept sealed so that they can be written back byte for byte.
///
/// A file is kept once, in chunks, each a record of its own named `file:<sha256>:<index>`. The first one lists the
/// entries that came from it; when the last of them is removed, the chunks go in the same commit.
extension Vault {
    /// Sealed, a chunk takes half a MiB.
    private static let chunkBytes = 512 * 1024 - 1024

    private enum Tag {
        static let size: UInt16 = 1
        static let owner: UInt16 = 2
    }

    /// Keeps `bytes`, whose SHA-256 is `sha256`.
    ///
    /// What is kept already stays. Entries whose source has that hash are noted as they are written.
    ///
    /// - Throws: `.unsafe` if they are more than 16 MiB.
    public func keepOriginal(_ bytes: SharedSecret, sha256: [UInt8]) async throws(VaultError) {
        let count = max(1, (bytes.count + Self.chunkBytes - 1) / Self.chunkBytes)
        guard count <= RecordLimits.changesPerCommit / 2 + 1 else {
            throw VaultError(.unsafe, "a file of \(bytes.count) bytes is too large to be kept", hint: "at most 16 MiB")
        }
        try await attempt { session in
            guard try await self.locate(RecordName(original: sha256, chunk: 0), session) == nil else { return }
            var changes: [RecordChange] = []
            for index in 0..<count {
                let range = index * Self.chunkBytes..<min((index + 1) * Self.chunkBytes, bytes.count)
                let name = RecordName(original: sha256, chunk: index)
                let recordID = session.key.recordID(name)
                let generation = (try await self.ledger.generation(of: recordID) ?? 0) + 1
                let binding = RecordBinding(vault: self.id, entry: EntryID.random(), generation: generation, name: name)
                let sealed = try bytes.withSecret { (secret) throws(CryptoError) in
                    try secret.withUnsafeBytes { (bytes) throws(CryptoError) in
                        try SealedRecord.seal(
                            binding,
                            summary: index == 0 ? Self.head(size: bytes.count, owners: []) : [],
                            secret: UnsafeRawBufferPointer(rebasing: bytes[range]),
                            under: session.key
                        )
                    }
                }
                let record = StoredRecord(id: recordID, generation: generation, sealed: sealed)
                changes.append(.put(record, replacing: nil))
            }
            try await self.store.commit(changes, ifHeaderGeneration: session.header.generation)
            try await self.remember(Self.generations(changes))
        }
    }

    /// The bytes of a kept file; `nil` if it is not kept.
    ///
    /// - Throws: `.damaged` if a chunk is missing or damaged, or the whole has another hash.
    public func original(sha256: [UInt8]) async throws(VaultError) -> SharedSecret? {
        try await attempt { session in
            guard let first = try await self.locate(RecordName(original: sha256, chunk: 0), session) else { return nil }
            let size = try self.originalHead(first).size
            var buffer = try SecretBuffer(capacity: size + 1)
            var index = 0
            repeat {
                let name = RecordName(original: sha256, chunk: index)
                guard let found = try await self.locate(name, session) else {
                    throw VaultError(.damaged, "a kept file lacks its chunk \(index)")
                }
                let chunk = try self.openRaw(found)
                try buffer.append(chunk.secret)
                index += 1
            } while index * Self.chunkBytes < size
            let bytes = try buffer.finish()
            guard bytes.withUnsafeBytes({ VaultCrypto.sha256($0) }) == sha256 else {
                throw VaultError(.damaged, "a kept file does not have the bytes it was imported with")
            }
            return SharedSecret(bytes)
        }
    }

    /// The changes that put an entry on a kept file's list, if the file is kept.
    func owning(original sha256: [UInt8], by owner: EntryID, _ session: Session) async throws -> [RecordChange] {
        guard let first = try await locate(RecordName(original: sha256, chunk: 0), session) else { return [] }
        let head = try originalHead(first)
        guard !head.owners.contains(owner) else { return [] }
        return try rewriting(first, head, owners: head.owners + [owner], session)
    }

    /// The changes that take an entry off a kept file's list, and the file away with the last one.
    func releasing(original sha256: [UInt8], from owner: EntryID, _ session: Session) async throws -> [RecordChange] {
        guard let first = try await locate(RecordName(original: sha256, chunk: 0), session) else { return [] }
        let head = try originalHead(first)
        let rest = head.owners.filter { $0 != owner }
        guard rest.isEmpty else { return rest == head.owners ? [] : try rewriting(first, head, owners: rest, session) }
        var changes: [RecordChange] = []
        var index = 0
        repeat {
            if let found = try await locate(RecordName(original: sha256, chunk: index), session) {
                changes.append(.delete(found.stored.id, generation: found.stored.generation))
            }
            index += 1
        } while index * Self.chunkBytes < head.size
        return changes
    }

    /// The same, but a kept file that is damaged stays as it is: an entry can be removed all the same.
    func releasingIfSound(
        original sha256: [UInt8],
        from owner: EntryID,
        _ session: Session
    ) async throws -> [RecordChange] {
        do {
            return try await releasing(original: sha256, from: owner, session)
        } catch let error as VaultError where error.code == .damaged {
            return []
        }
    }

    /// The entries that came from a kept file, as its first chunk says.
    func owners(_ first: FoundRecord) throws -> [EntryID] { try originalHead(first).owners }

    private func rewriting(
        _ first: FoundRecord,
        _ head: (size: Int, owners: [EntryID], binding: RecordBinding),
        owners: [EntryID],
        _ session: Session
    ) throws -> [RecordChange] {
        var binding = head.binding
        binding.generation += 1
        let chunk = try openRaw(first)
        let sealed = try chunk.secret.withUnsafeBytes { (bytes) throws(CryptoError) in
            try SealedRecord.seal(
                binding,
                summary: Self.head(size: head.size, owners: owners),
                secret: bytes,
                under: session.key
            )
        }
        let id = session.key.recordID(first.name)
        return replacing(first, with: StoredRecord(id: id, generation: binding.generation, sealed: sealed))
    }

    private func originalHead(
        _ first: FoundRecord
    ) throws -> (size: Int, owners: [EntryID], binding: RecordBinding) {
        let opened: (binding: RecordBinding, body: [UInt8])
        do {
            opened = try SealedRecord(first.stored.sealed)
                .openSummary(of: first.name, generation: first.stored.generation, vault: id, under: first.key)
        } catch {
            throw damaged(first, error)
        }
        var reader = ByteReader(opened.body)
        var size: Int?
        var owners: [EntryID] = []
        for field in reader.fields() ?? [] {
            var value = ByteReader(field.bytes)
            switch field.tag {
            case Tag.size: size = value.integer(UInt64.self).flatMap { Int(exactly: $0) }
            case Tag.owner: owners += EntryID(field.bytes).map { [$0] } ?? []
            default: break
            }
        }
        guard let size, size <= Self.chunkBytes * RecordLimits.changesPerCommit else {
            throw damaged(first, RecordFault(sentence: "has a head that cannot be read"))
        }
        return (size, owners, opened.binding)
    }

    /// The head of a first chunk without the list of its entries; any other chunk's is empty and stays so.
    static func withoutOwners(_ summary: [UInt8]) -> [UInt8] {
        var reader = ByteReader(summary)
        var writer = ByteWriter()
        for field in reader.fields() ?? [] where field.tag != Tag.owner { writer.append(field) }
        return writer.bytes
    }

    /// Takes a kept file away that no entry came from.
    func forgetOriginalUnlessOwned(sha256: [UInt8]) async throws(VaultError) {
        try await attempt { session in
            guard let first = try await self.locate(RecordName(original: sha256, chunk: 0), session),
                try self.originalHead(first).owners.isEmpty
            else { return }
            let changes = try await self.releasing(original: sha256, from: EntryID.random(), session)
            try await self.store.commit(changes, ifHeaderGeneration: session.header.generation)
            try await self.remember([:])
        }
    }

    private static func head(size: Int, owners: [EntryID]) -> [UInt8] {
        var writer = ByteWriter()
        var bytes = ByteWriter()
        bytes.append(UInt64(size))
        writer.append(Field(tag: Tag.size, bytes: bytes.bytes))
        for owner in owners { writer.append(Field(tag: Tag.owner, bytes: owner.bytes)) }
        return writer.bytes
    }

    static func generations(_ changes: [RecordChange]) -> [RecordID: UInt64] {
        var generations: [RecordID: UInt64] = [:]
        for case .put(let record, _) in changes { generations[record.id] = record.generation }
        return generations
    }
}

/// The contents of any record: what moves it from one key to another without knowing what it is.
struct RawRecord: ~Copyable {
    let binding: RecordBinding
    let summary: [UInt8]
    let secret: SecretBytes
}

extension Vault {
    /// Opens both parts of any record.
    ///
    /// - Throws: `.damaged`.
    func openRaw(_ found: FoundRecord) throws -> RawRecord {
        try RawRecord(found.stored, name: found.name, vault: id, key: found.key)
    }
}

extension RawRecord {
    init(_ stored: StoredRecord, name: RecordName, vault: VaultID, key: DataKey) throws {
        do {
            let record = try SealedRecord(stored.sealed)
            let opened = try record.openSummary(of: name, generation: stored.generation, vault: vault, under: key)
            let secret = try record.openSecret(opened.binding, under: key)
            self.init(binding: opened.binding, summary: opened.body, secret: secret)
        } catch let error as RecordFault {
            throw VaultError(.damaged, "the record of \(name.text) \(error.sentence)", underlying: error)
        } catch let error as CryptoError where error.code != .memory {
            throw VaultError(.damaged, "the record of \(name.text) does not open: it is damaged", underlying: error)
        }
    }

    /// The same contents under another key, vault or generation.
    func sealed(as binding: RecordBinding, under key: DataKey) throws(CryptoError) -> StoredRecord {
        let sealed = try secret.withUnsafeBytes { (bytes) throws(CryptoError) in
            try SealedRecord.seal(binding, summary: summary, secret: bytes, under: key)
        }
        return StoredRecord(id: key.recordID(binding.name), generation: binding.generation, sealed: sealed)
    }
}
