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
    func http(_ options: ConnectionOptions) throws(VaultError) -> any HTTPExchange {
        try AsyncHTTPExchange(environment: environment, caFile: options.caFile)
    }

    /// How requests are sent; without options, what is wrong with a proxy or certificates fails a request, not a command
    /// that sends none.
    private func exchange(_ options: ConnectionOptions?) throws(VaultError) -> any HTTPExchange {
        guard let options else { return Credentials.exchange(environment) }
        return try http(options)
    }

    /// The way into the vault: through the agent where it has the vault open, and otherwise through a slot.
    func broker(_ options: ConnectionOptions? = nil) async throws(VaultError) -> any VaultBroker {
        // Other certificates, or a slot by name: the agent would not heed them.
        let isForAgent = options?.caFile == nil && !namesSlot
        return try await WayIn(isForAgent ? agent : nil, to: location.directory, note: { note($0) }) {
            () async throws(VaultError) in try broker(try await open(), options)
        }
        .broker()
    }

    /// The way into the vault where nobody may be asked anything: a status that prompts is no status.
    func brokerAskingNobody() async throws(VaultError) -> any VaultBroker {
        try await WayIn(agent, to: location.directory) { () async throws(VaultError) in
            try broker(try await Vault.open(location, with: custodians(asksNobody: true)), nil)
        }
        .broker()
    }

    /// Gives out tokens of an open vault.
    ///
    /// - Parameter gate: What each secret passes on its way out; by default, each use that wants it is confirmed anew.
    func broker(
        _ vault: Vault,
        _ options: ConnectionOptions?,
        gate: HandOutGate? = nil
    ) throws(VaultError) -> LocalBroker {
        LocalBroker(
            vault,
            http: try exchange(options),
            secondOwner: .sourceFile,
            caller: .own(via: .command),
            gate: gate ?? self.gate
        )
    }
}
