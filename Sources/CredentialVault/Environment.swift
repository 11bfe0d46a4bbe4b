internal import Glibc
package import OAuthFlows
internal import VaultAPI

extension Credentials {
    /// What the environment says about places and about the network; nothing else of it is looked at.
    static func processEnvironment() -> [String: String] {
        var variables: [String: String] = [:]
        for name in [
            "HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "VAULT_DIR",
            "VAULT_PROFILE", "VAULT_CONFIG_DIR", "VAULT_AGENT_SOCK", "SSL_CERT_FILE", "https_proxy", "HTTPS_PROXY",
            "no_proxy", "NO_PROXY",
        ] {
            if let value = getenv(name) { variables[name] = String(cString: value) }
        }
        return variables
    }

    /// How servers are asked, through the proxy and with the certificates that the environment names.
    package static func exchange(_ environment: [String: String]) -> any HTTPExchange {
        do throws(VaultError) {
            return try AsyncHTTPExchange(environment: environment)
        } catch {
            return NoExchange(reason: error.message)
        }
    }
}

/// Stands in where the environment names a proxy or certificates that cannot be used.
///
/// A program that needs no server has nothing to do with that, so it is no reason not to open the vault.
private struct NoExchange: HTTPExchange {
    let reason: String

    func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
        throw HTTPFailure(wasSent: false, reason)
    }
}
