internal import KeyCustody
package import VaultAPI
package import VaultCrypto

extension Vault {
    /// The data key, while `body` runs: for the agent, which keeps it for a session, and for nobody else.
    package func withDataKey<Result, Failure: Error>(
        _ body: (borrowing SecretBytes) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try current.key.withMaster(body)
    }

    /// Opens the vault at `location` with its data key, and with nothing else: once somebody makes a new data key, this
    /// vault is locked.
    ///
    /// - Throws: `.wrongKey` if the header was not made under that key; otherwise as `open(_:with:options:)`.
    package static func open(
        _ location: VaultLocation,
        under key: SharedSecret,
        clock: VaultClock
    ) async throws(VaultError) -> Vault {
        let dataKey: DataKey
        do throws(CryptoError) {
            dataKey = try key.withSecret { (key) throws(CryptoError) in try DataKey(try key.copy()) }
        } catch {
            throw VaultError(error)
        }
        let closed = try await ClosedVault.open(location).settled(clock)
        try closed.requireNoRollback()
        guard Header.isAuthentic(closed.bytes, under: dataKey) else {
            throw VaultError(
                .wrongKey,
                "\(location.directory): this is not its data key, or its header was tampered with",
                hint: "vault unlock opens it anew"
            )
        }
        let vault = Vault(
            location: location,
            store: closed.store,
            ledger: closed.ledger,
            custodians: CustodianSet(
                asking: { _ throws(CustodyError) in throw Self.nobody },
                keyring: KeyringClient(),
                isInteractive: false
            ),
            clock: clock,
            session: try closed.session(under: dataKey),
            openedBy: nil,
            deadSlots: []
        )
        try await vault.begin(closed, acceptingRollback: false)
        return vault
    }

    private static let nobody = CustodyError(.locked, "the vault was opened with its data key alone")

    /// Why a vault that was opened with its data key alone does not open any more.
    static func keyChanged(_ location: VaultLocation) -> VaultError {
        VaultError(
            .locked,
            "\(location.directory) has a new data key",
            hint: "vault unlock opens it anew",
            underlying: DataKeyChanged()
        )
    }
}

/// Marks the failure after which a key that is held is of no use any more.
private struct DataKeyChanged: Error {}

extension VaultError {
    /// Whether somebody has made a new data key meanwhile.
    package var isKeyChanged: Bool { underlying is DataKeyChanged }
}
