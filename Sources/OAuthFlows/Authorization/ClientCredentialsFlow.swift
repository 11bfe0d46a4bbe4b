package import VaultAPI

/// The client's own credentials (RFC 6749 §4.4): nobody is asked.
package struct ClientCredentialsFlow: AuthorizationFlow {
    private let requests: ClientRequests

    /// - Parameter requests: With the scope and the resource that are asked for.
    package init(requests: ClientRequests) { self.requests = requests }

    /// Asks once.
    ///
    /// RFC 6749 §4.4.3: "A refresh token SHOULD NOT be included."
    package func grant(asking interaction: Interaction) async throws(VaultError) -> TokenGrant {
        let reply = await requests.ask { endpoint, request in await endpoint.clientCredentials(request) }
        if Task.isCancelled { throw .loginInterrupted }
        return try requests.grant(of: reply)
    }
}
