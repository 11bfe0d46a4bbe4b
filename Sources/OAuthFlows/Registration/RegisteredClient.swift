package import VaultAPI

/// A client that a login registered (RFC 7591 §3.2.1), and what it was registered with.
package struct RegisteredClient: Sendable {
    package var client: OAuthClient
    /// The redirect URI; `nil` for a client of a flow that has none.
    package var redirect: String?
    /// When the secret runs out; `nil` for never.
    package var secretExpiresAt: Timestamp?
    /// The scope registered; empty where the server was asked for none.
    package var scopes: [String] = []
    /// What the server made of the request, where a person should know.
    package var remarks: [String] = []

    package init(client: OAuthClient, redirect: String?) { (self.client, self.redirect) = (client, redirect) }
}
