internal import ArgumentParser
internal import VaultAPI

/// The options that every command takes.
struct GlobalOptions: ParsableArguments {
    @Option(name: .customLong("vault"), help: ArgumentHelp("The vault's directory (VAULT_DIR).", valueName: "dir"))
    var directory: String?

    @Option(help: ArgumentHelp("A separate vault of that name (VAULT_PROFILE).", valueName: "name"))
    var profile: String?

    @Flag(help: "Print one JSON document.")
    var json = false

    @Flag(help: "Never ask.")
    var noInput = false

    @Flag(name: .shortAndLong, help: "No notes and no progress.")
    var quiet = false

    @Flag(name: .shortAndLong, help: "Say more about what is done.")
    var verbose = false

    @Option(help: ArgumentHelp("A file with the passphrase (VAULT_PASSPHRASE_FILE).", valueName: "file"))
    var passphraseFile: String?

    @Option(
        name: .customLong("passphrase-fd"),
        help: ArgumentHelp("A descriptor to read the passphrase from.", valueName: "n")
    )
    var passphraseDescriptor: Int32?

    @Option(help: ArgumentHelp("Open with this slot only, by the beginning of its id.", valueName: "id"))
    var slot: String?

    @Flag(help: "Let a key derivation take more than half of the memory at hand.")
    var allowMemory = false
}

/// Answers for commands that ask before they change something for good.
struct ConfirmationOptions: ParsableArguments {
    @Flag(name: .long, help: "Answer yes to the question this command asks.")
    var yes = false
}

/// How strong new passphrase slots are made.
enum DerivationChoice: String, ExpressibleByArgument, CaseIterable {
    case interactive
    case moderate
    case sensitive
}
