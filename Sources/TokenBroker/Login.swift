package import OAuthFlows
internal import StrictJSON
package import VaultAPI
internal import VaultCore
package import VaultCrypto

/// What a login makes, beside the grant itself.
package struct LoginPlan: Sendable {
    package var name: EntryName
    package var server: AuthorizationServer
    package var client: OAuthClient
    /// The registration that `client` is from, where an earlier login made it.
    package var registered: RegisteredClient?
    /// The scope asked for: what is granted where the answer does not say.
    package var scopes: [String] = []
    package var resource: String?
    package var provider: String?
    /// `client_credentials` where the grant is asked for again instead of refreshed.
    package var grantType: String?
    package var hosts: [String] = []
    package var rotation: Rotation = .unknown
    package var dpopKey: SharedSecret?
    /// How far away the endpoints must be whenever they are used, where their server's addresses were looked at.
    package var endpointReach = Reach.machine
    /// What the next login is to be told too, as words of the command line.
    package var options: [String] = []
    /// Whether the old refresh token is revoked.
    ///
    /// RFC 7009 §2.1 speaks of "all access tokens based on the same authorization grant", and many servers have one grant
    /// for each user and client: what a login has just obtained goes with what it replaces.
    package var revokesOld = false
    /// How many times a person will have authorised for the resource, this login included.
    package var authorizations: UInt8 = 1

    package init(name: EntryName, server: AuthorizationServer, client: OAuthClient) {
        self.name = name
        self.server = server
        self.client = client
    }
}

/// What became of a login.
package struct LoginReport: Sendable {
    package let summary: EntrySummary
    /// Whether there was an entry of that name before.
    package let replaced: Bool
    /// What became of the old refresh token; `nil` where none was to be revoked.
    package let oldGrant: RevocationResult?
}

extension LocalBroker {
    /// Obtains a grant and stores it; the old one is replaced only when there is a new one.
    ///
    /// - Throws: `.loginRequired` if somebody else is logging in by that name; what the flow throws, with nothing stored.
    package nonisolated func login(
        _ plan: LoginPlan,
        by flow: any AuthorizationFlow,
        asking interaction: Interaction
    ) async throws(VaultError) -> LoginReport {
        guard let lease = try await vault.tryLoginLease(plan.name) else {
            throw VaultError(
                .loginRequired,
                "somebody is logging in as \(plan.name) already",
                hint: "finish that login, or run vault login \(plan.name.name) once it has ended",
                underlying: LoginElsewhere()
            )
        }
        defer { lease.release() }
        let grant = try await flow.grant(asking: interaction)
        // The person has done their part: nothing that asks this process to end comes before the commit.
        let hold = SignalHold()
        defer { withExtendedLifetime(hold) {} }
        // What was postponed may stop this process when the hold ends: nobody is to wait for its lease then.
        defer { lease.release() }
        let stored = try await store(grant, plan)
        var outcome: RevocationResult?
        if let old = stored.oldGrant { outcome = await revoke(old) }
        return LoginReport(summary: stored.summary, replaced: stored.replaced, oldGrant: outcome)
    }

    /// Waits until nobody is logging in by that name.
    ///
    /// - Returns: `false` if that took longer than `limit`.
    package nonisolated func waitForLogin(_ name: EntryName, within limit: Duration) async throws(VaultError) -> Bool {
        var waited = Duration.zero
        while true {
            if let lease = try await vault.tryLoginLease(name) {
                lease.release()
                return true
            }
            guard waited < limit else { return false }
            let pause = Duration.milliseconds(200)
            do { try await clock.pauses.sleep(for: pause) } catch {
                throw VaultError(.interrupted, "waiting for another login was cancelled")
            }
            waited += pause
        }
    }

    private nonisolated func store(
        _ grant: TokenGrant,
        _ plan: LoginPlan
    ) async throws(VaultError) -> (summary: EntrySummary, replaced: Bool, oldGrant: TokenToRevoke?) {
        let now = clock.now
        var fresh = EntrySummary(name: plan.name, createdAt: now)
        fresh.describe(plan, grant, now: now)
        do throws(VaultError) {
            var secrets = try Self.noSecrets()
            try secrets.record(grant, for: plan)
            return (try await vault.insert(fresh, secrets), false, nil)
        } catch {
            guard error.isTaken else { throw error }
        }
        let leased = try await vault.lease(plan.name, forNewGrant: true)
        defer { leased.release() }
        let before = try await leased.read()
        let oldGrant = plan.revokesOld ? try TokenToRevoke(replaced: before, by: grant) : nil
        let summary = try await leased.update { (summary, secrets) throws(VaultError) in
            summary.describe(plan, grant, now: now)
            // The new grant's own facts alone: nothing of the old one is shown to another server.
            secrets = try Self.noSecrets()
            try secrets.record(grant, for: plan)
        }
        return (summary, true, oldGrant)
    }

    private static func noSecrets() throws(VaultError) -> EntrySecrets {
        do throws(CryptoError) { return try EntrySecrets() } catch {
            throw VaultError(.unavailable, error.message, underlying: error)
        }
    }
}

extension EntrySummary {
    fileprivate mutating func describe(_ plan: LoginPlan, _ grant: TokenGrant, now: Timestamp) {
        scopes = plan.scopes
        record(grant, now: now)
        provider = plan.provider
        issuer = plan.server.issuer
        authorizationEndpoint = plan.server.authorizationEndpoint?.text
        tokenEndpoint = plan.server.tokenEndpoint?.text
        revocationEndpoint = plan.server.revocationEndpoint?.text
        let registered = grant.registered ?? plan.registered
        let client = registered?.client ?? plan.client
        clientID = client.id
        clientAuthentication = client.authentication.rawValue
        quirks = client.quirks.map(\.rawValue).sorted()
        registeredRedirect = registered?.redirect
        registeredScopes = registered?.scopes ?? []
        clientSecretExpiresAt = registered?.secretExpiresAt
        endpointReach = plan.endpointReach.word
        resource = plan.resource
        grantType = plan.grantType
        hosts = plan.hosts
        loginOptions = plan.options
        rotation = plan.rotation
        account = grant.account
        authorizations = plan.authorizations
        // This grant is the vault's own, whatever file an earlier one came from.
        source = nil
    }
}

extension TokenGrant {
    /// Whose account it is, as the id token says: a hint for lists, verified by nobody.
    fileprivate var account: String? {
        guard let idToken, let claims = idToken.withSecret({ JWTClaims(of: $0) }) else { return nil }
        return claims.text("email") ?? claims.text("preferred_username") ?? claims.text("sub")
    }
}

extension EntrySecrets {
    fileprivate mutating func record(_ grant: TokenGrant, for plan: LoginPlan) throws(VaultError) {
        try record(grant)
        let client = grant.registered?.client ?? plan.client
        try set(client.authentication == .privateKeyJWT ? .clientKey : .clientSecret, to: client.secret)
        try set(.dpopKey, to: plan.dpopKey)
    }
}

/// Marks the one failure that waiting helps against.
struct LoginElsewhere: Error {}

extension VaultError {
    /// Whether somebody else is logging in by the same name.
    package var isLoginElsewhere: Bool { underlying is LoginElsewhere }
}
