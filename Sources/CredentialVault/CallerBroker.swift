package import TokenBroker
package import VaultAPI
package import VaultCore

/// A broker that gives to one caller: a view of another broker, which many have at once.
///
/// The broker behind it owns the refreshes that are running, so that callers share them.
package struct CallerBroker: VaultBroker {
    private let broker: LocalBroker
    private let handOut: HandOut

    init(_ broker: LocalBroker, _ handOut: HandOut) {
        self.broker = broker
        self.handOut = handOut
    }

    package func accessToken(
        for name: String,
        _ requirements: TokenRequirements
    ) async throws(VaultError) -> AccessToken {
        try await broker.accessToken(for: name, requirements, handOut)
    }

    package func authorization(
        for name: String,
        method: String,
        url: String,
        _ requirements: TokenRequirements
    ) async throws(VaultError) -> Authorization {
        try await broker.authorization(for: name, method: method, url: url, requirements, handOut)
    }

    package func token(
        for name: EntryName,
        _ requirements: TokenRequirements,
        _ part: TokenPart
    ) async throws(VaultError) -> GivenToken {
        try await broker.token(for: name, requirements, part, handOut)
    }

    package func list() async throws(VaultError) -> Listing { try await broker.list() }

    package func summary(of name: EntryName) async throws(VaultError) -> EntrySummary {
        try await broker.summary(of: name)
    }

    package func put(_ name: EntryName, _ secret: SecretText) async throws(VaultError) -> EntrySummary {
        try await broker.put(name, secret)
    }

    package func rename(_ old: EntryName, to new: EntryName) async throws(VaultError) -> EntrySummary {
        try await broker.rename(old, to: new)
    }

    package func remove(_ name: EntryName) async throws(VaultError) { try await broker.remove(name) }

    package func logout(_ name: EntryName, deletingAnyway: Bool) async throws(VaultError) -> LogoutOutcome {
        try await broker.logout(name, deletingAnyway: deletingAnyway)
    }

    package func adopt(_ name: EntryName, takingOut: Bool) async throws(VaultError) -> AdoptOutcome {
        try await broker.adopt(name, takingOut: takingOut)
    }
}

extension LocalBroker {
    /// This broker, giving to `caller`.
    ///
    /// - Parameter gate: Asks for confirmations in the caller's way; by default as this broker does.
    package nonisolated func handing(to caller: Caller, gate: HandOutGate? = nil) -> CallerBroker {
        CallerBroker(self, HandOut(caller, gate ?? handOut.gate))
    }
}
