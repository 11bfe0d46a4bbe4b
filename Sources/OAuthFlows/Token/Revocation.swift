package import VaultAPI
package import VaultCrypto

/// Revokes tokens (RFC 7009).
package struct Revocation: Sendable {
    /// RFC 7009 §2.1, `token_type_hint`.
    package enum Hint: String, Sendable {
        case accessToken = "access_token"
        case refreshToken = "refresh_token"
    }

    package var http: any HTTPExchange
    package var clock: VaultClock

    package init(http: any HTTPExchange, clock: VaultClock) {
        self.http = http
        self.clock = clock
    }

    /// Asks the server to revoke a token.
    ///
    /// - Parameter endpoint: `nil` where the server has none.
    package func revoke(
        token: SharedSecret,
        hint: Hint,
        at endpoint: EndpointURL?,
        client: OAuthClient
    ) async -> RevocationResult {
        guard let endpoint else { return .notSupported("the server has no revocation endpoint") }
        var request = HTTPRequest(.post, endpoint)
        request.fields = [
            ("Accept", "application/json"), ("Content-Type", "application/x-www-form-urlencoded"),
        ]
        var redaction = Redaction([token])
        let response: HTTPResponse
        do {
            var form = try FormBody()
            try form.add("token", token)
            try form.add("token_type_hint", hint.rawValue)
            redaction.add(
                try authenticate(client, at: endpoint, fields: &request.fields, form: &form, now: clock.now)
            )
            // Some servers take a public client for one only if it says that it has no secret.
            if client.authentication == .none, client.quirks.contains(.emptyClientSecretInRevocation) {
                try form.add("client_secret", "")
            }
            request.body = try form.finish()
            response = try await http.send(request)
        } catch {
            if let failure = error as? HTTPFailure { return .failed(failure.message) }
            return .failed((error as? VaultError)?.message ?? "there is no memory for the request")
        }
        return read(response, of: endpoint, redaction)
    }

    private func read(
        _ response: HTTPResponse,
        of endpoint: EndpointURL,
        _ redaction: Redaction
    ) -> RevocationResult {
        let members = AnswerMembers(response, of: endpoint)
        let place = "\(endpoint.withoutQuery) answered \(response.status)"
        if let error = members?.errorCode, !redaction.isIn(error) {
            let description = members?.text("error_description").flatMap(redaction.shown).map { ": \($0)" } ?? ""
            let sentence = "\(place), \(error)\(description)"
            // RFC 7009 §2.2.1: "the authorization server does not support the revocation of the presented token type".
            return error == "unsupported_token_type" ? .notSupported(sentence) : .failed(sentence)
        }
        switch response.status {
        case 200..<300: return .revoked
        case 404, 405, 501: return .notSupported(place)
        // RFC 7009 §2.2.1: "If the server responds with HTTP status code 503, the client must assume the token still
        // exists".
        case 503: return .failed("\(place): the token still exists")
        default: return .failed(place)
        }
    }
}
