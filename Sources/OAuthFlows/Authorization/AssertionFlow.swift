package import VaultAPI
package import VaultCrypto

/// An assertion that somebody else has made, as a grant (RFC 7523 §2.1): nobody is asked.
package struct AssertionFlow: AuthorizationFlow {
    private let requests: any ClientRequests
    private let assertion: SharedSecret
    private let scope: String?
    private let resource: String?

    /// - Parameter assertion: The JWT, as it goes into the request.
    package init(requests: any ClientRequests, assertion: SharedSecret, scope: String?, resource: String?) {
        (self.requests, self.assertion) = (requests, assertion)
        (self.scope, self.resource) = (scope, resource)
    }

    package func grant(asking interaction: Interaction) async throws(VaultError) -> TokenGrant {
        let reply = await requests.grant(.assertion(assertion, scope: scope, resource: resource))
        if Task.isCancelled { throw .loginInterrupted }
        return try reply.answer.grantForLogin()
    }
}
