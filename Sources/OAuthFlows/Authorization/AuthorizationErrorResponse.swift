internal import StrictJSON
internal import VaultAPI

/// RFC 6749 §4.1.2.1, and the same of a device's or a pushed request.
struct AuthorizationErrorResponse: Sendable, Hashable {
    let error: String
    /// For a person; on one line, at most 512 characters.
    let description: String?

    /// RFC 6749 §4.1.2.1: the codes that may be repeated to a person without knowing who sent them.
    static let known: Set<String> = [
        "invalid_request", "unauthorized_client", "access_denied", "unsupported_response_type", "invalid_scope",
        "server_error", "temporarily_unavailable",
    ]

    /// Takes a code of printable ASCII, at most 128 characters, and cuts the description to what a terminal may show.
    init?(_ error: String, _ description: String?) {
        guard !error.isEmpty, error.utf8.count <= 128, error.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            return nil
        }
        self.error = error
        let shown = description.map { text in
            String(String.UnicodeScalarView(text.unicodeScalars.filter { !isUnprintable($0) }.prefix(512)))
        }
        self.description = shown.flatMap { $0.isEmpty ? nil : $0 }
    }

    var sentence: String { description.map { "\(error): \($0)" } ?? error }

    /// What it means for the login.
    var failure: VaultError {
        switch error {
        case _ where ResourceRefusal.isOne(error, description):
            VaultError(
                .configuration,
                "the authorization server does not take this resource: \(sentence)",
                hint: ResourceRefusal.hint
            )
        case "invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "invalid_client",
            "unsupported_grant_type", "request_not_supported", "request_uri_not_supported",
            "invalid_request_uri", "invalid_request_object", "invalid_redirect_uri":
            VaultError(
                .configuration,
                "the authorization server does not take this request: \(sentence)",
                hint: "check the client id, its registered redirect URI, the scopes and the resource"
            )
        case "server_error", "temporarily_unavailable", "slow_down":
            VaultError(
                .temporary,
                "the authorization server cannot do it just now: \(sentence)",
                hint: "try again later"
            )
        case "access_denied":
            VaultError(.loginRequired, "the login was denied: \(sentence)", hint: "log in again, and allow it")
        default:
            VaultError(.loginRequired, "the authorization server refused: \(sentence)", hint: "log in again")
        }
    }
}

/// A server that does not take the `resource` parameter (RFC 8707 §2).
enum ResourceRefusal {
    static let hint = "log in with --no-resource, which leaves it out from then on"

    /// Whether an error is one; Entra has a word of its own for it.
    static func isOne(_ error: String, _ description: String?) -> Bool {
        error == "invalid_target" || description?.contains("AADSTS9010010") ?? false
    }
}
