public import KeyCustody
public import PrivateFiles
public import VaultAPI
internal import VaultCrypto
public import VaultStorage

extension VaultError {
    /// The error of a file, in terms every caller shares.
    public init(_ error: FileError) {
        let code: Code =
            switch error.code {
            case .absent: .notFound
            case .unsafe: .unsafe
            case .exists: .failed
            case .tooLarge: .damaged
            default: .unavailable
            }
        self.init(code, error.description, hint: error.hint, underlying: error)
    }

    /// The error of a custodian, in terms every caller shares.
    public init(_ error: CustodyError) {
        // What a source of passphrases says of itself: two that differ, a file that cannot be read, Ctrl-C.
        if let asked = error.underlying as? VaultError {
            self = asked
            return
        }
        let code: Code =
            switch error.code {
            case .wrongKey, .malformed: .wrongKey
            case .locked, .absent: .locked
            case .unsafe: .unsafe
            case .damaged: .damaged
            case .interrupted: .interrupted
            default: .unavailable
            }
        self.init(code, error.message, hint: error.hint, underlying: error)
    }

    /// The error of a store, in terms every caller shares.
    public init(_ error: StoreError) {
        let code: Code =
            switch error.code {
            case .absent: .notFound
            case .exists, .invalid: .failed
            case .damaged: .damaged
            case .unsafe: .unsafe
            case .misconfigured: .configuration
            default: .unavailable
            }
        let hint = error.code == .absent ? "make one with: vault init" : error.hint
        self.init(code, error.description, hint: hint, underlying: error)
    }

    /// Whether no server of the store answered; what is cached here may still be read.
    public var isStoreUnreachable: Bool { (underlying as? StoreError)?.code == .unreachable }

    /// Whether the lease had ended under which a change was decided, so that the store refused it.
    package var isLeaseLost: Bool {
        if let error = underlying as? VaultError { return error.isLeaseLost }
        return (underlying as? StoreError)?.code == .leaseLost
    }

    /// The error of a cryptographic operation where it is no question of keys: no memory, or an entry too large.
    init(_ error: CryptoError) {
        self.init(error.code == .memory ? .unavailable : .unsafe, error.message, underlying: error)
    }

    /// The header cannot be used.
    init(_ fault: HeaderFault, at directory: String) {
        self.init(
            .damaged,
            "\(directory): \(fault.sentence); it was left as it is",
            hint: "vault doctor looks closer; vault restore brings a backup into a new vault"
        )
    }
}
