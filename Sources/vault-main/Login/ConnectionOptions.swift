internal import ArgumentParser
internal import OAuthFlows
internal import TokenBroker
internal import VaultAPI
internal import VaultCore

/// How servers are reached.
struct ConnectionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Trust these certificates instead of the system's (SSL_CERT_FILE).", valueName: "file"))
    var caFile: String?
}

extension Context {
    /// How requests are sent.
    func http(_ options: ConnectionOptions) throws(VaultError) -> any HTTPExchange {
        try AsyncHTTPExchange(environment: environment, caFile: options.caFile)
    }

    /// Gives out tokens of an open vault.
    func broker(_ vault: Vault, _ options: ConnectionOptions) throws(VaultError) -> LocalBroker {
        LocalBroker(vault, http: try http(options), secondOwner: .sourceFile)
    }
}
