public import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// A version of a record that lies beside the one in its place, opened.
struct RecordCopy: Sendable {
    let found: FoundRecord
    let copy: ConflictCopy
}

extension Vault {
    /// The versions of records that lie beside those in their places, by what they are records of.
    ///
    /// - Parameter fault: Called with a sentence for each that does not open.
    func copies(
        _ session: Session,
        of id: RecordID? = nil,
        fault: (String) -> Void = { _ in }
    ) async throws -> [RecordID: [RecordCopy]] {
        guard let shared = store as? DirectoryStore else { return [:] }
        var copies: [RecordID: [RecordCopy]] = [:]
        let all = if let id { try await shared.conflicts(of: id) } else { try await shared.conflicts() }
        for copy in all {
            guard case .record(let stored) = copy.kind else { continue }
            do {
                var found = try identify(stored, session)
                found.isCopy = true
                _ = try openRaw(found)
                copies[stored.id, default: []].append(RecordCopy(found: found, copy: copy))
            } catch let error where error is RecordFault || error is VaultError || error is CryptoError {
                if let error = error as? CryptoError, error.code == .memory { throw error }
                // It may be sealed under a key that came with another header.
                try await requireHeader(session)
                let path = "\(shared.path)/\(copy.file)"
                fault("\(path) is a copy of the record \(stored.id), and does not open under this vault's keys")
            }
        }
        return copies
    }

    /// A found record as it is to be read: where there are several versions, the one that was issued later.
    func latest(
        _ found: FoundRecord,
        among all: [RecordID: [RecordCopy]]? = nil,
        _ session: Session
    ) async throws -> FoundRecord {
        guard !store.hasCommonLock, found.name.entry != nil else { return found }
        let id = found.stored.id
        let copies = if let all { all[id] ?? [] } else { try await copies(session, of: id)[id] ?? [] }
        let others = try copies.filter { try !isSame($0.found, found) }
        guard !others.isEmpty else { return found }
        let versions = try versions(of: found, others)
        let latest = EntryConflict(name: versions[0].summary.name, versions: versions).latest
        var chosen = latest.isInPlace ? found : others[latest.number - 2].found
        chosen.isContested = true
        return chosen
    }

    /// Whether two records say the same: of one entry, with the same fields and secrets.
    ///
    /// Two machines that resolve a conflict in the same way seal the same contents twice.
    func isSame(_ left: FoundRecord, _ right: FoundRecord) throws -> Bool {
        if left.stored.sealed == right.stored.sealed { return true }
        let one = try openRaw(left)
        let other = try openRaw(right)
        // A chunk of a kept file has no id that means anything.
        guard left.name == right.name, left.name.entry == nil || one.binding.entry == other.binding.entry else {
            return false
        }
        return one.summary == other.summary && one.secret.equals(other.secret)
    }

    /// What a person is shown of the versions of one entry; the one in its place, if there is one, is the first.
    func versions(of found: FoundRecord?, _ copies: [RecordCopy]) throws -> [EntryVersion] {
        var versions: [EntryVersion] = []
        if let found, let shared = store as? DirectoryStore {
            versions.append(try version(1, shared.file(of: found.stored.id), found))
        }
        for copy in copies {
            let file = "\((store as? DirectoryStore)?.path ?? location.directory)/\(copy.copy.file)"
            versions.append(try version(versions.count + 1, file, copy.found))
        }
        return versions
    }

    private func version(_ number: Int, _ file: String, _ found: FoundRecord) throws -> EntryVersion {
        let raw = try openRaw(found)
        let read = found.name.entry.flatMap { name in
            EntrySummary(
                id: raw.binding.entry,
                name: name,
                generation: raw.binding.generation,
                encodedFields: raw.summary
            )
        }
        guard let read else { throw RecordFault(sentence: "has a summary that cannot be read") }
        let refresher: EntryVersion.Refresher =
            if read.refresher == nil || !read.spendsRefreshToken {
                .nobody
            } else {
                read.refresher == refresherMark ? .thisMachine : .anotherMachine
            }
        return EntryVersion(
            number: number,
            file: file,
            isInPlace: !found.isCopy,
            summary: read,
            refresher: refresher
        )
    }

    /// What a sync tool left of changes on two machines; nothing is changed.
    public func conflicts() async throws(VaultError) -> ConflictReport {
        try await attempt { session in
            var report = ConflictReport()
            guard let shared = self.store as? DirectoryStore else { return report }
            let copies = try await self.copies(session) { report.faults.append($0) }
            for copy in try await shared.conflicts() {
                let path = "\(shared.path)/\(copy.file)"
                switch copy.kind {
                case .record: break
                case .header(let stored):
                    if let header = try await self.headerConflict(stored, at: path, session) {
                        report.headers.append(header)
                    }
                case .unreadable:
                    report.faults.append(
                        "\(path) is a copy of a record or of the header, and is damaged or not safe to read"
                    )
                }
            }
            for (id, copies) in copies {
                guard let name = copies[0].found.name.entry else { continue }
                let found = try await self.inPlace(id, session)
                let others = try copies.filter { copy in try found.map { try !self.isSame($0, copy.found) } ?? true }
                guard !others.isEmpty else { continue }
                report.entries.append(EntryConflict(name: name, versions: try self.versions(of: found, others)))
            }
            report.entries.sort { $0.name < $1.name }
            report.faults.sort()
            return report
        }
    }

    /// The record in its place; `nil` where there is none, or one that does not open: then the copies are all there is.
    func inPlace(_ id: RecordID, _ session: Session) async throws -> FoundRecord? {
        guard let stored = try await store.record(id) else { return nil }
        do {
            let found = try identify(stored, session)
            _ = try openRaw(found)
            return found
        } catch let error where error is RecordFault || error is VaultError {
            return nil
        }
    }

    /// What sets another version of the header apart; `nil` where it is the same.
    private func headerConflict(
        _ stored: StoredHeader,
        at file: String,
        _ session: Session
    ) async throws -> HeaderConflict? {
        guard try await store.header().bytes != stored.bytes else { return nil }
        let other = try? Header(stored.bytes)
        let mine = session.header.slots
        let theirs = other?.slots ?? []
        func names(_ slots: [HeaderSlot], without others: [HeaderSlot]) -> [String] {
            slots.filter { slot in !others.contains { $0.id == slot.id } }
                .map { "\(hexadecimal($0.id).prefix(8)) \($0.kind)" }
        }
        return HeaderConflict(
            file: file,
            generation: stored.generation,
            added: names(theirs, without: mine),
            missing: names(mine, without: theirs),
            isForeign: other?.vault != id || !Header.isAuthentic(stored.bytes, under: session.key)
        )
    }
}
