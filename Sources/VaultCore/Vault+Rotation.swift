internal import KeyCustody
internal import VaultAPI
internal import VaultStorage

/// A new data key for a vault in use.
///
/// (1) A header with the new slots carries the old data key, sealed under the new one. (2) Batch by batch, records are
/// sealed anew, written under their new ids, and deleted under the old ones. (3) A header without the old key. Readers
/// try the new id, then the old. Killed anywhere, the next opener goes on.
extension Vault {
    /// Each record is a put and a delete.
    private static let batch = RecordLimits.changesPerCommit / 2

    /// Steps 2 and 3, unless another process is at them.
    func resumeRotation() async throws(VaultError) {
        try await attempt { session in
            guard session.oldKey != nil, let name = LeaseName(self.id.bytes) else { return }
            let lease: Lease?
            do {
                lease = try await self.store.tryLease(name)
            } catch let error as StoreError where [.unavailable, .unreachable].contains(error.code) {
                return  // read-only, or out of reach: both keys open it as it is
            }
            guard let lease else { return }
            defer { lease.release() }
            do {
                try await self.finishRotation()
            } catch let error as VaultError where [.unavailable, .damaged, .unsafe].contains(error.code) {
                // Both keys are kept, and open everything but what is damaged; `verify` names that. A spill file that
                // cannot be read keeps the old one too: one of an earlier version is sealed under that.
                return
            }
        }
    }

    /// Steps 2 and 3.
    ///
    /// The caller holds the lease of the vault's UUID.
    func finishRotation() async throws {
        while current.oldKey != nil {
            try await attempt { session in
                guard let oldKey = session.oldKey else { return }
                try await self.moveRecords(from: oldKey, session)
                var header = session.header
                header.oldDataKey = nil
                header.generation += 1
                let stored = StoredHeader(generation: header.generation, bytes: header.encoded(under: session.key))
                try await self.store.replaceHeader(stored, ifGeneration: session.header.generation)
                self.adopt(Session(header: header, key: session.key, oldKey: nil))
                try await self.remember([:])
            }
        }
    }

    private func moveRecords(from oldKey: DataKey, _ session: Session) async throws {
        var last: RecordID?
        var step = BatchStep.again
        repeat {
            step = try await moveBatch(after: last, from: oldKey, session)
            if case .moved(let end) = step { last = end }
        } while step != .done
    }

    private enum BatchStep: Equatable {
        case moved(upTo: RecordID)
        case again
        case done
    }

    /// Moves one page of records.
    private func moveBatch(after last: RecordID?, from oldKey: DataKey, _ session: Session) async throws -> BatchStep {
        let page = try await store.records(after: last, limit: Self.batch)
        var changes: [RecordChange] = []
        var moves: [(old: RecordID, new: RecordID, generation: UInt64)] = []
        var leases: [Lease] = []
        defer { for lease in leases { lease.release() } }
        for stored in page {
            guard let (record, entry) = try moved(stored, from: oldKey, session) else { continue }
            // A refresh under way may have to spill its tokens; what this machine has of them goes in at once.
            let lease = try await lease(entry)
            leases.append(lease)
            try await adoptSpill(of: entry, holding: lease)
            changes += [.put(record, replacing: nil), .delete(stored.id, generation: stored.generation)]
            moves.append((stored.id, record.id, record.generation))
        }
        guard let end = page.last?.id else { return .done }
        guard !changes.isEmpty else { return .moved(upTo: end) }
        // Under no one lease, and it needs none: who took one of these that had ended has written a journal since, and
        // that is another generation of the record.
        // A writer was faster: the page is read again, and has fewer records to move.
        guard try await commitUnlessConflict(changes, session) else {
            // But what stands under both keys would be found there for ever.
            for stored in page {
                let found = try identify(stored, session)
                if found.key === oldKey { try await requireOnlyCopy(found, session) }
            }
            return .again
        }
        try await ledger.replace(moves)
        try await remember([:])
        return .moved(upTo: end)
    }

    private func commitUnlessConflict(_ changes: [RecordChange], _ session: Session) async throws -> Bool {
        do {
            try await store.commit(changes, ifHeaderGeneration: session.header.generation)
            return true
        } catch  where error.code == .conflict {
            return false
        }
    }

    /// The record under the new key; `nil` if it is under that already.
    private func moved(
        _ stored: StoredRecord,
        from oldKey: DataKey,
        _ session: Session
    ) throws -> (StoredRecord, EntryID)? {
        do {
            let found = try identify(stored, session)
            guard found.key === oldKey else { return nil }
            let raw = try openRaw(found)
            return (try raw.sealed(as: raw.binding, under: session.key), raw.binding.entry)
        } catch let fault as RecordFault {
            throw VaultError(
                .damaged,
                "the record \(stored.id) \(fault.sentence); the new data key waits, both keys are kept",
                hint: "vault doctor names what is damaged; remove or restore it, then run vault doctor again",
                underlying: fault
            )
        }
    }
}
