internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// An id token that whoever gets it can use for a while.
///
/// It runs out by itself, at its own `exp`, which may be long before the access token does: then a refresh brings another
/// (OpenID Connect Core §12.2, from servers that give one).
struct IdentityToken {
    let value: SecretText
    /// `nil` where it does not say.
    let expiresAt: Timestamp?
    private let issuedAt: Timestamp?

    /// Seconds before its end at which it counts as run out, at most; less of one that lives shortly.
    private static let longestMargin: Int64 = 60

    /// The id token of an entry, after a refresh if need be.
    ///
    /// - Throws: `.notFound` where the entry has none, `.loginRequired` where it has run out and no other comes.
    static func current(
        of name: EntryName,
        _ broker: any VaultBroker,
        _ context: Context
    ) async throws(VaultError) -> IdentityToken {
        guard try await broker.summary(of: name).holds.contains(.idToken) else {
            throw VaultError(
                .notFound,
                "\(name) holds no id token",
                hint:
                    "vault login \(name.name) --scope openid asks the server for one; scopes it had before are to be named too"
            )
        }
        var requirements = TokenRequirements(began: ProcessTimes.began)
        let first = try await broker.token(for: name, requirements, .idToken)
        let old = try IdentityToken(first)
        guard old.isNearItsEnd else {
            for note in first.notes { context.note(note) }
            return old
        }
        requirements.requiresRefresh = true
        do throws(VaultError) {
            let second = try await broker.token(for: name, requirements, .idToken)
            for note in second.notes { context.note(note) }
            let new = try IdentityToken(second)
            if new.isAlive { return new }
        } catch {
            guard old.isAlive else { throw error }
            context.note("\(name): no newer id token: \(error.message)")
            return old
        }
        throw VaultError(
            .loginRequired,
            "the id token of \(name) has run out, and a refresh brings no other",
            hint: "vault login \(name.name)"
        )
    }

    private init(_ token: GivenToken) throws(VaultError) {
        value = token.value
        let claims = try value.shared().withSecret { JWTClaims(of: $0) }
        expiresAt = claims?.expiry
        issuedAt = claims?.issuedAt
    }

    private var isAlive: Bool { expiresAt.map { $0 > .systemNow } ?? true }

    private var isNearItsEnd: Bool {
        guard let expiresAt else { return false }
        let lifetime = issuedAt.map { max(0, expiresAt.seconds - $0.seconds) } ?? 600
        return expiresAt.seconds - Timestamp.systemNow.seconds <= min(Self.longestMargin, lifetime / 10)
    }
}
