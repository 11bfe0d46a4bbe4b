internal import Synchronization
package import VaultAPI
internal import VaultCrypto

/// What a flow asks of an authorization server in the client's name.
package struct ClientRequests: Sendable {
    /// What every request to the token endpoint has: the endpoint, the client, scope, resource and the DPoP key.
    package var request: TokenRequest
    package var http: any HTTPExchange
    package var clock: VaultClock
    package var nonces: DPoPNonces

    package init(_ request: TokenRequest, http: any HTTPExchange, clock: VaultClock, nonces: DPoPNonces = DPoPNonces())
    {
        (self.request, self.http, self.clock, self.nonces) = (request, http, clock, nonces)
    }

    /// What the token endpoint made of a request.
    struct Reply: Sendable {
        let answer: TokenEndpointAnswer
        /// Whether there was any; RFC 8628 §3.5 tells a connection that timed out from an error.
        let wasAnswered: Bool
        /// Why this machine refused to send the request, if it did.
        let refusal: String?
    }

    /// Asks the token endpoint.
    func ask(_ body: (TokenEndpoint, TokenRequest) async -> TokenEndpointAnswer) async -> Reply {
        let watched = WatchedExchange(http)
        let answer = await body(TokenEndpoint(http: watched, clock: clock, nonces: nonces), request)
        return Reply(answer: answer, wasAnswered: watched.failure == nil, refusal: watched.refusal)
    }

    /// The grant that the token endpoint answered with, for a login, which a person waits for.
    ///
    /// - Throws: As `AuthorizationFlow.grant(asking:)`.
    func grant(of reply: Reply) throws(VaultError) -> TokenGrant {
        if let refusal = reply.refusal { throw VaultError(.unsafe, refusal) }
        let grant = try reply.answer.grantForLogin()
        // RFC 9449 §5: a client may have to "discard the response if this protection is deemed important"; whoever
        // asked for a bound token gets none that anybody could use.
        guard request.dpopKey == nil || grant.tokenType == "DPoP" else {
            throw VaultError(
                .unsafe,
                "a token bound to a key was asked for, and the token endpoint gave one of the type \(grant.tokenType); "
                    + "nothing was stored",
                hint: "log in with --no-dpop, if a token will do that whoever has it can use"
            )
        }
        return grant
    }

    /// Posts a form to another endpoint of the server, the client authenticated as it is at the token endpoint.
    ///
    /// - Throws: `.configuration` for a client that cannot be authenticated, `.temporary` where no answer came,
    ///   `.interrupted`.
    func post(
        _ parameters: [(String, String)],
        to endpoint: EndpointURL
    ) async throws(VaultError) -> (HTTPResponse, Redaction) {
        var request = HTTPRequest(.post, endpoint)
        var redaction = Redaction()
        request.fields = [("Accept", "application/json"), ("Content-Type", "application/x-www-form-urlencoded")]
        do {
            var form = try FormBody()
            for (name, value) in parameters { try form.add(name, value) }
            // RFC 8628 §3.1, RFC 9126 §2: a public client's id stands in the form either way.
            redaction.add(
                try authenticate(
                    self.request.client,
                    at: endpoint,
                    fields: &request.fields,
                    form: &form,
                    now: clock.now
                )
            )
            if self.request.client.authentication == .basic || self.request.client.authentication == .privateKeyJWT,
                !self.request.client.quirks.contains(.clientIDInBody)
            {
                try form.add("client_id", self.request.client.id)
            }
            request.body = try form.finish()
        } catch {
            if let error = error as? VaultError { throw error }
            throw VaultError(.failed, "there is no memory for a request", underlying: error)
        }
        do {
            return (try await http.send(request), redaction)
        } catch {
            if Task.isCancelled { throw .loginInterrupted }
            if error.isRefusal { throw VaultError(.unsafe, error.message) }
            throw VaultError(.temporary, error.message, hint: "try again")
        }
    }
}

/// An exchange, and whether it ever failed to bring an answer.
private final class WatchedExchange: HTTPExchange {
    private let http: any HTTPExchange
    private let failed = Mutex<HTTPFailure?>(nil)

    init(_ http: any HTTPExchange) { self.http = http }

    var failure: HTTPFailure? { failed.withLock { $0 } }

    var refusal: String? { failure.flatMap { $0.isRefusal ? $0.message : nil } }

    func reach(of url: EndpointURL) async throws(HTTPFailure) -> FoundReach { try await http.reach(of: url) }

    func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
        do {
            return try await http.send(request)
        } catch {
            failed.withLock { $0 = error }
            throw error
        }
    }
}
