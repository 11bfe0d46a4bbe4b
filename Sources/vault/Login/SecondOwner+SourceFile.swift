internal import TokenBroker
internal import TokenImport
internal import VaultAPI

extension SecondOwner {
    /// The plain file that an entry was imported from.
    static let sourceFile = SecondOwner { (vault, entry, now) async throws(VaultError) -> Void in
        try await SourceFile.reread(entry, into: vault, now: now)
    }
}
