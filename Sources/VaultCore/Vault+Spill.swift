internal import Glibc
internal import PrivateFiles
internal import VaultAPI
internal import VaultCrypto
internal import VaultStorage

/// Taking in what a refresh could not commit.
extension Vault {
    /// The largest spill file of ours: twice the largest record, and some.
    private static let longestSpill = 4 << 20

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
                try? await adoptSpill(of: entry)
            }
        }
    }

    /// Takes in what was spilled for one entry, if anything was.
    ///
    /// The caller holds the entry's lease, so nobody is writing the file, and nobody is going to.
    func adoptSpill(of entry: EntryID) async throws {
        for place in spillPlaces {
            let path = "\(place)/\(entry)"
            guard let bytes = Self.contents(of: path) else { continue }
            // Prepared, and its holder died before the server answered: the journal tells of that.
            if let spilled = SpilledRecord(bytes) { try await adopt(spilled) }
            try? PrivateFiles.remove(path)
        }
    }

    private func adopt(_ spilled: SpilledRecord) async throws(VaultError) {
        try await attempt { session in
            let kept = try self.identify(spilled.record, session)
            let raw = try self.openRaw(kept)
            guard let written = kept.name.entry,
                let summary = EntrySummary(
                    id: raw.binding.entry,
                    name: written,
                    generation: raw.binding.generation,
                    encodedFields: raw.summary
                ), let name = try await self.name(of: summary.id, usually: written, session)
            else { return }  // removed since, and its tokens with it
            let plain = SharedSecret(try raw.secret.copy())
            let tokens = try Self.secrets(plain)
            let found = try await self.find(RecordName(name), in: session)
            let entry = try await self.openForWriting(found, session)
            // Only in the place of the token that was spent for it; whatever came later is newer.
            guard entry.summary.journal?.spent == spilled.spent else { return }
            var adopted = summary
            adopted.name = name
            adopted.generation = entry.floor + 1
            adopted.updatedAt = self.clock.now
            let record = try self.seal(&adopted, try self.sealable(tokens), session)
            let changes = self.replacing(found, with: record)
            try await self.store.commit(changes, ifHeaderGeneration: session.header.generation)
            try await self.remember(Self.generations(changes))
        }
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
        guard (try? PrivateFiles.requireDirectory(directory)) != nil, let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }

    /// The bytes of a private file; `nil` where there is none, or none of ours.
    private static func contents(of path: String) -> [UInt8]? {
        guard let file = try? PrivateFiles.open(path), let size = try? Int(file.status().size), size <= longestSpill
        else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        let count = bytes.withUnsafeMutableBytes { try? file.read(into: $0) }
        guard let count else { return nil }
        return Array(bytes.prefix(count))
    }
}
