public import KeyCustody
public import VaultAPI
public import VaultCrypto

extension KeyringClient: ForeignKeyring {
    /// What is kept for a service, by way of `vault-keyring`.
    public func items(
        of service: String,
        account: String?
    ) async throws(VaultError) -> [(account: String, value: SharedSecret)] {
        do throws(KeyringError) {
            return try await foreignItems(of: service, account: account)
        } catch {
            let code: VaultError.Code =
                switch error.code {
                case .absent: .notFound
                case .locked: .locked
                default: .unavailable
                }
            throw VaultError(code, error.message, hint: error.hint, underlying: error)
        }
    }
}
