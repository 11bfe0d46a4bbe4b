internal import KeyringProtocol

extension KeyringError {
    /// What an answer says went wrong; `nil` where nothing did.
    init?(_ answer: KeyringAnswer) {
        switch answer.status {
        case .ok: return nil
        case .absent: self.init(answer, .absent)
        case .locked: self.init(answer, .locked)
        case .unavailable: self.init(answer, .unavailable)
        case .noDefaultCollection: self.init(answer, .noDefaultCollection)
        case .volatile: self.init(answer, .volatile)
        case .dismissed: self.init(answer, .dismissed)
        case .refused: self.init(answer, .refused)
        case .failed: self.init(answer, .failed)
        }
    }

    /// The child's sentence, or one for its status, and what to do about it.
    init(_ answer: KeyringAnswer, _ code: Code) {
        let (message, hint) = Self.words(answer.status)
        let sentence = Self.printable(answer.sentence)
        self.init(code, sentence.isEmpty ? message : sentence, hint: hint)
    }

    private static func words(_ status: KeyringStatus) -> (message: String, hint: String?) {
        switch status {
        case .ok: ("the keyring did it", nil)
        case .absent: ("the keyring has no key for this slot", "open the vault with a passphrase or recovery code")
        case .locked: ("the keyring is locked", "unlock it in the desktop session, or use a passphrase")
        case .unavailable: ("there is no Secret Service", "use a passphrase slot")
        case .noDefaultCollection:
            (
                "the keyring has no default collection",
                "choose one in the keyring's settings (in KeePassXC: expose a group), or use a passphrase slot"
            )
        case .volatile:
            (
                "the keyring's default collection vanishes with the session",
                "choose another default collection in the keyring's settings, or use a passphrase slot"
            )
        case .dismissed: ("the keyring's prompt was dismissed", "try again, or use a passphrase")
        case .refused: ("the environment redirects the keyring", "unset the variable and try again")
        case .failed: ("the keyring failed", "try again, or use a passphrase")
        }
    }

    /// A text from outside without anything a terminal would act upon.
    static func printable(_ text: String) -> String {
        let kept = text.unicodeScalars.filter { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
            default: true
            }
        }
        return String(String(String.UnicodeScalarView(kept)).prefix(300))
    }
}
