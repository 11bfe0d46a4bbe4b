internal import VaultAPI

/// The authorization request of one attempt (RFC 6749 §4.1.1).
struct AuthorizationRequest: Sendable {
    /// In the order they are sent.
    let parameters: [(String, String)]

    /// What `further` must not set: a preset or a flag that could would undo what the attempt is checked by.
    static let own: Set<String> = [
        "response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method",
        "nonce",
        "resource", "request", "request_uri", "response_mode", "dpop_jkt", "client_secret",
    ]

    init(
        of attempt: LoginAttempt,
        further: [(name: String, value: String)],
        dpopThumbprint: String?
    ) throws(VaultError) {
        var parameters = [
            ("response_type", "code"), ("client_id", attempt.client), ("redirect_uri", attempt.redirect),
        ]
        if let scope = attempt.scope { parameters.append(("scope", scope)) }
        parameters.append(("state", attempt.state))
        // RFC 7636 §4.3; S256 and nothing else, "plain" shows the verifier to whoever sees the request.
        parameters += [("code_challenge", attempt.verifier.challenge), ("code_challenge_method", "S256")]
        if let nonce = attempt.nonce { parameters.append(("nonce", nonce)) }
        // RFC 8707 §2
        if let resource = attempt.resource { parameters.append(("resource", resource)) }
        // RFC 9449 §10: binds the code to the key.
        if let dpopThumbprint { parameters.append(("dpop_jkt", dpopThumbprint)) }
        var names = Set<String>()
        for (name, value) in further {
            guard !Self.own.contains(name), names.insert(name).inserted else {
                throw VaultError(
                    .configuration,
                    "the authorization request cannot have “\(name)” as a further parameter: "
                        + (Self.own.contains(name) ? "vault sets it itself" : "it is given twice")
                )
            }
            parameters.append((name, value))
        }
        self.parameters = parameters
    }
}
