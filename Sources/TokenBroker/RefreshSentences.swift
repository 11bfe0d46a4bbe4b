package import VaultAPI
internal import VaultCore

/// Why only a person can help, and the command that does.
package enum LoginNeeded {
    /// The state's reason when the server had spent the token and its answer never arrived.
    static let rotationResponseLost = "rotationResponseLost"

    package static func error(_ summary: EntrySummary, because reason: String) -> VaultError {
        VaultError(.loginRequired, "\(summary.name) needs a new login: \(reason)", hint: hint(summary))
    }

    /// The command that logs in again.
    static func hint(_ summary: EntrySummary) -> String {
        // The entry keeps its provider, which need not be a preset: an import names those of other programs.
        "vault login \(summary.name.name)"
    }

    static func sentence(_ word: String) -> String {
        switch word {
        case rotationResponseLost:
            "the server gave out a new refresh token and its answer was lost on the way, so that the old one is spent"
        case "invalid_grant": "the server says that the grant has ended (invalid_grant)"
        default: "the server says \(word)"
        }
    }

    static func nothingToRenew(_ summary: EntrySummary, _ now: Timestamp) -> String {
        guard summary.holds.contains(.accessToken) else { return "it holds no access token" }
        if case .known(let end) = summary.expiry, end <= now {
            return "its access token expired at \(end), and it holds no refresh token"
        }
        return "it holds no refresh token"
    }

    /// Another machine refreshes it, and there is no lock that both could take.
    static func elsewhere(_ summary: EntrySummary, _ now: Timestamp) -> VaultError {
        var expired = ""
        if case .known(let end) = summary.expiry, end <= now { expired = "its access token expired at \(end), and " }
        let (owner, remedy) =
            summary.refresher == nil
            ? ("no machine is named that refreshes it", "make it this one")
            : (
                "another machine refreshes it, and two that do log each other out",
                "ask for it there and let the directory synchronise, or make it this one"
            )
        return VaultError(
            .loginRequired,
            "\(summary.name): \(expired)\(owner)",
            hint: "\(remedy): vault adopt \(summary.name.name)"
        )
    }

    /// A sync tool has left two versions of it, and one of their refresh tokens may be spent.
    package static func conflict(_ summary: EntrySummary) -> VaultError {
        VaultError(
            .loginRequired,
            "\(summary.name): two versions of it were left by whatever synchronises the vault, and it is not refreshed "
                + "before one of them is chosen",
            hint: "vault store conflicts shows them, and vault store resolve \(summary.name) --latest takes the "
                + "one issued later"
        )
    }

    static func owned(_ summary: EntrySummary) -> VaultError {
        let path = summary.source?.path ?? "another file"
        return VaultError(
            .loginRequired,
            "\(summary.name) has run out, and the program that owns \(path) has not refreshed it; "
                + "two owners of one refresh token log each other out, so the vault does not",
            hint: "use that program once, or hand the grant over: vault adopt \(summary.name.name)"
        )
    }
}

/// What a failed refresh is for its caller.
enum RefreshFailures {
    static func error(_ summary: EntrySummary, _ failure: RefreshFailure, now: Timestamp) -> VaultError {
        let name = summary.name
        let wait = max(0, failure.retryAt.seconds - now.seconds)
        let later = "ask again in \(max(1, wait)) s; vault token \(name.name) --refresh does not wait"
        switch failure.kind {
        case .unsent:
            return VaultError(.temporary, "\(name) could not be refreshed: \(failure.reason)", hint: later)
        case .lost:
            return VaultError(
                .temporary,
                "\(name) could not be refreshed, and the answer may have been lost: \(failure.reason)",
                hint: later
            )
        case .busy:
            return VaultError(.temporary, "\(name): the server asks to come back later: \(failure.reason)", hint: later)
        case .misconfigured:
            return VaultError(
                .configuration,
                "\(name): the server rejects the request as it is configured: \(failure.reason)",
                hint: "vault show \(name.name) shows the client and the scope; vault login \(name.name) sets them anew"
            )
        case .unclear where summary.state == .suspect:
            return LoginNeeded.error(
                summary,
                because: "the server refused \(failure.unclear) times without a clear reason: \(failure.reason)"
            )
        case .unclear:
            return VaultError(
                .temporary,
                "\(name): the server refused without a clear reason: \(failure.reason)",
                hint: later
            )
        case .dead: return LoginNeeded.error(summary, because: failure.reason)
        }
    }
}

extension EntrySummary {
    /// Refuses a token of a type that nobody here can present.
    ///
    /// It was stored all the same: the refresh token that came with it may be the only one that is good.
    func requirePresentable() throws(VaultError) {
        guard !isPresentable else { return }
        let tokenType = tokenType ?? "Bearer"
        guard !holds.contains(.dpopKey) else {
            throw VaultError(
                .configuration,
                "\(name) is bound to a key, and the server gave a token of the type \(tokenType), which whoever "
                    + "steals it can use",
                hint: "vault token \(name.name) --refresh asks again; vault login \(name.name) --no-dpop unbinds it"
            )
        }
        throw VaultError(
            .configuration,
            "\(name) is a token of the type \(tokenType), which is neither Bearer nor DPoP",
            hint: "vault show \(name.name) --reveal shows it; vault login \(name.name) asks for another"
        )
    }

    /// Whether its token is of a type that goes with the entry.
    var isPresentable: Bool {
        // RFC 9449 §5: a client that sent a proof and got no DPoP token "MUST discard the response".
        if holds.contains(.dpopKey) { return tokenType?.lowercased() == "dpop" }
        // `N_A` is RFC 8693 §2.2.1's word for a token that is no access token, such as an API key.
        let known: Set = ["bearer", "dpop", "n_a"]
        return tokenType.map { known.contains($0.lowercased()) } ?? true
    }

    /// Whether its access token is given out at all while it is valid.
    var isHandedOut: Bool {
        if case .reauthorizationRequired = state { return false }
        return true
    }
}

extension FreshToken {
    /// The entry's token as it is, if it is what the caller needs.
    init?(_ entry: borrowing OpenedEntry, for need: TokenNeed, now: Timestamp) throws(VaultError) {
        let validity = TokenValidity(summary: entry.summary, now: now)
        guard entry.summary.isHandedOut,
            validity.satisfies(need, fingerprint: entry.secrets.fingerprint(.accessToken)),
            let value = try entry.secrets.shared(.accessToken)
        else { return nil }
        try entry.summary.requirePresentable()
        self.init(value: value, summary: entry.summary, notes: validity.shortfall(need).map { [$0] } ?? [])
    }

    /// The token there is, if it is valid still and nobody refused it: what a caller gets where refreshing failed.
    ///
    /// - Parameter note: What the caller is told beside it; the error by default.
    init?(
        old entry: borrowing OpenedEntry,
        for need: TokenNeed,
        now: Timestamp,
        because error: VaultError,
        note: String? = nil
    ) throws(VaultError) {
        guard !need.requiresRefresh, TokenValidity(summary: entry.summary, now: now).isAlive,
            entry.summary.isHandedOut, entry.summary.isPresentable,
            entry.secrets.fingerprint(.accessToken) != need.rejected,
            let value = try entry.secrets.shared(.accessToken)
        else { return nil }
        let note = note ?? "\(error.message); the token that is here is still valid"
        self.init(value: value, summary: entry.summary, notes: [note])
    }
}
