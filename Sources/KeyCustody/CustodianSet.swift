public import VaultCrypto

/// Every custodian a command or a program brings along, chosen by a slot's kind in this one place.
public struct CustodianSet: Sendable {
    /// Asks for passphrases, and for recovery codes: one question, whatever the answer turns out to be.
    public let passphrase: PassphraseCustodian
    private let keyring: KeyringClient
    private let isInteractive: Bool
    private let keyringLabel: String
    private let keyFile: String?
    private let showRecoveryCode: @Sendable (SharedSecret) async throws(CustodyError) -> Void

    /// A set of custodians.
    ///
    /// - Parameters:
    ///   - source: Asks for a passphrase.
    ///   - keyring: Speaks to the Secret Service.
    ///   - keyringLabel: What the keyring's own program shows for a new item.
    ///   - isInteractive: Whether a person may be asked to unlock the keyring.
    ///   - limits: What passphrase slots may cost.
    ///   - keyFile: Where a new key file goes, or where a moved one lies.
    ///   - showRecoveryCode: Shows a new recovery code and returns when its owner has it.
    public init(
        asking source: @escaping PassphraseSource,
        keyring: KeyringClient,
        keyringLabel: String = "vault",
        isInteractive: Bool,
        limits: DerivationLimits = DerivationLimits(),
        keyFile: String? = nil,
        showRecoveryCode: @escaping @Sendable (SharedSecret) async throws(CustodyError) -> Void = { _ in }
    ) {
        passphrase = PassphraseCustodian(asking: source, limits: limits)
        self.keyring = keyring
        self.keyringLabel = keyringLabel
        self.isInteractive = isInteractive
        self.keyFile = keyFile
        self.showRecoveryCode = showRecoveryCode
    }

    /// The custodian for a kind of slot; `nil` for a kind of a newer version.
    public func custodian(for kind: SlotKind, keyFile path: String? = nil) -> (any KeyCustodian)? {
        switch kind {
        case .secretService: secretService
        case .passphrase: passphrase
        case .secretServiceAndPassphrase: combined
        case .recoveryCode:
            RecoveryCodeCustodian(
                reading: { [passphrase] () throws(CustodyError) in try await passphrase.passphrase() },
                showing: showRecoveryCode
            )
        case .keyFile: KeyFileCustodian(path: path ?? keyFile)
        default: nil
        }
    }

    /// Both secrets together.
    public var combined: CombinedCustodian { CombinedCustodian(keyring: secretService, passphrase: passphrase) }

    private var secretService: SecretServiceCustodian {
        SecretServiceCustodian(keyring: keyring, isInteractive: isInteractive, label: keyringLabel)
    }
}
