package import VaultAPI
internal import VaultCrypto

/// Another flow, and then a token exchange (RFC 8693) of what it granted.
package struct ExchangingFlow: AuthorizationFlow {
    private let flow: any AuthorizationFlow
    private let requests: any ClientRequests
    private let exchange: TokenExchange
    private let isOptional: Bool

    /// - Parameter isOptional: Whether the first grant serves where the exchange is refused.
    package init(
        _ flow: any AuthorizationFlow,
        then exchange: TokenExchange,
        requests: any ClientRequests,
        isOptional: Bool
    ) {
        (self.flow, self.exchange) = (flow, exchange)
        (self.requests, self.isOptional) = (requests, isOptional)
    }

    package func grant(asking interaction: Interaction) async throws(VaultError) -> TokenGrant {
        let first = try await flow.grant(asking: interaction)
        guard let subject = exchange.subject == .idToken ? first.idToken : first.accessToken else {
            if isOptional { return first }
            throw VaultError(.failed, "the grant holds no \(exchange.subject.rawValue), which was to be exchanged")
        }
        let reply = await requests.grant(.exchange(exchange, subject: subject))
        if Task.isCancelled { throw .loginInterrupted }
        do {
            var second = try reply.answer.grantForLogin()
            // What the exchange does not replace still stands: it is by the first grant that the login is renewed.
            second.refreshToken = second.refreshToken ?? first.refreshToken
            second.idToken = second.idToken ?? first.idToken
            return second
        } catch {
            guard isOptional else { throw error }
            interaction.note("the token exchange failed; the access token is used as it is: \(error.message)")
            return first
        }
    }
}
