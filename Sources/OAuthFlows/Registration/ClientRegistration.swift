internal import StrictJSON
package import VaultAPI
internal import VaultCrypto

/// Registers a client at a server that has never heard of it (RFC 7591).
package struct ClientRegistration: Sendable {
    /// What the client is registered for.
    package enum Use: Sendable, Hashable {
        case browser
        /// RFC 8628; it has no redirect.
        case device

        var grantType: String {
            switch self {
            case .browser: "authorization_code"
            case .device: "urn:ietf:params:oauth:grant-type:device_code"
            }
        }
    }

    private let endpoint: EndpointURL
    private let http: any HTTPExchange
    private let now: @Sendable () -> Timestamp
    private let use: Use
    private let authentication: ClientAuthenticationMethod
    private let scopes: [String]
    /// What the client could come to ask for, `scopes` among it.
    private let usableScopes: [String]
    private let issuer: String?

    /// What a person reads where a server shows who asks.
    private static let clientName = "vault"
    /// A list that is longer than this is none that a server wants back.
    private static let mostListedScopes = 64

    /// - Parameters:
    ///   - authentication: What is asked for. `none` unless a person wants otherwise: servers take a public client without
    ///     listing that they do, so their metadata is no guide.
    ///   - scopes: What the login asks for.
    ///   - listedScopes: What server and resource list.
    package init(
        at endpoint: EndpointURL,
        of server: AuthorizationServer,
        for use: Use,
        authentication: ClientAuthenticationMethod = .none,
        scopes: [String],
        listedScopes: [String] = [],
        http: any HTTPExchange,
        clock: VaultClock
    ) {
        (self.endpoint, self.http, self.use) = (endpoint, http, use)
        (self.authentication, self.scopes, issuer) = (authentication, scopes, server.issuer)
        now = { clock.now }
        // RFC 7591 §2: "scope values … that the client can use". A client that is registered for less has to be replaced
        // at a step-up, and with it goes whatever a resource has bound to the old one: an MCP session, say.
        let more = Set(listedScopes).subtracting(scopes).sorted()
        usableScopes = more.count <= Self.mostListedScopes ? scopes + more : scopes
    }

    /// Registers, and judges what the server made of it before any browser opens.
    ///
    /// - Parameter redirect: The redirect URI with its port; `nil` for a device.
    /// - Throws: `.configuration` if the server registers nobody, or not so; `.unsafe` if what it registered is not what
    ///   may be used; `.temporary` for its and the network's troubles.
    package func register(redirect: String?) async throws(VaultError) -> RegisteredClient {
        let (response, registered) = try await send(redirect, usableScopes)
        // Where a server lists what it does not register everybody for, less will do.
        guard response.status == 400, registered.count > scopes.count else {
            return try read(response, redirect, registered)
        }
        let narrow = try await send(redirect, scopes)
        return try read(narrow.0, redirect, scopes)
    }

    private func send(
        _ redirect: String?,
        _ scopes: [String]
    ) async throws(VaultError) -> (HTTPResponse, scopes: [String]) {
        var request = HTTPRequest(.post, endpoint)
        request.fields = [("Accept", "application/json"), ("Content-Type", "application/json")]
        request.body = try body(redirect, scopes)
        do {
            return (try await http.send(request), scopes)
        } catch {
            if Task.isCancelled { throw .loginInterrupted }
            throw VaultError(
                error.isRefusal ? .unsafe : .temporary,
                "the client cannot be registered: \(error.message)"
            )
        }
    }

    private func read(
        _ response: HTTPResponse,
        _ redirect: String?,
        _ scopes: [String]
    ) throws(VaultError) -> RegisteredClient {
        // RFC 7591 §3.2.1: 201; some servers say 200.
        guard response.status == 201 || response.status == 200 else { throw refusal(response) }
        guard let document = response.json("the answer to the registration") else {
            throw VaultError(.temporary, "\(endpoint.withoutQuery) answered the registration with no JSON object")
        }
        do throws(VaultError) {
            return try judged(document, redirect, scopes)
        } catch {
            // A member of the wrong type is the server's fault, and no damage here.
            guard error.code == .damaged || error.code == .unsafe else { throw error }
            throw VaultError(.unsafe, error.message, hint: Self.hint)
        }
    }

    private static let hint = "register a client there yourself, and give --client-id ID"

    /// RFC 7591 §2 and, for `application_type`, OpenID Connect Dynamic Client Registration §2: without it a server takes a
    /// client for a web application, which may have no loopback redirect.
    private func body(_ redirect: String?, _ scopes: [String]) throws(VaultError) -> SharedSecret {
        var members: [(name: String, value: JSONMember)] = [
            ("client_name", .text(Self.clientName)), ("application_type", .text("native")),
            ("grant_types", .texts([use.grantType, "refresh_token"])),
            ("token_endpoint_auth_method", .text(authentication.rawValue)),
        ]
        if let redirect {
            members.append(("redirect_uris", .texts([redirect])))
            members.append(("response_types", .texts(["code"])))
        }
        if !scopes.isEmpty { members.append(("scope", .text(scopes.joined(separator: " ")))) }
        do {
            return SharedSecret(try SecretBytes(Array(jsonObject(members).utf8)))
        } catch {
            throw VaultError(.failed, "there is no memory for a request", underlying: error)
        }
    }

    private func refusal(_ response: HTTPResponse) -> VaultError {
        let error = VaultError.refusal(response, "the registration at \(endpoint.withoutQuery)", Redaction())
        guard error.code != .temporary, error.code != .unsafe else { return error }
        // Whatever it says: it does not register this client, and another login changes nothing about that.
        return VaultError(.configuration, error.message, hint: Self.hint)
    }

    // MARK: - The answer

    /// RFC 7591 §3.2.1: the server "MAY reject or replace any of the client's requested metadata values".
    private func judged(
        _ document: JSONDocument,
        _ redirect: String?,
        _ scopes: [String]
    ) throws(VaultError) -> RegisteredClient {
        let root = document.root
        guard let id = try root.fact("client_id") else {
            throw VaultError(.temporary, "the answer to the registration holds no client_id")
        }
        if let redirect, let redirects = try document.metadataList("redirect_uris"), !redirects.contains(redirect) {
            throw VaultError(
                .unsafe,
                "the server registered another redirect than \(redirect), which its answers would go to",
                hint: Self.hint
            )
        }
        let secret = try secret(root)
        var method = secret == nil ? ClientAuthenticationMethod.none : .basic
        if let word = try root.fact("token_endpoint_auth_method") {
            guard let known = ClientAuthenticationMethod(rawValue: word), known != .privateKeyJWT else {
                throw VaultError(
                    .configuration,
                    "the server registered a client that authenticates by \(printable(word)), which was not asked for",
                    hint: Self.hint
                )
            }
            method = known
        }
        guard method == .none || secret != nil else {
            throw VaultError(
                .configuration,
                "the server registered a client that authenticates by \(method.rawValue), and gave it no secret",
                hint: Self.hint
            )
        }
        var client = OAuthClient(id: id, authentication: method, secret: method == .none ? nil : secret)
        client.issuer = issuer
        // The MCP SDK's server finds the client by the form alone, also where Basic names it.
        if method == .basic { client.quirks.insert(.clientIDInBody) }
        // And it revokes for a public client only if that says that its secret is empty, which to others means the same:
        // RFC 6749 §2.3.1, "The client MAY omit the parameter if the client secret is an empty string".
        if method == .none { client.quirks.insert(.emptyClientSecretInRevocation) }
        var registered = RegisteredClient(client: client, redirect: redirect)
        registered.scopes = scopes
        if method != .none { registered.secretExpiresAt = try expiry(root) }
        if let granted = try document.metadataList("grant_types") {
            guard granted.contains(use.grantType) else {
                throw VaultError(
                    .configuration,
                    "the server registered a client that may not use the grant \(use.grantType)",
                    hint: Self.hint
                )
            }
            if !granted.contains("refresh_token") {
                registered.remarks.append("the server registered a client that may not refresh its tokens")
            }
        }
        if method != authentication {
            registered.remarks.append(
                "the server registered a client that authenticates by \(method.rawValue), not by "
                    + authentication.rawValue
            )
        }
        return registered
    }

    /// The secret, which no grammar bounds but that of the form it is sent in: RFC 6749 appendix A.2 has visible ASCII, and
    /// servers have made others.
    private func secret(_ root: JSONValue) throws(VaultError) -> SharedSecret? {
        guard let value = root["client_secret"], value.kind != .null else { return nil }
        guard value.kind == .string else { throw value.mismatch(expected: "a string") }
        let secret = SharedSecret(try value.secret())
        guard secret.withBytes({ bytes in bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F } }) else {
            throw VaultError(
                .unsafe,
                "the client secret in the answer to the registration holds a control character",
                hint: Self.hint
            )
        }
        return secret.count == 0 ? nil : secret
    }

    /// When the secret runs out.
    ///
    /// RFC 7591 §3.2.1: "Time at which the client secret will expire or 0 if it will not expire."
    private func expiry(_ root: JSONValue) throws(VaultError) -> Timestamp? {
        let text = root["client_secret_expires_at"]?.numberText.filter { $0 != "\"" } ?? ""
        // What lies beyond the years that RFC 3339 has is never.
        guard let seconds = Double(text), seconds != 0, seconds < 253_402_300_800 else { return nil }
        guard seconds > 0, let time = Timestamp(seconds: Int64(seconds)), time > now() else {
            throw VaultError(
                .configuration,
                "the server registered a client whose secret has run out already",
                hint: "is the clock of this machine right? Otherwise " + Self.hint
            )
        }
        return time
    }
}
