internal import Synchronization
package import VaultAPI
package import VaultCrypto

/// Asks a token endpoint (RFC 6749 §3.2) and says what its answer means.
///
/// None of it throws: every outcome is one of the answers, so that no caller can take an unknown one for a refusal.
package struct TokenEndpoint: Sendable {
    package var http: any HTTPExchange
    package var clock: VaultClock
    package var nonces: DPoPNonces

    package init(http: any HTTPExchange, clock: VaultClock, nonces: DPoPNonces = DPoPNonces()) {
        self.http = http
        self.clock = clock
        self.nonces = nonces
    }

    /// RFC 6749 §6, without `scope`: "if omitted is treated as equal to the scope originally granted", and a server that
    /// narrowed the scope refuses what was first asked for.
    package func refresh(_ refresh: RefreshRequest) async -> TokenEndpointAnswer {
        var request = refresh.request
        request.scope = nil
        return await send("refresh_token", [FormParameter("refresh_token", refresh.refreshToken)], request)
    }

    /// RFC 6749 §4.4.
    package func clientCredentials(_ request: TokenRequest) async -> TokenEndpointAnswer {
        await send("client_credentials", [], request)
    }

    /// RFC 6749 §4.1.3, RFC 7636 §4.5.
    package func authorizationCode(
        _ code: SharedSecret,
        verifier: SharedSecret?,
        redirectURI: String,
        _ request: TokenRequest
    ) async -> TokenEndpointAnswer {
        var parameters = [FormParameter("code", code), FormParameter("redirect_uri", redirectURI)]
        if let verifier { parameters.append(FormParameter("code_verifier", verifier)) }
        var request = request
        // The scope was fixed when the person consented; the parameter is not part of this request.
        request.scope = nil
        return await send("authorization_code", parameters, request)
    }

    /// RFC 8628 §3.4.
    package func deviceCode(_ code: SharedSecret, _ request: TokenRequest) async -> TokenEndpointAnswer {
        var request = request
        request.scope = nil
        return await send(
            "urn:ietf:params:oauth:grant-type:device_code",
            [FormParameter("device_code", code)],
            request
        )
    }

    /// RFC 8693 §2.1.
    package func exchange(_ exchange: TokenExchange, _ request: TokenRequest) async -> TokenEndpointAnswer {
        var parameters = [
            FormParameter("subject_token", exchange.subjectToken),
            FormParameter("subject_token_type", exchange.subjectTokenType),
        ]
        if let type = exchange.requestedTokenType { parameters.append(FormParameter("requested_token_type", type)) }
        return await send("urn:ietf:params:oauth:grant-type:token-exchange", parameters, request)
    }

    /// Sends a grant of any type, and once more where the server asks for a DPoP nonce.
    package func send(
        _ grantType: String,
        _ parameters: [FormParameter],
        _ request: TokenRequest
    ) async -> TokenEndpointAnswer {
        let (answer, hasNewNonce) = await sendOnce(grantType, parameters, request)
        // RFC 9449 §8: the server refused before it looked at the grant, so the grant is unspent.
        guard hasNewNonce, case .refused(let error) = answer, error.error == "use_dpop_nonce" else { return answer }
        return await sendOnce(grantType, parameters, request).answer
    }

    private func sendOnce(
        _ grantType: String,
        _ parameters: [FormParameter],
        _ request: TokenRequest
    ) async -> (answer: TokenEndpointAnswer, hasNewNonce: Bool) {
        let sentAt = SentAt()
        let (prepared, proofs): (HTTPRequest, [SharedSecret])
        do {
            (prepared, proofs) = try prepare(grantType, parameters, request, sentAt)
        } catch {
            let fault = error as? VaultError ?? VaultError(.failed, "there is no memory for the request")
            return (.unprepared(fault), false)
        }
        let asked = clock.now
        let response: HTTPResponse
        do {
            response = try await http.send(prepared)
        } catch {
            return (error.wasSent ? .lost(error.message) : .unsent(error.message), false)
        }
        let hasNewNonce = request.dpopKey != nil && nonces.keep(from: response, of: request.endpoint)
        var reading = TokenAnswerReader(
            endpoint: request.endpoint,
            requestedAt: sentAt.time ?? asked,
            now: clock.now
        )
        reading.redaction = Redaction(parameters.compactMap(\.value.secret) + proofs)
        return (reading.read(response), hasNewNonce)
    }

    private func prepare(
        _ grantType: String,
        _ parameters: [FormParameter],
        _ request: TokenRequest,
        _ sentAt: SentAt
    ) throws -> (HTTPRequest, proofs: [SharedSecret]) {
        var prepared = HTTPRequest(.post, request.endpoint)
        prepared.fields = [
            ("Accept", "application/json"), ("Content-Type", "application/x-www-form-urlencoded"),
        ]
        var own = [FormParameter("grant_type", grantType)] + parameters
        if let scope = request.scope, !scope.isEmpty { own.append(FormParameter("scope", scope)) }
        if let resource = request.resource, !request.client.quirks.contains(.noResourceInTokenRequest) {
            own.append(FormParameter("resource", resource))
        }
        // RFC 6749 §3.2: "Request and response parameters MUST NOT be included more than once."
        var taken = Set(own.map(\.name))
        taken.formUnion([
            "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "resource",
        ])
        for extra in request.extraParameters where !taken.insert(extra.name).inserted {
            throw VaultError(.configuration, "the extra parameter “\(extra.name)” is one that the request sets itself")
        }
        var form = try FormBody()
        for parameter in own {
            switch parameter.value {
            case .text(let text): try form.add(parameter.name, text)
            case .secret(let secret): try form.add(parameter.name, secret)
            }
        }
        for extra in request.extraParameters { try form.add(extra.name, extra.value) }
        let now = clock.now
        let proofs = try authenticate(
            request.client,
            at: request.endpoint,
            fields: &prepared.fields,
            form: &form,
            now: now
        )
        prepared.body = try form.finish()
        if let key = request.dpopKey {
            let nonce = nonces.nonce(for: request.endpoint)
            let proof = try key.proof(method: "POST", url: request.endpoint, nonce: nonce, at: now)
            prepared.fields.append(("DPoP", proof))
        }
        let (clock, check) = (clock, request.beforeSending)
        prepared.beforeSending = {
            try check?()
            sentAt.note(clock.now)
        }
        return (prepared, proofs)
    }
}

/// When the request went out: what `expires_in` counts from.
private final class SentAt: Sendable {
    private let value = Mutex<Timestamp?>(nil)
    var time: Timestamp? { value.withLock { $0 } }
    func note(_ time: Timestamp) { value.withLock { $0 = time } }
}
