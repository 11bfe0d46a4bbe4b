internal import StrictJSON
internal import VaultAPI

extension Formats {
    /// The files of AI agents whose shape only their tool writes.
    static let agents: [any TokenFileFormat] = [
        CodexMCPFormat(), GeminiMCPFormat(), OpenClawFormat(), AgentStoreFormat(.agentOS), AgentStoreFormat(.hermes),
        CrushFormat(), GooseGeminiFormat(),
        DeclinedFormat("goose-copilot", "a session with GitHub Copilot that Goose renews by itself") { root, _ in
            (root["info"]?.has("token") ?? false) && (root["info"]?["endpoints"]?.has("api") ?? false)
        },
        ProviderMapFormat(.opencode), ProviderMapFormat(.pi), OpenCodeMCPFormat(), CopilotFormat(), CopilotCLIFormat(),
    ]

    /// Those that a look at a few more members, or at their place, tells from generic ones.
    static let flatAgents: [any TokenFileFormat] = [
        HermesAnthropicFormat(), QwenFormat(), GooseChatGPTFormat(), KimiFormat(), MCPRemoteFormat(),
    ]
}

/// Goose's grant for ChatGPT, `chatgpt_codex/tokens.json`.
struct GooseChatGPTFormat: TokenFileFormat {
    let identifier = "goose-chatgpt"
    let chaff: Set<String> = ["expires_at", "account_id"]

    private static let layout: GrantLayout = {
        var layout = GrantLayout.snake(.rfc3339)
        layout.account = ["account_id"]
        return layout
    }()

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.hasString("access_token"), root.has("expires_at"), !root.has("expires_in") else { return .no }
        if path.lies(in: "chatgpt_codex") { return .yes }
        return root.hasString("expires_at") && root.has("account_id") && root.has("id_token") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        FileContents(
            try FoundGrant.read(root, as: Self.layout, named: "goose-chatgpt", client: .openAI, in: context)
        )
    }
}

/// Goose's grant for Gemini, `gemini_oauth/tokens.json`.
struct GooseGeminiFormat: TokenFileFormat {
    let identifier = "goose-gemini"
    let chaff: Set<String> = ["project_id"]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.has("project_id"), let token = root["token"] else { return .no }
        return token.has("access_token") && token.has("expires_at") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        guard let token = try root.object("token") else { return FileContents() }
        var grant = try FoundGrant.read(
            token,
            as: .snake(.rfc3339),
            named: "goose-gemini",
            client: .gemini,
            in: context
        )
        try grant?.keep("project_id", of: root)
        return FileContents(grant)
    }
}

/// Hermes Agent's grant for Anthropic, `.anthropic_oauth.json`.
struct HermesAnthropicFormat: TokenFileFormat {
    let identifier = "hermes-anthropic"
    let chaff: Set<String> = ["expiresAt", "scopes", "scope"]

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.hasString("accessToken") && path.fileName == ".anthropic_oauth.json" ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        FileContents(
            try FoundGrant.read(root, as: .camel, named: "hermes-anthropic", client: .anthropic, in: context)
        )
    }
}

/// Qwen Code's `oauth_creds.json`: of Gemini CLI's name and nearly its shape.
struct QwenFormat: TokenFileFormat {
    let identifier = "qwen"
    let chaff: Set<String> = ["token_type", "expiry_date", "resource_url"]

    private static let layout = GrantLayout(expiry: [.init("expiry_date", .milliseconds)], kept: ["resource_url"])

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        guard root.hasString("access_token"), root.hasNumber("expiry_date") else { return .no }
        let isGoogles = ((try? root.words("scope")) ?? []).contains { $0.contains("googleapis.com") }
        if path.lies(in: "qwen") {
            return isGoogles ? .ambiguous("it lies where Qwen Code keeps its grant, but its scopes are Google's") : .yes
        }
        guard root.has("resource_url") else { return .no }
        return path.lies(in: "gemini")
            ? .ambiguous("it lies where Gemini CLI keeps its grant, but it reads as Qwen Code's") : .yes
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        FileContents(try FoundGrant.read(root, as: Self.layout, named: "qwen", client: .qwen, in: context))
    }
}

/// Kimi CLI's `credentials/kimi-code.json`.
struct KimiFormat: TokenFileFormat {
    let identifier = "kimi"
    let chaff: Set<String> = ["expires_at", "expires_in", "scope", "token_type"]

    private static let layout = GrantLayout(expiry: [.init("expires_at", .seconds)], rest: ["expires_in"])

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        root.hasString("access_token") && root.has("expires_at") && path.lies(in: "kimi", "credentials") ? .yes : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents {
        let stem = context.path.stem
        return FileContents(
            try FoundGrant.read(
                root,
                as: Self.layout,
                named: stem.hasPrefix("kimi") ? stem : "kimi-\(stem)",
                client: stem == "kimi-code" ? .kimi : nil,
                in: context
            )
        )
    }
}

extension FileContents {
    /// One grant, or none.
    init(_ grant: FoundGrant?) { grants = grant.map { [$0] } ?? [] }
}
