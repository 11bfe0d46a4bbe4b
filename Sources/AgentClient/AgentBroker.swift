package import VaultAPI

/// The way into a vault through the agent: tokens without a key, and never a refresh token.
package struct AgentBroker: VaultBroker {
    private let client: AgentClient
    private let vault: String

    /// - Parameter vault: The vault's directory, or its UUID.
    package init(_ client: AgentClient, vault: String) {
        self.client = client
        self.vault = vault
    }

    package func token(
        for name: EntryName,
        _ requirements: TokenRequirements,
        _ part: TokenPart
    ) async throws(VaultError) -> GivenToken {
        let result = try await call(
            "token",
            [("name", .string(name.description))] + requirements.content + [("part", .string(part.rawValue))]
        )
        guard let token = GivenToken(result) else { throw incomplete("token") }
        return token
    }

    package func accessToken(
        for name: String,
        _ requirements: TokenRequirements
    ) async throws(VaultError) -> AccessToken {
        let name = try EntryName(parsing: name)
        let token = try await token(for: name, requirements, .accessToken)
        guard token.type != "DPoP" else { throw .bound(name) }
        return try token.accessToken()
    }

    package func authorization(
        for name: String,
        method: String,
        url: String,
        _ requirements: TokenRequirements
    ) async throws(VaultError) -> Authorization {
        let result = try await call(
            "authorization",
            [("name", .string(name)), ("method", .string(method)), ("url", .string(url))] + requirements.content
        )
        let fields = (result["fields"]?.members ?? []).compactMap { name, value in value.string.map { (name, $0) } }
        guard !fields.isEmpty, let token = GivenToken(result) else { throw incomplete("authorization") }
        return Authorization(fields: fields, token: try token.accessToken())
    }

    package func list() async throws(VaultError) -> Listing {
        let result = try await call("list")
        var listing = Listing()
        for entry in result["entries"]?.elements ?? [] {
            guard let summary = EntrySummary(entry) else { throw incomplete("list") }
            listing.entries.append(summary)
        }
        listing.faults = result["damaged"]?.strings ?? []
        return listing
    }

    package func summary(of name: EntryName) async throws(VaultError) -> EntrySummary {
        try await summary("show", [("name", .string(name.description))])
    }

    package func put(_ name: EntryName, _ secret: SecretText) async throws(VaultError) -> EntrySummary {
        try await summary("put", [("name", .string(name.description)), ("secret_base64", .secret(secret.base64))])
    }

    package func rename(_ old: EntryName, to new: EntryName) async throws(VaultError) -> EntrySummary {
        try await summary("rename", [("name", .string(old.description)), ("to", .string(new.description))])
    }

    package func remove(_ name: EntryName) async throws(VaultError) {
        _ = try await call("remove", [("name", .string(name.description))])
    }

    package func logout(_ name: EntryName, deletingAnyway: Bool) async throws(VaultError) -> LogoutOutcome {
        let result = try await call(
            "logout",
            [("name", .string(name.description)), ("delete_anyway", .bool(deletingAnyway))]
        )
        let reason = result["reason"]?.string ?? ""
        let revocation: RevocationResult
        switch result["revocation"]?.string {
        case "revoked": revocation = .revoked
        case "not supported": revocation = .notSupported(reason)
        case "failed": revocation = .failed(reason)
        default: throw incomplete("logout")
        }
        return LogoutOutcome(revocation: revocation, isDeleted: result["deleted"]?.bool ?? false)
    }

    package func adopt(_ name: EntryName, takingOut: Bool) async throws(VaultError) -> AdoptOutcome {
        let result = try await call("adopt", [("name", .string(name.description)), ("take_out", .bool(takingOut))])
        if let path = result["still_in_file"]?.string { return .stillInFile(path: path) }
        guard let entry = result["entry"].flatMap({ EntrySummary($0) }) else { throw incomplete("adopt") }
        return .adopted(entry)
    }

    private func summary(
        _ method: String,
        _ params: [(String, WireContent)]
    ) async throws(VaultError) -> EntrySummary {
        let result = try await call(method, params)
        guard let entry = result["entry"].flatMap({ EntrySummary($0) }) else { throw incomplete(method) }
        return entry
    }

    private func call(
        _ method: String,
        _ params: [(String, WireContent)] = []
    ) async throws(VaultError) -> WireValue {
        let answer: Result<WireValue, VaultError>
        do throws(AgentFailure) {
            answer = try await client.call(method, [("vault", .string(vault))] + params)
        } catch {
            throw error.error
        }
        return try answer.get()
    }

    private func incomplete(_ method: String) -> VaultError {
        VaultError(
            .failed,
            "the agent's answer to \(method) lacks what it must hold",
            hint: "vault agent stop, and then vault unlock"
        )
    }
}

extension TokenRequirements {
    /// The requirements as members of a request.
    package var content: [(String, WireContent)] {
        var members: [(String, WireContent)] = []
        if minimumValiditySeconds != 0 { members.append(("min_valid", .number(minimumValiditySeconds))) }
        if let rejected { members.append(("rejected", .string(rejected.value))) }
        if requiresRefresh { members.append(("refresh", .bool(true))) }
        if let began { members.append(("began", .time(began))) }
        if let dpopNonce { members.append(("dpop_nonce", .string(dpopNonce))) }
        return members
    }

    /// Reads what `content` wrote.
    package init(_ params: WireValue) {
        self.init(began: params["began"]?.time)
        minimumValiditySeconds = params["min_valid"]?.integer ?? 0
        rejected = params["rejected"]?.string.map { AccessToken(value: $0) }
        requiresRefresh = params["refresh"]?.bool ?? false
        dpopNonce = params["dpop_nonce"]?.string
    }
}

extension GivenToken {
    /// The token as an answer carries it; a client without a JSON library relies on the order.
    package var content: [(String, WireContent)] {
        [
            ("access_token", .secret(value)), ("token_type", .string(type)), ("expires_at", .time(expiresAt)),
            ("state", .string(state)), ("notes", .strings(notes)),
        ]
    }

    init?(_ result: WireValue) {
        guard let value = result["access_token"]?.secret, let type = result["token_type"]?.string,
            let state = result["state"]?.string
        else { return nil }
        self.init(
            value: value,
            type: type,
            expiresAt: result["expires_at"]?.time,
            state: state,
            notes: result["notes"]?.strings ?? []
        )
    }
}
