public import VaultAPI
internal import VaultCrypto
internal import VaultStorage

extension Vault {
    /// Opens every part of every record, and says what is wrong; nothing is changed.
    public func verify() async throws(VaultError) -> Listing {
        try await attempt { session in
            var listing = Listing()
            let copies = try await self.copies(session) { listing.faults.append($0) }
            try await self.walk(session) { found in
                _ = try self.openRaw(found)
                guard let name = found.name.entry else { return }
                let found = try await self.latest(found, among: copies, session)
                listing.entries.append(try await self.summary(found, named: name, session).summary)
            } fault: {
                listing.faults.append($0)
            }
            listing.entries.sort { $0.name < $1.name }
            return listing
        }
    }

    /// Deletes a record that does not open, by the beginning of its id: one that has no name to remove it by.
    ///
    /// In a directory it is put aside.
    ///
    /// - Throws: `.notFound` unless just one record's id begins so; `.unsafe` if it opens. Nothing is changed then.
    public func discard(_ id: String) async throws(VaultError) {
        try await attempt { session in
            let stored = try await self.record(beginning: id)
            guard self.isDamaged(stored, session) else {
                throw VaultError(.unsafe, "the record \(stored.id) opens", hint: "vault remove NAME deletes an entry")
            }
            // It may only be ahead of a header that has not arrived yet, and the last of its kind anywhere.
            if let shared = self.store as? DirectoryStore { try await shared.keepAside(stored) }
            try await self.store.commit(
                [.delete(stored.id, generation: stored.generation)],
                ifHeaderGeneration: session.header.generation
            )
            try await self.remember([stored.id: stored.generation])
        }
    }

    private func record(beginning id: String) async throws -> StoredRecord {
        var matches: [StoredRecord] = []
        var last: RecordID?
        repeat {
            let page = try await store.records(after: last, limit: 64)
            matches += page.filter { $0.id.description.hasPrefix(id) }
            last = page.last?.id
        } while last != nil
        guard matches.count == 1, !id.isEmpty else {
            throw VaultError(.notFound, "there is no single record \(id)", hint: "vault doctor names the damaged ones")
        }
        return matches[0]
    }

    private func isDamaged(_ stored: StoredRecord, _ session: Session) -> Bool {
        do {
            _ = try openRaw(try identify(stored, session))
            return false
        } catch {
            return (error as? CryptoError)?.code != .memory
        }
    }
}
