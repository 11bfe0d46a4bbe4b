package import VaultAPI

/// Calls the agent.
package struct AgentClient: Sendable {
    private let transport: AgentTransport

    /// A client of the agent that listens at `path`.
    package init(path: String) { transport = AgentTransport(path: path) }

    /// A client of the user's agent; `nil` where there is no place for its socket.
    package init?(environment: [String: String]) {
        guard let path = AgentSocket.path(environment) else { return nil }
        self.init(path: path)
    }

    /// Where the agent listens.
    package var path: String { transport.path }

    /// Calls a method.
    ///
    /// - Returns: The method's result, or the error that the agent gave in the vault's own terms.
    /// - Throws: Why there was no answer.
    package func call(
        _ method: String,
        _ params: [(String, WireContent)] = []
    ) async throws(AgentFailure) -> Result<WireValue, VaultError> {
        let line = try await transport.exchange(AgentProtocol.request(method, params).line())
        guard let message = try? WireMessage(line) else {
            throw .silent("what listens at \(path) does not speak the agent's protocol")
        }
        let answer = message.root
        if let result = answer["result"] { return .success(result) }
        guard let error = answer["error"], let code = error["code"]?.integer, let text = error["message"]?.string else {
            throw .silent("what listens at \(path) does not speak the agent's protocol")
        }
        if code == AgentProtocol.ErrorCode.version || code == AgentProtocol.ErrorCode.methodNotFound {
            throw .otherVersion(error["data"]?["version"]?.string ?? "of another version")
        }
        let status = error["data"]?["exit"]?.integer.flatMap { Int32(exactly: $0) }
        let kind = status.flatMap { VaultError.Code(exitStatus: $0) } ?? .failed
        return .failure(VaultError(kind, text, hint: error["data"]?["hint"]?.string))
    }

    /// What the agent is, and what it holds.
    ///
    /// - Parameter vault: A vault to ask about, by its directory or UUID.
    package func status(of vault: String? = nil) async throws(AgentFailure) -> AgentStatus {
        switch try await call("status", vault.map { [("vault", .string($0))] } ?? []) {
        case .success(let result):
            guard let status = AgentStatus(result) else {
                throw .silent("the agent at \(path) did not tell its status")
            }
            return status
        case .failure(let error): throw .silent(error.message)
        }
    }
}

/// What an agent says of itself.
package struct AgentStatus: Sendable {
    /// Its version, as `vault --version` prints it.
    package let version: String
    package let processID: Int32
    /// Whether it holds the key of the vault that was asked about.
    package let holds: Bool?
    /// The vaults that it can hand out from.
    package let vaults: [HeldVaultStatus]

    package init(version: String, processID: Int32, holds: Bool?, vaults: [HeldVaultStatus]) {
        self.version = version
        self.holds = holds
        self.processID = processID
        self.vaults = vaults
    }

    /// The status as a message carries it.
    package var content: WireContent {
        .object([
            ("version", .string(version)), ("protocol", .number(AgentProtocol.version)),
            ("process_id", .number(Int64(processID))),
            ("holds", holds.map { .bool($0) } ?? .null), ("vaults", .array(vaults.map(\.content))),
        ])
    }

    init?(_ value: WireValue) {
        guard let version = value["version"]?.string, let vaults = value["vaults"]?.elements else { return nil }
        self.version = version
        processID = value["process_id"]?.integer.flatMap { Int32(exactly: $0) } ?? 0
        holds = value["holds"]?.bool
        self.vaults = vaults.compactMap { HeldVaultStatus($0) }
    }
}

/// A vault whose key an agent holds.
package struct HeldVaultStatus: Sendable {
    /// The vault's UUID.
    package let vault: String
    /// Its directory.
    package let directory: String
    /// When it was unlocked.
    package let unlockedAt: Timestamp?
    /// When it locks itself, used or not.
    package let locksAt: Timestamp?
    /// After how many seconds without use it locks itself.
    package let idleSeconds: Int64?

    package init(
        vault: String,
        directory: String,
        unlockedAt: Timestamp?,
        locksAt: Timestamp?,
        idleSeconds: Int64?
    ) {
        self.vault = vault
        self.directory = directory
        self.unlockedAt = unlockedAt
        self.locksAt = locksAt
        self.idleSeconds = idleSeconds
    }

    package var content: WireContent {
        .object([
            ("vault", .string(vault)), ("directory", .string(directory)), ("unlocked_at", .time(unlockedAt)),
            ("locks_at", .time(locksAt)), ("idle_seconds", idleSeconds.map { .number($0) } ?? .null),
        ])
    }

    /// Reads what `content` wrote.
    package init?(_ value: WireValue) {
        guard let vault = value["vault"]?.string, let directory = value["directory"]?.string else { return nil }
        self.vault = vault
        self.directory = directory
        unlockedAt = value["unlocked_at"]?.time
        locksAt = value["locks_at"]?.time
        idleSeconds = value["idle_seconds"]?.integer
    }
}
