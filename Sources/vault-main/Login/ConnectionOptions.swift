internal import ArgumentParser
internal import OAuthFlows
internal import TokenBroker
internal import VaultAPI
internal import CredentialVault
internal import VaultCore

/// How servers are reached.
struct ConnectionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Trust these certificates instead of the system's (SSL_CERT_FILE).", valueName: "file"))
    var caFile: String?
}

extension Context {
    /// How requests are sent.
    func http(_ options: ConnectionOptions?) throws(VaultError) -> any HTTPExchange {
        try AsyncHTTPExchange(environment: environment, caFile: options?.caFile)
    }

    /// The way into the vault: through the agent where it has the vault open, and otherwise through a slot.
    func broker(_ options: ConnectionOptions? = nil) async throws(VaultError) -> any VaultBroker {
        try broker(try await open(), options)
    }

    /// Gives out tokens of an open vault.
    func broker(_ vault: Vault, _ options: ConnectionOptions?) throws(VaultError) -> LocalBroker {
        LocalBroker(vault, http: try http(options), secondOwner: .sourceFile)
    }
}
