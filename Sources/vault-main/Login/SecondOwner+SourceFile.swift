internal import TokenBroker
internal import TokenImport
internal import VaultAPI

extension SecondOwner {
    /// The plain file that an entry was imported from.
    static let sourceFile = SecondOwner { (vault, entry, now) async throws(VaultError) -> Void in
        _ = try await ImportPlan.reread(entry, into: vault, now: now)
    }
}
