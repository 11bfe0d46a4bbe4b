internal import StrictJSON
internal import VaultAPI

/// A token file that is known and not read yet.
///
/// Known, so that it is declined with its name: read as a generic file it would lose what makes it refreshable, and a
/// file with many grants would be mistaken for one without any.
struct UnsupportedFormat: TokenFileFormat {
    let identifier: String
    /// "it is …".
    let what: String
    let matches: @Sendable (JSONValue, TokenPath) -> Bool

    init(_ identifier: String, _ what: String, _ matches: @escaping @Sendable (JSONValue, TokenPath) -> Bool) {
        self.identifier = identifier
        self.what = what
        self.matches = matches
    }

    func recognise(_ root: JSONValue, at path: TokenPath) -> Recognition {
        matches(root, path) ? .declined("it is \(what), which import does not read yet") : .no
    }

    func read(_ root: JSONValue, in context: ReadingContext) throws(VaultError) -> FileContents { FileContents() }

    /// Shapes that only their tool writes.
    static let specific: [any TokenFileFormat] = [
        UnsupportedFormat("codex-mcp", "Codex's file of MCP grants") { root, _ in
            root.isMap {
                $0.has("server_name") && $0.has("server_url") && $0.has("client_id") && $0.has("access_token")
            }
        },
        UnsupportedFormat("gemini-mcp", "Gemini CLI's file of MCP grants") { root, _ in
            root.kind == .array && !root.children.isEmpty
                && root.children.allSatisfy { $0.has("serverName") && ($0["token"]?.has("accessToken") ?? false) }
        },
        UnsupportedFormat("msal", "a Microsoft (MSAL) token cache") { root, _ in
            ["AccessToken", "RefreshToken", "Account"].contains { name in
                root[name]?.isMap { $0.has("credential_type") && $0.has("secret") } ?? false
            } || root.has("AccessToken") && root.has("RefreshToken") && root.has("Account")
        },
        UnsupportedFormat("databricks-cli", "the Databricks CLI's token cache") { root, _ in
            root["version"]?.numberTextIfNumber == "1"
                && (root["tokens"]?.isMap { $0.has("access_token") && $0.has("expiry") } ?? false)
        },
        UnsupportedFormat("openclaw", "OpenClaw's file of profiles") { root, _ in
            root.hasNumber("version") && (root["profiles"]?.isMap { $0.has("type") && $0.has("provider") } ?? false)
        },
        UnsupportedFormat("hermes", "the file of Hermes Agent or of AgentOS for Python") { root, _ in
            root.has("credential_pool")
                || (root["providers"]?.children.contains { $0["tokens"]?.has("access_token") ?? false } ?? false)
        },
        UnsupportedFormat("goose-gemini", "Goose's grant for Gemini") { root, _ in
            root.has("project_id") && (root["token"].map { $0.has("access_token") && $0.has("expires_at") } ?? false)
        },
        UnsupportedFormat("goose-copilot", "Goose's short-lived session with GitHub Copilot") { root, _ in
            (root["info"]?.has("token") ?? false) && (root["info"]?["endpoints"]?.has("api") ?? false)
        },
        UnsupportedFormat("opencode", "the file of opencode or pi") { root, _ in
            root.isMap { value in
                guard let type = try? value.fact("type") else { return false }
                switch type {
                case "oauth": return value.has("refresh") && value.has("access") && value.has("expires")
                case "api", "api_key": return value.has("key")
                case "wellknown": return value.has("token")
                default: return false
                }
            }
        },
        UnsupportedFormat("opencode-mcp", "opencode's file of MCP grants") { root, _ in
            root.isMap {
                ($0["tokens"]?.has("accessToken") ?? false) || ($0["clientInfo"]?.has("clientId") ?? false)
                    || $0.has("codeVerifier")
            }
        },
        UnsupportedFormat("github-copilot", "GitHub Copilot's file") { root, _ in
            root.isMap { $0.has("oauth_token") } || root.has("copilot_tokens")
        },
        UnsupportedFormat("slack", "the Slack CLI's file") { root, _ in
            root.isMap { $0.has("team_id") && $0.has("token") && $0.has("user_id") }
        },
        UnsupportedFormat("terraform", "Terraform's file of credentials") { root, _ in
            root["credentials"]?.isMap { $0.has("token") } ?? false
        },
        UnsupportedFormat("netlify", "Netlify's configuration") { root, _ in
            root["users"]?.children.contains { $0["auth"]?.has("token") ?? false } ?? false
        },
        UnsupportedFormat("google-client", "a Google client's secret and no token") { root, _ in
            ["installed", "web"].contains { root[$0]?.has("client_secret") ?? false }
        },
        UnsupportedFormat("dbxcli", "dbxcli's file") { root, _ in
            root.isMap { domain in
                !domain.children.isEmpty
                    && domain.children.allSatisfy { ["personal", "teamAccess", "teamManage"].contains($0.name) }
            }
        },
    ]

    /// Flat objects that a look at a few more members tells from generic ones.
    static let flat: [any TokenFileFormat] = [
        UnsupportedFormat("oauth2client", "a file of the old oauth2client library") { root, _ in
            (try? root.fact("_module")) == "oauth2client.client"
        },
        UnsupportedFormat("mutt", "the file of mutt_oauth2.py") { root, _ in
            root.has("registration") && root.has("access_token_expiration")
        },
        UnsupportedFormat("aws-sso", "AWS's cache of single sign-on tokens") { root, _ in
            root.hasString("accessToken") && root.hasString("expiresAt") && (root.has("startUrl") || root.has("region"))
        },
        UnsupportedFormat("aws-sso-client", "AWS's client registration and no token") { root, _ in
            root.has("clientId") && root.has("clientSecret") && root.hasString("expiresAt") && !root.has("accessToken")
        },
        UnsupportedFormat("hermes-anthropic", "Hermes Agent's grant for Anthropic") { root, path in
            root.hasString("accessToken") && path.fileName == ".anthropic_oauth.json"
        },
        UnsupportedFormat("qwen", "Qwen Code's grant") { root, _ in
            root.hasString("access_token") && root.hasNumber("expiry_date") && root.has("resource_url")
        },
        UnsupportedFormat("vercel", "Vercel's file") { root, path in
            root.hasString("token")
                && (root.has("refreshToken") && root.hasNumber("expiresAt") || root.has("// Note")
                    || path.isBelow("com.vercel.cli"))
        },
        UnsupportedFormat("goose-chatgpt", "Goose's grant for ChatGPT") { root, path in
            root.hasString("access_token") && root.hasString("expires_at")
                && (path.lies(in: "chatgpt_codex") || root.has("account_id") && root.has("id_token"))
        },
        UnsupportedFormat("crush", "crush's grant") { root, _ in
            root.hasString("access_token") && root.hasNumber("expires_at") && root["client"]?.kind == .object
        },
        UnsupportedFormat("kimi", "Kimi CLI's grant") { root, path in
            root.hasString("access_token") && root.hasNumber("expires_at") && path.lies(in: "kimi", "credentials")
        },
        UnsupportedFormat("spotipy", "Spotipy's cache") { root, path in
            root.hasString("access_token") && root.hasNumber("expires_at") && path.fileName.hasPrefix(".cache")
        },
        UnsupportedFormat("kubelogin", "kubelogin's cache") { root, path in
            !root.children.isEmpty && root.children.allSatisfy { ["id_token", "refresh_token"].contains($0.name) }
                && isHexadecimal(path.fileName, count: 64)
        },
        UnsupportedFormat("mcp-remote", "mcp-remote's grant") { root, path in
            root.hasString("access_token") && path.fileName.hasSuffix("_tokens.json")
                && isHexadecimal(String(path.fileName.dropLast("_tokens.json".count)), count: 32)
        },
        UnsupportedFormat("client-registration", "a client's registration and no token") { root, _ in
            root.has("client_id") && root.has("redirect_uris") && !root.has("access_token")
        },
    ]
}

extension JSONValue {
    fileprivate var numberTextIfNumber: String? { kind == .number ? numberText : nil }
}
