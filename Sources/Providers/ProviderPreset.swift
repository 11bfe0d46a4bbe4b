/// What is known of one provider before anybody logs in: endpoints, client, scopes, and where it departs from the RFCs.
///
/// `Schemas/provider.schema.json` describes the data. Texts may hold `{tenant}`-like parameters, filled in at login.
package struct ProviderPreset: Sendable, Hashable {
    /// What a user types: `github`.
    package var name: String
    package var title: String
    /// Parameters that `{…}` in the texts stand for, with the default where there is one.
    package var parameters: [Parameter] = []
    package var issuer: String?
    /// Where metadata is, where it is not at a well-known place of the issuer.
    package var metadataURL: String?
    package var authorizationEndpoint: String?
    package var tokenEndpoint: String?
    package var revocationEndpoint: String?
    package var deviceAuthorizationEndpoint: String?
    package var pushedAuthorizationRequestEndpoint: String?
    package var clientID: String?
    /// A client secret that is public, as those of installed applications are; never a user's own.
    package var publicClientSecret: String?
    /// RFC 7591, `token_endpoint_auth_method`; `nil` decides by whether there is a secret.
    package var clientAuthentication: String?
    package var scopes: [String] = []
    /// Between scopes in requests: a space, or a comma where a server wants one.
    package var scopeSeparator = " "
    /// Further parameters of the authorization request.
    package var authorizationParameters: [Pair] = []
    /// The loopback redirect, where the provider wants a certain one.
    package var redirect: Redirect?
    /// `required`, or `unadvertised` where the server takes S256 without listing it.
    package var pkce = "required"
    /// The flows it offers, the preferred one first: `browser`, `device`, `openai-device`, `codex-device`,
    /// `client-credentials`.
    package var flows: [String] = ["browser"]
    /// `never`, `always` or `unknown`.
    package var rotation = "unknown"
    /// RFC 8693 after login.
    package var exchange: Exchange?
    /// Departures from the RFCs, each with its reason; the words are those of `TokenRequestQuirk`.
    package var quirks: [Quirk] = []
    /// What else departs from the RFCs, a sentence each, for whoever reads; nothing decides by them.
    package var notes: [String] = []
    /// The page where a user registers a client of their own, where one is needed.
    package var registrationPage: String?
    /// Hosts whose resources the tokens are for; an authenticator sends them nowhere else.
    package var resourceHosts: [String] = []

    package struct Parameter: Sendable, Hashable {
        package var name: String
        package var about: String
        package var preset: String?
        /// What its values may be.
        package var kind: Kind

        /// The kinds of values, each with its own check.
        package enum Kind: String, Sendable, CaseIterable {
            /// An origin: `https://host`, or a bare host.
            case host
            /// A URL with a path, such as an issuer's.
            case url
            /// One path segment of letters, digits, `.`, `-` and `_`.
            case word
        }
    }

    package struct Pair: Sendable, Hashable {
        package var name: String
        package var value: String
    }

    package struct Redirect: Sendable, Hashable {
        /// The host as it stands in the redirect URI: `127.0.0.1` or `localhost`.
        package var host: String
        /// `nil` for any free port.
        package var port: Int?
        package var path: String
    }

    package struct Exchange: Sendable, Hashable {
        /// `id_token` or `access_token`.
        package var subject: String
        package var requestedTokenType: String
        /// Whether the access token serves where the exchange fails.
        package var isOptional: Bool
        package var reason: String
    }

    package struct Quirk: Sendable, Hashable {
        package var word: String
        package var reason: String
    }

    package init(name: String, title: String) {
        self.name = name
        self.title = title
    }
}
