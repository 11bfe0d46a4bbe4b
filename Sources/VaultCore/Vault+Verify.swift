public import VaultAPI
internal import VaultStorage

extension Vault {
    /// Opens every part of every record, and says what is wrong; nothing is changed.
    public func verify() async throws(VaultError) -> Listing {
        try await attempt { session in
            var listing = Listing()
            try await self.walk(session) { found in
                _ = try self.openRaw(found)
                guard let name = found.name.entry else { return }
                listing.entries.append(try await self.summary(found, named: name, session).summary)
            } fault: {
                listing.faults.append($0)
            }
            listing.entries.sort { $0.name < $1.name }
            return listing
        }
    }
}
