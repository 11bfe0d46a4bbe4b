public import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// Making one version of an entry the entry.
extension Vault {
    /// Makes one version of an entry the entry, and puts the files of the others aside.
    ///
    /// It gets a generation above all of them, so that no machine takes it for an older state, and is written in one
    /// commit under the lease of whatever entries the versions are of. The version in its place is put aside before it is
    /// overwritten; whatever dies in between, every version is somewhere.
    ///
    /// - Throws: `.notFound` where there are no two versions, or no version is called so, with nothing changed.
    public func resolve(_ name: EntryName, keeping choice: VersionChoice) async throws(VaultError) -> ConflictResolution
    {
        try await attempt { session in
            guard let shared = self.store as? DirectoryStore else { throw Self.undisputed(name) }
            let before = try await self.disputed(name, session)
            var leases: [Lease] = []
            defer { for lease in leases { lease.release() } }
            // In one order everywhere: of two that resolve, neither waits for the other.
            for entry in Set(before.versions.map(\.summary.id)).sorted(by: {
                $0.bytes.lexicographicallyPrecedes($1.bytes)
            }) {
                leases.append(try await self.lease(entry))
            }
            let dispute = try await self.disputed(name, session)
            guard dispute.versions.map(\.summary) == before.versions.map(\.summary), let lease = leases.first else {
                throw StoreError(.conflict, self.location.directory, "the versions changed while they were looked at")
            }
            let kept = try dispute.choose(choice, of: name)
            let source = dispute.records[kept.number - 1]
            let raw = try self.openRaw(source)
            var summary = kept.summary
            let recordID = session.key.recordID(RecordName(name))
            let seen = try await self.ledger.generation(of: recordID) ?? 0
            // None of them is the one that was seen last: the choice is between old versions.
            if dispute.versions.allSatisfy({ $0.summary.generation < seen }) { summary.state = .held(.rolledBack) }
            summary.generation = (dispute.versions.map(\.summary.generation) + [seen]).max().map { $0 + 1 } ?? 1
            let plain = SharedSecret(try raw.secret.copy())
            let record = try self.seal(&summary, plain, session)
            if let inPlace = dispute.inPlace, !kept.isInPlace { try await shared.keepAside(inPlace.stored) }
            if let inPlace = dispute.inPlace {
                let change = SealedChange(
                    summary: summary,
                    found: inPlace,
                    record: record,
                    plain: plain,
                    sourceBefore: dispute.versions[0].summary.source
                )
                _ = try await self.write(change, session, holding: lease)
            } else {
                // What is in its place and does not open is kept as well.
                let broken = try await self.store.record(recordID)
                if let broken { try await shared.keepAside(broken) }
                var changes = [RecordChange.put(record, replacing: broken?.generation)]
                if let source = summary.source {
                    changes += try await self.owning(original: source.sha256, by: summary.id, session)
                }
                try await self.store.commit(changes, ifHeaderGeneration: session.header.generation, holding: lease)
                try await self.remember(Self.generations(changes))
            }
            try await shared.settle(dispute.copies.map(\.copy))
            return ConflictResolution(
                summary: summary,
                kept: kept,
                setAside: shared.setAside,
                isOlder: dispute.versions.contains { $0.isLater(than: kept) }
            )
        }
    }

    /// The versions of one entry, and the records they are in.
    private struct Dispute {
        let versions: [EntryVersion]
        let inPlace: FoundRecord?
        let copies: [RecordCopy]

        var records: [FoundRecord] { (inPlace.map { [$0] } ?? []) + copies.map(\.found) }

        func choose(_ choice: VersionChoice, of name: EntryName) throws(VaultError) -> EntryVersion {
            switch choice {
            case .latest: return EntryConflict(name: name, versions: versions).latest
            case .named(let text):
                let matches = versions.filter { version in
                    Int(text) == version.number || version.file == text || version.file.hasSuffix("/" + text)
                }
                guard matches.count == 1 else {
                    throw VaultError(
                        .notFound,
                        "\(name) has no single version \(text); nothing was changed",
                        hint: "vault store conflicts shows their numbers and files"
                    )
                }
                return matches[0]
            }
        }
    }

    private func disputed(_ name: EntryName, _ session: Session) async throws -> Dispute {
        let id = session.key.recordID(RecordName(name))
        let copies = try await copies(session, of: id)[id] ?? []
        let found = try await inPlace(id, session)
        let others = try copies.filter { copy in try found.map { try !isSame($0, copy.found) } ?? true }
        guard !others.isEmpty else { throw Self.undisputed(name) }
        return Dispute(versions: try versions(of: found, others), inPlace: found, copies: others)
    }

    private static func undisputed(_ name: EntryName) -> VaultError {
        VaultError(
            .notFound,
            "there are no two versions of \(name) to choose from",
            hint: "vault store conflicts shows what there is"
        )
    }

    /// Refuses where several versions of anything stand: only those in their places would be done.
    ///
    /// - Parameter done: What is to be done with the records, as a participle.
    func requireOneVersion(of done: String) async throws {
        let session = current
        var faults: [String] = []
        let copies = try await copies(session) { faults.append($0) }
        if let fault = faults.first {
            throw VaultError(.unsafe, "\(fault), and would not be \(done)", hint: "move that file away first")
        }
        for (id, others) in copies {
            let place = try await inPlace(id, session)
            if let place, try others.allSatisfy({ try isSame($0.found, place) }) { continue }
            throw VaultError(
                .unsafe,
                "there are several versions of \(others[0].found.name.text), and only one would be \(done)",
                hint: "vault store conflicts shows them; vault store resolve --all --latest settles them"
            )
        }
    }

    /// Refuses what would leave the other versions of an entry behind under a name that is not its own.
    func requireUndisputed(_ found: FoundRecord, _ session: Session) async throws {
        guard try await latest(found, session).isContested else { return }
        throw VaultError(
            .unsafe,
            "there are two versions of \(found.name.text), and one of them must be chosen first; nothing was changed",
            hint: "vault store resolve \(found.name.text) --latest takes the one issued later"
        )
    }

    /// Puts the copies of a record aside that was deleted.
    func settleCopies(of found: FoundRecord, _ session: Session) async throws {
        guard let shared = store as? DirectoryStore else { return }
        try await shared.settle((try await copies(session, of: found.stored.id)[found.stored.id] ?? []).map(\.copy))
    }

    /// Puts aside every copy that says nothing else than the record in its place, and brings the lists of kept files
    /// together: what needs nobody's choice.
    ///
    /// It never fails an opening: what cannot be settled is shown as a conflict.
    func settleCopies() async {
        guard let shared = store as? DirectoryStore, !store.isReadOnly else { return }
        try? await attempt { session in
            for (id, copies) in try await self.copies(session) {
                for copy in copies {
                    guard let found = try await self.inPlace(id, session) else { continue }
                    if try self.isSame(found, copy.found) {
                        try await shared.settle([copy.copy])
                    } else if let original = found.name.original {
                        // One file, imported on two machines: whoever came from it on either goes on doing so.
                        var changes: [RecordChange] = []
                        for owner in try self.owners(copy.found) {
                            changes = try await self.owning(original: original, by: owner, session)
                            guard !changes.isEmpty else { continue }
                            try await self.store.commit(changes, ifHeaderGeneration: session.header.generation)
                            try await self.remember(Self.generations(changes))
                        }
                        try await shared.settle([copy.copy])
                    }
                }
            }
        }
    }
}
