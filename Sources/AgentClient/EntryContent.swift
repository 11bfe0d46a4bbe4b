package import VaultAPI

extension EntrySummary {
    /// What a list shows of the entry; members as in `Schemas/agent.schema.json`.
    ///
    /// What only a refresh needs stays with whoever refreshes: of a journal no more is told than since when it stands.
    package var content: WireContent {
        .object([
            ("name", .string(name.description)),
            ("id", .string(id.description)),
            ("generation", .number(Int64(clamping: generation))),
            ("state", .string(state.word)),
            ("state_reason", .optional(state.reason)),
            ("provider", .optional(provider)),
            ("issuer", .optional(issuer)),
            ("account", .optional(account)),
            ("scopes", .strings(scopes)),
            ("token_type", .optional(tokenType)),
            ("expiry", .string(expiry.word)),
            ("expires_at", .time(expiresAt)),
            ("issued_at", .time(issuedAt)),
            ("created_at", .time(createdAt)),
            ("updated_at", .time(updatedAt)),
            ("authorization_endpoint", .optional(authorizationEndpoint)),
            ("token_endpoint", .optional(tokenEndpoint)),
            ("revocation_endpoint", .optional(revocationEndpoint)),
            ("client_id", .optional(clientID)),
            ("client_authentication", .optional(clientAuthentication)),
            ("resource", .optional(resource)),
            ("rotation", .string(rotation.rawValue)),
            ("grant_type", .optional(grantType)),
            ("quirks", .strings(quirks)),
            ("hosts", .strings(hosts)),
            ("login_options", .strings(loginOptions)),
            ("registered_redirect", .optional(registeredRedirect)),
            ("registered_scopes", .strings(registeredScopes)),
            ("client_secret_expires_at", .time(clientSecretExpiresAt)),
            ("endpoint_reach", .optional(endpointReach)),
            ("authorizations", .number(Int64(authorizations))),
            ("confirms_use", .bool(confirmsUse)),
            ("programs", .strings(programs)),
            ("refresh_pending_since", .time(journal?.startedAt)),
            ("refreshed_at", .time(refreshedAt)),
            ("refresh_failure", refreshFailure.map(\.content) ?? .null),
            ("source", source.map(\.content) ?? .null),
            ("holds", .strings(holds.map(\.word).sorted())),
            ("metadata", .object(metadata.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })),
        ])
    }

    /// Reads what `content` wrote; `nil` where something that is always there is not.
    package init?(_ value: WireValue) {
        let fields = Dictionary(value.members.map { ($0.name, $0.value) }) { first, _ in first }
        func text(_ name: String) -> String? { fields[name]?.string }
        func words(_ name: String) -> [String] { fields[name]?.strings ?? [] }
        guard let parsed = try? text("name").map({ try EntryName(parsing: $0) }),
            let id = text("id").flatMap({ EntryID(text: $0) }), let createdAt = fields["created_at"]?.time,
            let state = EntryState(word: text("state"), reason: text("state_reason"))
        else { return nil }
        self.init(name: parsed, createdAt: createdAt)
        self.id = id
        self.state = state
        generation = UInt64(clamping: fields["generation"]?.integer ?? 0)
        updatedAt = fields["updated_at"]?.time ?? createdAt
        provider = text("provider")
        issuer = text("issuer")
        account = text("account")
        scopes = words("scopes")
        tokenType = text("token_type")
        expiry =
            switch text("expiry") {
            case "known": fields["expires_at"]?.time.map { .known($0) } ?? .unknown
            case "never": .never
            default: .unknown
            }
        issuedAt = fields["issued_at"]?.time
        authorizationEndpoint = text("authorization_endpoint")
        tokenEndpoint = text("token_endpoint")
        revocationEndpoint = text("revocation_endpoint")
        clientID = text("client_id")
        clientAuthentication = text("client_authentication")
        resource = text("resource")
        rotation = text("rotation").flatMap { Rotation(rawValue: $0) } ?? .unknown
        grantType = text("grant_type")
        quirks = words("quirks")
        hosts = words("hosts")
        loginOptions = words("login_options")
        registeredRedirect = text("registered_redirect")
        registeredScopes = words("registered_scopes")
        clientSecretExpiresAt = fields["client_secret_expires_at"]?.time
        endpointReach = text("endpoint_reach")
        authorizations = UInt8(clamping: fields["authorizations"]?.integer ?? 0)
        confirmsUse = fields["confirms_use"]?.bool ?? false
        programs = words("programs")
        journal = fields["refresh_pending_since"]?.time.map { started in
            RefreshJournal(
                spent: [UInt8](repeating: 0, count: 32),
                startedAt: started,
                sendBefore: 0,
                boot: [UInt8](repeating: 0, count: 16)
            )
        }
        refreshedAt = fields["refreshed_at"]?.time
        refreshFailure = fields["refresh_failure"].flatMap { RefreshFailure($0) }
        source = fields["source"].flatMap { EntrySource($0) }
        holds = Set(words("holds").compactMap { word in SecretField.allCases.first { $0.word == word } })
        metadata = Dictionary((fields["metadata"]?.members ?? []).map { ($0.name, $0.value.string ?? "") }) { $1 }
    }
}

extension EntryState {
    fileprivate init?(word: String?, reason: String?) {
        switch word {
        case "active": self = .active
        case "suspect": self = .suspect
        case "held":
            guard let reason = reason.flatMap({ HoldReason(rawValue: $0) }) else { return nil }
            self = .held(reason)
        case "reauthorizationRequired": self = .reauthorizationRequired(reason ?? "")
        default: return nil
        }
    }
}

extension RefreshFailure {
    fileprivate var content: WireContent {
        .object([
            ("at", .time(at)), ("retry_at", .time(retryAt)), ("failures_in_a_row", .number(Int64(count))),
            ("unclear", .number(Int64(unclear))), ("kind", .string(kind.word)), ("reason", .string(reason)),
        ])
    }

    fileprivate init?(_ value: WireValue) {
        guard let at = value["at"]?.time, let retryAt = value["retry_at"]?.time,
            let kind = Kind.allCases.first(where: { $0.word == value["kind"]?.string })
        else { return nil }
        self.init(
            at: at,
            retryAt: retryAt,
            count: UInt32(clamping: value["failures_in_a_row"]?.integer ?? 0),
            unclear: UInt32(clamping: value["unclear"]?.integer ?? 0),
            kind: kind,
            reason: value["reason"]?.string ?? ""
        )
    }
}

extension EntrySource {
    fileprivate var content: WireContent {
        .object([
            ("path", .string(path)), ("sha256", .string(hexadecimal(sha256))), ("pointer", .string(pointer)),
            ("format", .string(format)),
        ])
    }

    fileprivate init?(_ value: WireValue) {
        guard let path = value["path"]?.string, let digest = value["sha256"]?.string else { return nil }
        let digits = Array(digest.utf8)
        let bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap { index in
            UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16)
        }
        self.init(
            path: path,
            sha256: bytes,
            pointer: value["pointer"]?.string ?? "",
            format: value["format"]?.string ?? ""
        )
    }
}
