internal import Glibc
internal import PrivateFiles
public import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// Taking in what a refresh could not commit.
extension Vault {
    /// Where spill files may lie, the first choice first.
    var spillPlaces: [String] {
        [place.state + "/spill"] + (location.runtimeBase.map { ["\($0)/spill/\(id)"] } ?? [])
    }

    /// Takes in everything that was spilled, but for entries that somebody is at.
    ///
    /// It never fails an opening: what cannot be taken in stays where it is for the next one.
    func adoptSpills() async {
        for place in spillPlaces {
            for name in SpillFile.names(in: place) {
                // That of a file that was set aside begins so too.
                guard let entry = EntryID(text: String(name.prefix(36))), let lease = LeaseName(entry.bytes),
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
        // It may have been a vault that was put back for a while that did not open them.
        for path in SpillFile.aside(spillPlaces, of: entry) {
            guard let bytes = try? SpillFile.contents(of: path), let spilled = SpilledRecord(bytes),
                case .settled = try await adopt(spilled, of: entry, holding: lease)
            else { continue }
            try? PrivateFiles.remove(path)
        }
    }

    /// What is still in the places for spilled tokens although this vault has been opened, and what to do about it.
    public func spillFaults(_ listing: Listing) -> [VaultError] {
        var faults: [VaultError] = []
        for place in spillPlaces {
            for name in SpillFile.names(in: place).sorted() {
                let path = "\(place)/\(name)"
                let entry = listing.entries.first { name.hasPrefix("\($0.id)") }
                let login = "vault login \(entry?.name.name ?? "NAME")"
                if name.hasSuffix(SpillFile.asideSuffix) {
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
                                        ?? (entry == nil
                                            ? "yet: that is not here"
                                            : "yet: the vault cannot be written, or is older than they are")),
                                hint: original.map { "vault list --vault \(shellQuoted($0))" }
                                    ?? (entry == nil
                                        ? "let the directory synchronise; if the entry is gone for good: rm \(shellQuoted(path))"
                                        : "put the newer vault back, or: \(login)")
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
                // Who removes it on this machine takes its tokens in before. Elsewhere it may have been removed, and its
                // tokens with it; or a sync tool took it away for a moment, or a server does not show all there is.
                return .ahead
            }
            let found = try await self.find(RecordName(name), in: session)
            let entry = try await self.openForWriting(found, session)
            let isBehind = entry.summary.generation < spill.summary.generation
            // Only in the place of the token that was spent for it: any other was put there since. Where the server gave
            // another one, what the entry holds is of no use any more, whoever has edited the rest of it elsewhere. Where
            // it does not rotate, the token is the same for ever; so the journal must stand still, or be gone because the
            // vault was put back to a copy from before it, or because somebody who did not see the file has spent the
            // token again and was refused.
            var isRefused = false
            if case .reauthorizationRequired = entry.summary.state { isRefused = true }
            let isRotated = try Self.secrets(spill.plain).fingerprint(.refreshToken)?.bytes != spilled.spent
            let isAwaited = isRefused || entry.summary.journal?.spent == spilled.spent
            guard entry.secrets.fingerprint(.refreshToken)?.bytes == spilled.spent, isRotated || isBehind || isAwaited
            else { return isBehind ? .ahead : .settled }
            // Who has an old data key can seal such a file, but makes no journal.
            guard isAwaited || spill.isOfThisKey else { return .ahead }
            // The rest of the entry may have been changed elsewhere meanwhile: who may use it, and how it is logged in.
            var adopted = entry.summary.taking(tokensOf: spill.summary)
            // What somebody has held since stays held; what is held for being an older copy is none any more.
            if !isBehind, case .held = entry.summary.keptState { adopted.state = entry.summary.keptState }
            let plain = try self.plain(entry.secrets, takingTokensOf: spill.plain)
            adopted.generation = entry.floor + 1
            adopted.updatedAt = self.clock.now
            let record = try self.seal(&adopted, plain, session)
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
    ) throws -> (summary: EntrySummary, plain: SharedSecret, isOfThisKey: Bool)? {
        do {
            let keys = try session.spillKeys()
            let kept = try identify(spilled.record, under: keys.current + keys.earlier)
            let raw = try openRaw(kept)
            guard let name = kept.name.entry, raw.binding.entry == id,
                EntrySecrets(encoded: try raw.secret.copy()) != nil,
                let summary = EntrySummary(
                    id: id,
                    name: name,
                    generation: raw.binding.generation,
                    encodedFields: raw.summary
                )
            else { return nil }
            let isOfThisKey = keys.current.contains { $0 === kept.key }
            return (summary, SharedSecret(try raw.secret.copy()), isOfThisKey)
        } catch is RecordFault {
            return nil
        } catch let error as VaultError where error.code == .damaged {
            return nil
        }
    }

    /// Secrets with the tokens of others in the place of their own.
    private func plain(
        _ secrets: borrowing EntrySecrets,
        takingTokensOf spilled: SharedSecret
    ) throws -> SharedSecret {
        var result = try secrets.copy()
        let other = try Self.secrets(spilled)
        for field in [EntrySecrets.Field.accessToken, .refreshToken, .idToken] {
            try other.withField(field) { try result.set(field, to: $0) }
        }
        return try sealable(result)
    }

    /// Gives a file that does not open another name, so that it stands in nobody's way and is still there.
    private static func setAside(_ path: String, _ bytes: [UInt8]) throws(VaultError) {
        var hash = Blake2b()
        hash.update(bytes)
        // By its contents, so that it takes the place of nothing but itself.
        let aside = "\(path).\(hexadecimal(Array(hash.finish().prefix(4))))\(SpillFile.asideSuffix)"
        do throws(FileError) { try PrivateFiles.rename(path, to: aside) } catch { throw VaultError(error) }
    }

    /// The name an entry has by now; `nil` if it is not among those that open.
    private func name(of id: EntryID, usually name: EntryName, _ session: Session) async throws -> EntryName? {
        if let found = try await locate(RecordName(name), session),
            try await summary(found, session).summary.id == id
        {
            return name
        }
        return try await list().entries.first { $0.id == id }?.name
    }

}

extension EntrySummary {
    /// The same entry with what a refresh has brought another version of it.
    fileprivate func taking(tokensOf other: EntrySummary) -> EntrySummary {
        var result = self
        (result.tokenType, result.scopes, result.expiry) = (other.tokenType, other.scopes, other.expiry)
        (result.issuedAt, result.refreshedAt, result.rotation) = (other.issuedAt, other.refreshedAt, other.rotation)
        (result.state, result.journal, result.refreshFailure) = (other.state, nil, nil)
        return result
    }
}

extension Vault.Session {
    /// The keys that a spill file may be sealed under: those of the data keys in use, and those of earlier ones, the last
    /// one first.
    func spillKeys() throws(CryptoError) -> (current: [DataKey], earlier: [DataKey]) {
        // An earlier version of this program sealed them as records are.
        var current = keys
        for key in keys { current.append(try key.spillKey()) }
        return (current, try earlierSpillKeys().reversed())
    }

    /// The spill keys that a new data key is to seal: those of the keys before it, as many as a header may have.
    func spillKeysToKeep() throws(CryptoError) -> [DataKey] {
        let all = try earlierSpillKeys() + [try key.spillKey()]
        return Array(all.suffix(Header.maximumSpillKeys))
    }

    private func earlierSpillKeys() throws(CryptoError) -> [DataKey] {
        var found: [DataKey] = []
        for sealed in header.spillKeys {
            do throws(CryptoError) { found.append(try key.open(spill: sealed)) } catch {
                // One that does not open was carried along by a version that rotated the data key and knew of none.
                guard error.code != .memory else { throw error }
            }
        }
        return found
    }
}
