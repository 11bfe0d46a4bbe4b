internal import VaultAPI
internal import VaultCore

/// What is known of a provider's public client, so that a file that does not say can still be refreshed.
///
/// Data from the sources of the tools that own the files. None of it is secret: Google's installed applications do
/// have a client secret in their source, which is left to `--client-secret-file`, since it is not ours to publish.
struct KnownClient: Sendable {
    let provider: String
    let issuer: String?
    let clientID: String?
    let tokenEndpoint: String?
    let rotation: Rotation

    static let openAI = KnownClient(
        provider: "openai",
        issuer: "https://auth.openai.com",
        clientID: "app_EMoamEEZ73f0CkXaXp7hrann",
        tokenEndpoint: "https://auth.openai.com/oauth/token",
        rotation: .always
    )
    static let anthropic = KnownClient(
        provider: "anthropic",
        issuer: nil,
        clientID: "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
        tokenEndpoint: "https://platform.claude.com/v1/oauth/token",
        rotation: .always
    )
    static let gemini = KnownClient(
        provider: "google",
        issuer: "https://accounts.google.com",
        clientID: "681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com",
        tokenEndpoint: "https://oauth2.googleapis.com/token",
        rotation: .never
    )
    /// Any client of Google's: its refresh tokens do not rotate, whoever asked for them.
    static let google = KnownClient(
        provider: "google",
        issuer: "https://accounts.google.com",
        clientID: nil,
        tokenEndpoint: "https://oauth2.googleapis.com/token",
        rotation: .never
    )
    static let qwen = KnownClient(
        provider: "qwen",
        issuer: nil,
        clientID: "f0304373b74a44d2b584a3fb70ca9e56",
        tokenEndpoint: "https://chat.qwen.ai/api/v1/oauth2/token",
        rotation: .unknown
    )
    static let kimi = KnownClient(
        provider: "kimi",
        issuer: nil,
        clientID: "17e5f671-d194-4dfb-9706-5516cb48c098",
        tokenEndpoint: "https://auth.kimi.com/api/oauth/token",
        rotation: .always
    )
    static let xAI = KnownClient(
        provider: "xai",
        issuer: "https://auth.x.ai",
        clientID: "b1a00492-073a-47ea-816f-4c329264a828",
        tokenEndpoint: "https://auth.x.ai/oauth2/token",
        rotation: .always
    )
    /// GitHub's token is exchanged for sessions and never refreshed.
    static let copilot = KnownClient(
        provider: "github",
        issuer: nil,
        clientID: "Iv1.b507a08c87ecfe98",
        tokenEndpoint: nil,
        rotation: .never
    )
    /// Wrangler's.
    static let cloudflare = KnownClient(
        provider: "cloudflare",
        issuer: nil,
        clientID: "54d11594-84e4-41aa-b438-e81b8fa78ee7",
        tokenEndpoint: "https://dash.cloudflare.com/oauth2/token",
        rotation: .unknown
    )
    /// Its token endpoint is discovered at the host.
    static let databricks = KnownClient(
        provider: "databricks",
        issuer: nil,
        clientID: "databricks-cli",
        tokenEndpoint: nil,
        rotation: .unknown
    )

    /// The clients that an id token's audience can name.
    static let all = [openAI, anthropic, gemini, qwen, kimi]

    /// The client with which agents log in at the provider that they call so; `nil` where no client is known.
    static func of(provider: String?) -> KnownClient? {
        switch provider {
        case "anthropic", "claude", "claude-code": .anthropic
        case "openai", "openai-codex", "codex", "chatgpt": .openAI
        case "google-gemini-cli", "gemini-cli": .gemini
        case "google-antigravity": .google
        case "github-copilot", "github-copilot-enterprise", "copilot": .copilot
        case "qwen", "qwen-code", "qwen-oauth", "qwen-portal": .qwen
        case "kimi-code": .kimi
        case "xai", "xai-oauth": .xAI
        default: nil
        }
    }

    /// The spellings of Google's token endpoint that its libraries have written.
    static let googleTokenEndpoints: Set<String> = [
        "https://oauth2.googleapis.com/token",
        "https://www.googleapis.com/oauth2/v4/token",
        "https://accounts.google.com/o/oauth2/token",
    ]
}

extension EntrySummary {
    /// Fills in what is known of the client.
    ///
    /// Where no client id is known, neither is how one authenticates.
    mutating func apply(_ client: KnownClient) {
        provider = client.provider
        issuer = issuer ?? client.issuer
        clientID = client.clientID
        tokenEndpoint = client.tokenEndpoint
        rotation = client.rotation
    }
}
