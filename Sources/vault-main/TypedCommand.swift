internal import ArgumentParser
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

    /// The text with the vault that was named in each command it gives: the same command without it is about another
    /// vault.
    ///
    /// Not in `vault restore`, which brings a backup into a vault of its own.
    static func inSameVault(_ text: String) -> String {
        let place = ArgumentOrder.place(Array(CommandLine.arguments.dropFirst())).map(quoted).joined(separator: " ")
        let names = VaultCommand.configuration.subcommands.compactMap { $0.configuration.commandName }
            .filter { $0 != RestoreCommand.configuration.commandName }
        // A command as it was typed names its vault already.
        guard !place.isEmpty, !text.contains(place),
            let command = try? Regex("\\bvault (?=(?:\(names.joined(separator: "|")))\\b)")
        else { return text }
        return text.replacing(command, with: "vault \(place) ")
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
