internal import VaultAPI

extension TokenEndpointAnswer {
    /// The grant, for a login, which a person waits for.
    ///
    /// - Throws: As `AuthorizationFlow.grant(asking:)`.
    func grantForLogin() throws(VaultError) -> TokenGrant {
        switch self {
        case .granted(let grant): return grant
        case .unprepared(let error): throw error
        case .unsent(let reason):
            throw VaultError(.temporary, "the token endpoint was not reached: \(reason)", hint: "try again")
        case .lost(let reason):
            throw VaultError(.temporary, "the token endpoint's answer was lost: \(reason)", hint: "log in again")
        case .busy(let reason, let retryAfter):
            let wait = retryAfter.map { ", and asks to wait \($0.components.seconds) s" } ?? ""
            throw VaultError(.temporary, "the token endpoint is busy: \(reason)\(wait)", hint: "try again later")
        case .misconfigured(let response) where response.error == "invalid_client":
            // A registration without a secret may be taken, echoed, and refused here.
            throw VaultError(
                .configuration,
                "the token endpoint does not take this client (\(response.sentence))",
                hint: "check the client id and secret, or log in with another --client-auth"
            )
        case .misconfigured(let response):
            throw VaultError(
                .configuration,
                "the token endpoint does not take this request (\(response.sentence))",
                hint: ResourceRefusal.isOne(response.error, response.description)
                    ? ResourceRefusal.hint : "check the client, its scopes and the resource"
            )
        case .unclear(let reason):
            throw VaultError(.configuration, "the token endpoint refused without saying why: \(reason)")
        case .invalidGrant(let response), .refused(let response):
            throw VaultError(.loginRequired, "the login was not granted (\(response.sentence))", hint: "log in again")
        }
    }
}

extension VaultError {
    /// Cancelled from outside.
    static var loginInterrupted: VaultError {
        VaultError(.interrupted, "the login was interrupted; nothing was stored")
    }
}
