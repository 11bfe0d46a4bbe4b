internal import Glibc
internal import PrivateFiles
public import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// Taking in what a refresh could not commit.
extension Vault {
    /// What the name of a file that does not open ends in: nobody takes it for an entry's any more.
    private static let asideSuffix = ".does-not-open"

    /// Where spill files may lie, the first choice first.
    var spillPlaces: [String] {
        [place.state + "/spill"] + (location.runtimeBase.map { ["\($0)/spill/\(id)"] } ?? [])
    }

    /// Takes in everything that was spilled, but for entries that somebody is at.
    ///
    /// It never fails an opening: what cannot be taken in stays where it is for the next one.
    func adoptSpills() async {
        for place in spillPlaces {
            for name in Self.names(in: place) {
                guard let entry = EntryID(text: name), let lease = LeaseName(entry.bytes),
                    let held = try? await store.tryLease(lease)
                else { continue }
                defer { held.release() }
                try? await adoptSpill(of: entry, holding: held)
            }
        }
    }

    /// Takes in what was spilled for one entry, if anything was.
    ///
    /// - Parameter lease: The entry's: nobody is writing the file, and nobody is going to.
    /// - Throws: `.unsafe` or `.unavailable` for a file that is there and cannot be read. It may hold the only copy of a
    ///   grant, and the entry a refresh token that is spent; so nothing may be sent meanwhile.
    func adoptSpill(of entry: EntryID, holding lease: Lease) async throws(VaultError) {
        // A copy shares the state directory with its original, and that is whose tokens were spilled.
        guard original == nil else { return }
        for place in spillPlaces {
            let path = "\(place)/\(entry)"
            guard let bytes = try SpillFile.contents(of: path) else { continue }
            guard let spilled = SpilledRecord(bytes) else {
                // Prepared, and its holder died before the server answered: the journal tells of that.
                try? PrivateFiles.remove(path)
                continue
            }
            switch try await adopt(spilled, of: entry, holding: lease) {
            case .settled: try? PrivateFiles.remove(path)
            case .ahead: break
            case .foreign: try Self.setAside(path, bytes)
            }
        }
    }

    /// What is still in the places for spilled tokens although this vault has been opened, and what to do about it.
    public func spillFaults(_ listing: Listing) -> [VaultError] {
        var faults: [VaultError] = []
        for place in spillPlaces {
            for name in Self.names(in: place).sorted() {
                let path = "\(place)/\(name)"
                let entry = listing.entries.first { name.hasPrefix("\($0.id)") }
                let login = "vault login \(entry?.name.name ?? "NAME")"
                if name.hasSuffix(Self.asideSuffix) {
                    faults.append(
                        VaultError(
                            .damaged,
                            "\(path) was left by a refresh of \(entry?.name.description ?? "some entry"), and does not open "
                                + "under this vault's keys",
                            hint:
                                "\(login), should its refresh token turn out to be spent; then rm \(shellQuoted(path))"
                        )
                    )
                } else if EntryID(text: name) != nil {
                    do throws(VaultError) {
                        guard let bytes = try SpillFile.contents(of: path), SpilledRecord(bytes) != nil else {
                            continue
                        }
                        faults.append(
                            VaultError(
                                .unavailable,
                                "\(path) holds tokens of \(entry?.name.description ?? "an entry") that could not be taken in "
                                    + (original.map { "here: they are for the vault \($0), of which this is a copy" }
                                        ?? "yet: the vault cannot be written, or is older than they are"),
                                hint: original.map { "vault list --vault \(shellQuoted($0))" }
                                    ?? "put the newer vault back, or: \(login)"
                            )
                        )
                    } catch {
                        faults.append(error)
                    }
                }
            }
        }
        return faults
    }

    private enum Adoption {
        /// The tokens are in the entry, or of no use any more.
        case settled
        /// They belong to a later state of the entry than there is.
        case ahead
        /// It is nothing that this vault has sealed for that entry.
        case foreign
    }

    private func adopt(
        _ spilled: SpilledRecord,
        of id: EntryID,
        holding lease: Lease
    ) async throws(VaultError) -> Adoption {
        try await attempt { session in
            guard let spill = try self.open(spilled, of: id, session) else {
                // Unless it is sealed under a key that came with another header.
                try await self.requireHeader(session)
                return .foreign
            }
            guard let name = try await self.name(of: id, usually: spill.summary.name, session) else {
                return .settled  // removed since, and its tokens with it
            }
            let found = try await self.find(RecordName(name), in: session)
            let entry = try await self.openForWriting(found, session)
            let isBehind = entry.summary.generation < spill.summary.generation
            // Only in the place of the token that was spent for it: any other was put there since. Where the server does
            // not rotate, the token is the same for ever; so the journal must stand still, or be gone because the
            // vault was put back to a copy from before it, or because somebody who did not see the file has spent the
            // token again and was refused.
            var isRefused = false
            if case .reauthorizationRequired = entry.summary.state { isRefused = true }
            guard entry.secrets.fingerprint(.refreshToken)?.bytes == spilled.spent,
                isBehind || isRefused || entry.summary.journal?.spent == spilled.spent
            else { return isBehind ? .ahead : .settled }
            var adopted = spill.summary
            adopted.name = name
            adopted.refresher = entry.summary.refresher
            adopted.generation = entry.floor + 1
            adopted.updatedAt = self.clock.now
            let record = try self.seal(&adopted, spill.plain, session)
            let changes = self.replacing(found, with: record)
            try await self.store.commit(changes, ifHeaderGeneration: session.header.generation, holding: lease)
            try await self.remember(Self.generations(changes))
            return .settled
        }
    }

    /// What a spill file holds; `nil` if it is not a state of that entry, sealed by this vault.
    private func open(
        _ spilled: SpilledRecord,
        of id: EntryID,
        _ session: Session
    ) throws -> (summary: EntrySummary, plain: SharedSecret)? {
        do {
            let kept = try identify(spilled.record, session)
            let raw = try openRaw(kept)
            guard let name = kept.name.entry, raw.binding.entry == id,
                let summary = EntrySummary(
                    id: id,
                    name: name,
                    generation: raw.binding.generation,
                    encodedFields: raw.summary
                )
            else { return nil }
            return (summary, SharedSecret(try raw.secret.copy()))
        } catch is RecordFault {
            return nil
        } catch let error as VaultError where error.code == .damaged {
            return nil
        }
    }

    /// Gives a file that does not open another name, so that it stands in nobody's way and is still there.
    private static func setAside(_ path: String, _ bytes: [UInt8]) throws(VaultError) {
        var hash = Blake2b()
        hash.update(bytes)
        // By its contents, so that it takes the place of nothing but itself.
        let aside = "\(path).\(hexadecimal(Array(hash.finish().prefix(4))))\(asideSuffix)"
        do throws(FileError) { try PrivateFiles.rename(path, to: aside) } catch { throw VaultError(error) }
    }

    /// The name an entry has by now; `nil` if it has gone.
    private func name(of id: EntryID, usually name: EntryName, _ session: Session) async throws -> EntryName? {
        if let found = try await locate(RecordName(name), session),
            try await summary(found, session).summary.id == id
        {
            return name
        }
        return try await list().entries.first { $0.id == id }?.name
    }

    private static func names(in directory: String) -> [String] {
        guard (try? PrivateFiles.requireDirectory(directory)) != nil else { return [] }
        return ((try? PrivateFiles.names(in: directory)) ?? []).filter { !$0.hasPrefix(".") }
    }
}
