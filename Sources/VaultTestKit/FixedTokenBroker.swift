internal import Synchronization
public import VaultAPI

/// Gives out tokens that a test chose, and remembers what it was asked for.
///
/// ```swift
/// let broker = FixedTokenBroker(["github": ["at-1", "at-2"]])
/// ```
///
/// It gives out `at-1` until a caller reports it as rejected, or asks for a refreshed one, and `at-2` from then on, to
/// everyone.
public final class FixedTokenBroker: CredentialBroker {
    /// One question that the broker was asked.
    public struct Call: Sendable {
        /// The entry's name, as it was given.
        public let name: String
        /// The request's method; `nil` where a token was asked for.
        public let method: String?
        /// The request's URL; `nil` where a token was asked for.
        public let url: String?
        /// What was asked of the token.
        public let requirements: TokenRequirements
    }

    private struct State {
        var tokens: [String: [AccessToken]]
        var failures: [String: VaultError] = [:]
        var calls: [Call] = []
    }

    private let state: Mutex<State>

    /// A broker that has these tokens, by the entry's name; each list in the order in which it is gone through.
    public init(_ tokens: [String: [AccessToken]]) {
        let named = tokens.map { (Self.full($0.key), $0.value) }
        state = Mutex(State(tokens: Dictionary(named) { first, second in first + second }))
    }

    /// A broker that has bearer tokens of these values, with no known expiry.
    public convenience init(_ values: [String: [String]]) {
        self.init(values.mapValues { $0.map { AccessToken(value: $0) } })
    }

    /// What it was asked so far, in order.
    public var calls: [Call] { state.withLock { $0.calls } }

    /// Throws `error` whenever that entry is asked for; with `nil`, gives out its tokens again.
    public func fail(_ name: String, with error: VaultError?) {
        state.withLock { $0.failures[Self.full(name)] = error }
    }

    /// The entry's token.
    ///
    /// - Throws: What it was told to throw; `.notFound` for a name that it was not made with; `.loginRequired` if the last
    ///   token was rejected; `.unsafe` for a `DPoP` token.
    public func accessToken(
        for name: String,
        _ requirements: TokenRequirements
    ) async throws(VaultError) -> AccessToken {
        let token = try token(Call(name: name, method: nil, url: nil, requirements: requirements))
        guard token.type.lowercased() != "dpop" else {
            throw VaultError(.unsafe, "\(name) is bound to a key that does not leave the vault")
        }
        return token
    }

    /// The header fields for a request with the entry's token; the proof of a `DPoP` token is not a real one.
    ///
    /// - Throws: As `accessToken(for:_:)`, but for a `DPoP` token.
    public func authorization(
        for name: String,
        method: String,
        url: String,
        _ requirements: TokenRequirements
    ) async throws(VaultError) -> Authorization {
        let token = try token(Call(name: name, method: method, url: url, requirements: requirements))
        var fields = [(name: "Authorization", value: "\(token.type) \(token.value)")]
        if token.type.lowercased() == "dpop" { fields.append(("DPoP", "fixed-proof")) }
        return Authorization(fields: fields, token: token)
    }

    private func token(_ call: Call) throws(VaultError) -> AccessToken {
        try state.withLock { (state) throws(VaultError) in
            state.calls.append(call)
            let name = Self.full(call.name)
            if let error = state.failures[name] { throw error }
            guard var tokens = state.tokens[name] else { throw VaultError(.notFound, "there is no entry \(name)") }
            let isRejected = call.requirements.rejected.map { $0.value == tokens.first?.value } ?? false
            if isRejected || call.requirements.requiresRefresh { tokens = Array(tokens.dropFirst()) }
            state.tokens[name] = tokens
            guard let token = tokens.first else {
                throw VaultError(.loginRequired, "\(name) needs a new login: all its tokens were rejected")
            }
            return token
        }
    }

    /// `oauth:x` for `x`.
    private static func full(_ name: String) -> String { name.contains(":") ? name : "oauth:\(name)" }
}
