internal import ArgumentParser

/// `vault` and its subcommands.
struct VaultCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vault",
        abstract: "Keeps OAuth tokens and API keys encrypted, and hands them out to whoever may have them.",
        discussion: """
            NAME stands for oauth:NAME; static:NAME is written out. Global options may stand before or after the \
            command's name. Exit codes: 0 done, 1 anything else, 2 done in part, 3 locked, 4 no such entry or vault, \
            5 log in again, 6 wrong passphrase or key, 7 damaged or not ours, 8 store or keyring out of reach, \
            9 try later, 10 refused as unsafe, 64 usage, 78 configuration, 130 and 143 ended by a signal.
            """,
        version: Version.text,
        subcommands: [
            InitCommand.self, UnlockCommand.self, LockCommand.self, StatusCommand.self, SetCommand.self,
            ListCommand.self, ShowCommand.self, LoginCommand.self, DiscoverCommand.self, TokenCommand.self,
            ProxyCommand.self, LogoutCommand.self, AdoptCommand.self, RenameCommand.self, RemoveCommand.self,
            ImportCommand.self, RestoreFileCommand.self, KeyCommand.self, ExportCommand.self, RestoreCommand.self,
            ExecCommand.self, RunCommand.self, HelperCommand.self, EditCommand.self, AuditCommand.self,
            StoreCommand.self, DoctorCommand.self, DestroyCommand.self,
            AgentCommand.self,
        ]
    )
}

/// The version of the program; formats have numbers of their own.
enum Version {
    static let text = "vault 0.1.0"
}
