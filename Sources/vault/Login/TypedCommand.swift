internal import PrivateFiles
internal import VaultAPI

/// The command as it was typed, for hints that say to run it again.
///
/// It can be copied: what it was given is in it, quoted for a shell. No argument of `vault` is a secret.
enum TypedCommand {
    static var text: String { with() }

    /// The same with further arguments.
    static func with(_ further: String...) -> String {
        (["vault"] + (CommandLine.arguments.dropFirst() + further).map(quoted)).joined(separator: " ")
    }

    private static func quoted(_ argument: String) -> String {
        let isPlain = argument.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: Array("-_./:=@,+%".utf8).contains(byte)
            }
        }
        return isPlain && !argument.isEmpty ? argument : shellQuoted(argument)
    }
}

extension VaultError {
    /// The same with the command that tries the login once more, where only a new login helps.
    ///
    /// Flows do not know by which command they were started, and an entry that was never stored has no options to fall
    /// back on.
    func naming(login command: String) -> VaultError {
        guard code == .loginRequired, hint?.contains("vault ") != true else { return self }
        return VaultError(code, message, hint: "\(hint ?? "log in again"): \(command)", underlying: underlying)
    }
}
