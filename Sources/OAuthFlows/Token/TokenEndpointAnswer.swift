package import VaultAPI

/// What an answer of a token endpoint, or the lack of one, means for the grant that was presented.
///
/// The cases are the rows of the refresh transaction's table. They are told apart by the error body before the status:
/// `invalid_grant` also comes with 401, JSON also as `text/html`, and errors also with 200.
package enum TokenEndpointAnswer: Sendable {
    /// A well-formed 200.
    case granted(TokenGrant)
    /// It could not be made, for a reason on this side: a client without a secret, a parameter twice, no memory.
    case unprepared(VaultError)
    /// It failed before any byte of the request was written: DNS, connect, TLS, or its send-before had passed.
    case unsent(String)
    /// It may have been carried out: time-out, reset or EOF after sending, 5xx, 408, 3xx, no JSON, a truncated 200.
    case lost(String)
    /// The server asks to come back later: 429, `temporarily_unavailable`, `server_error`.
    case busy(String, retryAfter: Duration?)
    /// The server rejects this client, scope or grant type as configured.
    case misconfigured(TokenErrorResponse)
    /// A refusal without a clear reason: `invalid_request`, or a 4xx without a well-formed OAuth error.
    case unclear(String)
    /// A well-formed `invalid_grant`, status under 500.
    case invalidGrant(TokenErrorResponse)
    /// Any other well-formed OAuth error, such as `authorization_pending`, `access_denied` or an extension's.
    case refused(TokenErrorResponse)
}

/// RFC 6749 §5.2.
package struct TokenErrorResponse: Sendable, Hashable {
    /// The error code as sent: printable ASCII, at most 128 characters.
    package let error: String
    /// For a person; control characters taken out, at most 512 characters.
    package let description: String?
    /// The status it came with.
    package let status: Int

    package init(error: String, description: String?, status: Int) {
        self.error = error
        self.description = description
        self.status = status
    }

    /// `invalid_scope: the scope is unknown`.
    package var sentence: String { description.map { "\(error): \($0)" } ?? error }
}
