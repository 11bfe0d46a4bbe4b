internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// The `auth.json` of AgentOS for Python and of Hermes Agent: a map from providers to their logins.
///
/// Both write `providers.*.tokens`. What one of them alone writes tells them apart, and where that is missing or says
/// both, the place does.
struct AgentStoreFormat: TokenFileFormat {
    /// Which of the two.
    enum Tool: String, Sendable {
        case agentOS = "agentos-xai"
        case hermes
    }

    let tool: Tool
    var identifier: String { tool.rawValue }
    let chaff: Set<String> = ["version", "updated_at", "active_provider"]

    init(_ tool: Tool) { self.tool = tool }

    private static let layout: GrantLayout = {
        var layout = GrantLayout.snake(nil)
        layout.expiry.insert(.init("expires_at_ms", .milliseconds), at: 0)
        layout.clientID = ["client_id"]
        layout.issued = [.init("last_refresh", nil)]
        layout.expiresByClaim = true
        layout.rest = ["expires_in", "obtained_at"]
        return layout
    }()

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        let providers = root["providers"]?.children ?? []
        guard root["credential_pool"]?.kind == .object || providers.contains(where: { $0["tokens"]?.kind == .object })
        else { return .no }
        let isAgentOSs = root.has("pending_logins") || providers.contains { $0.has("discovery") }
        let isHermess =
            ["credential_pool", "active_provider"].contains(where: root.has)
            || providers.contains { $0.has("auth_mode") }
        let place: Tool? = path.isBelow("hermes") ? .hermes : path.isBelow("agentos") ? .agentOS : nil
        // Hermes keeps what it discovered of xAI as well, so only what AgentOS never writes decides against its place.
        switch (isAgentOSs, isHermess, place) {
        case (true, true, nil), (false, false, nil):
            return .ambiguous("AgentOS for Python and Hermes both write such a file, and it lies where neither does")
        case (true, false, .hermes?):
            return .ambiguous("it lies where Hermes keeps its grants, but it reads as that of AgentOS for Python")
        case (false, true, .agentOS?):
            return .ambiguous("it lies where AgentOS keeps its grants, but it reads as that of Hermes")
        case (true, true, let place?), (false, false, let place?): return place == tool ? .yes : .no
        case (true, false, _): return tool == .agentOS ? .yes : .no
        case (false, true, _): return tool == .hermes ? .yes : .no
        }
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        var contents = FileContents()
        for provider in try root.object("providers")?.children ?? [] {
            guard provider.kind == .object else { throw provider.mismatch(expected: "an object") }
            try login(provider, context, &contents)
        }
        for pool in try root.object("credential_pool")?.children ?? [] {
            guard pool.kind == .array else { throw pool.mismatch(expected: "an array") }
            for entry in pool.children {
                guard entry.kind == .object else { throw entry.mismatch(expected: "an object") }
                try pooled(entry, of: pool, context, &contents)
            }
        }
        if !(try root.object("pending_logins")?.children ?? []).isEmpty {
            contents.notes.append("a login that was not finished is left in the file")
        }
        return contents
    }

    private var prefix: String { tool == .agentOS ? "agentos" : "hermes" }

    /// A provider's one login.
    private func login(
        _ provider: JSONValue,
        _ context: ReadingContext,
        _ contents: inout FileContents
    ) throws(VaultError) {
        let name = "\(prefix)-\(provider.name)"
        let tokens = try provider.object("tokens")
        let key = try provider.token("agent_key")
        // A key beside the tokens is an entry of its own, so neither takes the object with it.
        let place = key == nil ? provider : nil
        let read = try FoundGrant.read(
            tokens ?? provider,
            as: Self.layout,
            named: name,
            at: place,
            client: .of(provider: provider.label),
            in: context
        )
        if var grant = read {
            grant.summary.provider = grant.summary.provider ?? provider.label
            if place == nil { grant.members = Self.layout.names.compactMap { (tokens ?? provider)[$0] } }
            if tokens != nil, provider.first(of: ["last_refresh"]) != nil {
                try grant.issued("last_refresh", of: provider, as: .rfc3339)
            }
            grant.trust(
                try provider["discovery"]?.fact("token_endpoint"),
                onlyAt: grant.summary.provider == KnownClient.xAI.provider ? "x.ai" : nil
            )
            for fact in ["base_url", "auth_mode", "source"] { try grant.keep(fact, of: provider) }
            contents.grants.append(grant)
        }
        if let key {
            contents.grants.append(.key(key, named: "\(name)-key", provider: provider.label, in: context))
        }
    }

    /// One of the logins that Hermes takes turns with.
    private func pooled(
        _ entry: JSONValue,
        of pool: JSONValue,
        _ context: ReadingContext,
        _ contents: inout FileContents
    ) throws(VaultError) {
        let label = try entry.fact("label", "id")
        let name = "\(prefix)-\(pool.name)" + (label.map { "-\($0)" } ?? "")
        if try entry.fact("auth_type") == "api_key" {
            guard let key = try entry.token("access_token", "api_key") else { return }
            contents.grants.append(.key(key, named: name, provider: pool.label, at: entry, in: context))
            return
        }
        guard
            var grant = try FoundGrant.read(
                entry,
                as: Self.layout,
                named: name,
                client: .of(provider: pool.label),
                in: context
            )
        else { return }
        grant.summary.provider = grant.summary.provider ?? pool.label
        try grant.keep("source", of: entry)
        if let label { grant.summary.metadata["label"] = label }
        if !contents.unite(grant) { contents.grants.append(grant) }
    }
}

extension FileContents {
    /// Adds a grant to one that has the same refresh token: its login stands in the file twice.
    ///
    /// - Returns: Whether there is one. Without a refresh token nothing is the same.
    fileprivate mutating func unite(_ other: FoundGrant) -> Bool {
        guard let token = other.token(.refreshToken) else { return false }
        let same = grants.firstIndex { $0.token(.refreshToken).map { $0.says(whatIsSaidBy: token) } ?? false }
        guard let same else { return false }
        grants[same].copies += other.secrets
        grants[same].times += other.times
        grants[same].members += other.members
        return true
    }
}
