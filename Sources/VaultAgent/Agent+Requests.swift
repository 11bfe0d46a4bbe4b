internal import AgentClient
internal import CredentialVault
internal import JSONSyntax
internal import TokenBroker
package import VaultAPI
internal import VaultCore

/// Who asks, and what of the agent they may use.
struct Requester: Sendable {
    let processID: Int32
    let userID: UInt32
    /// What a forwarded socket gives out, and from which vault; `nil` for the agent's own socket, which gives out all.
    let forwarding: Forwarding?
}

/// What a second socket, made to be forwarded to another machine, gives out: the tokens of these entries.
package struct Forwarding: Sendable {
    /// The directory of the vault.
    package let vault: String
    package let names: Set<EntryName>

    package init(vault: String, names: Set<EntryName>) {
        self.vault = vault
        self.names = names
    }
}

/// What a line turned out to ask for.
enum AgentAnswer: Sendable {
    case reply(WireContent)
    /// The agent ends once this is sent.
    case replyAndStop(WireContent)
}

extension Agent {
    /// Answers one line.
    ///
    /// It is parsed outside the actor: a large one keeps nobody waiting who asks for something small.
    nonisolated func answer(_ line: SecretText, from requester: Requester) async -> AgentAnswer {
        guard let message = try? WireMessage(line, nodeLimit: 1000) else {
            return .reply(
                AgentProtocol.failure(.null, AgentProtocol.ErrorCode.parse, "the line is no well-formed JSON")
            )
        }
        let request = message.root
        let id = request["id"]?.identifier
        guard request["jsonrpc"]?.string == "2.0", let id, let method = request["method"]?.string else {
            return .reply(
                AgentProtocol.failure(
                    id ?? .null,
                    AgentProtocol.ErrorCode.invalidRequest,
                    "the line is no JSON-RPC 2.0 request with an id and a method"
                )
            )
        }
        guard let params = request["params"], params.kind == .object else {
            return .reply(
                AgentProtocol.failure(id, AgentProtocol.ErrorCode.invalidParams, "params is no object")
            )
        }
        // Whoever speaks another version must be able to end this agent all the same.
        guard params["protocol"]?.integer == AgentProtocol.version || method == "stop" else {
            return .reply(
                AgentProtocol.failure(
                    id,
                    AgentProtocol.ErrorCode.version,
                    "this agent speaks version \(AgentProtocol.version) of the protocol",
                    [("version", .string(version)), ("protocol", .number(AgentProtocol.version))]
                )
            )
        }
        return await answer(method, id, params, requester)
    }

    private func answer(
        _ method: String,
        _ id: WireContent,
        _ params: WireValue,
        _ requester: Requester
    ) async -> AgentAnswer {
        do throws(VaultError) {
            if let forwarding = requester.forwarding {
                let result = try await forwarded(method, params, forwarding, requester)
                return .reply(AgentProtocol.result(id, .object(result)))
            }
            switch method {
            case "status": return .reply(AgentProtocol.result(id, status(of: params["vault"]?.string).content))
            case "unlock":
                let held = try await unlock(try UnlockRequest(params))
                return .reply(AgentProtocol.result(id, held.content))
            case "lock":
                let locked = await lock(params["vault"]?.string)
                return .reply(AgentProtocol.result(id, .object([("locked", .strings(locked))])))
            case "stop":
                let locked = await lock()
                return .replyAndStop(AgentProtocol.result(id, .object([("locked", .strings(locked))])))
            default:
                guard let verb = Verb(rawValue: method) else { return .reply(unknown(method, id)) }
                let result = try await perform(verb, params, requester)
                return .reply(AgentProtocol.result(id, .object(result)))
            }
        } catch {
            return .reply(AgentProtocol.error(id, error))
        }
    }

    private func unknown(_ method: String, _ id: WireContent) -> WireContent {
        AgentProtocol.failure(
            id,
            AgentProtocol.ErrorCode.methodNotFound,
            "this agent knows no method of that name",
            [("version", .string(version))]
        )
    }

    /// What a vault is used for.
    private enum Verb: String {
        case token, authorization, refresh, list, show, put, rename, remove, logout, adopt
    }

    private func forwarded(
        _ method: String,
        _ params: WireValue,
        _ forwarding: Forwarding,
        _ requester: Requester
    ) async throws(VaultError) -> [(String, WireContent)] {
        guard method == "token" || method == "status" else {
            throw VaultError(.unsafe, "this socket gives out tokens, and nothing else")
        }
        if method == "status" {
            // As much as a client needs to ask for a token: that somebody is here, and holds what it asks for.
            return [
                ("version", .string(version)), ("protocol", .number(AgentProtocol.version)),
                ("holds", .bool((try? holding(forwarding.vault)) != nil)), ("vaults", .array([])),
            ]
        }
        let name = try EntryName(parsing: try params.text("name"))
        guard forwarding.names.contains(name) else {
            throw VaultError(.unsafe, "\(name) is not among the entries that this socket gives out")
        }
        guard params["part"] == nil || params["part"]?.string == TokenPart.accessToken.rawValue else {
            throw VaultError(.unsafe, "this socket gives out access tokens, and nothing else")
        }
        return try await perform(.token, params, requester, in: forwarding.vault)
    }

    private func perform(
        _ verb: Verb,
        _ params: WireValue,
        _ requester: Requester,
        in vault: String? = nil
    ) async throws(VaultError) -> [(String, WireContent)] {
        var which = vault
        if which == nil { which = try params.text("vault") }
        let held = try holding(which ?? "")
        let via: Caller.Via = requester.forwarding == nil ? .agent : .forwarded
        let caller = Caller.peer(processID: requester.processID, userID: requester.userID, via: via)
        let gate = gate(of: held)
        do {
            let result = try await held.use { (broker) async throws(VaultError) in
                let view = broker.handing(to: caller, gate: gate)
                return try await Self.perform(verb, params, view, held, isForwarded: requester.forwarding != nil)
            }
            if verb == .token || verb == .authorization { await notices.settled(params["name"]?.string, held.id) }
            return result
        } catch {
            if error.code == .loginRequired {
                await notices.needed(params["name"]?.string, held.id, error, held.settings)
            }
            // Left with an old key, there is nothing more to be done with it.
            if error.isKeyChanged { await lockChanged(held) }
            throw error
        }
    }

    private static func perform(
        _ verb: Verb,
        _ params: WireValue,
        _ broker: any VaultBroker,
        _ held: HeldVault,
        isForwarded: Bool
    ) async throws(VaultError) -> [(String, WireContent)] {
        func name(_ member: String = "name") throws(VaultError) -> EntryName {
            try EntryName(parsing: try params.text(member))
        }
        switch verb {
        case .token:
            let word = params["part"]?.string ?? TokenPart.accessToken.rawValue
            guard let part = TokenPart(rawValue: word) else {
                throw VaultError(.usage, "there is no part of that name; there are access_token and id_token")
            }
            let asked = try name()
            var requirements = TokenRequirements(params)
            if isForwarded {
                // Another machine is not to decide when a refresh token is spent.
                requirements = TokenRequirements()
                requirements.minimumValiditySeconds = params["min_valid"]?.integer ?? 0
            }
            let token = try await broker.token(for: asked, requirements, part)
            held.handedOut(asked)
            return token.noting(held.storeNote).content
        case .authorization:
            let asked = try name()
            let authorization = try await broker.authorization(
                for: asked.description,
                method: try params.text("method"),
                url: try params.text("url"),
                TokenRequirements(params)
            )
            held.handedOut(asked)
            let token = authorization.token
            return [
                ("access_token", .string(token.value)), ("token_type", .string(token.type)),
                ("expires_at", .optional(token.expiresAt)), ("state", .string("active")), ("notes", .array([])),
                ("fields", .object(authorization.fields.map { ($0.name, .string($0.value)) })),
            ]
        case .refresh:
            var requirements = TokenRequirements(params)
            requirements.requiresRefresh = true
            _ = try await broker.token(for: try name(), requirements, .accessToken)
            return [("entry", try await broker.summary(of: try name()).content)]
        case .list:
            let listing = try await broker.list()
            return [
                ("entries", .array(listing.entries.map(\.content))), ("damaged", .strings(listing.faults)),
            ]
        case .show: return [("entry", try await broker.summary(of: try name()).content)]
        case .put:
            guard let secret = params["secret_base64"]?.secret?.decodedBase64 else {
                throw VaultError(.usage, "put wants secret_base64")
            }
            return [("entry", try await broker.put(try name(), secret).content)]
        case .rename: return [("entry", try await broker.rename(try name(), to: try name("to")).content)]
        case .remove:
            try await broker.remove(try name())
            return []
        case .logout:
            let outcome = try await broker.logout(
                try name(),
                deletingAnyway: params["delete_anyway"]?.bool ?? false
            )
            return [
                ("revocation", .string(outcome.revocation.word)), ("reason", .optional(outcome.revocation.reason)),
                ("deleted", .bool(outcome.isDeleted)),
            ]
        case .adopt:
            switch try await broker.adopt(try name(), takingOut: params["take_out"]?.bool ?? false) {
            case .adopted(let entry): return [("entry", entry.content)]
            case .stillInFile(let path): return [("still_in_file", .string(path))]
            }
        }
    }
}

extension WireValue {
    /// A member that must be a string.
    fileprivate func text(_ name: String) throws(VaultError) -> String {
        guard let text = self[name]?.string else { throw VaultError(.usage, "the request lacks the string \(name)") }
        return text
    }

    /// JSON-RPC 2.0 §4: an id "MUST contain a String, Number, or NULL value"; fractions and long texts are nobody's id.
    fileprivate var identifier: WireContent? {
        if let number = integer { return .number(number) }
        guard let text = string, text.utf8.count <= 128 else { return nil }
        return .string(text)
    }
}

extension GivenToken {
    /// The token with one note more.
    fileprivate func noting(_ note: String?) -> GivenToken {
        GivenToken(
            value: value,
            type: type,
            expiresAt: expiresAt,
            state: state,
            notes: notes + (note.map { [$0] } ?? [])
        )
    }
}
