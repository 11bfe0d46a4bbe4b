internal import FoundationEssentials
public import VaultStorage

extension EtcdStore {
    /// How often a commit is tried anew because a revision moved and no generation did: a record deleted and put again.
    static let attempts = 16

    /// Replaces the header if the stored one still has the generation `old`.
    public func replaceHeader(_ header: StoredHeader, ifGeneration old: UInt64) async throws(StoreError) {
        try RecordLimits.check(header, after: old, subject: client.subject)
        let mark = [UInt8].random(16)
        for _ in 0..<Self.attempts {
            let revision = try await headerRevision(old)
            let value = EtcdValue.encode(header.generation, header.bytes)
            let transaction = Transaction(
                compare: [Comparison(keys.header, revision: revision)],
                success: [.put(keys.header, value), .put(keys.changes, mark)],
                failure: [.range(keys.header), .range(keys.changes)]
            )
            let answer = try await client.ask("kv/txn", transaction, for: TransactionAnswer.self)
            if answer.message.succeeded == true {
                if let at = answer.message.header?.revision {
                    revisions.remember(header: .init(generation: header.generation, revision: at.value))
                }
                return
            }
            guard let responses = answer.message.responses, responses.count == 2 else {
                throw damaged("gave no answer to each question")
            }
            revisions.forgetHeader()
            guard answer.mayBeRepeated else { continue }
            let found = try one(responses[0].range, keys.header)?.value
            let isOurs = try one(responses[1].range, keys.changes)?.value == Data(mark)
            if isOurs || found == Data(value) { return }
            if let found, found.count >= 8, found.prefix(8).reduce(0, { $0 << 8 | UInt64($1) }) > header.generation {
                throw unresolved
            }
        }
        throw restless
    }

    /// Applies the changes, all or none, if the header has the generation given, and `lease` is still held.
    public func commit(
        _ changes: [RecordChange],
        ifHeaderGeneration generation: UInt64,
        holding lease: Lease?
    ) async throws(StoreError) {
        try RecordLimits.check(changes, subject: client.subject)
        let mark = [UInt8].random(16)
        let fence = lease?.fence
        let bodies = try await stage(changes)
        defer { bodies?.settle(client) }
        for _ in 0..<Self.attempts {
            let header = try await headerRevision(generation)
            let seen = try await expectations(changes)
            let expected = seen.map { $0?.revision ?? 0 }
            var operations = changes.map { operation($0, bodies) }
            for (change, seen) in zip(changes, seen) {
                if let name = bodies?.names[change.id] { operations.append(.keep(keys.body(change.id, name))) }
                if let old = seen?.body { operations.append(.delete(keys.body(change.id, old))) }
            }
            var transaction = Transaction(
                compare: [Comparison(keys.header, revision: header)],
                success: EtcdBodies.grouped(operations) + [.put(keys.changes, mark)],
                failure: [.range(keys.changes), .range(keys.header, keysOnly: true)]
            )
            if let fence {
                transaction.compare.append(Comparison(keys.lease(fence.name), revision: fence.token))
                transaction.failure.append(.range(keys.lease(fence.name), keysOnly: true))
            }
            for (change, revision) in zip(changes, expected) {
                transaction.compare.append(Comparison(keys.record(change.id), revision: revision))
                transaction.failure.append(.range(keys.record(change.id), keysOnly: true))
            }
            let answer = try await client.ask("kv/txn", transaction, for: TransactionAnswer.self)
            if answer.message.succeeded == true {
                return remember(changes, bodies, at: answer.message.header?.revision?.value)
            }
            let responses = answer.message.responses ?? []
            guard responses.count == transaction.failure.count else { throw damaged("gave no answer to each question") }
            if answer.mayBeRepeated, try one(responses[0].range, keys.changes)?.value == Data(mark) {
                return remember(changes, bodies, at: nil)
            }
            let found = Array(responses.suffix(changes.count))
            var moved: [RecordChange] = []
            for ((change, revision), response) in zip(zip(changes, expected), found) {
                let now = try one(response.range, keys.record(change.id))?.modRevision?.value ?? 0
                if now != revision { moved.append(change) }
            }
            for change in moved { revisions.forget(change.id) }
            if answer.mayBeRepeated, !moved.isEmpty, try await wasApplied(changes) {
                return remember(changes, bodies, at: nil)
            }
            if let fence {
                let held = try one(responses[2].range, keys.lease(fence.name))?.modRevision?.value
                guard held == fence.token else { throw lost(fence) }
            }
            // Looked at anew, either it is of another generation, or it is tried once more.
            if try one(responses[1].range, keys.header)?.modRevision?.value != header { revisions.forgetHeader() }
            for change in moved where change.expected == nil {
                try change.check(found: try await record(change.id)?.generation, subject: client.subject)
            }
        }
        throw restless
    }

    private func operation(_ change: RecordChange, _ bodies: EtcdBodies?) -> Operation {
        switch change {
        case .put(let record, _):
            .put(
                keys.record(record.id),
                bodies?.names[record.id].map { EtcdValue.encode(record.generation, body: $0) }
                    ?? EtcdValue.encode(record.generation, record.sealed)
            )
        case .delete(let id, _): .delete(keys.record(id))
        }
    }

    private func remember(_ changes: [RecordChange], _ bodies: EtcdBodies?, at revision: UInt64?) {
        for change in changes {
            if case .put(let record, _) = change, let revision {
                let body = bodies?.names[record.id]
                revisions.remember(record.id, .init(generation: record.generation, revision: revision, body: body))
            } else {
                revisions.forget(change.id)
            }
        }
    }

    /// The header's revision, if it has that generation.
    private func headerRevision(_ generation: UInt64) async throws(StoreError) -> UInt64 {
        if let seen = revisions.header, seen.generation == generation { return seen.revision }
        let found = try await look().header
        guard found.generation == generation else {
            throw StoreError.headerMoved(client.subject, found: found.generation, expected: generation)
        }
        return found.revision
    }

    /// The revision that each record must have; `nil` for one that must not be.
    private func expectations(_ changes: [RecordChange]) async throws(StoreError) -> [RevisionCache.Seen?] {
        var expected: [RevisionCache.Seen?] = []
        for change in changes {
            guard let generation = change.expected else {
                expected.append(nil)
                continue
            }
            if let seen = revisions.seen(change.id), seen.generation == generation {
                expected.append(seen)
                continue
            }
            let found = try await value(change.id)
            try change.check(found: found?.generation, subject: client.subject)
            guard let found else { continue }
            expected.append(.init(generation: generation, revision: found.revision, body: found.body))
        }
        return expected
    }

    /// Whether a commit whose answer was lost was applied, told by the records it wrote.
    ///
    /// Sealed bytes hold a random nonce, so nobody else has written the same. A commit that only deletes is done when all
    /// is gone.
    private func wasApplied(_ changes: [RecordChange]) async throws(StoreError) -> Bool {
        var isOverwritten = false
        var isPut = false
        for change in changes {
            guard case .put(let wanted, _) = change else { continue }
            isPut = true
            let found = try await record(wanted.id)
            if found == wanted { return true }
            if let found, found.generation > wanted.generation { isOverwritten = true }
            if found == nil { isOverwritten = true }
        }
        if !isPut {
            for change in changes where try await record(change.id) != nil { return false }
            return true
        }
        if isOverwritten { throw unresolved }
        return false
    }

    private func lost(_ fence: LeaseFence) -> StoreError {
        StoreError(
            .leaseLost,
            client.subject,
            "the lease that this was decided under has ended; nothing was changed",
            hint: "run it again"
        )
    }

    private var unresolved: StoreError {
        StoreError(
            .unavailable,
            client.subject,
            "the answer to a write was lost, and others have written since: it may or may not have been applied",
            hint: "look at the entry with: vault show NAME"
        )
    }

    var restless: StoreError {
        StoreError(.unavailable, client.subject, "others write the same records all the time", hint: "try again")
    }
}
