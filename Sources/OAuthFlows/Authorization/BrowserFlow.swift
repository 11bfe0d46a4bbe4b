internal import StrictJSON
package import VaultAPI
internal import VaultCrypto

/// The authorization code grant with PKCE, through a browser (RFC 6749 §4.1, RFC 7636, RFC 8252).
package struct BrowserFlow: AuthorizationFlow {
    /// When S256 is sent.
    package enum PKCERule: String, Sendable, CaseIterable {
        /// Only to servers that list it.
        case required
        /// Also to servers that list no method at all, as Entra and Cognito do; never to one whose list lacks it.
        case unadvertised
    }

    /// What one login asks for.
    package struct Options: Sendable {
        package var scopes: [String] = []
        /// A space, or a comma where a server wants one.
        package var scopeSeparator = " "
        package var redirect = LoopbackRedirect()
        /// Whether the redirect's port is that of an earlier registration, and another will do where it is taken.
        package var isPortFree = false
        /// Further parameters of the authorization request, from a preset.
        package var parameters: [(name: String, value: String)] = []
        package var pkce = PKCERule.required
        /// Whether to use pushed authorization requests (RFC 9126) where the server offers but does not require them.
        package var pushesRequest = false
        /// How long a person may take.
        package var timeout: Duration = .seconds(300)

        package init() {}
    }

    private let server: AuthorizationServer
    private var requests: ClientRequests
    private let options: Options
    private let registration: ClientRegistration?

    /// - Parameters:
    ///   - requests: To this server's token endpoint, for this client, with the resource and the DPoP key that the
    ///     authorization request names too.
    ///   - registration: Registers a client where `requests` has none, or has one that is registered for a port that is
    ///     taken.
    package init(
        server: AuthorizationServer,
        requests: ClientRequests,
        options: Options,
        registration: ClientRegistration? = nil
    ) {
        (self.server, self.requests, self.options) = (server, requests, options)
        self.registration = registration
    }

    /// Shows the URL, waits for the browser or a pasted answer, and exchanges the code.
    ///
    /// The port is open while this runs and closed when it returns or throws. The browser sees the success page only
    /// once the tokens are there. Where the server has forgotten a client that an earlier login registered, a new one is
    /// registered, and the person is asked once more.
    package func grant(asking interaction: Interaction) async throws(VaultError) -> TokenGrant {
        do {
            return try await grantOnce(asking: interaction)
        } catch {
            guard registration != nil, !requests.request.client.id.isEmpty, error.underlying is ClientRefused else {
                throw error
            }
            interaction.note("\(error.message); a new client is registered, and the login begins anew")
        }
        var fresh = self
        fresh.requests.request.client = .unregistered
        return try await fresh.grantOnce(asking: interaction)
    }

    private func grantOnce(asking interaction: Interaction) async throws(VaultError) -> TokenGrant {
        let endpoint = try checkServer(interaction)
        let gate = LoginGate(note: interaction.note)
        let (listener, isRegisteredPort) = try await listen(gate)
        let result: Result<TokenGrant, VaultError>
        do {
            var (flow, registered) = (self, RegisteredClient?.none)
            if let registration, !isRegisteredPort || requests.request.client.id.isEmpty {
                let client = try await registration.register(redirect: options.redirect.uri(port: listener.port))
                client.remarks.forEach(interaction.note)
                (flow.requests.request.client, registered) = (client.client, client)
            }
            var grant = try await flow.login(endpoint, gate, port: listener.port, interaction)
            grant.registered = registered
            result = .success(grant)
        } catch {
            result = .failure(error)
        }
        gate.shut()
        if case .success = result { await listener.finish(.success) } else { await listener.finish(.failure) }
        await listener.close()
        return try result.get()
    }

    /// Opens the port that the client is registered for or, where it is taken and another can be registered, any.
    private func listen(
        _ gate: LoginGate
    ) async throws(VaultError) -> (listener: LoopbackListener, isRegisteredPort: Bool) {
        do {
            let listener = try await LoopbackListener.open(options.redirect, turnedAway: gate.tellOfUser) {
                gate.offer($0)
            }
            return (listener, true)
        } catch {
            guard registration != nil, options.isPortFree else { throw error }
        }
        var redirect = options.redirect
        redirect.port = nil
        let listener = try await LoopbackListener.open(redirect, turnedAway: gate.tellOfUser) { gate.offer($0) }
        return (listener, false)
    }

    private func login(
        _ endpoint: EndpointURL,
        _ gate: LoginGate,
        port: Int,
        _ interaction: Interaction
    ) async throws(VaultError) -> TokenGrant {
        let attempt = try makeAttempt(port: port)
        let url = try await authorizationURL(endpoint, attempt)
        gate.arm(with: attempt)
        await interaction.show(.browser(url: url))
        let pasting = readPastedLines(into: gate, attempt, interaction)
        let outcome = await gate.outcome(within: options.timeout, on: requests.clock.pauses)
        // Not waited for: what reads a terminal need not heed a cancellation.
        pasting?.cancel()
        switch outcome {
        case .answered(.code(let code)): return try await exchange(code, of: attempt)
        case .answered(.refused(let response)):
            let failure = response.failure
            // RFC 6749 §4.1.2.1 has the one; the other is what some servers say of a client that they do not know.
            guard response.error == "unauthorized_client" || response.error == "invalid_client" else { throw failure }
            throw VaultError(failure.code, failure.message, hint: failure.hint, underlying: ClientRefused())
        case .answered(.stray): preconditionFailure("OAuthFlows: a stray response went through the gate")
        case .cancelled: throw .loginInterrupted
        case .tooLate:
            throw VaultError(
                .loginRequired,
                "the browser did not come back within \(options.timeout.components.seconds) s; nothing was stored",
                // A server that has lost the registration of an earlier login tells the browser alone.
                hint: registration == nil
                    ? "log in again, with a longer --timeout if need be"
                    : "log in again, with a longer --timeout if need be, or with --register-auth none if the page "
                        + "says that it does not know the client"
            )
        }
    }

    // MARK: - Before the browser

    /// Whatever speaks against the server is said before anything is registered or opened.
    private func checkServer(_ interaction: Interaction) throws(VaultError) -> EndpointURL {
        guard let endpoint = server.authorizationEndpoint else {
            throw VaultError(
                .configuration,
                "the authorization server has no authorization endpoint",
                hint:
                    "name the server with --issuer URL, write auth_url into oauth/NAME.yaml, or log in by another flow"
            )
        }
        switch (server.codeChallengeMethods, options.pkce) {
        case (let methods?, _) where !methods.contains("S256"):
            throw VaultError(.unsafe, "the authorization server lists PKCE methods and S256 is not among them")
        case (nil, .required):
            throw VaultError(
                .unsafe,
                "the authorization server does not say that it supports PKCE",
                hint: "if you know that it does, log in with --pkce-unadvertised"
            )
        case (nil, .unadvertised):
            interaction.note("the authorization server does not say that it supports PKCE; it is used all the same")
        default: break
        }
        // A query of its own that sets what the client sets; pushed or not, a server that reads the first of two would obey it.
        _ = try endpoint.adding(query: AuthorizationRequest.own.sorted().map { ($0, "") })
        _ = try pushEndpoint()
        if scopes != options.scopes {
            interaction.note("the server does not list the scope offline_access, so it is not asked for")
        }
        return endpoint
    }

    /// What is asked for: `offline_access` only where the server lists it, or lists no scopes at all.
    private var scopes: [String] {
        guard let listed = server.scopesSupported, !listed.contains("offline_access") else { return options.scopes }
        return options.scopes.filter { $0 != "offline_access" }
    }

    /// 256 random bits: RFC 6749 §10.10 wants a chance of a guess of at most 2^-128, 2^-160 if it can be had.
    private static func randomText() -> String { base64URL(randomBytes(32)) }

    private func makeAttempt(port: Int) throws(VaultError) -> LoginAttempt {
        let verifier: CodeVerifier
        do {
            verifier = try CodeVerifier()
        } catch { throw VaultError(.failed, "cannot make a code verifier: \(error.message)", underlying: error) }
        return LoginAttempt(
            state: Self.randomText(),
            verifier: verifier,
            nonce: scopes.contains("openid") ? Self.randomText() : nil,
            issuer: server.issuer,
            origins: [requests.request.endpoint.origin, server.authorizationEndpoint?.origin ?? ""],
            sendsIssuer: server.sendsIssuer,
            redirect: options.redirect.uri(port: port),
            client: requests.request.client.id,
            resource: requests.request.resource,
            scope: scopes.isEmpty ? nil : scopes.joined(separator: options.scopeSeparator)
        )
    }

    private func authorizationURL(_ endpoint: EndpointURL, _ attempt: LoginAttempt) async throws(VaultError) -> String {
        var further = options.parameters
        // OpenID Connect Core §11 has `offline_access` ignored without it.
        if scopes.contains("offline_access"), !further.contains(where: { $0.name == "prompt" }) {
            further.append(("prompt", "consent"))
        }
        let request = try AuthorizationRequest(
            of: attempt,
            further: further,
            dpopThumbprint: requests.request.dpopKey?.thumbprint
        )
        var parameters = request.parameters
        if let endpoint = try pushEndpoint() { parameters = try await push(parameters, to: endpoint) }
        return try BrowserURL(try endpoint.adding(query: parameters), as: "the authorization URL").text
    }

    /// Where the request is pushed to, if it is.
    private func pushEndpoint() throws(VaultError) -> EndpointURL? {
        guard server.requiresPushedAuthorizationRequests || options.pushesRequest else { return nil }
        if let endpoint = server.pushedAuthorizationRequestEndpoint { return endpoint }
        throw VaultError(
            .configuration,
            "the authorization server has no endpoint for pushed authorization requests, which are "
                + (server.requiresPushedAuthorizationRequests ? "required there" : "asked for")
        )
    }

    /// RFC 9126 §2: the request goes to the server first, and the browser carries a reference to it.
    private func push(
        _ parameters: [(String, String)],
        to endpoint: EndpointURL
    ) async throws(VaultError) -> [(String, String)] {
        // The client's id is among what authenticates it.
        let (response, redaction) = try await requests.post(parameters.filter { $0.0 != "client_id" }, to: endpoint)
        let document = response.json("the answer to the pushed authorization request")
        // RFC 9126 §2.2: 201; some servers say 200.
        guard response.status == 201 || response.status == 200 else {
            throw VaultError.refusal(response, "the pushed authorization request", redaction)
        }
        guard let uri = try document?.root.fact("request_uri") else {
            throw VaultError(.temporary, "the answer to the pushed authorization request holds no request_uri")
        }
        // RFC 9126 §4
        return [("client_id", requests.request.client.id), ("request_uri", uri)]
    }

    // MARK: - While the browser is open

    private func readPastedLines(
        into gate: LoginGate,
        _ attempt: LoginAttempt,
        _ interaction: Interaction
    ) -> Task<Void, Never>? {
        guard let pastedLine = interaction.pastedLine else { return nil }
        let redirect = attempt.redirect
        return Task {
            while !Task.isCancelled, let line = await pastedLine() {
                if Task.isCancelled { return }
                if line.allSatisfy(\.isWhitespace) { continue }
                if let query = PastedAnswer.query(of: line, redirect: redirect), gate.offer(query) { return }
                interaction.note("that is not the answer to this login; paste the whole address, from http:// on")
            }
        }
    }

    // MARK: - After it

    private func exchange(_ code: SharedSecret, of attempt: LoginAttempt) async throws(VaultError) -> TokenGrant {
        let reply = await requests.ask { endpoint, request in
            await endpoint.authorizationCode(
                code,
                verifier: attempt.verifier.secret,
                redirectURI: attempt.redirect,
                request
            )
        }
        let grant: TokenGrant
        do {
            grant = try requests.grant(of: reply)
        } catch {
            if Task.isCancelled { throw .loginInterrupted }
            guard registration != nil, case .misconfigured(let refusal) = reply.answer,
                refusal.error == "invalid_client"
            else { throw error }
            // Some servers register a public client, say so, and then do not take it.
            let isPublic = requests.request.client.authentication == .none
            throw VaultError(
                error.code,
                error.message,
                hint: isPublic
                    ? "the server may want a client with a secret: log in again with --register-auth "
                        + "client_secret_basic, or client_secret_post"
                    : error.hint,
                underlying: ClientRefused()
            )
        }
        try checkNonce(of: grant, attempt)
        return grant
    }

    /// OpenID Connect Core §3.1.3.7, 11: "If a nonce value was sent in the Authentication Request, a nonce Claim MUST be
    /// present and its value checked to verify that it is the same value as the one that was sent".
    private func checkNonce(of grant: TokenGrant, _ attempt: LoginAttempt) throws(VaultError) {
        guard let nonce = attempt.nonce, let idToken = grant.idToken else { return }
        let claimed = idToken.withSecret { JWTClaims(of: $0)?.text("nonce") } ?? ""
        guard constantTimeEqual(Array(claimed.utf8), Array(nonce.utf8)) else {
            throw VaultError(
                .unsafe,
                "the id token does not carry this login's nonce: it was made for another login",
                hint: "nothing was stored; log in again"
            )
        }
    }
}

/// Marks a failure in which the server does not take the client, so that a new one may help.
private struct ClientRefused: Error {}
