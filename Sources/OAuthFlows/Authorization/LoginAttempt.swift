internal import VaultCrypto

/// One attempt to log in: everything its answer must fit, made together and used once.
///
/// A single record, because a `state` that is checked beside another login's verifier, issuer or redirect binds nothing.
struct LoginAttempt: Sendable {
    /// RFC 6749 §10.12; 256 random bits.
    let state: String
    let verifier: CodeVerifier
    /// OpenID Connect Core §3.1.2.1, sent whenever `openid` is asked for.
    let nonce: String?
    let issuer: String?
    /// Where the server's endpoints are: what an `iss` must be of where nobody has named an issuer.
    let origins: Set<String>
    /// Whether the server says that every response carries `iss`.
    let sendsIssuer: Bool
    let redirect: String
    let client: String
    let resource: String?
    let scope: String?

    /// What an authorization response is to this attempt.
    enum Verdict: Sendable {
        /// The code, good for one exchange.
        case code(SharedSecret)
        /// The server's refusal, its `state` found right.
        case refused(AuthorizationErrorResponse)
        /// Nothing to do with this login, as far as can be shown; the wait goes on.
        case stray(Stray)
    }

    /// Why a response does not count.
    enum Stray: Sendable, Hashable {
        case malformed
        case wrongState
        /// An error without any `state`; the code only if it is one that RFC 6749 lists.
        case unprovenDenial(String?)
        case wrongIssuer
        case missingIssuer
    }

    /// Without an identifier, from a preset or settings for a server that has none, its name is not known, and still
    /// whose it cannot be: a server that sends the browser on to another one would have that one's code exchanged at its
    /// own token endpoint.
    private func isExpected(issuer found: String) -> Bool {
        if let issuer { return Array(found.utf8) == Array(issuer.utf8) }
        guard let url = try? EndpointURL(found, as: "the issuer") else { return false }
        return origins.contains(url.origin)
    }

    /// Judges a response; the caller sees to it that only one is ever taken.
    func judge(_ query: CallbackQuery) -> Verdict {
        // State first: until it is right, the rest is anybody's text.
        guard let sent = query["state"] else {
            guard let error = query["error"] else { return .stray(.wrongState) }
            return .stray(.unprovenDenial(AuthorizationErrorResponse.known.contains(error) ? error : nil))
        }
        guard constantTimeEqual(Array(sent.utf8), Array(state.utf8)) else { return .stray(.wrongState) }
        // RFC 9207 §2.4: "If the value does not match the expected issuer identifier, clients MUST reject the
        // authorization response and MUST NOT proceed with the authorization grant. For error responses, clients MUST
        // NOT assume that the error originates from the intended authorization server."
        if let found = query["iss"], !isExpected(issuer: found) { return .stray(.wrongIssuer) }
        switch (query["code"], query["error"]) {
        case (let code?, nil):
            // RFC 9207 §2.4: "Clients MUST also reject authorization responses without the iss parameter from
            // authorization servers which do support the parameter according to the client's configuration."
            if sendsIssuer, query["iss"] == nil { return .stray(.missingIssuer) }
            // RFC 6749 appendix A.11: code = 1*VSCHAR
            guard code.utf8.allSatisfy({ (0x20...0x7E).contains($0) }),
                let secret = try? SecretBytes(Array(code.utf8))
            else { return .stray(.malformed) }
            return .code(SharedSecret(secret))
        case (nil, let error?):
            // Without `iss` too: servers that advertise it leave it out of their errors, and an error grants nothing.
            guard let response = AuthorizationErrorResponse(error, query["error_description"]) else {
                return .stray(.malformed)
            }
            return .refused(response)
        default: return .stray(.malformed)
        }
    }
}
