internal import StrictJSON
internal import VaultAPI
internal import VaultCrypto

/// Tells the rows of the refresh transaction's table apart.
///
/// The error body decides first: servers send `invalid_grant` with 401, JSON as `text/html`, errors with 200. What is
/// left is judged by whether the server can have carried the request out: if so, and nothing usable came back, the
/// answer is lost, and the journal that says so stays.
struct TokenAnswerReader {
    let endpoint: EndpointURL
    let requestedAt: Timestamp
    let now: Timestamp
    var redaction = Redaction()

    /// What is kept of a scope, so that no list of them displaces a token: an entry takes 1 MiB.
    private static let maximumScopes = 256
    private static let maximumScopeBytes = 8 << 10
    /// Beside the two tokens that are needed.
    private static let maximumIDTokenBytes = 256 << 10

    func read(_ response: HTTPResponse) -> TokenEndpointAnswer {
        let members = AnswerMembers(response, of: endpoint)
        let isSuccess = (200..<300).contains(response.status)
        // A code that repeats a secret is no code.
        if let error = members?.errorCode, !redaction.isIn(error) {
            // Whichever of the two is believed, the other may be true: the tokens are not thrown away for good, and not
            // stored on the word of an answer that calls itself an error.
            if isSuccess, members?.has("access_token") == true {
                return .lost("\(place) answered with both a token and the error \(error)")
            }
            let body = TokenErrorResponse(
                error: error,
                description: members?.text("error_description").flatMap(redaction.shown),
                status: response.status
            )
            return refusal(body, response)
        }
        if isSuccess {
            guard let members else {
                return .lost("\(place) answered \(response.status), with no JSON\(hint(response))")
            }
            return granted(members, response)
        }
        switch response.status {
        case 429: return .busy("\(place) answered 429: too many requests", retryAfter: retryAfter(response))
        case 408, 500..., ..<400: return .lost("\(place) answered \(response.status)")
        default: return .unclear("\(place) answered \(response.status) without an OAuth error")
        }
    }

    private var place: String { endpoint.withoutQuery }

    // MARK: - Refusals

    private func refusal(_ error: TokenErrorResponse, _ response: HTTPResponse) -> TokenEndpointAnswer {
        let sentence = "\(place) answered \(error.status), \(error.sentence)"
        switch error.error {
        case "temporarily_unavailable", "server_error":
            return .busy(sentence, retryAfter: retryAfter(response))
        case _ where error.status >= 500:
            return .lost(sentence)
        // GitHub's own word for it, with 200 ("Refreshing user access tokens").
        case "invalid_grant", "bad_refresh_token":
            return .invalidGrant(error)
        // The last is GitHub's, with 200.
        case "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_target",
            "incorrect_client_credentials":
            return .misconfigured(error)
        case "invalid_request":
            return .unclear(sentence)
        // RFC 8628 §3.5 and RFC 9449 §8: answers that a flow acts upon, whatever the status.
        case "authorization_pending", "slow_down", "access_denied", "expired_token", "use_dpop_nonce":
            return .refused(error)
        default:
            return error.status == 429 ? .busy(sentence, retryAfter: retryAfter(response)) : .refused(error)
        }
    }

    /// RFC 9110 §10.2.3: seconds or a date, here an hour at most: a server may ask for patience, not for a year.
    private func retryAfter(_ response: HTTPResponse) -> Duration? {
        guard let value = response.values(of: "Retry-After").first?.trimmingSpaces, !value.isEmpty else { return nil }
        let longest: Int64 = 3600
        if value.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) {
            return .seconds(min(Int64(value) ?? longest, longest))
        }
        guard let date = Timestamp(httpDate: value) else { return nil }
        return .seconds(min(max(date.seconds - now.seconds, 0), longest))
    }

    /// What a body that is no JSON probably is.
    private func hint(_ response: HTTPResponse) -> String {
        if let coding = response.values(of: "Content-Encoding").first, coding.lowercased() != "identity" {
            return " (it is compressed, which was not asked for)"
        }
        let type = response.values(of: "Content-Type").first?.lowercased() ?? ""
        return type.contains("html") ? " but a web page (a login page of the network?)" : " that can be read"
    }

    // MARK: - Grants

    private func granted(_ members: AnswerMembers, _ response: HTTPResponse) -> TokenEndpointAnswer {
        // A form whose end nothing marks may be the beginning of one: its last token would be cut and look whole. JSON
        // has its closing bracket.
        if members.isForm, !response.isDelimited {
            return .lost("\(place) answered with a form whose end cannot be told")
        }
        do throws(VaultError) {
            guard let access = try members.token("access_token") else {
                return .lost("\(place) answered \(response.status) without an access token")
            }
            var grant = TokenGrant(
                accessToken: access,
                tokenType: tokenType(members.text("token_type")),
                lifetime: lifetime(members),
                requestedAt: requestedAt
            )
            grant.refreshToken = try members.token("refresh_token")
            // Without it the grant is as good; with one that long it could not be stored.
            grant.idToken = (try? members.token("id_token")).flatMap {
                $0.count <= Self.maximumIDTokenBytes ? $0 : nil
            }
            grant.scopes = scopes(members)
            return .granted(grant)
        } catch {
            return .lost("\(place) answered \(response.status) with a token that is none: \(error.message)")
        }
    }

    /// RFC 6749 §5.1: "Value is case insensitive." Slack and others leave it out; then it is what everybody means.
    private func tokenType(_ text: String?) -> String {
        switch text?.lowercased() {
        case nil, "bearer": "Bearer"
        case "dpop": "DPoP"
        default: redaction.shown(text ?? "")?.filter(\.isASCII).prefix(32).description ?? "unknown"
        }
    }

    private func scopes(_ members: AnswerMembers) -> [String]? {
        var bytes = 0
        let scopes = members.words("scope").prefix(Self.maximumScopes).prefix { scope in
            bytes += scope.utf8.count
            return bytes <= Self.maximumScopeBytes
        }
        // A scope that repeats a secret would be shown by every list.
        let sound = scopes.filter { !redaction.isIn($0) }
        return sound.isEmpty ? nil : sound
    }

    /// What `expires_in` says.
    ///
    /// RFC 6749 §5.1: `expires_in` is a number of seconds. PayPal sends a string.
    private func lifetime(_ members: AnswerMembers) -> TokenGrant.Lifetime {
        guard let text = members.number("expires_in") else { return .unknown }
        // Cut to whole seconds; what no calendar holds is as good as the longest that it does.
        guard let time = DecimalTime.instant(text, .seconds) else {
            let isSmall = text.hasPrefix("-") || DecimalTime.isZero(text) || text.lowercased().contains("e-")
            return .seconds(isSmall ? 0 : TokenGrant.longestLifetime)
        }
        return .seconds(min(max(time.seconds, 0), TokenGrant.longestLifetime))
    }
}

extension TokenGrant {
    /// A hundred years, in seconds: no expiry that is reckoned with it leaves the calendar.
    package static let longestLifetime: Int64 = 3_155_760_000
}

extension String {
    /// Without the spaces at either end.
    var trimmingSpaces: String {
        var text = Substring(self)
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
