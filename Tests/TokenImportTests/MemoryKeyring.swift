import TokenImport
import VaultAPI
import VaultCrypto

/// A keyring that holds what it is given, or is locked.
struct MemoryKeyring: ForeignKeyring {
    let items: [ForeignItem: String]
    var isLocked = false

    init(_ items: [ForeignItem: String], isLocked: Bool = false) {
        self.items = items
        self.isLocked = isLocked
    }

    func items(
        of service: String,
        account: String?
    ) async throws(VaultError) -> [(account: String, value: SharedSecret)] {
        guard !isLocked else { throw VaultError(.locked, "the keyring is locked") }
        var found: [(account: String, value: SharedSecret)] = []
        for (item, text) in items where item.service == service && (account == nil || account == item.account) {
            do { found.append((item.account, SharedSecret(try SecretBytes(Array(text.utf8))))) } catch {
                throw VaultError(.failed, error.message)
            }
        }
        guard !found.isEmpty else { throw VaultError(.notFound, "the keyring has no such item") }
        return found.sorted { $0.account < $1.account }
    }
}
