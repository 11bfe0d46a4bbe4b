package import VaultAPI

/// The client's own credentials (RFC 6749 §4.4): nobody is asked.
package struct ClientCredentialsFlow: AuthorizationFlow {
    private let requests: any ClientRequests
    private let scope: String?
    private let resource: String?

    /// - Parameter scope: As it goes into the request; `nil` for what the server gives by default.
    package init(requests: any ClientRequests, scope: String?, resource: String?) {
        (self.requests, self.scope, self.resource) = (requests, scope, resource)
    }

    /// RFC 6749 §4.4.3: "A refresh token SHOULD NOT be included."
    package func grant(asking interaction: Interaction) async throws(VaultError) -> TokenGrant {
        let reply = await requests.grant(.clientCredentials(scope: scope, resource: resource))
        if Task.isCancelled { throw .loginInterrupted }
        return try reply.answer.grantForLogin()
    }
}
