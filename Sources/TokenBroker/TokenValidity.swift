internal import VaultAPI
internal import VaultCore

/// Whether a token may be handed out without asking the server.
struct TokenValidity {
    /// Within it of the expiry a token counts as expired, so that it does not expire on its way.
    static let longestMargin: Int64 = 60
    /// Seconds by which two clocks that are right may differ.
    static let clockDifference: Int64 = 5

    let summary: EntrySummary
    let now: Timestamp

    /// How long before its expiry a token counts as expired: "min(60 s, 10 % of the lifetime)".
    var margin: Int64 { min(Self.longestMargin, (lifetime ?? 600) / 10) }

    /// Seconds from issue to expiry, where both are known.
    private var lifetime: Int64? {
        guard case .known(let end) = summary.expiry, let issued = summary.issuedAt else { return nil }
        return max(0, end.seconds - issued.seconds)
    }

    /// Seconds left; `nil` where the expiry is unknown, or there is none.
    var remaining: Int64? {
        guard case .known(let end) = summary.expiry else { return nil }
        return end.seconds - now.seconds
    }

    /// Whether the clock cannot be trusted: it reads earlier than the token was issued.
    var clockIsBehind: Bool {
        guard let issued = summary.issuedAt else { return false }
        return now.seconds < issued.seconds - Self.clockDifference
    }

    /// Whether the token has not expired, margin aside.
    var isAlive: Bool {
        guard summary.holds.contains(.accessToken) else { return false }
        guard let remaining, !clockIsBehind else { return true }
        return remaining > 0
    }

    /// How much validity can be asked for at all: the lifetime less the margin.
    func required(_ need: TokenNeed) -> Int64 {
        guard let lifetime else { return max(margin, need.minimumValidity) }
        return max(margin, min(need.minimumValidity, lifetime - margin))
    }

    /// Whether the token is what the caller needs.
    ///
    /// - Parameter fingerprint: The access token's.
    func satisfies(_ need: TokenNeed, fingerprint: TokenFingerprint?) -> Bool {
        guard let fingerprint, fingerprint != need.rejected else { return false }
        // Nothing the server gives can be fresher than what it gave after the caller asked: this is what makes all who
        // ask at once content with one refresh, also where the server grants less validity than they want.
        if let refreshed = summary.refreshedAt, need.isAnswered(by: refreshed, now: now),
            isAlive || hadExpired(by: refreshed)
        {
            return true
        }
        guard !need.requiresRefresh else { return false }
        guard let remaining, !clockIsBehind else { return true }
        return remaining > 0 && remaining >= required(need)
    }

    /// Whether the token had run out when it came, so that another would be no better.
    private func hadExpired(by time: Timestamp) -> Bool {
        guard case .known(let end) = summary.expiry else { return false }
        return end.seconds <= time.seconds
    }

    /// What to tell a caller who asked for more than there is.
    func shortfall(_ need: TokenNeed) -> String? {
        guard need.minimumValidity > 0, let remaining, remaining < need.minimumValidity else { return nil }
        return "\(summary.name) is valid for \(max(0, remaining)) s more, less than was asked for"
    }
}
