package import VaultAPI
package import VaultCore

/// How a grant that another program owns is looked at again: the importer, handed in from above.
package struct SecondOwner: Sendable {
    /// Looks at the file an entry came from, and puts what is newer there into the vault; the time says what is newer.
    package typealias Rereading = @Sendable (Vault, EntrySummary, Timestamp) async throws(VaultError) -> Void

    let reread: Rereading

    package init(_ reread: @escaping Rereading) {
        self.reread = reread
    }
}
