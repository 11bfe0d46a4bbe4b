internal import OAuthFlows
package import VaultAPI
package import VaultCore
package import VaultCrypto

/// How an entry is renewed, as far as the entry itself says.
///
/// "It carries all that is needed to refresh it, so nothing else has to be found at refresh time."
struct RenewalPlan: Sendable {
    enum Grant: Sendable {
        /// RFC 6749 §6.
        case refresh(SharedSecret)
        /// RFC 6749 §4.4: asked for anew, with no token to lose.
        case clientCredentials
    }

    let grant: Grant
    let request: TokenRequest
    /// The scope, joined as the server wants it; for a grant that is asked for anew.
    let scope: String?

    /// The plan, or `nil` where the entry holds nothing to renew it with.
    ///
    /// - Throws: `.configuration` or `.unsafe` where it does, and what else is needed is missing or malformed.
    init?(_ summary: EntrySummary, _ secrets: borrowing EntrySecrets) throws(VaultError) {
        if summary.grantType == "client_credentials" {
            grant = .clientCredentials
        } else if let token = try secrets.shared(.refreshToken) {
            grant = .refresh(token)
        } else {
            return nil
        }
        guard let endpoint = summary.tokenEndpoint else {
            throw VaultError(
                .configuration,
                "\(summary.name) does not say where it is refreshed: it has no token endpoint",
                hint: "vault login \(summary.name.name) --issuer URL --client-id ID; or import it with --token-url"
            )
        }
        var request = TokenRequest(
            endpoint: try EndpointURL(
                endpoint,
                as: "the token endpoint of \(summary.name)",
                leastReach: Reach(word: summary.endpointReach)
            ),
            client: try OAuthClient(of: summary, secrets)
        )
        request.resource = summary.resource
        request.dpopKey = try secrets.shared(.dpopKey).map { (key) throws(VaultError) in try DPoPKey(importing: key) }
        let separator = request.client.quirks.contains(.commaSeparatedScope) ? "," : " "
        scope = summary.scopes.isEmpty ? nil : summary.scopes.joined(separator: separator)
        self.request = request
    }
}

extension OAuthClient {
    /// The client that an entry was granted to.
    init(of summary: EntrySummary, _ secrets: borrowing EntrySecrets) throws(VaultError) {
        guard let id = summary.clientID else {
            throw VaultError(
                .configuration,
                "\(summary.name) does not say which client it was granted to: it has no client id",
                hint: "vault login \(summary.name.name) --client-id ID; or import it with --client-id"
            )
        }
        let secret = try secrets.shared(.clientSecret)
        var method = secret == nil ? ClientAuthenticationMethod.none : .basic
        if let word = summary.clientAuthentication {
            guard let known = ClientAuthenticationMethod(rawValue: word) else {
                throw VaultError(.configuration, "\(summary.name) asks for the client authentication \(word)")
            }
            method = known
        }
        let key = try secrets.shared(.clientKey)
        self.init(id: id, authentication: method, secret: method == .privateKeyJWT ? key : secret)
        quirks = Set(summary.quirks.compactMap { TokenRequestQuirk(rawValue: $0) })
        issuer = summary.issuer
    }
}

extension EntrySecrets {
    /// A copy of a secret that can cross tasks.
    package borrowing func shared(_ field: Field) throws(VaultError) -> SharedSecret? {
        do throws(CryptoError) {
            return try withField(field) { (bytes) throws(CryptoError) in SharedSecret(try SecretBytes(copying: bytes)) }
        } catch {
            throw VaultError(.unavailable, error.message, underlying: error)
        }
    }

    /// Sets a secret, or takes it away with `nil`.
    package mutating func set(_ field: Field, to secret: SharedSecret?) throws(VaultError) {
        do throws(CryptoError) {
            guard let secret else { return try set(field, to: UnsafeRawBufferPointer?.none) }
            let copy = try secret.withSecret { (secret) throws(CryptoError) in try secret.copy() }
            try set(field, to: copy)
        } catch {
            throw VaultError(.unavailable, error.message, underlying: error)
        }
    }
}
