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
        UnsupportedFormat("msal", "a Microsoft (MSAL) token cache") { root, _ in
            ["AccessToken", "RefreshToken", "Account"].contains { name in
                root[name]?.isMap { $0.has("credential_type") && $0.has("secret") } ?? false
            } || root.has("AccessToken") && root.has("RefreshToken") && root.has("Account")
        },
        UnsupportedFormat("databricks-cli", "the Databricks CLI's token cache") { root, _ in
            root["version"]?.numberTextIfNumber == "1"
                && (root["tokens"]?.isMap { $0.has("access_token") && $0.has("expiry") } ?? false)
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
        UnsupportedFormat("vercel", "Vercel's file") { root, path in
            root.hasString("token")
                && (root.has("refreshToken") && root.hasNumber("expiresAt") || root.has("// Note")
                    || path.isBelow("com.vercel.cli"))
        },
        UnsupportedFormat("spotipy", "Spotipy's cache") { root, path in
            root.hasString("access_token") && root.hasNumber("expires_at") && path.fileName.hasPrefix(".cache")
        },
        UnsupportedFormat("kubelogin", "kubelogin's cache") { root, path in
            !root.children.isEmpty && root.children.allSatisfy { ["id_token", "refresh_token"].contains($0.name) }
                && isHexadecimal(path.fileName, count: 64)
        },
        UnsupportedFormat("client-registration", "a client's registration and no token") { root, _ in
            root.has("client_id") && root.has("redirect_uris") && !root.has("access_token")
        },
    ]
}

extension JSONValue {
    fileprivate var numberTextIfNumber: String? { kind == .number ? numberText : nil }
}
