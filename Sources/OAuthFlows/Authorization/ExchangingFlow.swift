package import VaultAPI

/// Another flow, and then a token exchange (RFC 8693) of what it granted.
package struct ExchangingFlow: AuthorizationFlow {
    /// The exchange, as a preset asks for it.
    package struct Step: Sendable {
        /// Which token is exchanged.
        package enum Subject: String, Sendable, CaseIterable {
            case accessToken = "access_token"
            case idToken = "id_token"
        }

        package var subject: Subject
        package var requestedTokenType: String?
        /// Further parameters: OpenAI's `requested_token`.
        package var parameters: [(name: String, value: String)] = []
        /// Whether the first grant serves where the exchange is refused.
        package var isOptional = false

        package init(_ subject: Subject) { self.subject = subject }

        /// An API key of OpenAI for its id token.
        package static var openAIKey: Step {
            var step = Step(.idToken)
            step.parameters = [("requested_token", "openai-api-key")]
            step.isOptional = true
            return step
        }
    }

    private let flow: any AuthorizationFlow
    private let requests: ClientRequests
    private let step: Step

    package init(_ flow: any AuthorizationFlow, then step: Step, requests: ClientRequests) {
        (self.flow, self.step, self.requests) = (flow, step, requests)
    }

    package func grant(asking interaction: Interaction) async throws(VaultError) -> TokenGrant {
        let first = try await flow.grant(asking: interaction)
        guard let subject = step.subject == .idToken ? first.idToken : first.accessToken else {
            if step.isOptional { return first }
            throw VaultError(.failed, "the grant holds no \(step.subject.rawValue), which was to be exchanged")
        }
        let type = step.subject == .idToken ? TokenExchange.idTokenType : TokenExchange.accessTokenType
        var exchange = TokenExchange(subjectToken: subject, subjectTokenType: type)
        exchange.requestedTokenType = step.requestedTokenType
        let wanted = exchange
        let reply = await requests.ask { endpoint, request in
            var request = request
            request.extraParameters += step.parameters
            return await endpoint.exchange(wanted, request)
        }
        if Task.isCancelled { throw .loginInterrupted }
        do {
            var second = try requests.grant(of: reply)
            // What the exchange does not replace still stands: it is by the first grant that the login is renewed.
            second.refreshToken = second.refreshToken ?? first.refreshToken
            second.idToken = second.idToken ?? first.idToken
            return second
        } catch {
            guard step.isOptional else { throw error }
            interaction.note("the token exchange failed; the access token is used as it is: \(error.message)")
            return first
        }
    }
}
