package import VaultAPI
package import VaultCrypto

/// An assertion that somebody else has made, as a grant (RFC 7523 §2.1): nobody is asked.
package struct AssertionFlow: AuthorizationFlow {
    private let requests: ClientRequests
    private let assertion: SharedSecret

    /// - Parameters:
    ///   - requests: With the scope and the resource that are asked for.
    ///   - assertion: The JWT, as it goes into the request.
    package init(requests: ClientRequests, assertion: SharedSecret) {
        (self.requests, self.assertion) = (requests, assertion)
    }

    package func grant(asking interaction: Interaction) async throws(VaultError) -> TokenGrant {
        let assertion = assertion
        let reply = await requests.ask { endpoint, request in await endpoint.assertion(assertion, request) }
        if Task.isCancelled { throw .loginInterrupted }
        return try reply.answer.grantForLogin()
    }
}
