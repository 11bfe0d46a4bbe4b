package import AgentClient
package import TokenBroker
package import VaultAPI

/// How a vault is used: through the agent where it holds the key, and otherwise by opening it here.
///
/// This is the one place where that is decided; what is done with the vault does not know the answer.
package struct WayIn: Sendable {
    /// Opens the vault in this process.
    package typealias Opening = @Sendable () async throws(VaultError) -> LocalBroker

    private let client: AgentClient?
    private let directory: String
    private let open: Opening
    private let note: @Sendable (String) -> Void

    /// - Parameters:
    ///   - client: The agent; `nil` where it is not to be asked.
    ///   - note: Told why an agent that is there is not used.
    package init(
        _ client: AgentClient?,
        to directory: String,
        note: @escaping @Sendable (String) -> Void = { _ in },
        opening open: @escaping Opening
    ) {
        self.client = client
        self.directory = directory
        self.open = open
        self.note = note
    }

    /// The agent, or the open vault.
    package func broker() async throws(VaultError) -> any VaultBroker {
        if let client, await holds(client) { return AgentBroker(client, vault: directory) }
        return try await open()
    }

    private func holds(_ client: AgentClient) async -> Bool {
        do throws(AgentFailure) {
            return try await client.status(of: directory).holds ?? false
        } catch {
            if case .absent = error { return false }
            note("\(error.sentence); the vault is opened without it")
            return false
        }
    }
}
