internal import KeyCustody
internal import PrivateFiles
internal import VaultAPI
internal import VaultCore
internal import VaultCrypto

/// How a new recovery code reaches its owner.
///
/// It counts only once it has.
enum RecoveryDelivery: Sendable {
    /// Into a file that must not exist.
    case file(String)
    /// Shown once, and typed back.
    case terminal

    func deliver(_ code: SharedSecret) throws(CustodyError) {
        switch self {
        case .file(let path):
            do {
                var line = try SecretBuffer(capacity: 64)
                try code.withSecret { (code) throws(CryptoError) in try line.append(code) }
                try line.append(10)
                try line.withUnsafeBytes { (bytes) throws(FileError) in try PrivateFiles.create(path, contents: bytes) }
            } catch {
                let failure = (error as? FileError).map { VaultError($0) }
                throw CustodyError(
                    .unavailable,
                    "the recovery code cannot be written: \(failure?.message ?? "\(error)")",
                    hint: "name a file that does not exist, in a directory that does",
                    underlying: error
                )
            }
        case .terminal:
            guard let terminal = Terminal() else {
                throw CustodyError(
                    .locked,
                    "a recovery code has to be shown, and there is no terminal",
                    hint: "add --recovery-code-file FILE or --no-recovery-code"
                )
            }
            defer { terminal.close() }
            terminal.show("Recovery code, shown this once; write it down and keep it away from this machine:\n\n    ")
            terminal.show(code)
            terminal.show("\n\n")
            try requireTypedBack(code, at: terminal)
        }
    }

    private func requireTypedBack(_ code: SharedSecret, at terminal: Terminal) throws(CustodyError) {
        for _ in 0..<3 {
            let typed: SharedSecret
            do throws(VaultError) { typed = try terminal.readHidden("Type it back: ") } catch {
                throw CustodyError(asking: error)
            }
            // Compared as what it opens, so that case and hyphens are forgiven.
            let wanted = try RecoveryCodeCustodian.root(ofTyped: code)
            let given = try RecoveryCodeCustodian.root(ofTyped: typed)
            if let wanted, let given, wanted.withSecret({ wanted in given.withSecret { $0.equals(wanted) } }) { return }
            terminal.show("That is not the code.\n")
        }
        throw CustodyError(.locked, "the recovery code was not typed back; nothing was changed", hint: "run it again")
    }
}
