internal import StrictJSON
internal import VaultAPI
internal import VaultCore

/// Where Microsoft's tokens are renewed.
enum MicrosoftLogin {
    /// The login hosts of its clouds, with their older names.
    ///
    /// A cache that names another is not believed.
    private static let hosts: Set<String> = [
        "login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net",
        "login.microsoftonline.us", "login-us.microsoftonline.com", "login.usgovcloudapi.net",
        "login.partner.microsoftonline.cn", "login.chinacloudapi.cn", "login.microsoftonline.de",
    ]

    /// `https://HOST/TENANT` for one of those hosts and a tenant that is an id or a domain.
    static func authority(_ host: String?, _ tenant: String?) -> String? {
        guard let host = host?.lowercased(), hosts.contains(host), let tenant, !tenant.isEmpty,
            tenant.utf8.allSatisfy({ byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."):
                    true
                default: false
                }
            }), tenant.first != "."
        else { return nil }
        return "https://\(host)/\(tenant)"
    }
}

extension FoundGrant {
    /// Fills in what the file's host and tenant stand for, or says why not.
    mutating func applyMicrosoft(_ host: String?, tenant: String?) {
        summary.provider = "microsoft"
        if let authority = MicrosoftLogin.authority(host, tenant) {
            summary.tokenEndpoint = authority + "/oauth2/v2.0/token"
            summary.issuer = authority + "/v2.0"
        } else if let host, token(.refreshToken) != nil {
            notes.append(
                "the file's \(printable(host)) with \(printable(tenant ?? "no tenant")) is no login of Microsoft's "
                    + "that is known, and is not used; if it is right, give it with --token-url"
            )
        }
    }
}
